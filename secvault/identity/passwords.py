"""Passwords: what may be one, and how it is kept.

Stored form: `1` and then argon2's own text, `$argon2id$v=19$m=...,t=...,p=...$salt$hash`. The 1
says what was hashed: HMAC-SHA-256(pepper, UTF-8 of the password in NFC). The pepper is not in the
database, so that a stolen database alone cannot be guessed at.

NFC is the only change made to what was typed: keyboards write Vietnamese letters either composed or
with separate marks, and both are the same password (NIST SP 800-63B-4, 3.1.1.2). Nothing is cut
off, trimmed or case-folded (OWASP ASVS 5.0, 6.2.8).
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NewType

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from secvault.crypto.aead import Random, draw
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.identity import guessable
from secvault.identity.hashing import at_once

SHORTEST = 12
LONGEST = 128
PRODUCT_WORDS = ("secvault",)

PasswordHash = NewType("PasswordHash", str)
"""A password as it is stored."""

_FORM = "1"
_SALT_BYTES = 16
_HASH_BYTES = 32
# 128 characters of four bytes, each with as many marks as any keyboard writes: no more is hashed.
_LONGEST_BYTES = 4 * 4 * LONGEST


@dataclass(frozen=True)
class Argon2Cost:
    """What one guess costs. memory: KiB. passes: over that memory. lanes: threads at once.

    OWASP ASVS 5.0, appendix C, wants at least 19 MiB with 2 passes, or 46 MiB with one.
    """

    memory: int
    passes: int
    lanes: int = 1


SIGN_IN_COST = Argon2Cost(memory=64 * 1024, passes=3)
"""The default: about a tenth of a second on one core of a server."""


class PasswordHasher:
    """Hashes and verifies, never more at once than there are slots.

    slots: a semaphore, usually with one slot for each core, since each hash takes one core and
    `cost.memory` KiB. run: runs each hash, as `HashingThreads` does; gives what it gave.
    """

    def __init__(
        self,
        pepper: Secret,
        slots: AbstractContextManager[Any],
        cost: Argon2Cost = SIGN_IN_COST,
        random: Random = os.urandom,
        run: Callable[[Callable[[], Any]], Any] = at_once,
    ) -> None:
        self._pepper = pepper
        self._slots = slots
        self._run = run
        self._random = random
        self._argon2 = Argon2(
            time_cost=cost.passes,
            memory_cost=cost.memory,
            parallelism=cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )

    def hash(self, password: Secret) -> PasswordHash:
        """The form to store. Does not look at what the password is: see `hash_new`.

        Raises InvalidInput for bytes that are no UTF-8 text.
        """
        text = _normal(password)
        if text is None:
            raise InvalidInput.at("password", f"must be text of at most {LONGEST} characters")
        return self._hash(text)

    def hash_new(self, password: Secret, words: Iterable[str] = ()) -> PasswordHash:
        """The form to store of a password that somebody chose just now.

        12 to 128 characters, any characters; no rules about kinds of characters. words: see
        `guessable.reason_against`. Raises InvalidInput.
        """
        text = _normal(password)
        if text is None or not SHORTEST <= len(text) <= LONGEST:
            raise InvalidInput.at("password", f"must have {SHORTEST} to {LONGEST} characters")
        found = guessable.reason_against(text, (*PRODUCT_WORDS, *words))
        if found is not None:
            raise InvalidInput.at("password", found)
        return self._hash(text)

    def verify(self, stored: PasswordHash | None, password: Secret) -> bool:
        """Whether `password` is the stored one.

        stored: None for somebody who does not exist; then, and for a password that cannot be one,
        the same work is done for nothing. Raises Damaged when `stored` is no hash at all.
        """
        text = _normal(password)
        if stored is None or text is None:
            # Hashing costs what verifying costs, and needs no dummy to be kept.
            self._hash(text or "")
            return False
        if not stored.startswith(_FORM):
            raise _no_hash()
        try:
            with self._slots:
                kept, shown = stored.removeprefix(_FORM), self._peppered(text)
                return bool(self._run(lambda: self._argon2.verify(kept, shown)))
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            raise _no_hash() from None

    def needs_upgrade(self, stored: PasswordHash) -> bool:
        """Whether `stored`, which was verified just now, was made at another cost than today's."""
        return self._argon2.check_needs_rehash(stored.removeprefix(_FORM))

    def _hash(self, text: str) -> PasswordHash:
        salt = draw(_SALT_BYTES, self._random)
        shown = self._peppered(text)
        with self._slots:
            made: str = self._run(lambda: self._argon2.hash(shown, salt=salt))
        return PasswordHash(_FORM + made)

    def _peppered(self, text: str) -> bytes:
        return hmac.digest(self._pepper.expose(), text.encode(), "sha256")


def _normal(password: Secret) -> str | None:
    """The password in NFC; None when it cannot be anybody's."""
    raw = password.expose()
    if len(raw) > _LONGEST_BYTES:
        return None
    try:
        return unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return None


def _no_hash() -> Damaged:
    return Damaged("A stored password hash is damaged. Set a new password for this person.")
