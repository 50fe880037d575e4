"""Settings of how long the audit log's entries stay in the store, and where they go then."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, model_validator

from secvault.config.section import Location, Section, UsablePath, Zone

LEAST_MONTHS = 12
"""How long logs must be at hand by Vietnam's Decree 53/2022, article 27, and by PCI DSS 10.5.1."""


class AuditRetentionSettings(Section):
    """When old entries move to archives. Without a place: never."""

    # A folder, or s3:https://host/bucket[/prefix].
    place: Location = ""
    months: int = Field(24, ge=1, le=1200)
    shorter_because: str = Field("", max_length=500)
    keep_years: int = Field(10, ge=1, le=100)
    lock: Literal["compliance", "governance", "none"] = "compliance"
    schedule: str = "0 4 2 * *"
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None

    @model_validator(mode="after")
    def _sound(self) -> AuditRetentionSettings:
        if self.months < LEAST_MONTHS and not self.shorter_because.strip():
            raise ValueError(
                f"months is below {LEAST_MONTHS}, for which logs must be at hand by law; say why "
                "in shorter_because"
            )
        if self.secret_access_key.get_secret_value() and self.secret_access_key_file:
            raise ValueError(
                "secret_access_key and secret_access_key_file say the same thing; set one of them"
            )
        return self
