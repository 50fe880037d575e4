"""The settings as types: what there is, its default and its limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from secvault.config.access import AccessSettings
from secvault.config.approvals import ApprovalSettings
from secvault.config.attachments import AttachmentSettings
from secvault.config.audit import AuditSettings
from secvault.config.backup import BackupSettings, RepositorySettings
from secvault.config.conditions import ConditionSettings
from secvault.config.drills import RecoverySettings
from secvault.config.exports import ExportSettings
from secvault.config.federation import OidcSettings, ScimSettings
from secvault.config.grants import GrantSettings
from secvault.config.imports import ImportSettings
from secvault.config.notifications import NotificationSettings
from secvault.config.retention import RetentionSettings
from secvault.config.reveals import RevealSettings
from secvault.config.reviews import BreakGlassSettings, ReviewSettings
from secvault.config.section import Name, Section, UsablePath, Zone, file_content
from secvault.config.sign_in import SignInSettings
from secvault.errors import ConfigurationError

PREFIX = "SECVAULT_"

_ORIGIN = (
    r"https://[a-z0-9.-]+(:[1-9][0-9]{0,4})?|http://(localhost|127\.0\.0\.1)(:[1-9][0-9]{0,4})?"
)
_SEGMENTS = r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$"


def _sealing_address(address: str) -> str:
    # The key of the root travels there: in clear only where nobody is in between.
    loopback = re.match(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?/?$", address)
    if address and not loopback and not re.match(r"https://[^/@\s]+/?$", address):
        raise ValueError("write https://host:port; http only for this machine itself")
    return address


class ServerSettings(Section):
    """Where the service listens."""

    address: str = "127.0.0.1"
    port: int = Field(8200, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=64)
    entrance: bool = True
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    header_seconds: int = Field(30, ge=1, le=3600)
    body_seconds: int = Field(60, ge=1, le=3600)
    # Server-sent events; in each of the processes that answer requests.
    streams_each: int = Field(8, ge=1, le=1000)
    tls_certificate: UsablePath | None = None
    tls_key: UsablePath | None = None
    behind_proxy: bool = False
    # Where browsers find the service: its pages have no other origin (RFC 6454).
    public_origin: str = ""
    # Whose clocks the pages go by for who has chosen no zone.
    time_zone: Zone = "UTC"

    @field_validator("public_origin")
    @classmethod
    def _an_origin(cls, origin: str) -> str:
        if origin and not re.fullmatch(_ORIGIN, origin):
            raise ValueError(
                "write https://host or https://host:port, in lower case and without a path; http "
                "only for localhost and 127.0.0.1"
            )
        return origin

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


class MountsSettings(Section):
    """What may be done to mounts."""

    disable_with_keys: bool = False


class StoreSettings(Section):
    """The database."""

    url: SecretStr = SecretStr("")
    url_file: UsablePath | None = None

    @model_validator(mode="after")
    def _one(self) -> StoreSettings:
        if self.url.get_secret_value() and self.url_file:
            raise ValueError("url and url_file say the same thing; set one of them")
        return self


class TransitSealSettings(Section):
    """The Vault or OpenBao server whose transit engine opens the root."""

    address: Annotated[str, AfterValidator(_sealing_address)] = ""
    token_file: UsablePath | None = None
    mount: str = Field("transit", pattern=_SEGMENTS)
    key: str = Field("secvault", pattern=_SEGMENTS)
    namespace: str = Field("", max_length=256)
    ca_file: UsablePath | None = None


class AwsKmsSealSettings(Section):
    """The key of AWS KMS that opens the root."""

    key_id: str = Field("", max_length=2048)
    region: str = Field("us-east-1", min_length=1, max_length=64)
    endpoint: str = Field("", max_length=2048)


class Pkcs11SealSettings(Section):
    """The HSM's key that opens the root."""

    module: UsablePath | None = None
    token: str = Field("", max_length=64)
    key: str = Field("secvault", min_length=1, max_length=256)
    pin_file: UsablePath | None = None


class SealSettings(Section):
    """What wraps the root key."""

    kind: Literal["file", "passphrase", "shares", "vault", "aws-kms", "pkcs11"] = "file"
    key_file: UsablePath | None = None
    passphrase_file: UsablePath | None = None
    passphrase_memory_mib: int = Field(256, ge=19, le=4096)
    passphrase_passes: int = Field(4, ge=2, le=64)
    vault: TransitSealSettings = TransitSealSettings()
    aws_kms: AwsKmsSealSettings = AwsKmsSealSettings()
    pkcs11: Pkcs11SealSettings = Pkcs11SealSettings()


class WebauthnSettings(Section):
    """Passkeys: the domain that they are bound to, and the pages that may ask for them."""

    rp_id: str = Field(
        "localhost", max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)*$"
    )
    origins: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _within(self) -> WebauthnSettings:
        for origin in self.origins:
            shape = re.fullmatch(r"(https?)://([a-z0-9.-]+)(:[1-9][0-9]{0,4})?", origin)
            if shape is None or (shape[1] == "http" and shape[2] != "localhost"):
                raise ValueError(
                    "origins: write https://host or https://host:port, without a path; http only "
                    "for localhost"
                )
            if shape[2] != self.rp_id and not shape[2].endswith(f".{self.rp_id}"):
                raise ValueError("origins: each must be rp_id or a domain below it")
        return self


_LEAST_MIB_OF_ONE_PASS = 46


