"""Sessions of people: a token `svs_...`, kept as a digest; ended by time, by hand, by disabling.

The database is asked at every request, so an ended session is refused at once in every process.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from secvault.clock import Clock
from secvault.crypto import token
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import NotAuthenticated, NotFound, Unavailable
from secvault.identity import names
from secvault.identity.keys import IdentityKeys
from secvault.identity.principal import HEADER, PASSWORD, RECOVERY, TOTP, Carrier, Principal
from secvault.store import Store
from secvault.store.tables import person, session

PREFIX = "svs"
SEEN_EVERY = 60 * 1_000_000
"""How far the stored moment of last use may lag behind, in microseconds: it saves writes."""

RECOVERY_SECONDS = 30 * 60
"""How long a session lasts that a recovery code opened: long enough to enrol a new factor."""

RECOVERY_LAYER = frozenset({"role:any.signed_in"})
"""All that such a session may use of the person's roles; see `access.narrowing`."""

_MICROS = 1_000_000


@dataclass(frozen=True)
class SessionLimits:
    """How long a session lasts, in seconds: without use, and at all (OWASP ASVS 5.0, 7.1.1).

    Idle time is measured from a moment that may be up to a minute older than the last use.
    most: open sessions of one person; beyond it the one unused for longest ends (7.1.2).
    """

    idle: int = 30 * 60
    absolute: int = 8 * 60 * 60
    most: int = 10


@dataclass(frozen=True)
class OpenedSession:
    """A new session. text: the whole token, shown once. expires_at: when it ends at the latest.

    Times in microseconds, UTC.
    """

    key_id: str
    text: Secret
    opened_at: int
    expires_at: int


@dataclass(frozen=True)
class KnownSession:
    """What is known of a session; nothing here lets anybody in. Times in microseconds, UTC.

    carrier: what its token travels in. network: that it was opened from; None where not known.
    """

    key_id: str
    created_at: int
    last_seen_at: int
    expires_at: int
    factors: tuple[str, ...]
    carrier: str
    network: str | None


_KNOWN = (
    session.c.key_id,
    session.c.created_at,
    session.c.last_seen_at,
    session.c.expires_at,
    session.c.factors,
    session.c.carrier,
    session.c.network,
)
_LOOKUP = select(
    session.c.key_id,
    session.c.secret_digest,
    session.c.last_seen_at,
    session.c.expires_at,
    session.c.second_factor_at,
    session.c.factors,
    session.c.ended_at,
    session.c.carrier,
    person.c.id,
    person.c.name,
    person.c.department,
    person.c.state,
    person.c.employee,
    person.c.teams,
).join_from(session, person)


def open_session(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person_id: str,
    *,
    limits: SessionLimits,
    factors: tuple[str, ...] = (PASSWORD, TOTP),
    carrier: Carrier = HEADER,
    network: str = "",
    second_factor_at: int | None = None,
    random: Random = os.urandom,
) -> OpenedSession:
    """Open a session of somebody who has shown these factors just now.

    second_factor_at: when the second was shown, if not now; never later. A session that a recovery
    code opens counts as without a second factor, and lasts half an hour. Whoever has too many open
    ones then loses the one unused for longest. The caller's transaction holds the person's row, so
    that two sign-ins see each other's.
    """
    recovering = RECOVERY in factors
    lasts = min(limits.absolute, RECOVERY_SECONDS) if recovering else limits.absolute
    now = clock.micros()
    shown_at = now if second_factor_at is None else second_factor_at
    opened = _insert(
        connection,
        keys,
        random,
        person_id,
        now=now,
        expires_at=now + lasts * _MICROS,
        factors=factors,
        second_factor_at=0 if recovering else min(now, shown_at),
        carrier=carrier,
        network=network or None,
    )
    _end_surplus(connection, person_id, opened.key_id, now, limits)
    return opened


def renew_session(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    key_id: str,
    *,
    factor: str,
    random: Random = os.urandom,
) -> OpenedSession:
    """Put a new session in the place of an open one, whose person has shown `factor` just now.

    The new one ends when the old one would have; the old token is refused from now on (OWASP ASVS
    5.0, 7.2.4). Raises NotAuthenticated when it was ended meanwhile.
    """
    row = connection.execute(
        select(
            session.c.person,
            session.c.factors,
            session.c.expires_at,
            session.c.carrier,
            session.c.network,
        ).where(session.c.key_id == key_id)
    ).one_or_none()
    if row is None or not end_session(connection, clock, key_id):
        raise NotAuthenticated(token.REFUSAL)
    shown = row.factors.split()
    now = clock.micros()
    return _insert(
        connection,
        keys,
        random,
        row.person,
        now=now,
        expires_at=row.expires_at,
        factors=tuple(shown if factor in shown else [*shown, factor]),
        second_factor_at=now,
        carrier=row.carrier,
        network=row.network,
    )


def _insert(
    connection: Connection,
    keys: IdentityKeys,
    random: Random,
    person_id: str,
    *,
    now: int,
    expires_at: int,
    factors: tuple[str, ...],
    second_factor_at: int,
    carrier: str,
    network: str | None,
) -> OpenedSession:
    minted = token.mint(PREFIX, random)
    connection.execute(
        insert(session).values(
            key_id=minted.key_id,
            person=person_id,
            secret_digest=token.secret_digest(minted.secret, keys.token_pepper),
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            second_factor_at=second_factor_at,
            factors=" ".join(factors),
            ended_at=None,
            carrier=carrier,
            network=network,
        )
    )
    return OpenedSession(minted.key_id, minted.text, now, expires_at)


