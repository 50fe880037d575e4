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
from collections.abc import Container, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any, Literal, NewType

from secvault.crypto import argon2id
from secvault.crypto.aead import Random, draw
from secvault.crypto.argon2id import SALT_BYTES, Argon2Cost, Hashed
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.identity import guessable
from secvault.identity.hashing import Hashing

SHORTEST = 12
LONGEST = 128
PRODUCT_WORDS = ("secvault",)

PasswordHash = NewType("PasswordHash", str)
"""A password as it is stored."""

_FORM = "1"
# 128 characters of four bytes, each with as many marks as any keyboard writes: no more is hashed.
_LONGEST_BYTES = 4 * 4 * LONGEST

SIGN_IN_COST = Argon2Cost(memory=46 * 1024, passes=2)
"""The default: about a twentieth of a second on one core of a server (decision 41)."""


class PasswordHasher:
    """Hashes and verifies, never more at once than there are slots.

    slots: a semaphore, usually with one slot for each core, since each hash takes one core and
    `cost.memory` KiB. hashing: where it is done. blocklist: what no new password may be, beside
    what `guessable` knows.
    """

    def __init__(
        self,
        pepper: Secret,
        slots: AbstractContextManager[Any],
        cost: Argon2Cost = SIGN_IN_COST,
        random: Random = os.urandom,
        hashing: Hashing = argon2id.argon2id,
        blocklist: Container[str] = (),
    ) -> None:
        self._pepper = pepper
        self._slots = slots
        self._hashing = hashing
        self.cost = cost
        self._random = random
        self._blocklist = blocklist

    def hash(self, password: Secret) -> PasswordHash:
        """The form to store. Does not look at what the password is: see `hash_new`.

        Raises InvalidInput for bytes that are no UTF-8 text.
        """
        text = _normal(password)
        if text is None:
            raise InvalidInput.at("password", f"must be text of at most {LONGEST} characters")
        return self._hash(text, self.cost)

    def hash_new(self, password: Secret, words: Iterable[str] = ()) -> PasswordHash:
        """The form to store of a password that somebody chose just now.

        12 to 128 characters, any characters; no rules about kinds of characters. words: see
        `guessable.reason_against`. Raises InvalidInput.
        """
        text = _normal(password)
        if text is None or not SHORTEST <= len(text) <= LONGEST:
            raise InvalidInput.at("password", f"must have {SHORTEST} to {LONGEST} characters")
        found = guessable.reason_against(text, (*PRODUCT_WORDS, *words))
        if found is None and text in self._blocklist:
            found = guessable.KNOWN_TO_ATTACKERS
        if found is not None:
            raise InvalidInput.at("password", found)
        return self._hash(text, self.cost)

    def verify(self, stored: PasswordHash | Argon2Cost, password: Secret) -> bool:
        """Whether `password` is the stored one.

        stored: for somebody who does not exist the cost at which the same work is done for nothing,
        as it is for a password that cannot be one. Raises Damaged when it is no hash at all.
        """
        text = _normal(password)
        if isinstance(stored, Argon2Cost):
            return self._in_vain(text, stored)
        made = _read(stored)
        if text is None:
            return self._in_vain(text, made.cost)
        with self._slots:
            found = self._hashing(self._peppered(text), made.salt, made.cost)
        return hmac.compare_digest(found, made.hash)

    def needs_upgrade(self, stored: PasswordHash) -> bool:
        """Whether `stored`, which was verified just now, was made at another cost than today's."""
        return cost_of(stored) != self.cost

    def _in_vain(self, text: str | None, cost: Argon2Cost) -> Literal[False]:
        # Hashing costs what verifying costs, and needs no dummy to be kept.
        self._hash(text or "", cost)
        return False

    def _hash(self, text: str, cost: Argon2Cost) -> PasswordHash:
        salt = draw(SALT_BYTES, self._random)
        with self._slots:
            made = self._hashing(self._peppered(text), salt, cost)
        return PasswordHash(_FORM + Hashed(cost, salt, made).text())

    def _peppered(self, text: str) -> bytes:
        return hmac.digest(self._pepper.expose(), text.encode(), "sha256")


def how_stored(cost: Argon2Cost) -> str:
    """What all passwords stored at this cost begin with, and no others."""
    return _FORM + argon2id.begin(cost)


def cost_of(stored: PasswordHash) -> Argon2Cost:
    """At which cost it was made. Raises Damaged when it is no hash at all."""
    return _read(stored).cost


def _read(stored: PasswordHash) -> Hashed:
    if stored.startswith(_FORM):
        with suppress(Damaged):
            return argon2id.read(stored[len(_FORM) :])
    raise Damaged("A stored password hash is damaged. Set a new password for this person.")


def _normal(password: Secret) -> str | None:
    """The password in NFC; None when it cannot be anybody's."""
    raw = password.expose()
    if len(raw) > _LONGEST_BYTES:
        return None
    try:
        return unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return None
