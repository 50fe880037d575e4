"""The settings: the example file, what overrides what, and what is refused with which words."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from secvault.config import (
    HookSettings,
    PlanSettings,
    RepositorySettings,
    Settings,
    config_file,
    load,
    named_tables,
    setting_keys,
    settings_with_origin,
    shipped_policies,
)
from secvault.config.backup_sources import CommandSource, PostgresqlSource, SourceSettings
from secvault.config.keys import general
from secvault.config.model import IdentitySettings
from secvault.config.publications import PublicationSettings
from secvault.config.streams import StreamSettings
from secvault.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
CANARY = "cAnary-7c1f9e-value"


def toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secvault.toml"


def refused(file: Path | None, environment: dict[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(file, environment)
    return caught.value


def refusal_if_any(file: Path | None, environment: dict[str, str]) -> ConfigurationError | None:
    try:
        load(file, environment)
    except ConfigurationError as error:
        return error
    return None


def with_commented_lines() -> str:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return "\n".join(
        line.removeprefix("# ") if re.match(r"# ([a-z_]+ = |\[[a-z._-]+\]$)", line) else line
        for line in lines
    )


def stated(text: str) -> dict[str, object]:
    """Dotted key to value, the user's own names as <name>."""
    found: dict[str, object] = {}

    def walk(table: dict[str, Any], path: tuple[str, ...]) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                walk(value, (*path, name))
            else:
                found[general((*path, name))] = value

    walk(tomllib.loads(text), ())
    return found


def default_of(key: str) -> object:
    for table, model in named_tables().items():
        if key.startswith(f"{table}.<name>.") and key.count("<name>") == 1:
            *above, name = key.removeprefix(f"{table}.<name>.").split(".")
            inner = model
            for part in above:
                # A table in a table, whose default has all of its own.
                inner = type(inner.model_fields[part].default)
            return inner.model_fields[name].default
    value: Any = Settings.model_construct()
    for part in key.split("."):
        value = getattr(value, part)
    return value


