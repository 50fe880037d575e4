"""A secret in the body of a request: shown nowhere, and such that it can be kept as bytes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from secvault.crypto.secret import Secret


def secret_of(given: SecretStr) -> Secret:
    """The UTF-8 bytes of a `SecretText`."""
    return Secret.of(given.get_secret_value())


def _encodable(given: SecretStr) -> SecretStr:
    # JSON can write half of a surrogate pair, which is no character and has no UTF-8 form.
    try:
        given.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be made of whole Unicode characters") from None
    return given


SecretText = Annotated[SecretStr, AfterValidator(_encodable)]
