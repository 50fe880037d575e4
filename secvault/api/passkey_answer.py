"""What travels between a page and this service for a passkey, in the JSON of WebAuthn Level 3.

Bytes are base64url without padding. A browser's `PublicKeyCredential.toJSON()` gives what is read
here, with more in it that is not looked at; what is given is for `parseCreationOptionsFromJSON` and
`parseRequestOptionsFromJSON`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_BYTES = r"^[A-Za-z0-9_-]*={0,2}$"


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class AttestationResponse(_Read):
    """The authenticator's part of a registration."""

    clientDataJSON: str = Field(max_length=8192, pattern=_BYTES)  # noqa: N815
    attestationObject: str = Field(max_length=65536, pattern=_BYTES)  # noqa: N815
    transports: list[str] = Field(default=[], max_length=16)


class Attestation(_Read):
    """The answer of `navigator.credentials.create`."""

    id: str = Field(min_length=1, max_length=1366, pattern=_BYTES)
    rawId: str = Field(min_length=1, max_length=1366, pattern=_BYTES)  # noqa: N815
    type: Literal["public-key"]
    response: AttestationResponse

    def plain(self) -> dict[str, Any]:
        """The answer as the library reads it."""
        return self.model_dump()


class AssertionResponse(_Read):
    """The authenticator's part of a sign-in."""

    clientDataJSON: str = Field(max_length=8192, pattern=_BYTES)  # noqa: N815
    authenticatorData: str = Field(max_length=8192, pattern=_BYTES)  # noqa: N815
    signature: str = Field(max_length=8192, pattern=_BYTES)
    userHandle: str | None = Field(None, max_length=128, pattern=_BYTES)  # noqa: N815


class Assertion(_Read):
    """The answer of `navigator.credentials.get`."""

    id: str = Field(min_length=1, max_length=1366, pattern=_BYTES)
    rawId: str = Field(min_length=1, max_length=1366, pattern=_BYTES)  # noqa: N815
    type: Literal["public-key"]
    response: AssertionResponse

    def plain(self) -> dict[str, Any]:
        """The answer as the library reads it."""
        return self.model_dump()


class Options(BaseModel):
    """What the page hands to the browser. public_key: options in the JSON of WebAuthn Level 3."""

    public_key: dict[str, Any]
