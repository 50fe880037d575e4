"""The settings of what the audit log shows outside of its store: publications and heartbeats."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from secvault.config.section import Location, Name, Section, UsablePath, is_loopback


class PublicationSettings(Section):
    """One place where checkpoints and tiles of the audit log are published."""

    # A folder, or s3:https://host/bucket[/prefix]; off while empty.
    location: Location = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None
    every_seconds: int = Field(60, ge=1, le=86_400)
    # How long it may lag or fail until people are told.
    late_seconds: int = Field(900, ge=1, le=604_800)
    # In a bucket: how each object is locked. A folder locks nothing.
    lock: Literal["compliance", "governance", "none"] = "compliance"
    days: int = Field(365, ge=1, le=36_500)
    plain: bool = False

    @model_validator(mode="after")
    def _one(self) -> PublicationSettings:
        address = self.location.removeprefix("s3:")
        clear = address != self.location and address.startswith("http://")
        if clear and not (self.plain or is_loopback(urlsplit(address).hostname or "")):
            raise ValueError(
                "location: this would send the log in clear; use s3:https://, or say plain = true "
                "where the network itself is protected"
            )
        if self.secret_access_key.get_secret_value() and self.secret_access_key_file:
            raise ValueError(
                "secret_access_key and secret_access_key_file say the same thing; set one of them"
            )
        return self


class ShownSettings(Section):
    """What the log shows outside, and how often it shows that it is alive."""

    heartbeat_seconds: int = Field(300, ge=10, le=86_400)
    publications: dict[Name, PublicationSettings] = Field(default_factory=dict)

    @property
    def published(self) -> dict[str, PublicationSettings]:
        """The publications that are not off."""
        return {name: one for name, one in self.publications.items() if one.location}
