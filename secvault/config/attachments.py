"""The settings of attachments: where their contents lie, how large they may be."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from secvault.config.section import Location, Section, UsablePath


class AttachmentSettings(Section):
    """Attachments of records."""

    # A folder, or s3:https://host/bucket[/prefix]; empty: `attachments` in the data folder.
    location: Location = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None
    max_bytes: int = Field(100 * 2**20, ge=1024, le=5 * 2**30)
    # How long what no record names any more is kept, for a database that is restored.
    keep_days: int = Field(14, ge=0, le=3650)

    @model_validator(mode="after")
    def _one(self) -> AttachmentSettings:
        if self.secret_access_key.get_secret_value() and self.secret_access_key_file:
            raise ValueError(
                "secret_access_key and secret_access_key_file say the same thing; set one of them"
            )
        return self