def _end_surplus(
    connection: Connection, person_id: str, newest: str, now: int, limits: SessionLimits
) -> None:
    open_ones = _open_ones(person_id, now, limits)
    kept = (
        select(session.c.key_id)
        .where(*open_ones, session.c.key_id != newest)
        .order_by(session.c.last_seen_at.desc(), session.c.created_at.desc(), session.c.key_id)
        .limit(limits.most - 1)
    )
    connection.execute(
        update(session)
        .where(*open_ones, session.c.key_id != newest, session.c.key_id.not_in(kept))
        .values(ended_at=now)
    )


def _open_ones(person_id: str, now: int, limits: SessionLimits) -> tuple[ColumnElement[bool], ...]:
    return (
        session.c.person == person_id,
        session.c.ended_at.is_(None),
        session.c.expires_at > now,
        session.c.last_seen_at > now - limits.idle * _MICROS,
    )


def authenticate(
    store: Store,
    clock: Clock,
    keys: IdentityKeys,
    presented: str,
    limits: SessionLimits,
    carrier: Carrier = HEADER,
) -> Principal:
    """Whose session this is.

    presented: the token's whole text. carrier: what it came in, which must be what it was made
    for: a token that somebody got hold of cannot be planted in a browser. A text with a wrong
    shape or check sum is refused before the database is asked. The moment of use is written in a
    transaction of its own, at most once a minute. Raises NotAuthenticated, always with the same
    sentence, when the session is unknown, ended, expired, unused for too long or came in the wrong
    carrier, or its person is disabled.
    """
    shown = token.parse(presented, PREFIX)
    with store.read() as connection:
        row = connection.execute(_LOOKUP.where(session.c.key_id == shown.key_id)).one_or_none()
    genuine = keys.is_genuine(shown, row.secret_digest if row else None)
    if row is None or not genuine or row.carrier != carrier:
        raise NotAuthenticated(token.REFUSAL)
    now = clock.micros()
    ended = row.ended_at is not None or row.state != "active"
    if ended or now >= min(row.expires_at, row.last_seen_at + limits.idle * _MICROS):
        raise NotAuthenticated(token.REFUSAL)
    if now - row.last_seen_at >= SEEN_EVERY:
        # Who may read the log must be let in also while the database cannot be written; the
        # session then ends the sooner.
        with suppress(Unavailable):
            _write_last_seen(store, shown.key_id, now)
    return principal_of(row)


def require_open(connection: Connection, clock: Clock, key_id: str, *, hold: bool) -> None:
    """Return when the session is still open, and its person active, in this transaction.

    hold: have whoever ends it wait until the transaction ends. Raises NotAuthenticated.
    """
    question = (
        select(session.c.key_id)
        .join_from(session, person)
        .where(
            session.c.key_id == key_id,
            session.c.ended_at.is_(None),
            session.c.expires_at > clock.micros(),
            person.c.state == "active",
        )
    )
    if hold:
        question = question.with_for_update(read=True, of=session)
    if connection.execute(question).first() is None:
        raise NotAuthenticated(token.REFUSAL)


def principal_of(row: Row[*tuple[Any, ...]]) -> Principal:
    """The principal of a session. row: key_id, second_factor_at, factors; id, name, department,
    employee and teams of its person.
    """
    factors = tuple(row.factors.split())
    return Principal(
        subject=f"user:{row.id}",
        kind="user",
        name=row.name,
        department=row.department,
        credential=row.key_id,
        second_factor_at=row.second_factor_at or None,
        narrowing=(RECOVERY_LAYER,) if RECOVERY in factors else (),
        factors=factors,
        employee=row.employee,
        teams=tuple(row.teams.splitlines()),
    )


def read_principal(connection: Connection, key_id: str) -> Principal:
    """The principal of the session with this key id, which must be there."""
    return principal_of(connection.execute(_LOOKUP.where(session.c.key_id == key_id)).one())


def read_session(connection: Connection, key_id: str) -> KnownSession:
    """What is known of the session with this key id. Raises NotFound."""
    row = connection.execute(select(*_KNOWN).where(session.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such session")
    return _known(row)


def list_sessions(
    connection: Connection, clock: Clock, person_id: str, limits: SessionLimits
) -> tuple[KnownSession, ...]:
    """The open sessions of a person, the oldest first."""
    now = clock.micros()
    rows = connection.execute(
        select(*_KNOWN)
        .where(*_open_ones(person_id, now, limits))
        .order_by(session.c.created_at, session.c.key_id)
    )
    return tuple(_known(row) for row in rows)


def end_session(
    connection: Connection, clock: Clock, key_id: str, person_id: str | None = None
) -> bool:
    """End one session; False when there is none of this key id that was open.

    person_id: whose it must be; None for anybody's.
    """
    if not names.is_key_id(key_id):
        return False
    ending = update(session).where(session.c.key_id == key_id, session.c.ended_at.is_(None))
    if person_id is not None:
        ending = ending.where(session.c.person == person_id)
    return connection.execute(ending.values(ended_at=clock.micros())).rowcount == 1


def end_all_sessions(
    connection: Connection, clock: Clock, person_id: str, keep: str | None = None
) -> int:
    """End every open session of a person, but `keep` (a key id); returns how many there were."""
    ending = update(session).where(session.c.person == person_id, session.c.ended_at.is_(None))
    if keep is not None:
        ending = ending.where(session.c.key_id != keep)
    return connection.execute(ending.values(ended_at=clock.micros())).rowcount


def _known(row: Row[*tuple[Any, ...]]) -> KnownSession:
    return KnownSession(**{**row._asdict(), "factors": tuple(row.factors.split())})


def _write_last_seen(store: Store, key_id: str, now: int) -> None:
    with store.write() as connection:
        connection.execute(
            update(session)
            # Of several requests at the same moment, one writes.
            .where(session.c.key_id == key_id, session.c.last_seen_at <= now - SEEN_EVERY)
            .values(last_seen_at=now)
        )
