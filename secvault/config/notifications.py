"""The settings of notices: the channels, the mail to people themselves, and when to give up."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from secvault.config.section import Name, Section, UsablePath, file_content

Language = Literal["en", "vi"]
ADDRESS = "{address}"
"""Where the person's own address goes in the URL of the mail."""

_SCHEME = r"^[a-z][a-z0-9+.-]{0,30}$"


class UrlSettings(Section):
    """An address of apprise. It holds a password or a token, so it is a secret."""

    url: SecretStr = SecretStr("")
    url_file: UsablePath | None = None

    @model_validator(mode="after")
    def _one(self) -> UrlSettings:
        if self.url.get_secret_value() and self.url_file:
            raise ValueError("url and url_file say the same thing; set one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return bool(self.url.get_secret_value() or self.url_file)

    def read(self, key: str) -> SecretStr:
        """The address. key: the table, for an error. Raises ConfigurationError."""
        if self.url_file is None:
            return self.url
        return SecretStr(file_content(self.url_file, f"{key}.url_file"))


class ChannelSettings(UrlSettings):
    """Where the administrators are told; nowhere without an address.

    language: empty for the installation's.
    """

    language: Literal["", "en", "vi"] = ""


class MailSettings(UrlSettings):
    """How people are told at their own addresses."""

    @model_validator(mode="after")
    def _placed(self) -> MailSettings:
        given = self.url.get_secret_value()
        if given and not re.search(r"\{address\}", given):
            raise ValueError("url: write {address} where the person's own address belongs")
        return self


class NotificationSettings(Section):
    """Notices of what happens to accounts and tokens."""

    language: Language = "en"
    give_up_hours: int = Field(24, ge=1, le=7 * 24)
    keep_days: int = Field(90, ge=1, le=3650)
    # Beside those that only speak to a server; see `notices.channel`.
    more_schemes: tuple[Annotated[str, Field(pattern=_SCHEME)], ...] = ()
    mail: MailSettings = MailSettings()
    channels: dict[Name, ChannelSettings] = Field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anybody can be told of anything."""
        return self.mail.given or any(each.given for each in self.channels.values())
