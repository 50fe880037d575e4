"""The settings: from `SECVAULT_*` variables, a TOML file, and defaults, in that order.

`load` is called once, by the program's entry; everything else is handed the values it needs.
Every setting stands in config.example.toml with its default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from secvault.errors import ConfigurationError, FieldError

PREFIX = "SECVAULT_"

# Variables with the prefix that are no settings: where to look, who asks, and the unattended
# answers of `secvault init`.
OTHER_VARIABLES = frozenset(
    {
        "SECVAULT_CONFIG",
        "SECVAULT_TOKEN",
        "SECVAULT_ADMIN_NAME",
        "SECVAULT_ADMIN_PASSWORD",
        "SECVAULT_ADMIN_TOTP_SEED",
    }
)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(
            "not a time zone of the IANA database; write for instance Asia/Ho_Chi_Minh"
        )
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class Section(BaseModel):
    """A table of the file. Unknown keys are refused; values are never shown in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(Section):
    """Where the service listens."""

    address: str = "127.0.0.1"
    port: int = Field(8200, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=64)
    max_body_bytes: int = Field(8 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False

    @model_validator(mode="after")
    def _safe(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; set both or none")
        loopback = self.address in ("127.0.0.1", "::1", "localhost")
        if not (loopback or self.tls_certificate or self.behind_proxy):
            raise ValueError(
                "an address that others can reach needs tls_certificate and tls_key, or "
                "behind_proxy = true when a proxy in front speaks TLS"
            )
        return self


class StoreSettings(Section):
    """The database."""

    url: SecretStr = SecretStr("")
    url_file: Path | None = None


class SealSettings(Section):
    """What wraps the root key."""

    kind: Literal["file"] = "file"
    key_file: Path | None = None


class IdentitySettings(Section):
    """Sessions, tokens and the cost of a password guess."""

    session_idle_minutes: int = Field(30, ge=1, le=24 * 60)
    session_hours: int = Field(8, ge=1, le=24)
    token_days: int = Field(30, ge=1, le=365)
    argon2_memory_mib: int = Field(64, ge=19, le=4096)
    argon2_passes: int = Field(3, ge=2, le=20)


class AuditSettings(Section):
    """The audit log."""

    wait_seconds: float = Field(5.0, gt=0, le=60)
    checkpoint_seconds: int = Field(60, ge=1, le=86_400)


class RepositorySettings(Section):
    """One restic repository."""

    location: str
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: Path | None = None


class PlanSettings(Section):
    """What is backed up, when, where to, how long it is kept, and how often it is drilled."""

    repository: str = "local"
    folders: tuple[Path, ...] = ()
    excludes: tuple[str, ...] = ()
    schedule: str = "30 1 * * *"
    drill_schedule: str = "0 4 * * 0"
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
    keep_last: int = Field(3, ge=1, le=10_000)
    keep_daily: int = Field(14, ge=0, le=10_000)
    keep_weekly: int = Field(8, ge=0, le=10_000)
    keep_monthly: int = Field(24, ge=0, le=10_000)
    keep_yearly: int = Field(0, ge=0, le=1_000)


class BackupSettings(Section):
    """Backups and drills."""

    restic: Path = Path("restic")
    pg_bin: Path | None = None
    drill_sample: int = Field(200, ge=1, le=100_000)
    repositories: dict[str, RepositorySettings] = {}
    plans: dict[str, PlanSettings] = {"nightly": PlanSettings()}


class Settings(BaseSettings):
    """All settings. Build with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data: Path = Path("data")
    policies: Path | None = None
    organisation: str = Field("secvault", pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    seal: SealSettings = SealSettings()
    identity: IdentitySettings = IdentitySettings()
    audit: AuditSettings = AuditSettings()
    backup: BackupSettings = BackupSettings()

    @property
    def data_folder(self) -> Path:
        """The data folder, absolute."""
        return self.data.expanduser().absolute()

    @property
    def seal_key_file(self) -> Path:
        """The seal's key: beside the data folder, never in it."""
        return (
            self.seal.key_file or self.data_folder.with_name(f"{self.data_folder.name}.key")
        ).absolute()

    @property
    def store_url(self) -> str:
        """The database's address, read from its file when one is set. Raises ConfigurationError."""
        given = _secret(self.store.url, self.store.url_file, "store.url_file")
        return given or f"sqlite:///{self.data_folder / 'secvault.db'}"

    @property
    def policy_folder(self) -> Path:
        """The folder of model.conf, roles.csv and collections/."""
        return self.policies.absolute() if self.policies else shipped_policies()

    def repository(self, name: str) -> RepositorySettings:
        """A declared repository; `local` is a folder beside the data unless declared otherwise.

        Raises ConfigurationError for an unknown name.
        """
        declared = self.backup.repositories.get(name)
        if declared is not None:
            return declared
        if name == "local":
            beside = self.data_folder.with_name(f"{self.data_folder.name}-backups")
            return RepositorySettings(location=str(beside))
        raise ConfigurationError(
            f"backup.repositories has no {name!r}, which a plan names; declare "
            f"[backup.repositories.{name}] with its location"
        )


def shipped_policies() -> Path:
    """The policies that come with the program: in the wheel, or in a checkout beside it."""
    installed = Path(__file__).parent / "policies"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "policies"


def load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings of `file` (TOML; None for defaults) and the `SECVAULT_*` variables.

    Raises ConfigurationError that names the file or variable, the key and the mend, for anything
    unknown or wrong. Never shows a value.
    """
    unknown = [
        FieldError(name, f"no such setting{_did_you_mean(name)}")
        for name in environment
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES and not _is_setting(name)
    ]
    if unknown:
        raise _error("the environment", unknown)
    values = _read(file) if file else {}
    try:
        return _build(values, environment)
    except ValidationError as error:
        faults = [
            FieldError(_origin(fault["loc"], environment), _mend(dict(fault)))
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise _error(str(file) if file else "the environment", faults) from None
    except SettingsError:
        raise _error(
            "the environment", [FieldError(PREFIX + "*", "a table is set to text that is not JSON")]
        ) from None


def settings_with_origin(
    settings: Settings, file: Path | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Every setting as (dotted key, value as text with secrets as ***, where it came from)."""
    in_file = dict(_leaves(_read(file))) if file else {}
    for key, value in _leaves(settings.model_dump(mode="python")):
        variable = PREFIX + key.replace(".", "__").upper()
        origin = variable if variable in environment else "default"
        if origin == "default" and key in in_file:
            origin = str(file)
        shown = "***" if isinstance(value, SecretStr) and value.get_secret_value() else str(value)
        yield key, shown, origin


def _build(values: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    class FromThese(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_sources: Any, **_more: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return _Environment(settings_cls, environment), InitSettingsSource(
                settings_cls, dict(values)
            )

    return FromThese()


class _Environment(EnvSettingsSource):
    """Variables of the mapping that was passed in, not of the process."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        self._given = environment
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name.lower(): value
            for name, value in self._given.items()
            if name not in OTHER_VARIABLES
        }


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None


def _secret(value: SecretStr, file: Path | None, key: str) -> str:
    if file is None:
        return value.get_secret_value()
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{key}: {file} cannot be read as text") from None


def _model_keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _model_keys(annotation, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def named_tables() -> dict[str, type[BaseModel]]:
    """Tables whose keys are names that the user chooses, with the model of one entry."""
    return {
        f"backup.{name}": get_args(field.annotation)[1]
        for name, field in BackupSettings.model_fields.items()
        if get_origin(field.annotation) is dict
    }


def setting_keys() -> tuple[str, ...]:
    """The dotted keys of all settings, named tables as `backup.plans.<name>.schedule`."""
    keys = [key for key in _model_keys(Settings) if key not in named_tables()]
    for table, model in named_tables().items():
        keys += [f"{table}.<name>.{key}" for key in _model_keys(model)]
    return tuple(keys)


def _is_setting(variable: str) -> bool:
    key = variable.removeprefix(PREFIX).lower().replace("__", ".")
    if key in set(_model_keys(Settings)):
        return True
    return any(
        key.startswith(f"{table}.") and key.rpartition(".")[2] in model.model_fields
        for table, model in named_tables().items()
    )


def _did_you_mean(variable: str) -> str:
    known = [PREFIX + key.replace(".", "__").upper() for key in _model_keys(Settings)]
    close = difflib.get_close_matches(variable, [*known, *OTHER_VARIABLES], 1)
    return f"; did you mean {close[0]}?" if close else "; see config.example.toml"


def _origin(location: tuple[int | str, ...], environment: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in location) or "settings"
    variable = PREFIX + key.replace(".", "__").upper()
    return variable if variable in environment else key


def _mend(fault: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        plain = {key.rpartition(".")[2] for key in setting_keys()}
        close = difflib.get_close_matches(name, sorted(plain), 1)
        return f"no such setting; did you mean {close[0]}?" if close else "no such setting"
    return str(fault["msg"]).removeprefix("Value error, ")


def _error(source: str, faults: list[FieldError]) -> ConfigurationError:
    lines = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
    return ConfigurationError(f"{source}: {lines}", fields=tuple(faults))


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def config_file(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the one given, else that of SECVAULT_CONFIG, else none."""
    named = environment.get("SECVAULT_CONFIG")
    return given or (Path(named) if named else None)
