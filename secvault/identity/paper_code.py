"""Codes that people read from paper or over the telephone: 25 characters of five random bits.

125 random bits need no slow hash: HMAC-SHA-256 under the vault's pepper cannot be searched (OWASP
ASVS 5.0, 6.5.2, asks for a slow one below 112 bits).
"""

from __future__ import annotations

import hmac
import re

from secvault.crypto.aead import Random, draw
from secvault.crypto.secret import Secret
from secvault.identity.keys import IdentityKeys

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32, which leaves out what looks alike on paper."""
CHARACTERS = 25
LONGEST_TYPED = 400
"""Room for ten codes in a row, with a mark after each group."""
_GROUP = 5
_SHAPE = re.compile(rf"(?:[{_ALPHABET}]{{{CHARACTERS}}})+")
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code(random: Random) -> str:
    """25 characters of five random bits each."""
    number = int.from_bytes(draw(16, random), "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(CHARACTERS))


def shown_code(code: str) -> Secret:
    """The code in five groups, as it is printed."""
    return Secret.of("-".join(code[at : at + _GROUP] for at in range(0, CHARACTERS, _GROUP)))


def plain_codes(typed: Secret) -> tuple[str, ...]:
    """The codes in a row that somebody typed, 25 characters each; none for anything else."""
    text = typed.text()
    if len(text) > LONGEST_TYPED or not text.isascii():
        return ()
    plain = "".join(text.upper().replace("-", "").split()).translate(_MISREAD)
    if not _SHAPE.fullmatch(plain):
        return ()
    return tuple(plain[at : at + CHARACTERS] for at in range(0, len(plain), CHARACTERS))


def digest_of(keys: IdentityKeys, person_id: str, code: str) -> bytes:
    """What is stored of a person's code. code: its 25 characters."""
    said = f"secvault/recovery-code\0{person_id}\0{code}".encode()
    return hmac.digest(keys.token_pepper.expose(), said, "sha256")
