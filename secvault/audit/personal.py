"""What is personal in the log, beside its leaves: kept, read, erased.

The parts lie in `audit_personal`, sealed under keys of their subjects. They enter in the same
transaction as their event, whichever way it comes. A part whose key is gone by then was of somebody
who has been erased meanwhile: it is not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, select, type_coerce
from sqlalchemy.types import NullType

from secvault.audit.event import Personal
from secvault.audit.leaf import Draft, StoredEvent
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.personal_part import Part, joined, open_part
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.store.bulk import insert_rows
from secvault.store.engine import Store
from secvault.store.tables import (
    audit_archive,
    audit_event,
    audit_personal,
    audit_subject_key,
    erased_subject,
)

_AT_ONCE = 500
_COLUMNS = ("event", "slot", "subject", "key", "envelope")

LOG_SUBJECTS = "*audit"
"""What stands for a collection in `erased_subject`, of subjects who were erased from the log."""

OF_PERSONAL = ("audit_personal", "audit_subject_key", "audit_outbox")
"""The tables that hold something personal or a key to it."""

State = Literal["here", "erased", "altered"]
_WORST_FIRST: tuple[State, ...] = ("altered", "erased")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the personal of an event.

    state: `here` when all of it is; `erased` when its key is gone; `altered` when it was changed
    or removed in the store. personal: what can be read.
    """

    state: State
    personal: Personal


@dataclass(frozen=True, slots=True)
class ErasedPersonal:
    """What erasing a subject took: how many keys, and from how many events.

    reference: SHA-256 over their wrapped forms; empty when there was none. until: the newest of
    the events and keys, micros, or of what is archived where all events are; 0 for none.
    """

    subject: str
    keys: int
    events: int
    reference: bytes
    until: int


def put_personal(connection: Connection, drafts: Sequence[Draft]) -> frozenset[str]:
    """Keep the sealed parts of the drafts, in the transaction that appends them.

    Returns the ids of the keys that are not there any more. Of their parts it is only kept that
    they are erased.
    """
    wanted = {part.key for made in drafts for part in made.parts}
    if not wanted:
        return frozenset()
    there = _held(connection, sorted(wanted))
    rows = [
        (made.id, part.slot, part.subject, part.key, part.envelope if part.key in there else b"")
        for made in drafts
        for part in made.parts
    ]
    insert_rows(connection, audit_personal, _COLUMNS, rows)
    return frozenset(wanted - there)


def read_personal(
    store: Store, keys: SubjectKeys, events: Iterable[StoredEvent]
) -> Mapping[str, Kept]:
    """What is personal in these events, by id; events that never had any are not among them."""
    bound = {each.id: each for each in events if each.commitments}
    with store.read() as connection:
        parts = _parts(connection, sorted(bound))
        named = {part.key for of_event in parts.values() for part in of_event.values()}
        secrets = keys.opened(connection, named)
        locked = named - set(secrets)
        known = _Known(
            secrets,
            locked & _held(connection, sorted(locked), hold=False),
            _erased_until(connection, {each.event.actor.subject for each in bound.values()}),
        )
    return {id_: _kept(stored, parts.get(id_, {}), known) for id_, stored in bound.items()}


@dataclass(frozen=True, slots=True)
class _Known:
    """secrets: of keys that open. damaged: ids of those that are there and do not. erased: until
    when what was recorded of a subject has been erased.
    """

    secrets: Mapping[str, Secret]
    damaged: set[str]
    erased: Mapping[str, int]


def _kept(stored: StoredEvent, parts: Mapping[str, Part], known: _Known) -> Kept:
    said: list[dict[str, str]] = []
    states: set[State] = set()
    for slot, committed in stored.commitments.items():
        part = parts.get(slot)
        if part is not None and part.key in known.secrets:
            try:
                said.append(open_part(part, stored.id, known.secrets[part.key], committed))
            except Damaged:
                states.add("altered")
        elif part is not None:
            states.add("altered" if part.key in known.damaged else "erased")
        else:
            until = known.erased.get(stored.event.actor.subject, -1)
            states.add("erased" if stored.t <= until else "altered")
    worst: State = next((one for one in _WORST_FIRST if one in states), "here")
    return Kept(worst, joined(*said))


