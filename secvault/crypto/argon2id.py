"""argon2id (RFC 9106, version 1.3) with one lane, from libsodium, and how its results are written.

libsodium uses the vector instructions that the processor has, which halves the time: what a guess
costs an attacker, who uses them anyway, stays the same.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13
from nacl.exceptions import RuntimeError as OutOfMemory

from secvault.errors import Damaged, Unavailable

HASH_BYTES = 32
SALT_BYTES = 16

MOST_KIB, MOST_PASSES = 4096 * 1024, 20
"""More is never set, and would take the machine's memory."""

_LEAST_KIB = 8
# In base64 without padding; the last character of each has bits that are always 0.
_TEXT = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]?),p=1"
    r"\$([A-Za-z0-9+/]{21}[AQgw])\$([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])",
    re.ASCII,
)


@dataclass(frozen=True)
class Argon2Cost:
    """What one guess costs. memory: KiB. passes: over that memory.

    OWASP ASVS 5.0, appendix C, wants at least 19 MiB with 2 passes, or 46 MiB with one.
    """

    memory: int
    passes: int


@dataclass(frozen=True)
class Hashed:
    """A result with all that it takes to make it again. salt: 16 bytes. hash: 32 bytes."""

    cost: Argon2Cost
    salt: bytes
    hash: bytes

    def text(self) -> str:
        """In argon2's own form, `$argon2id$v=19$m=...,t=...,p=1$salt$hash`."""
        return f"{begin(self.cost)}{_base64(self.salt)}${_base64(self.hash)}"


def argon2id(secret: bytes, salt: bytes, cost: Argon2Cost) -> bytes:
    """The hash, 32 bytes. salt: 16 bytes; others have the processor meanwhile.

    Raises Unavailable when there is no memory for it.
    """
    memory = cost.memory * 1024
    try:
        return crypto_pwhash_alg(
            HASH_BYTES, secret, salt, cost.passes, memory, crypto_pwhash_ALG_ARGON2ID13
        )
    except OutOfMemory:
        raise Unavailable(
            f"there is no memory to check a password with, {cost.memory // 1024} MiB"
        ) from None


def begin(cost: Argon2Cost) -> str:
    """What all texts of this cost begin with, and no others."""
    return f"$argon2id$v=19$m={cost.memory},t={cost.passes},p=1$"


def read(text: str) -> Hashed:
    """What `Hashed.text` wrote. Raises Damaged for all else, and for a cost that is never set."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise Damaged("this is no argon2id hash")
    cost = Argon2Cost(int(found[1]), int(found[2]))
    if not _LEAST_KIB <= cost.memory <= MOST_KIB or cost.passes > MOST_PASSES:
        raise Damaged("this is an argon2id hash of a cost that is never set")
    return Hashed(cost, _bytes(found[3]), _bytes(found[4]))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
