"""Settings of a stream: where the audit log is sent as it grows, and as what."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from secvault.config.section import Section, UsablePath, is_loopback

Target = Literal["syslog", "webhook", "s3"]

_PORT = 6514
_SYSLOG = ("tls", "tcp", "udp")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")


class StreamSettings(Section):
    """One stream; off without an address.

    address: `tls://host:port` (syslog; `tcp` and `udp` are in clear), `https://host/path` (webhook)
    or `s3:https://host/bucket/prefix`. history: whether it begins at the log's first event, not at
    the next. at_once: events of one batch at most. overlap: how many acknowledged events a syslog
    receiver gets again after a connection that broke.
    """

    address: str = ""
    format: Literal["json", "ocsf", "cef"] = "json"
    history: bool = False
    at_once: int = Field(500, ge=1, le=10_000)
    every_seconds: int | None = Field(None, ge=0, le=86_400)
    timeout_seconds: int = Field(10, ge=1, le=60)
    stalled_minutes: int = Field(15, ge=1, le=10_080)
    overlap: int = Field(1000, ge=0, le=100_000)
    plain: bool = False
    ca_file: UsablePath | None = None
    certificate_file: UsablePath | None = None
    key_file: UsablePath | None = None
    secret_file: UsablePath | None = None
    authorization_file: UsablePath | None = None
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None

    @field_validator("address")
    @classmethod
    def _readable(cls, address: str) -> str:
        if not address:
            return address
        if re.search(r"//[^/]*@", address) or "?" in address or "#" in address:
            raise ValueError(
                "secrets have no place in it; use secret_file, authorization_file or the keys of S3"
            )
        if address.startswith("s3:"):
            return address
        parts = urlsplit(address)
        if parts.scheme not in (*_SYSLOG, "https", "http") or not _HOST.fullmatch(
            parts.hostname or ""
        ):
            raise ValueError("write tls://host:6514, https://host/path or s3:https://host/bucket")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("the port must be a number from 1 to 65535") from None
        try:
            (parts.hostname or "").encode("idna")
        except UnicodeError:
            raise ValueError("the host is no name: each part has 1 to 63 characters") from None
        if parts.scheme in _SYSLOG and parts.path:
            raise ValueError("a syslog receiver has a host and a port, no path")
        return address

    @model_validator(mode="after")
    def _fits(self) -> StreamSettings:
        if self._clear and not (self.plain or is_loopback(self._receiver)):
            raise ValueError(
                "address: this would send the log in clear; use tls:// or https://, or say plain = "
                "true where the network itself is protected"
            )
        if self.target == "webhook" and self.format == "cef":
            raise ValueError("format: a webhook takes json or ocsf; cef is for syslog and s3")
        if self.target == "webhook" and self.secret_file is None:
            raise ValueError("secret_file: a webhook needs the secret that signs what is sent")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        if self.secret_access_key.get_secret_value() and self.secret_access_key_file:
            raise ValueError(
                "secret_access_key and secret_access_key_file say the same thing; set one of them"
            )
        return self

    @property
    def _clear(self) -> bool:
        return self.scheme in ("tcp", "udp", "http") or self.address.startswith("s3:http://")

    @property
    def _receiver(self) -> str:
        return urlsplit(self.address.removeprefix("s3:")).hostname or ""

    @property
    def given(self) -> bool:
        """Whether it is to run."""
        return bool(self.address)

    @property
    def scheme(self) -> str:
        """What the address begins with."""
        return "s3" if self.address.startswith("s3:") else urlsplit(self.address).scheme

    @property
    def host(self) -> str:
        """The receiver's name or address; empty for S3."""
        return "" if self.scheme == "s3" else urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The receiver's port, for syslog."""
        return urlsplit(self.address).port or (514 if self.scheme == "udp" else _PORT)

    @property
    def target(self) -> Target:
        """What kind of receiver it is."""
        if self.scheme == "s3":
            return "s3"
        return "webhook" if self.scheme in ("http", "https") else "syslog"

    @property
    def gather_seconds(self) -> int:
        """How long events may be gathered for a batch that is not full."""
        if self.every_seconds is not None:
            return self.every_seconds
        return 60 if self.target == "s3" else 2
