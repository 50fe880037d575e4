"""The list of people, with what an administrator looks for: who can sign in, and by what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, Connection, func, or_, select

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound
from secvault.identity import contacts, devices, names, people
from secvault.identity.contacts import Contact
from secvault.identity.people import Person
from secvault.identity.principal import PASSKEY, TOTP
from secvault.store.tables import (
    external_identity,
    hardware_token,
    invitation,
    passkey,
    person,
    recovery_code,
    recovery_set,
    totp_device,
)

LARGEST_PAGE = 1000
HARDWARE = "hardware"
"""A TOTP device that came from the stock of tokens."""

EXPIRED = "expired"
"""The status of who is invited, but has no code in time."""
LOCKED, NONE = "locked", "none"
FACTORS = (LOCKED, NONE)
"""What is looked for in people's factors."""
STATUSES = (people.INVITED, EXPIRED, people.ACTIVE, people.DISABLED)


@dataclass(frozen=True)
class Entry:
    """A person as administrators see them. Times in microseconds, UTC.

    status: one of STATUSES. factors: kinds in use or locked, of `totp`, `hardware`, `passkey`.
    locked: wrong codes have locked a device or the recovery codes. invited_until: when the present
    invitation ends or ended; None without one. contact: where they are told of things.
    """

    person: Person
    status: str
    factors: tuple[str, ...]
    locked: bool
    recovery_codes_left: int
    invited_until: int | None
    contact: Contact = contacts.NOWHERE


@dataclass(frozen=True)
class Wanted:
    """Which people are asked for; empty for all. search: words of their names.

    factors: one of FACTORS. Of those who are active: who is locked out by wrong codes, or who has
    no second factor here and no provider to have one at.
    """

    status: str = ""
    department: str = ""
    search: str = ""
    factors: str = ""


