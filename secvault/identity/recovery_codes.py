"""Recovery codes: ten on paper, each good for one sign-in that can only enrol a new factor.

A code has 125 random bits, so the digest that is stored needs no slow hash: HMAC-SHA-256 under the
vault's pepper cannot be searched (OWASP ASVS 5.0, 6.5.2, asks for a slow one below 112 bits).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.identity import people, reset_codes
from secvault.identity.keys import IdentityKeys
from secvault.identity.paper_code import digest_of, new_code, plain_codes, shown_code
from secvault.identity.principal import HEADER, PASSWORD, RECOVERY, Carrier
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sign_in import (
    Came,
    Entrance,
    SignedIn,
    check_password,
    forget_failures,
    let_in,
    upgraded,
)
from secvault.identity.throttle import Attempts
from secvault.store.tables import person, recovery_code, recovery_set

CODES = 10


@dataclass(frozen=True)
class RecoveryState:
    """How many codes of the present set are left. made_at: microseconds; None without a set."""

    left: int
    made_at: int | None
    locked: bool


def make_codes(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person_id: str,
    random: Random = os.urandom,
) -> tuple[Secret, ...]:
    """Ten new codes, shown once; those from before are void with the caller's transaction."""
    codes = tuple(new_code(random) for _ in range(CODES))
    people.hold_person(connection, person_id)
    take_away(connection, clock, person_id)
    connection.execute(
        insert(recovery_code),
        [
            {"person": person_id, "digest": digest_of(keys, person_id, code), "used_at": None}
            for code in codes
        ],
    )
    return tuple(shown_code(code) for code in codes)


def read_state(connection: Connection, person_id: str, lock_after: int) -> RecoveryState:
    """What is left of a person's codes."""
    present = connection.execute(
        select(recovery_set.c.created_at, recovery_set.c.failures).where(
            recovery_set.c.person == person_id
        )
    ).one_or_none()
    if present is None:
        return RecoveryState(0, None, locked=False)
    unused = select(func.count()).where(
        recovery_code.c.person == person_id, recovery_code.c.used_at.is_(None)
    )
    left: int = connection.execute(unused).scalar_one()
    return RecoveryState(left, present.created_at, present.failures >= lock_after)


def unlock(connection: Connection, person_id: str) -> None:
    """Forget the wrong codes of a person; used codes stay used."""
    connection.execute(
        update(recovery_set)
        .where(recovery_set.c.person == person_id)
        .values(failures=0, next_try_at=0)
    )


def sign_in(
    entrance: Entrance,
    name: str,
    password: Secret,
    code: Secret,
    *,
    address: str = "",
    carrier: Carrier = HEADER,
    record: Callable[[Connection, SignedIn], None] = lambda _connection, _signed_in: None,
) -> SignedIn:
    """Let somebody in who shows the password and an unused recovery code, or all the parts of the
    code of a reset.

    The session can only enrol a new factor and sign out. Both the password and the code are
    counted, on disk, before they are looked at; after ten wrong codes the set is locked. Raises
    SignInRefused, SignInDelayed, as `sign_in.sign_in` does.
    """
    known = check_password(entrance, name, password, address)
    _count_attempt(entrance, known.id)
    codes = plain_codes(code)
    digests = frozenset(digest_of(entrance.keys, known.id, each) for each in codes)
    fresh = upgraded(entrance.hasher, known, password)
    with entrance.store.write() as connection:
        forget_failures(entrance, connection, known)
        now = entrance.clock.micros()
        by_reset = reset_codes.use_up(connection, known.id, reset_codes.FACTOR, digests, now)
        if not by_reset and not _use_up(connection, known.id, digests, now):
            raise SignInRefused(_why(connection, known.id, digests), known.id)
        unlock(connection, known.id)
        connection.execute(
            update(person).where(person.c.id == known.id).values(password_hash=fresh)
        )
        came = Came(known.network, carrier)
        signed_in = let_in(connection, entrance, known.id, (PASSWORD, RECOVERY), "", came)
        record(connection, signed_in)
    return signed_in


def _count_attempt(entrance: Entrance, person_id: str) -> None:
    now, limits = entrance.clock.micros(), entrance.attempts
    own = recovery_set.c.person == person_id
    with entrance.store.write() as connection:
        row = connection.execute(
            select(recovery_set.c.failures, recovery_set.c.next_try_at).where(own).with_for_update()
        ).one_or_none()
        if row is None:
            raise SignInRefused(Reason.NO_SECOND_FACTOR, person_id)
        if row.failures >= limits.lock_after:
            raise SignInRefused(Reason.LOCKED, person_id)
        try:
            after = Attempts(row.failures, row.next_try_at).counted(now, limits, person_id)
        except SignInDelayed:
            # A delay of its own would tell that the password was right.
            raise SignInRefused(Reason.DELAYED, person_id) from None
        connection.execute(
            update(recovery_set)
            .where(own)
            .values(failures=after.failures, next_try_at=after.next_try_at)
        )


def _use_up(connection: Connection, person_id: str, digests: frozenset[bytes], now: int) -> bool:
    if len(digests) != 1:
        return False
    used = connection.execute(
        update(recovery_code)
        .where(
            recovery_code.c.person == person_id,
            recovery_code.c.digest.in_(digests),
            recovery_code.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def _why(connection: Connection, person_id: str, digests: frozenset[bytes]) -> Reason:
    known = connection.execute(
        select(recovery_code.c.used_at).where(
            recovery_code.c.person == person_id, recovery_code.c.digest.in_(digests)
        )
    ).first()
    return Reason.REPLAYED_CODE if known else Reason.WRONG_CODE


def take_away(connection: Connection, clock: Clock, person_id: str) -> None:
    """Void every code of a person; what is shown next is counted anew. For a reset."""
    anew = {"failures": 0, "next_try_at": 0, "created_at": clock.micros()}
    # Not removed and made again: attempts that are counted at this moment must find it.
    own = update(recovery_set).where(recovery_set.c.person == person_id)
    if connection.execute(own.values(anew)).rowcount == 0:
        connection.execute(insert(recovery_set).values(person=person_id, **anew))
    connection.execute(delete(recovery_code).where(recovery_code.c.person == person_id))
