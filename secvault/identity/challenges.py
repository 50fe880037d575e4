"""Challenges that passkeys sign: random, for one purpose, good for minutes and for one answer.

They lie in the store, so that any process can take the answer to what another one asked.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from secvault.clock import Clock
from secvault.crypto.aead import Random, draw
from secvault.store import Store
from secvault.store.tables import passkey_challenge

CHALLENGE_BYTES = 32
CHALLENGE_SECONDS = 5 * 60
_MICROS = 1_000_000


class Purpose(StrEnum):
    """What the answer is for; it is good for nothing else."""

    ENROL = "enrol"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


@dataclass(frozen=True)
class Challenge:
    """What was asked. person: None for a sign-in without a name. session: the key id of the session
    that asked. name: of the new passkey. password_changed_at: as it was when the password was
    shown, microseconds.
    """

    purpose: Purpose
    person: str | None = None
    session: str | None = None
    name: str | None = None
    password_changed_at: int | None = None


def issue(
    connection: Connection, clock: Clock, asked: Challenge, random: Random = os.urandom
) -> bytes:
    """A new challenge of 32 random bytes; what is over is removed on the way."""
    now = clock.micros()
    drawn = draw(CHALLENGE_BYTES, random)
    connection.execute(delete(passkey_challenge).where(passkey_challenge.c.expires_at <= now))
    connection.execute(
        insert(passkey_challenge).values(
            digest=_digest(drawn), expires_at=now + CHALLENGE_SECONDS * _MICROS, **vars(asked)
        )
    )
    return drawn


def take(store: Store, clock: Clock, presented: bytes) -> Challenge | None:
    """What was asked by this challenge, which is used up by this call; None when it is unknown,
    over or used.

    In a transaction of its own, before the answer is checked: a wrong answer uses it up, too.
    """
    digest = _digest(presented)
    question = select(passkey_challenge).where(
        passkey_challenge.c.digest == digest, passkey_challenge.c.expires_at > clock.micros()
    )
    with store.read() as connection:
        row = connection.execute(question).one_or_none()
    if row is None:
        return None
    with store.write() as connection:
        used = connection.execute(
            delete(passkey_challenge).where(passkey_challenge.c.digest == digest)
        )
    if used.rowcount != 1:
        return None
    return Challenge(
        Purpose(row.purpose), row.person, row.session, row.name, row.password_changed_at
    )


def _digest(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()