def _parts(connection: Connection, events: Sequence[str]) -> dict[str, dict[str, Part]]:
    found: dict[str, dict[str, Part]] = {}
    column = audit_personal.c
    # As it is stored, so that a value of a wrong type is found to be altered.
    envelope = type_coerce(column.envelope, NullType()).label("envelope")
    columns = (column.event, column.slot, column.subject, column.key, envelope)
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        for row in connection.execute(select(*columns).where(column.event.in_(some))):
            sealed = row.envelope if isinstance(row.envelope, bytes) else b""
            part = Part(row.slot, row.subject, row.key, sealed)
            found.setdefault(row.event, {})[row.slot] = part
    return found


def _erased_until(connection: Connection, subjects: Iterable[str]) -> Mapping[str, int]:
    column, wanted = erased_subject.c, sorted(subjects)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = connection.execute(
            select(column.subject, func.max(column.created_at).label("until"))
            .where(
                column.collection == LOG_SUBJECTS,
                column.subject.in_(wanted[start : start + _AT_ONCE]),
            )
            .group_by(column.subject)
        )
        found |= {row.subject: row.until for row in rows}
    return found


def erase_personal(connection: Connection, subject: str) -> ErasedPersonal:
    """Destroy the subject's keys, and delete what they sealed. Every leaf and proof stays valid."""
    key, part, event = audit_subject_key.c, audit_personal.c, audit_event.c
    rows = connection.execute(
        select(key.wrapped, key.created_at)
        .where(key.subject == subject)
        .order_by(key.id)
        .with_for_update()
    ).all()
    events = count_personal(connection, subject)
    connection.execute(delete(audit_subject_key).where(key.subject == subject))
    newest = connection.execute(
        select(func.max(event.t)).where(
            event.id.in_(select(part.event).where(part.subject == subject))
        )
    ).scalar_one()
    if events and newest is None:
        # All of them lie in archives, which are asked for no more than how far they reach.
        newest = connection.scalar(select(func.max(audit_archive.c.last_t)))
    connection.execute(delete(audit_personal).where(part.subject == subject))
    wrapped = b"".join(bytes(row.wrapped) for row in rows)
    reference = hashlib.sha256(wrapped).digest() if wrapped else b""
    until = max([newest or 0, *(row.created_at for row in rows)])
    return ErasedPersonal(subject, len(rows), events, reference, until)


def count_personal(connection: Connection, subject: str) -> int:
    """In how many events something personal of the subject is kept."""
    part = audit_personal.c
    statement = select(func.count(part.event.distinct())).where(part.subject == subject)
    return connection.execute(statement).scalar_one()


def knows_subject(connection: Connection, subject: str) -> bool:
    """Whether something personal of the subject is kept, or a key of theirs."""
    key, part = audit_subject_key.c, audit_personal.c
    return any(
        connection.execute(select(column).where(column == subject).limit(1)).first() is not None
        for column in (key.subject, part.subject)
    )


def erase_again(connection: Connection, until: Mapping[str, int]) -> None:
    """In a copy from before an erasure: keys that were made until then, and what no key opens.

    until: for each subject that was erased, micros.
    """
    key, part = audit_subject_key.c, audit_personal.c
    for subject, at in sorted(until.items()):
        connection.execute(
            delete(audit_subject_key).where(key.subject == subject, key.created_at <= at)
        )
        left = select(key.id).where(key.subject == subject)
        connection.execute(
            delete(audit_personal).where(part.subject == subject, part.key.not_in(left))
        )


def _held(connection: Connection, keys: Sequence[str], *, hold: bool = True) -> set[str]:
    """Those of the keys that are there; hold: and that stay until the transaction ends."""
    column = audit_subject_key.c
    statement = select(column.id).where(column.id.in_(bindparam("keys", expanding=True)))
    if hold and connection.dialect.name == "postgresql":
        statement = statement.order_by(column.id).with_for_update(read=True, key_share=True)
    found: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = {"keys": keys[start : start + _AT_ONCE]}
        found |= set(connection.execute(statement, some).scalars())
    return found
