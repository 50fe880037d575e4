"""Bearer tokens that scanners can spot and logs can name.

`<prefix>_<key id: 10 base62>_<secret: 43 base62 of 32 random bytes>_<check: 6 base62>`, where the
check is the CRC-32 of every character before its underscore. Base62 is `0-9A-Za-z`, big-endian,
padded with 0 on the left. Prefixes: "svt" for tokens of systems, "svs" for sessions.

The key id is public: it finds the stored digest and names the token in logs. The check only
catches typing errors and false finds of scanners; it protects nothing.
"""

from __future__ import annotations

import hmac
import os
import re
import zlib
from dataclasses import dataclass

from secvault.crypto.aead import Random, draw
from secvault.crypto.secret import Secret
from secvault.errors import NotAuthenticated

SECRET_BYTES = 32
KEY_ID_CHARACTERS = 10
REFUSAL = "The token is not valid. Sign in again, or use a token that has not been revoked."
"""The one sentence for a token that is malformed, unknown, expired or revoked alike."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT = {character: digit for digit, character in enumerate(_BASE62)}
_SECRET_CHARACTERS = 43
_CHECK_CHARACTERS = 6
_SHAPE = re.compile(
    rf"([0-9A-Za-z]{{{KEY_ID_CHARACTERS}}})"
    rf"_([0-9A-Za-z]{{{_SECRET_CHARACTERS}}})"
    rf"_([0-9A-Za-z]{{{_CHECK_CHARACTERS}}})"
)


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token. text: the whole of it, shown to its owner once and never stored."""

    key_id: str
    secret: Secret
    text: Secret


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What a caller showed: well formed, but not yet known to be genuine."""

    key_id: str
    secret: Secret


def mint(prefix: str, random: Random = os.urandom) -> MintedToken:
    """A new token with 256 bits of secret and a random key id of 59 bits."""
    # 16 bytes for 59 bits: taking the remainder then favours no id by more than 2**-68.
    key_number = int.from_bytes(draw(16, random), "big") % 62**KEY_ID_CHARACTERS
    key_id = _to_base62(key_number, KEY_ID_CHARACTERS)
    secret = draw(SECRET_BYTES, random)
    body = f"{prefix}_{key_id}_{_to_base62(int.from_bytes(secret, 'big'), _SECRET_CHARACTERS)}"
    return MintedToken(key_id, Secret(secret), Secret.of(f"{body}_{_check(body)}"))


def parse(text: str, prefix: str) -> PresentedToken:
    """The parts of a token with this prefix.

    Raises NotAuthenticated, always with the sentence `REFUSAL`, for anything else.
    """
    lead = f"{prefix}_"
    shape = _SHAPE.fullmatch(text, len(lead)) if text.startswith(lead) else None
    if shape is None:
        raise NotAuthenticated(REFUSAL)
    key_id, encoded, check = shape.groups()
    number = _from_base62(encoded)
    if check != _check(text[: -1 - _CHECK_CHARACTERS]) or number >= 1 << (8 * SECRET_BYTES):
        raise NotAuthenticated(REFUSAL)
    return PresentedToken(key_id, Secret(number.to_bytes(SECRET_BYTES, "big")))


def secret_digest(secret: Secret, pepper: Secret) -> bytes:
    """What is stored of a token: HMAC-SHA-256 under `pepper` of the 32 secret bytes.

    The decoded bytes are hashed, not their base62 text. Compare by `hmac.compare_digest`.
    """
    return hmac.digest(pepper.expose(), secret.expose(), "sha256")


def _check(body: str) -> str:
    return _to_base62(zlib.crc32(body.encode()), _CHECK_CHARACTERS)


def _to_base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def _from_base62(text: str) -> int:
    number = 0
    for character in text:
        number = number * 62 + _DIGIT[character]
    return number