def list_page(
    connection: Connection,
    clock: Clock,
    key: Secret,
    *,
    after: str = "",
    limit: int = 100,
    wanted: Wanted = Wanted(),
    lock_after: int,
) -> tuple[Entry, ...]:
    """People in the order of their creation, at most `limit` (1 to 1000).

    after: id of the last person of the page before; a page shorter than `limit` is the last.
    search: each word must stand in the sign-in name or the full name; case and marks do not count.
    key: that addresses are sealed under. lock_after: wrong recovery codes that lock. Raises
    InvalidInput, Damaged.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be 1 to {LARGEST_PAGE}")
    if after and not names.is_id(after):
        raise InvalidInput.at("after", "must be the id that ended the page before")
    question = (
        _QUESTION.where(person.c.id > after, *_conditions(wanted, clock.micros(), lock_after))
        .order_by(person.c.id)
        .limit(limit)
    )
    rows = connection.execute(question).all()
    people_found = [Person(**{name: getattr(row, name) for name in _FIELDS}) for row in rows]
    until = {row.id: row.invited_until for row in rows}
    return _entries(connection, clock, key, people_found, until, lock_after)


def read_entry(
    connection: Connection, clock: Clock, key: Secret, person_id: str, *, lock_after: int
) -> Entry:
    """One person. Raises NotFound, Damaged."""
    found = people.read_person(connection, person_id)
    row = connection.execute(_QUESTION.where(person.c.id == person_id)).one_or_none()
    if row is None:
        raise NotFound("this person is gone")
    until = {found.id: row.invited_until}
    [entry] = _entries(connection, clock, key, [found], until, lock_after)
    return entry


_FIELDS = tuple(each.name for each in fields(Person))
_QUESTION = select(
    *(person.c[name] for name in _FIELDS), invitation.c.expires_at.label("invited_until")
).join_from(person, invitation, invitation.c.person == person.c.id, isouter=True)


def _conditions(wanted: Wanted, now: int, lock_after: int) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status and wanted.status not in STATUSES:
        raise InvalidInput.at("status", f"use one of {', '.join(STATUSES)}")
    if wanted.status == EXPIRED:
        over = or_(invitation.c.expires_at.is_(None), invitation.c.expires_at <= now)
        found += [person.c.state == people.INVITED, over]
    elif wanted.status == people.INVITED:
        found += [person.c.state == people.INVITED, invitation.c.expires_at > now]
    elif wanted.status:
        found.append(person.c.state == wanted.status)
    if wanted.department:
        found.append(person.c.department == wanted.department)
    found += [
        person.c.searched.contains(word, autoescape=True)
        for word in names.searched(wanted.search).split()
    ]
    return found + _of_factors(wanted.factors, lock_after)


def _of_factors(wanted: str, lock_after: int) -> list[ColumnElement[bool]]:
    if not wanted:
        return []
    device, codes = totp_device.c, recovery_set.c
    if wanted == LOCKED:
        by_device = select(device.id).where(
            device.person == person.c.id, device.state == devices.LOCKED
        )
        by_codes = select(codes.person).where(
            codes.person == person.c.id, codes.failures >= lock_after
        )
        return [person.c.state == people.ACTIVE, or_(by_device.exists(), by_codes.exists())]
    if wanted == NONE:
        own = (
            select(device.id).where(device.person == person.c.id, device.state != devices.PENDING),
            select(passkey.c.id).where(passkey.c.person == person.c.id),
            select(external_identity.c.person).where(
                external_identity.c.person == person.c.id,
                external_identity.c.deprovisioned_at.is_(None),
            ),
        )
        return [person.c.state == people.ACTIVE, *(~each.exists() for each in own)]
    raise InvalidInput.at("factors", f"use one of {', '.join(FACTORS)}")


def _entries(
    connection: Connection,
    clock: Clock,
    key: Secret,
    found: list[Person],
    until: dict[str, int | None],
    lock_after: int,
) -> tuple[Entry, ...]:
    ids = [each.id for each in found]
    kinds, locked = _factors(connection, ids)
    left, locked_sets = _recovery(connection, ids, lock_after)
    reached = contacts.contacts_of(connection, key, ids)
    return tuple(
        Entry(
            each,
            _status(each, until[each.id], clock.micros()),
            tuple(kind for kind in (TOTP, HARDWARE, PASSKEY) if kind in kinds.get(each.id, ())),
            each.id in locked or each.id in locked_sets,
            left.get(each.id, 0),
            until[each.id],
            reached.get(each.id, contacts.NOWHERE),
        )
        for each in found
    )


def _status(somebody: Person, until: int | None, now: int) -> str:
    if somebody.state == people.INVITED and (until is None or until <= now):
        return EXPIRED
    return somebody.state


def _factors(connection: Connection, ids: Iterable[str]) -> tuple[dict[str, set[str]], set[str]]:
    kinds: dict[str, set[str]] = {}
    locked: set[str] = set()
    asked = list(ids)
    in_use = connection.execute(
        select(totp_device.c.person, totp_device.c.state, hardware_token.c.id.label("token"))
        .join_from(
            totp_device, hardware_token, hardware_token.c.device == totp_device.c.id, isouter=True
        )
        .where(totp_device.c.person.in_(asked), totp_device.c.state != devices.PENDING)
    )
    for row in in_use:
        kinds.setdefault(row.person, set()).add(TOTP if row.token is None else HARDWARE)
        if row.state == devices.LOCKED:
            locked.add(row.person)
    with_passkey = select(passkey.c.person).where(passkey.c.person.in_(asked)).distinct()
    for holder in connection.execute(with_passkey).scalars():
        kinds.setdefault(holder, set()).add(PASSKEY)
    return kinds, locked


def _recovery(
    connection: Connection, ids: Iterable[str], lock_after: int
) -> tuple[dict[str, int], set[str]]:
    asked = list(ids)
    counted = connection.execute(
        select(recovery_code.c.person, func.count().label("left"))
        .where(recovery_code.c.person.in_(asked), recovery_code.c.used_at.is_(None))
        .group_by(recovery_code.c.person)
    )
    left = {row.person: row.left for row in counted}
    locked = select(recovery_set.c.person).where(
        recovery_set.c.person.in_(asked), recovery_set.c.failures >= lock_after
    )
    return left, set(connection.execute(locked).scalars())
