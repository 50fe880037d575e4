"""Who did what to an object, kept with it: the proof that its checker is not among its makers.

A row is written in the transaction of the deed, and goes when the object is deleted; the audit log
keeps the same for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from secvault.store.bulk import insert_rows
from secvault.store.tables import object_actor, service_account

CREATE, UPDATE, APPROVE = "record.create", "record.update", "record.approve"
MAKING = (CREATE, UPDATE)

_COLUMNS = ("object", "version", "action", "subject", "owner", "at")


@dataclass(frozen=True)
class Deed:
    """What somebody did to an object, which left it at this version. at: micros."""

    action: str
    version: int
    subject: str
    at: int


def object_of(collection: str, record_id: str) -> str:
    """The name of a record as an object."""
    return f"{collection}/{record_id}"


def note(
    connection: Connection, objects: Iterable[str], version: int, action: str, subject: str, at: int
) -> None:
    """Keep that `subject` did `action`, which left the objects at this version. at: micros."""
    owner = _owner(connection, subject)
    rows = [(one, version, action, subject, owner, at) for one in objects]
    insert_rows(connection, object_actor, _COLUMNS, rows)


def deeds_of(connection: Connection, name: str) -> tuple[Deed, ...]:
    """What made the object what it is, oldest first; nothing of one that is gone."""
    column = object_actor.c
    rows = connection.execute(
        select(column.action, column.version, column.subject, column.at)
        .where(column.object == name)
        .order_by(column.at, column.version, column.action)
    )
    return tuple(Deed(*row) for row in rows)


def makers_of(connection: Connection, name: str) -> frozenset[str]:
    """Who entered or changed the object, with who answered for them then and who does now.

    Empty when nothing is known of it.
    """
    column = object_actor.c
    rows = connection.execute(
        select(column.subject, column.owner).where(column.object == name, column.action.in_(MAKING))
    ).all()
    found = {row.subject for row in rows} | {row.owner for row in rows if row.owner is not None}
    for subject in tuple(found):
        found |= with_owner(connection, subject)
    return frozenset(found)


def with_owner(connection: Connection, subject: str) -> frozenset[str]:
    """The subject, and the person who answers for it now when it is a system."""
    owner = _owner(connection, subject)
    return frozenset({subject} if owner is None else {subject, owner})


def forget(connection: Connection, name: str) -> None:
    """Drop what is known of an object that is deleted."""
    connection.execute(delete(object_actor).where(object_actor.c.object == name))


def _owner(connection: Connection, subject: str) -> str | None:
    kind, _, identity = subject.partition(":")
    if kind != "svc":
        return None
    owner = connection.execute(
        select(service_account.c.owner).where(service_account.c.id == identity)
    ).scalar_one_or_none()
    return None if owner is None else f"user:{owner}"