def as_in_toml(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


# What the example has to make up: these have no default.
MADE_UP = {
    "audit.witnesses.<name>.url",
    "audit.witnesses.<name>.vkey",
    "backup.repositories.<name>.location",
    "conditions.networks.<name>.blocks",
    "identity.oidc.<name>.issuer",
    "identity.oidc.<name>.client_id",
    "identity.scim.<name>.account",
}


def test_the_example_names_every_setting_and_nothing_else() -> None:
    assert set(stated(with_commented_lines())) == set(setting_keys())


def test_the_example_states_each_default_as_it_is() -> None:
    active = stated(EXAMPLE.read_text("utf-8"))
    wrong = {
        key: value
        for key, value in active.items()
        if key not in MADE_UP and value != as_in_toml(default_of(key))
    }
    assert not wrong


def test_a_setting_stands_in_a_comment_only_where_its_default_is_to_be_left_out() -> None:
    commented = set(stated(with_commented_lines())) - set(stated(EXAMPLE.read_text("utf-8")))
    # Sources and hooks are somebody's own: a copy of the example that runs must not have them.
    own = {
        key
        for key in setting_keys()
        if key.count("<name>") > 1 or key.startswith("backup.restore_into.")
    }
    assert commented == own | {key for key in set(setting_keys()) - own if default_of(key) is None}


SOURCES: list[type[BaseModel]] = [
    get_args(kind)[0] for kind in get_args(get_args(SourceSettings)[0])
]
NESTED: dict[str, type[BaseModel]] = {
    **{f"sources.{model.model_fields['kind'].default}": model for model in SOURCES},
    "hooks": HookSettings,
}
NEEDED = {
    "sources.folders": {"paths"},
    "sources.sqlite": {"files"},
    "sources.command": {"command"},
    "sources.bucket": {"location"},
    "hooks": {"when", "command"},
}


@pytest.mark.parametrize("named", NESTED)
def test_the_example_has_each_kind_of_source_and_a_hook_with_their_defaults(named: str) -> None:
    plan = tomllib.loads(with_commented_lines())["backup"]["plans"]["nightly"]
    table, _, kind = named.partition(".")
    (found,) = [one for one in plan[table].values() if one.get("kind", "") == kind]
    fields = NESTED[named].model_fields
    assert set(found) == set(fields)
    wrong = {
        name: value
        for name, value in found.items()
        if name not in NEEDED.get(named, set())
        and fields[name].default is not None
        and value != as_in_toml(fields[name].default)
    }
    assert not wrong


def test_the_example_is_valid_as_it_is() -> None:
    values, defaults = load(EXAMPLE, {}).model_dump(), Settings().model_dump()
    assert set(values["backup"].pop("repositories")) == {"offsite"}
    assert defaults["backup"].pop("repositories") == {}
    assert set(values["notifications"].pop("channels")) == {"security"}
    assert defaults["notifications"].pop("channels") == {}
    assert set(values["audit"].pop("streams")) == {"siem"}
    assert defaults["audit"].pop("streams") == {}
    assert set(values["conditions"].pop("networks")) == {"office"}
    assert defaults["conditions"].pop("networks") == {}
    assert set(values["reviews"].pop("campaigns")) == {"quarterly"}
    assert defaults["reviews"].pop("campaigns") == {}
    assert set(values["audit"].pop("publications")) == {"offsite"}
    assert defaults["audit"].pop("publications") == {}
    assert set(values["audit"].pop("witnesses")) == {"branch"}
    assert defaults["audit"].pop("witnesses") == {}
    for kind in ("oidc", "scim"):
        assert set(values["identity"].pop(kind)) == {"corp"}
        assert defaults["identity"].pop(kind) == {}
    assert values == defaults


def test_the_example_is_valid_with_every_commented_line_too(file: Path) -> None:
    file.write_text(with_commented_lines(), "utf-8")
    loaded = load(file, {})
    assert loaded.server.tls_key == Path("/etc/secvault/tls.key")
    assert loaded.store.url_file == Path("/run/secrets/store-url")


def test_without_a_file_and_variables_everything_has_its_default() -> None:
    loaded = load(None, {"PATH": "/bin", "HOME": "/root"})
    assert loaded.model_dump() == Settings().model_dump()
    assert Settings().backup.plans == {"nightly": PlanSettings()}


def test_a_variable_goes_before_the_file_and_the_file_before_the_default(file: Path) -> None:
    file.write_text("[server]\nport = 8300\nworkers = 2\n")
    loaded = load(file, {"SECVAULT_SERVER__PORT": "8400"})
    assert (loaded.server.port, loaded.server.workers) == (8400, 2)
    assert loaded.server.max_body_bytes == 32 * 1024 * 1024


def test_variables_reach_into_tables_with_names_of_the_users_own(file: Path) -> None:
    file.write_text('[backup.plans.weekly]\nschedule = "0 3 * * 1"\nkeep_last = 7\n')
    loaded = load(
        file,
        {
            "SECVAULT_BACKUP__PLANS__WEEKLY__KEEP_LAST": "9",
            "SECVAULT_BACKUP__PLANS__WEEKLY__FOLDERS": '["/srv/files", "/home"]',
            "SECVAULT_BACKUP__REPOSITORIES__OFF_SITE__LOCATION": "/mnt/off",
            "SECVAULT_BACKUP__REPOSITORIES__OFF_SITE__SECRET_ACCESS_KEY": "1234567890",
        },
    )
    weekly = loaded.backup.plans["weekly"]
    assert (weekly.schedule, weekly.keep_last) == ("0 3 * * 1", 9)
    assert weekly.folders == (Path("/srv/files"), Path("/home"))
    secret = loaded.repository("off_site").secret_access_key
    assert secret.get_secret_value() == "1234567890"


def test_variables_reach_into_the_sources_and_hooks_of_a_plan(file: Path) -> None:
    file.write_text('[backup.plans.weekly.sources.erp]\nkind = "postgresql"\nhost = "db"\n')
    plan = "SECVAULT_BACKUP__PLANS__WEEKLY__"
    loaded = load(
        file,
        {
            f"{plan}SOURCES__ERP__PASSWORD": CANARY,
            f"{plan}SOURCES__ERP__DATABASES": '["erp"]',
            f"{plan}HOOKS__STOP__WHEN": "before",
            f"{plan}HOOKS__STOP__COMMAND": '["/usr/bin/systemctl", "stop", "erp"]',
        },
    )
    weekly = loaded.backup.plans["weekly"]
    source = weekly.sources["erp"]
    assert isinstance(source, PostgresqlSource)
    assert (source.host, source.databases) == ("db", ("erp",))
    assert source.password.get_secret_value() == CANARY
    assert weekly.hooks["stop"].command == ("/usr/bin/systemctl", "stop", "erp")
    shown = [value for _, value, _ in settings_with_origin(loaded, file, {})]
    assert CANARY not in repr(shown)


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECVAULT_SERVER__PORT", "9999")
    monkeypatch.setenv("SERVER", '{"port": 9999}')
    monkeypatch.setenv("data", "elsewhere")
    assert Settings() == Settings(data=Path("data"))
    assert load(None, {}).server.port == 8200


def test_the_configuration_file_is_the_one_given_or_that_of_the_variable() -> None:
    named = {"SECVAULT_CONFIG": "/etc/secvault.toml"}
    assert config_file(Path("/given.toml"), named) == Path("/given.toml")
    assert config_file(None, named) == Path("/etc/secvault.toml")
    assert config_file(None, {}) is None


def test_each_value_is_shown_with_where_it_came_from_and_no_secret(file: Path) -> None:
    file.write_text(
        f'[store]\nurl = "postgresql://u:{CANARY}@h/db"\n[server]\nport = 8300\nworkers = 2\n'
        '[backup.plans.nightly]\nexcludes = ["*.tmp"]\n'
    )
    variables = {"SECVAULT_SERVER__PORT": "8400", "SECVAULT_BACKUP__PLANS__NIGHTLY__MISSED": "all"}
    shown = {
        key: (value, origin)
        for key, value, origin in settings_with_origin(load(file, variables), file, variables)
    }
    assert shown["server.port"] == ("8400", "SECVAULT_SERVER__PORT")
    assert shown["server.workers"] == ("2", str(file))
    assert shown["server.behind_proxy"] == ("false", "default")
    assert shown["store.url"] == ("***", str(file))
    assert shown["seal.key_file"] == ("", "default")
    assert shown["backup.plans.nightly.excludes"] == ('["*.tmp"]', str(file))
    assert shown["backup.plans.nightly.missed"] == (
        "all",
        "SECVAULT_BACKUP__PLANS__NIGHTLY__MISSED",
    )
    assert CANARY not in repr(shown)


def test_an_unknown_key_of_the_file_is_refused_with_its_neighbour(file: Path) -> None:
    file.write_text("[server]\nprot = 8300\n")
    error = refused(file, {})
    assert error.fields[0].field == "server.prot"
    assert str(error) == f"{file}: server.prot: no such setting; did you mean port?"
    assert error.exit_code == 2


def test_an_unknown_table_is_refused(file: Path) -> None:
    file.write_text("[bakcup]\nrestic = 'restic'\n")
    assert "bakcup: no such setting; did you mean backup?" in str(refused(file, {}))


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("SECVAULT_SERVER__PROT", "did you mean SECVAULT_SERVER__PORT?"),
        ("SECVAULT_TOKN", "did you mean SECVAULT_TOKEN?"),
        ("SECVAULT_ZZZZZZZZ", "see config.example.toml"),
        ("SECVAULT_SERVER", "no such setting"),
        ("SECVAULT_BACKUP__PLANS", "no such setting"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY", "no such setting"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__A__SCHEDULE", "no such setting"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__SOURCES__ERP", "no such setting"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__SOURCES__ERP__HOSTS", "no such setting"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__HOOKS", "no such setting"),
        ("SECVAULT_server__port", "did you mean SECVAULT_SERVER__PORT?"),
    ],
)
def test_an_unknown_variable_is_refused_by_its_name(variable: str, words: str) -> None:
    error = refused(None, {variable: CANARY})
    assert error.fields[0].field == variable
    assert words in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[server]\nport = "many"', "server.port", "valid integer"),
        ("[server]\nport = 0", "server.port", "greater than or equal to 1"),
        ("[server]\nport = true", "server.port", "not true or false"),
        ("[audit]\nwait_seconds = true", "audit.wait_seconds", "not true or false"),
        ("[audit]\nwait_seconds = nan", "audit.wait_seconds", "should be"),
        ("[audit]\nwait_seconds = inf", "audit.wait_seconds", "less than or equal to 60"),
        ("[server]\naddress = 1", "server.address", "valid string"),
        ("server = 1", "server", "valid dictionary"),
        ("data = 1", "data", "path"),
        ('data = ""', "data", "not a path"),
        ('data = "a\\u0000b"', "data", "not a path"),
        ('data = "~nobody-of-that-name/x"', "data", "no such home folder"),
        ('data = "/"', "", "give the folder by its name"),
        ('data = "a/.."', "", "give the folder by its name"),
        ('organisation = "My Company"', "organisation", "pattern"),
        ('[seal]\nkind = "paper"', "seal.kind", "Input should be 'file', 'passphrase'"),
        (
            '[backup.plans.nightly]\ntime_zone = "Saigon"',
            "backup.plans.nightly.time_zone",
            "write for instance Asia/Ho_Chi_Minh",
        ),
        (
            '[backup.plans.nightly]\ntime_zone = "../../etc/passwd"',
            "backup.plans.nightly.time_zone",
            "not a time zone",
        ),
        ("[backup.plans.nightly]\nkeep_last = 0", "backup.plans.nightly.keep_last", "equal to 1"),
        ('[backup.plans."../x"]\nkeep_last = 1', "backup.plans.../x", "name it with a-z"),
        (
            '[backup.plans.nightly]\nwindows = ["22:00-22:00"]',
            "backup.plans.nightly.windows.0",
            "ends when it begins",
        ),
        ('[backup.plans.nightly]\nwindows = ["24:00-25:00"]', "backup.plans.nightly.windows.0", ""),
        ('[backup.plans.nightly]\nkeep_within = "2w"', "backup.plans.nightly.keep_within", ""),
        ("[backup.plans.nightly]\nvault = false", "backup.plans.nightly", "no sources to save"),
        ('[backup.plans.nightly]\ncopies = ["off"]', "backup", "plans.nightly.copies"),
        (
            '[backup.plans.nightly]\ncopies = ["local"]',
            "backup.plans.nightly",
            "names a repository twice",
        ),
        (
            "[backup.plans.nightly.sources.erp]\nhost = 'db'",
            "backup.plans.nightly.sources.erp",
            "kind must be one of folders, postgresql, mariadb, sqlite, command, bucket",
        ),
        (
            '[backup.plans.nightly.sources.erp]\nkind = "postgresql"\nhots = "db"',
            "backup.plans.nightly.sources.erp.hots",
            "did you mean host?",
        ),
        (
            '[backup.plans.nightly.sources.erp]\nkind = "postgresql"\nport = 70000',
            "backup.plans.nightly.sources.erp.port",
            "less than or equal to 65535",
        ),
        (
            '[backup.plans.nightly.sources.c]\nkind = "command"\ncommand = []',
            "backup.plans.nightly.sources.c.command",
            "at least 1",
        ),
        (
            '[backup.plans.nightly.sources."../x"]\nkind = "sqlite"\nfiles = ["/a"]',
            "backup.plans.nightly.sources.../x",
            "name it with a-z",
        ),
        (
            '[backup.plans.nightly.hooks.h]\nwhen = "never"\ncommand = ["/bin/true"]',
            "backup.plans.nightly.hooks.h.when",
            "Input should be 'before'",
        ),
        ("[backup.repositories.off]\nregion = 'x'", "backup.repositories.off.location", "required"),
        (
            '[backup.repositories.off]\nlocation = "s3:https://a:b@host/bucket"',
            "backup.repositories.off.location",
            "keys have no place here",
        ),
        ('[backup.plans.nightly]\nrepository = "off"', "backup", "plans.nightly.repository"),
        ('[store]\nurl = "sqlite:////a"\nurl_file = "/b"', "store", "set one of them"),
        (
            '[backup.repositories.o]\nlocation="/a"\nsecret_access_key="s"\nsecret_access_key_file="/b"',
            "backup.repositories.o",
            "set one of them",
        ),
        ('[server]\ntls_key = "/k.pem"', "server", "set both or none"),
        ('[server]\naddress = "0.0.0.0"', "server", "needs tls_certificate and tls_key"),
    ],
)
def test_a_wrong_setting_is_refused_with_file_key_and_mend(
    file: Path, text: str, key: str, words: str
) -> None:
    file.write_text(text, "utf-8")
    error = refused(file, {})
    assert [fault.field for fault in error.fields] == [key]
    assert str(error).startswith(f"{file}: {key}")
    assert words in str(error)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SECVAULT_SERVER__PORT", "many", "valid integer"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS", "/srv", "write a JSON list"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS", "[" * 100_000, "write a JSON list"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS", "[1]", "path"),
        ("SECVAULT_BACKUP__PLANS__NIGHTLY__TIME_ZONE", "", "not a time zone"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    file: Path, variable: str, value: str, words: str
) -> None:
    file.write_text("")
    error = refused(file, {variable: value})
    assert len(error.fields) == 1
    assert str(error).startswith(variable)
    assert words in str(error)


