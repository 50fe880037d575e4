"""Invitations: a one-time code `sva_...` by which a person chooses a password and a factor.

The code has 256 random bits and is kept as HMAC-SHA-256 under the vault's pepper. There is one for
each person who was never active; a new one takes the place of the one before. The first
administrator's names nobody: who has it says their name themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select

from secvault.clock import Clock
from secvault.crypto import token
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotAuthenticated
from secvault.identity import people
from secvault.identity.keys import IdentityKeys
from secvault.identity.passwords import PasswordHash
from secvault.identity.people import Person
from secvault.identity.refusal import InvitationRefused, Reason
from secvault.store.tables import invitation

PREFIX = "sva"
_MICROS = 1_000_000


@dataclass(frozen=True)
class Issued:
    """A new invitation. code: shown once. expires_at: microseconds, UTC."""

    key_id: str
    code: Secret
    expires_at: int


@dataclass(frozen=True)
class Invitation:
    """An invitation whose code was shown, and is right and in time.

    person: id; None for the first administrator who has not said their name yet. password: what was
    chosen already.
    """

    key_id: str
    person: str | None
    first: bool
    expires_at: int
    password: PasswordHash | None


def issue(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    *,
    seconds: int,
    by: str,
    random: Random = os.urandom,
) -> Issued:
    """Invite somebody who was never active; an earlier code of theirs is void.

    seconds: how long the code can be used. by: the subject of whoever invites. Raises Conflict for
    anybody else: a code must never be a way into an account that is somebody's already.
    """
    people.hold_person(connection, person.id)
    state = people.read_person(connection, person.id).state
    if state != people.INVITED:
        raise Conflict(f"{person.name} is {state}; only who was never active is invited")
    connection.execute(delete(invitation).where(invitation.c.person == person.id))
    return _insert(
        connection, clock, keys, random, seconds=seconds, person=person.id, first=False, by=by
    )


def issue_first(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    *,
    seconds: int,
    by: str,
    random: Random = os.urandom,
) -> Issued:
    """The code for the first administrator; an earlier one is void.

    Whether there may be one is for the caller to say. Somebody who had begun with the earlier one
    can go on with this.
    """
    before = first_person(connection)
    connection.execute(delete(invitation).where(invitation.c.first))
    return _insert(
        connection, clock, keys, random, seconds=seconds, person=before, first=True, by=by
    )


def first_person(connection: Connection) -> str | None:
    """The id of who has begun to become the first administrator; None for nobody."""
    begun = select(invitation.c.person).where(invitation.c.first, invitation.c.person.is_not(None))
    return connection.execute(begun).scalar()


def end(connection: Connection, person_id: str) -> bool:
    """Void the code of a person; False when there is none."""
    gone = connection.execute(delete(invitation).where(invitation.c.person == person_id))
    return gone.rowcount > 0


def end_first(connection: Connection) -> None:
    """Void the first administrator's code."""
    connection.execute(delete(invitation).where(invitation.c.first))


def look_up(
    connection: Connection, clock: Clock, keys: IdentityKeys, code: Secret
) -> Invitation | InvitationRefused:
    """The invitation that this code is of, or why there is none.

    Returned, not raised, so that the caller's transaction can count the attempt. The same
    statement and the same digest for every code, whatever is wrong with it.
    """
    shown = _parsed(code)
    row = connection.execute(_select(invitation.c.key_id == shown.key_id)).one_or_none()
    if not keys.is_genuine(shown, row.secret_digest if row else None) or row is None:
        return InvitationRefused(Reason.UNKNOWN_INVITATION)
    if row.expires_at <= clock.micros():
        return InvitationRefused(Reason.INVITATION_EXPIRED, row.person or "")
    return _invitation(row)


def hold(connection: Connection, clock: Clock, key_id: str) -> Invitation:
    """The invitation as it is now, held until the caller's transaction ends.

    To be called before rows of the person are changed. Raises InvitationRefused when it was used,
    voided or ran out meanwhile.
    """
    row = connection.execute(_select(invitation.c.key_id == key_id).with_for_update()).one_or_none()
    if row is None:
        raise InvitationRefused(Reason.CHANGED_MEANWHILE)
    if row.expires_at <= clock.micros():
        raise InvitationRefused(Reason.INVITATION_EXPIRED, row.person or "")
    return _invitation(row)


def use_up(connection: Connection, held: Invitation) -> None:
    """Use the invitation up, with the caller's transaction: its code works once.

    held: as it was when the codes were looked at. Raises InvitationRefused when it was used or
    voided, or another password was chosen, meanwhile.
    """
    used = connection.execute(
        delete(invitation).where(
            invitation.c.key_id == held.key_id, invitation.c.password_hash == held.password
        )
    )
    if used.rowcount != 1:
        raise InvitationRefused(Reason.CHANGED_MEANWHILE, held.person or "")


def _insert(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    random: Random,
    *,
    seconds: int,
    person: str | None,
    first: bool,
    by: str,
) -> Issued:
    minted = token.mint(PREFIX, random)
    now = clock.micros()
    expires_at = now + seconds * _MICROS
    connection.execute(
        insert(invitation).values(
            key_id=minted.key_id,
            person=person,
            first=first,
            secret_digest=token.secret_digest(minted.secret, keys.token_pepper),
            created_at=now,
            expires_at=expires_at,
            created_by=by,
            password_hash=None,
        )
    )
    return Issued(minted.key_id, minted.text, expires_at)


def _parsed(code: Secret) -> token.PresentedToken:
    try:
        return token.parse(code.text().strip(), PREFIX)
    except NotAuthenticated:
        # A code with a typing error is looked up like any other; nobody has this one.
        return token.PresentedToken("", Secret(bytes(token.SECRET_BYTES)))


def _select(which: ColumnElement[bool]) -> Any:
    return select(
        invitation.c.key_id,
        invitation.c.person,
        invitation.c.first,
        invitation.c.secret_digest,
        invitation.c.expires_at,
        invitation.c.password_hash,
    ).where(which)


def _invitation(row: Row[Any]) -> Invitation:
    chosen = None if row.password_hash is None else PasswordHash(row.password_hash)
    return Invitation(row.key_id, row.person, row.first, row.expires_at, chosen)
