"""Keyed pseudonyms: the same for the same value in one project and domain, and unlike elsewhere.

Pseudonym: `p` and the lower-case base32 of the first 15 bytes of HMAC-SHA-256(key, value in UTF-8);
120 bits, so that a thousand million different values collide with less than one in 10^18. Key:
HKDF-SHA-256(the project's random secret, info = length-prefixed (u32be) `secvault/pseudonym`,
domain). The secret stays sealed in the vault: whoever has a file can neither go back from a
pseudonym to its value nor try values out.
"""

from __future__ import annotations

import base64
import hmac
import re
from decimal import Decimal
from functools import cache

from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.names import compared

KEY_BYTES = 32
PROJECT = re.compile(r"[a-z][a-z0-9_-]{0,47}")
"""Names of projects."""

_LABEL = "secvault/pseudonym"
_BYTES = 15


def purpose_of(project: str) -> str:
    """The name under which the keyring keeps the secret of a project. Raises InvalidInput."""
    if not PROJECT.fullmatch(project):
        raise InvalidInput.at("project", "use a-z, 0-9, _ and -, a letter first, at most 48")
    return f"pseudonyms-{project}"


class Pseudonyms:
    """The pseudonyms of one project. secret: the project's own."""

    def __init__(self, secret: Secret) -> None:
        @cache
        def key(domain: str) -> Secret:
            info = b"".join(
                len(each).to_bytes(4, "big") + each for each in (_LABEL.encode(), domain.encode())
            )
            return derive(secret, info, KEY_BYTES)

        self._key = key

    def of(self, domain: str, value: JsonValue) -> str:
        """The pseudonym of a stored value in a domain; of a text, whatever its case."""
        digest = hmac.digest(self._key(domain).expose(), _message(value), "sha256")
        return "p" + base64.b32encode(digest[:_BYTES]).decode().lower()


def _message(value: JsonValue) -> bytes:
    if isinstance(value, str):
        return compared(value).encode()
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        # Equal amounts are equal however many zeros stand behind the point.
        plain = f"{Decimal(str(value['amount'])).normalize():f} {value['currency']}"
        return plain.encode()
    return canonical_json(value)