class IdentitySettings(Section):
    """Sessions, tokens, passkeys and the cost of a password guess."""

    session_idle_minutes: int = Field(30, ge=1, le=24 * 60)
    session_hours: int = Field(8, ge=1, le=24)
    token_days: int = Field(30, ge=1, le=365)
    invitation_hours: int = Field(72, ge=1, le=30 * 24)
    bootstrap_minutes: int = Field(60, ge=5, le=24 * 60)
    token_most_days: int = Field(365, ge=1, le=365)
    token_warn_days: tuple[Annotated[int, Field(ge=1, le=365)], ...] = Field(
        (30, 7, 1), max_length=8
    )
    argon2_memory_mib: int = Field(46, ge=19, le=4096)
    argon2_passes: int = Field(2, ge=1, le=20)
    password_words: tuple[Annotated[str, Field(min_length=4, max_length=64)], ...] = ()
    password_blocklist: UsablePath | None = None
    webauthn: WebauthnSettings = WebauthnSettings()
    # Failed sign-ins from one network (/24, /64) before it waits; 0 where all come by one proxy.
    network_failures: int = Field(100, ge=0, le=1_000_000)
    oidc: dict[Name, OidcSettings] = Field(default_factory=dict)
    scim: dict[Name, ScimSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bounded(self) -> IdentitySettings:
        if self.token_days > self.token_most_days:
            raise ValueError("token_days must not be more than token_most_days")
        # OWASP ASVS 5.0, appendix C.
        if self.argon2_passes == 1 and self.argon2_memory_mib < _LEAST_MIB_OF_ONE_PASS:
            raise ValueError(
                f"argon2_memory_mib must be at least {_LEAST_MIB_OF_ONE_PASS} with one pass"
            )
        return self


class KeySettings(Section):
    """When keys are rotated by themselves."""

    # A quarter of 2**32 stays for what is not counted: see docs/decisions/0009.
    rotate_messages: int = Field(3 * 2**30, ge=2**20, le=3 * 2**30)
    warn_messages: int = Field(5 * 2**29, ge=2**19, le=3 * 2**30)
    collection_days: int = Field(365, ge=0, le=3650)

    @model_validator(mode="after")
    def _warned_first(self) -> KeySettings:
        if self.warn_messages >= self.rotate_messages:
            raise ValueError("warn_messages must be less than rotate_messages, or nobody is warned")
        return self


class Settings(BaseSettings):
    """All settings. Build with `load`; built directly, it reads neither file nor environment."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data: UsablePath = Path("data")
    policies: UsablePath | None = None
    organisation: str = Field("secvault", pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    mounts: MountsSettings = MountsSettings()
    seal: SealSettings = SealSettings()
    identity: IdentitySettings = IdentitySettings()
    sign_in: SignInSettings = SignInSettings()
    access: AccessSettings = AccessSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    conditions: ConditionSettings = ConditionSettings()
    reviews: ReviewSettings = ReviewSettings()
    recovery: RecoverySettings = RecoverySettings()
    break_glass: BreakGlassSettings = BreakGlassSettings()
    grants: GrantSettings = GrantSettings()
    keys: KeySettings = KeySettings()
    attachments: AttachmentSettings = AttachmentSettings()
    reveals: RevealSettings = RevealSettings()
    exports: ExportSettings = ExportSettings()
    imports: ImportSettings = ImportSettings()
    audit: AuditSettings = AuditSettings()
    backup: BackupSettings = BackupSettings()
    notifications: NotificationSettings = NotificationSettings()
    retention: RetentionSettings = RetentionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        *_others: Any,
        **_more: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in."""
        return (init_settings,)

    @model_validator(mode="after")
    def _key_and_data_apart(self) -> Settings:
        if self.data.name in ("", ".."):
            raise ValueError("data: give the folder by its name")
        if self.seal_key_file.resolve().is_relative_to(self.data_folder.resolve()):
            raise ValueError(
                "seal.key_file: the key lies in the data folder, where a backup or a thief would "
                "have both; put it elsewhere"
            )
        return self

    @property
    def data_folder(self) -> Path:
        """The data folder, absolute."""
        return self.data.absolute()

    @property
    def seal_key_file(self) -> Path:
        """The seal's key: beside the data folder, never in it."""
        beside = self.data_folder.with_name(f"{self.data_folder.name}.key")
        return (self.seal.key_file or beside).absolute()

    @property
    def store_url(self) -> str:
        """The database's address, read from its file when one is set. Raises ConfigurationError."""
        if self.store.url_file is None:
            given = self.store.url.get_secret_value()
        else:
            given = file_content(self.store.url_file, "store.url_file")
        return given or f"sqlite:///{self.data_folder / 'secvault.db'}"

    @property
    def webauthn_origins(self) -> tuple[str, ...]:
        """Where pages may ask for passkeys: as set, else the service itself."""
        chosen = self.identity.webauthn
        if chosen.origins:
            return chosen.origins
        if chosen.rp_id != "localhost":
            return (f"https://{chosen.rp_id}",)
        scheme = "https" if self.server.tls_certificate else "http"
        return (f"{scheme}://localhost:{self.server.port}",)

    @property
    def public_origins(self) -> tuple[str, ...]:
        """The origins of our own pages: as set, else where passkeys are asked for."""
        if self.server.public_origin:
            return (self.server.public_origin,)
        if self.identity.webauthn.rp_id != "localhost":
            return (f"https://{self.identity.webauthn.rp_id}",)
        scheme, port = "https" if self.server.tls_certificate else "http", self.server.port
        return tuple(f"{scheme}://{host}:{port}" for host in ("localhost", "127.0.0.1", "[::1]"))

    @property
    def public_url(self) -> str:
        """Where people and identity providers reach this service, without a slash at the end."""
        return self.public_origins[0]

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
    package = Path(__file__).parents[1]
    installed = package / "policies"
    return installed if installed.is_dir() else package.parent / "policies"
