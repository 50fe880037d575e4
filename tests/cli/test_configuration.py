"""`secvault config` and `secvault db`: what is set, whether it can work, and the schema."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.program import Program

POLICIES = Path(__file__).parents[2] / "policies"


def test_every_setting_is_shown_with_where_it_comes_from(secvault: Program) -> None:
    file = secvault.folder / "mine.toml"
    file.write_text('[server]\nport = 8300\n[store]\nurl = "sqlite:////tmp/secret-place.db"\n')
    said = secvault.with_(SECVAULT_SERVER__WORKERS="2").ok(
        "--config", str(file), "config", "show", "--json"
    )
    rows = {one["setting"]: (one["value"], one["origin"]) for one in said.json["settings"]}
    assert rows["server.port"] == ("8300", str(file))
    assert rows["server.workers"] == ("2", "SECVAULT_SERVER__WORKERS")
    assert rows["server.address"] == ("127.0.0.1", "default")
    assert rows["store.url"] == ("***", str(file))
    assert "secret-place" not in said.out
    assert "server.port" in secvault.ok("config", "show").out


def test_a_valid_configuration_is_said_so_and_no_vault_is_needed(secvault: Program) -> None:
    said = secvault.ok("config", "check", "--json").json
    assert said["valid"] is True
    assert said["collections"] > 10
    assert "next backup" in said["plan nightly"]
    assert not secvault.data.exists()


def test_a_matcher_of_ones_own_is_answered_by_casbin_and_the_check_says_so(
    secvault: Program,
) -> None:
    folder = secvault.folder / "policies"
    shutil.copytree(POLICIES, folder)
    assert secvault.ok("config", "check", "--json").json["access"] == "table"
    model = folder / "model.conf"
    changed = model.read_text().replace('(p.act == "*" || r.act == p.act)', "r.act == p.act")
    model.write_text(changed)
    mine = secvault.with_(SECVAULT_POLICIES=str(folder))
    said = mine("config", "check")
    assert said.code == 0
    assert "Casbin answers, many times slower" in said.err
    assert mine.ok("config", "check", "--json").json["access"] == "casbin"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[server]\nprot = 8300\n", "server.prot"),
        ("[server]\nport = 0\n", "server.port"),
        ("port = = 1\n", "not TOML"),
        ('[backup.plans.x]\nschedule = "every day"\n', "backup.plans.x.schedule"),
        ('[backup.plans.x]\nrepository = "nowhere"\n', "plans.x.repository"),
        (
            '[backup.repositories.r]\nlocation = "ftp://x"\n[backup.plans.x]\nrepository = "r"\n',
            "backup.repositories.r.location",
        ),
        ('policies = "/nonexistent"\n', "/nonexistent"),
    ],
)
def test_a_wrong_configuration_names_file_or_key_and_ends_with_2(
    secvault: Program, content: str, named: str
) -> None:
    file = secvault.folder / "mine.toml"
    file.write_text(content)
    said = secvault.with_(SECVAULT_CONFIG=str(file))("config", "check")
    assert said.code == 2
    assert named in said.err
    assert said.out == ""


def test_a_misspelt_variable_is_refused_by_every_command(secvault: Program) -> None:
    said = secvault.with_(SECVAULT_SERVER__PROT="1")("people", "list")
    assert said.code == 2
    assert "SECVAULT_SERVER__PROT" in said.err


@pytest.mark.parametrize(
    "command",
    ["people list", "backup run", "audit verify", "db status", "db upgrade", "keys list"],
)
def test_without_a_vault_commands_end_with_4_and_say_how_to_make_one(
    secvault: Program, command: str
) -> None:
    said = secvault(*command.split())
    assert said.code == 4
    assert "secvault init" in said.err
    assert not secvault.data.exists()


def test_without_its_seal_key_the_vault_is_sealed(vault: Program) -> None:
    Path(f"{vault.data}.key").rename(vault.folder / "elsewhere")
    said = vault("people", "list")
    assert said.code == 4
    assert "sealed" in said.err


def test_the_schema_of_a_new_vault_is_current(vault: Program) -> None:
    state = vault.ok("db", "status", "--json").json
    assert state["current"] is True
    assert state["schema"] == state["program"]
    changed = vault.ok("db", "upgrade", "--json").json
    assert changed["changed"] is False


def test_a_store_of_a_newer_program_is_refused_with_4(vault: Program) -> None:
    with closing(sqlite3.connect(vault.data / "secvault.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (("people", "list"), ("db", "status"), ("db", "upgrade")):
        said = vault(*command)
        assert said.code == 4
        assert "newer program" in said.err
