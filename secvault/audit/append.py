"""Appending to the log inside a write transaction: the head, the rows, and the outbox.

Whoever has locked the head is alone until the transaction ends, over all threads, processes and
machines, so sequence numbers have neither gaps nor duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select

from secvault.audit.event import Event
from secvault.audit.leaf import Draft, Number, decode, draft_of, stamp
from secvault.audit.personal import put_personal
from secvault.crypto.merkle import Frontier, leaf_hash
from secvault.errors import Damaged
from secvault.store.bulk import insert_rows
from secvault.store.engine import insert_unless_there
from secvault.store.straight import straight
from secvault.store.tables import audit_event, audit_head, audit_outbox

LOG = "main"
"""The name of the log in `audit_head`; an installation has one."""

SERVING_COLUMNS = ("seq", "id", "t", "kind", "outcome", "actor", "resource", "department")
"""The columns beside the leaf bytes that serve queries."""

_COLUMNS = (*SERVING_COLUMNS, "body", "leaf_hash")

_AT_ONCE = 16
"""Up to so many events, one statement with the head's own change is the quickest on PostgreSQL; of
more, COPY is, by a third at 64."""

# The outbox is mostly empty, and asking for it alone takes a journey to the server. What enters it
# while this waits for the head is taken by whoever put it there.
_READ_HEAD = f"""
    SELECT size, frontier, last_t, EXISTS (SELECT 1 FROM audit_outbox)
    FROM audit_head WHERE log = '{LOG}'
"""  # noqa: S608
_MOVE_HEAD = f"UPDATE audit_head SET size = ?, frontier = ?, last_t = ? WHERE log = '{LOG}'"  # noqa: S608
_APPEND_ARRAYS = f"""
    WITH head AS (
        UPDATE audit_head SET size = ?, frontier = ?, last_t = ? WHERE log = '{LOG}'
    )
    INSERT INTO audit_event ({", ".join(_COLUMNS)})
    SELECT * FROM unnest(
        ?::bigint[], ?::text[], ?::bigint[], ?::text[], ?::text[],
        ?::text[], ?::text[], ?::text[], ?::bytea[], ?::bytea[]
    )
"""  # noqa: S608
_READ_OUTBOX = "SELECT id, body FROM audit_outbox ORDER BY id LIMIT ?"


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has come. last_t: time of its newest event, microseconds UTC.

    outbox: whether the outbox held something when the head was read.
    """

    frontier: Frontier
    last_t: int
    outbox: bool = True


def lock_head(connection: Connection) -> Head:
    """The head, held by this write transaction until it ends; a new log is started.

    SQLite has locked the whole database by then; PostgreSQL locks the row. Raises Damaged if
    events are there but their head is gone.
    """
    lock = _READ_HEAD if connection.dialect.name == "sqlite" else f"{_READ_HEAD} FOR UPDATE"
    rows = straight(connection, lock)
    if not rows:
        if connection.scalar(select(exists().where(audit_event.c.seq >= 0))):
            raise Damaged("the head of the audit log is missing; verify the log, then restore it")
        start_head(connection, LOG)
        rows = straight(connection, lock)
    ((size, frontier, last_t, outbox),) = rows
    return Head(Frontier.from_bytes(size, bytes(frontier)), last_t, bool(outbox))


def start_head(connection: Connection, log: str) -> None:
    """Make the head row of an empty log, unless it is there or is being made."""
    insert_unless_there(
        connection, audit_head, {"log": log, "size": 0, "frontier": b"", "last_t": 0}
    )


def append(
    connection: Connection, head: Head, drafts: Sequence[Draft], writer: Number
) -> frozenset[str]:
    """Append at least one draft, in their order, from seq `head.frontier.size` on; move the head.

    writer: the number of the first draft; the others count on from it. A draft made before the
    newest event in the log is recorded at that event's time: time in the log never goes back.
    Returns the ids of keys that something personal was sealed under, and that are gone.
    """
    rows: list[tuple[object, ...]] = []
    hashes = []
    last_t = head.last_t
    for at, made in enumerate(drafts):
        last_t = max(last_t, made.t)
        number = Number(writer.node, writer.start, writer.counter + at)
        body = stamp(made, t=last_t, number=number)
        hashes.append(leaf_hash(body))
        place = (head.frontier.size + at, made.id, last_t)
        rows.append((*place, *made.served, body, hashes[-1]))
    frontier = head.frontier.extend(hashes)
    moved = (frontier.size, frontier.to_bytes(), last_t)
    if connection.dialect.name == "postgresql" and len(rows) <= _AT_ONCE:
        arrays = [list(column) for column in zip(*rows, strict=True)]
        straight(connection, _APPEND_ARRAYS, (*moved, *arrays))
    else:
        insert_rows(connection, audit_event, _COLUMNS, rows)
        straight(connection, _MOVE_HEAD, moved)
    return put_personal(connection, drafts)


def columns(seq: int, id: str, t: int, event: Event) -> tuple[object, ...]:  # noqa: A002
    """The values of `SERVING_COLUMNS`; each is a copy of what the leaf bytes say."""
    actor = event.actor.subject
    return seq, id, t, event.kind, event.outcome, actor, event.resource, event.department


def is_recorded_as(connection: Connection, id: str, number: Number) -> bool:  # noqa: A002
    """Whether the log holds the event with this id under this number."""
    body = connection.scalar(select(audit_event.c.body).where(audit_event.c.id == id))
    return body is not None and decode(bytes(body), seq=0).number == number


def put_into_outbox(connection: Connection, made: Draft) -> None:
    """Leave the draft to be appended after this transaction is committed, and only then."""
    connection.execute(insert(audit_outbox).values(id=made.id, body=made.kept))


def take_from_outbox(connection: Connection, limit: int) -> list[Draft]:
    """The oldest drafts of the outbox, removed from it by this transaction.

    Raises Damaged if a row is not a draft: it was changed from outside, and stays where it is.
    """
    rows = straight(connection, _READ_OUTBOX, (limit,))
    drafts = []
    for id_, body in rows:
        made = draft_of(bytes(body))
        if made.id != id_:
            raise Damaged(f"the audit outbox row {id_} holds another event; verify the log")
        drafts.append(made)
    if drafts:
        ids = [each.id for each in drafts]
        connection.execute(delete(audit_outbox).where(audit_outbox.c.id.in_(ids)))
    return drafts