def test_all_faults_are_told_at_once(file: Path) -> None:
    file.write_text("[server]\nport = 0\nworkers = 'x'\n[audit]\nnope = 1\n")
    assert {fault.field for fault in refused(file, {}).fields} == {
        "server.port",
        "server.workers",
        "audit.nope",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"port = \n", "is not TOML at line 1, column 8"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (b"a = " + b"9" * 10_000, "is not TOML"),
        (b"a = 1\na = 2\n", "is not TOML at line 2, column 6"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    assert str(refused(file, {})).startswith(f"{file} {words}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert str(refused(missing, {})) == f"{missing} cannot be read: No such file or directory"
    assert "Is a directory" in str(refused(tmp_path, {}))


SETTABLE = sorted(key.replace("<name>", "weekly") for key in setting_keys())
VALUES = st.sampled_from(
    [CANARY, [CANARY], {"a": CANARY}, {CANARY: 1}, f"//u:{CANARY}@h", f"/{CANARY}\0", [[CANARY]]]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from([*SETTABLE, "server.nope", "nope"]), VALUES, min_size=1),
    st.booleans(),
)
@example({"store.url": CANARY, "store.url_file": CANARY}, False)
@example({"backup.plans.weekly.repository": CANARY}, False)
def test_no_refusal_shows_a_value(
    tmp_path: Path, planted: dict[str, object], by_variable: bool
) -> None:
    file = tmp_path / "planted.toml"
    environment: dict[str, str] = {}
    lines = []
    for key, value in planted.items():
        if by_variable:
            name = f"SECVAULT_{key.replace('.', '__').upper()}"
            environment[name] = value if isinstance(value, str) else toml(value)
        elif not isinstance(value, dict):
            lines.append(f"{key} = {toml(value)}")
    file.write_text("\n".join(lines), "utf-8")
    error = refusal_if_any(file, environment)
    if error:
        told = [str(error), repr(error), *(f"{one.field} {one.detail}" for one in error.fields)]
        assert not any(CANARY in text for text in told)
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__


@given(st.text(), st.text())
def test_no_refusal_of_broken_toml_shows_what_stands_there(before: str, after: str) -> None:
    text = f'{before}\nkey = "{CANARY}\n{after}'

    class InMemory:
        def read_text(self, _encoding: str) -> str:
            return text

        def __str__(self) -> str:
            return "config.toml"

    error = refused(InMemory(), {})  # type: ignore[arg-type]
    assert CANARY not in str(error)


def test_only_loopback_is_served_without_tls() -> None:
    for address in ("127.0.0.1", "::1", "localhost"):
        assert load(None, {"SECVAULT_SERVER__ADDRESS": address}).server.address == address
    outside = {"SECVAULT_SERVER__ADDRESS": "192.0.2.1"}
    refused(None, outside)
    load(None, {**outside, "SECVAULT_SERVER__BEHIND_PROXY": "true"})
    tls = {"SECVAULT_SERVER__TLS_CERTIFICATE": "/c.pem", "SECVAULT_SERVER__TLS_KEY": "/k.pem"}
    load(None, {**outside, **tls})


def test_the_address_of_the_database_is_taken_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://u@h/db\n")
    loaded = load(None, {"SECVAULT_STORE__URL_FILE": str(secret)})
    assert loaded.store_url == "postgresql://u@h/db"
    for content, words in ((b"", "is empty"), (b"\xff", "not UTF-8"), (None, "No such file")):
        secret.unlink(missing_ok=True)
        if content is not None:
            secret.write_bytes(content)
        with pytest.raises(ConfigurationError, match=f"store.url_file: .*{words}"):
            _ = loaded.store_url


def test_the_database_lies_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    loaded = load(None, {"SECVAULT_DATA": str(tmp_path / "vault")})
    assert loaded.store_url == f"sqlite:///{tmp_path}/vault/secvault.db"
    assert loaded.seal_key_file == tmp_path / "vault.key"
    assert loaded.repository("local").location == f"{tmp_path}/vault-backups"
    other = load(None, {"SECVAULT_STORE__URL": "postgresql://h/db"})
    assert other.store_url == "postgresql://h/db"


def test_a_folder_is_made_absolute_and_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    loaded = load(None, {"SECVAULT_DATA": "~/vault", "SECVAULT_POLICIES": "here"})
    assert loaded.data_folder == Path("/home/someone/vault")
    assert loaded.policy_folder == Path.cwd() / "here"


def test_the_seal_key_may_not_lie_in_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "vault"
    data.mkdir()
    (tmp_path / "way").symlink_to(data)
    for place in (data / "seal.key", data / "deep" / "seal.key", tmp_path / "way" / "seal.key"):
        error = refused(None, {"SECVAULT_DATA": str(data), "SECVAULT_SEAL__KEY_FILE": str(place)})
        assert "seal.key_file: the key lies in the data folder" in str(error)


def test_a_declared_repository_named_local_takes_the_place_of_the_folder(file: Path) -> None:
    file.write_text('[backup.repositories.local]\nlocation = "/mnt/backups"\n')
    loaded = load(file, {})
    assert loaded.repository("local") == RepositorySettings(location="/mnt/backups")
    with pytest.raises(ConfigurationError, match=r"\[backup.repositories.elsewhere\]"):
        loaded.repository("elsewhere")


def test_the_shipped_policies_are_there() -> None:
    assert (shipped_policies() / "model.conf").is_file()
    assert Settings().policy_folder == shipped_policies()


def test_settings_do_not_change_and_do_not_show_secrets() -> None:
    loaded = load(None, {"SECVAULT_STORE__URL": f"postgresql://u:{CANARY}@h/db"})
    assert CANARY not in repr(loaded)
    with pytest.raises(ValueError, match="frozen"):
        loaded.data = Path("/elsewhere")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("said", "origins"),
    [
        ({}, ("http://localhost:8200",)),
        ({"SECVAULT_SERVER__PORT": "8300"}, ("http://localhost:8300",)),
        ({"SECVAULT_IDENTITY__WEBAUTHN__RP_ID": "vault.example"}, ("https://vault.example",)),
        (
            {
                "SECVAULT_IDENTITY__WEBAUTHN__RP_ID": "example.com",
                "SECVAULT_IDENTITY__WEBAUTHN__ORIGINS": '["https://vault.example.com:8443"]',
            },
            ("https://vault.example.com:8443",),
        ),
    ],
)
def test_passkeys_are_asked_for_by_the_service_itself_unless_said(
    said: dict[str, str], origins: tuple[str, ...]
) -> None:
    assert load(None, said).webauthn_origins == origins


@pytest.mark.parametrize(
    "origin",
    [
        "http://vault.example.com",
        "https://example.org",
        "https://notexample.com",
        "https://example.com/",
        "https://example.com:0",
        "https://user@example.com",
        "",
    ],
)
def test_an_origin_that_is_none_or_another_domain_is_refused(origin: str) -> None:
    said = {
        "SECVAULT_IDENTITY__WEBAUTHN__RP_ID": "example.com",
        "SECVAULT_IDENTITY__WEBAUTHN__ORIGINS": json.dumps([origin]),
    }
    with pytest.raises(ConfigurationError, match="origins"):
        load(None, said)


def test_the_log_is_not_published_in_clear_but_to_this_machine_or_by_the_settings_word() -> None:
    place = "s3:http://store.example.com/bucket/log"
    with pytest.raises(ValidationError, match="in clear"):
        PublicationSettings(location=place)
    assert PublicationSettings(location=place, plain=True).location == place
    PublicationSettings(location="s3:http://127.0.0.1:7480/bucket")
    PublicationSettings(location="s3:https://store.example.com/bucket")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("s3:http://store.example.com/bucket/log", "in clear"),
        ("http://hooks.example.com/in", "in clear"),
        ("tls://siem..example.com:6514", "host"),
        (f"https://{'a' * 64}.example.com/in", "host"),
    ],
)
def test_a_stream_goes_nowhere_in_clear_and_to_no_host_that_cannot_be(
    address: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        StreamSettings(address=address, secret_file=Path("/run/secret"))
    assert StreamSettings(address="s3:http://127.0.0.1:9000/bucket").given
    assert StreamSettings(address="s3:http://store.example.com/bucket", plain=True).given


def test_a_list_that_may_be_left_out_is_set_by_a_variable_too() -> None:
    table = "SECVAULT_BACKUP__PLANS__NIGHTLY__SOURCES__ERP"
    given = {"KIND": "command", "COMMAND": '["/bin/cat"]', "RESTORE_COMMAND": '["/bin/dd", "of=x"]'}
    loaded = load(None, {f"{table}__{key}": value for key, value in given.items()})
    source = loaded.backup.plans["nightly"].sources["erp"]
    assert isinstance(source, CommandSource)
    assert source.restore_command == ("/bin/dd", "of=x")


@pytest.mark.parametrize(
    ("memory", "passes", "enough"), [(46, 1, True), (45, 1, False), (19, 2, True)]
)
def test_a_password_costs_at_least_what_the_standard_asks_for(
    memory: int, passes: int, *, enough: bool
) -> None:
    given = {"argon2_memory_mib": memory, "argon2_passes": passes}
    if enough:
        assert IdentitySettings(**given).argon2_passes == passes
    else:
        with pytest.raises(ValidationError, match="at least 46 with one pass"):
            IdentitySettings(**given)
