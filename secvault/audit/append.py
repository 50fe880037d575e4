"""Appending to the log inside a write transaction: the head, the rows, and the outbox.

Whoever has locked the head is alone until the transaction ends, over all threads, processes and
machines, so sequence numbers have neither gaps nor duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, text

from secvault.audit.event import Event
from secvault.audit.leaf import Draft, Number, draft_of, stamp
from secvault.crypto.merkle import Frontier, leaf_hash
from secvault.errors import Damaged
from secvault.store.engine import insert_unless_there
from secvault.store.tables import audit_event, audit_head, audit_outbox

LOG = "main"
"""The name of the log in `audit_head`; an installation has one."""

SERVING_COLUMNS = ("seq", "id", "t", "kind", "outcome", "actor", "resource", "department")
"""The columns beside the leaf bytes that serve queries."""

# One statement for many rows. SQLite's driver lets other threads run during each statement, and
# waits until they let it go on; PostgreSQL plans and answers once.
_INSERT_ROWS = """
    INSERT INTO audit_event
        (seq, id, t, kind, outcome, actor, resource, department, body, leaf_hash)
    VALUES """
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 64
_INSERT_ARRAYS = """
    INSERT INTO audit_event
        (seq, id, t, kind, outcome, actor, resource, department, body, leaf_hash)
    SELECT * FROM unnest(
        %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[]
    )
"""

_MOVE_HEAD = text(
    f"UPDATE audit_head SET size = :size, frontier = :frontier, last_t = :last_t "  # noqa: S608
    f"WHERE log = '{LOG}'"
)
_LOCK_HEAD = select(audit_head).where(audit_head.c.log == LOG).with_for_update()


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has come. last_t: time of its newest event, microseconds UTC."""

    frontier: Frontier
    last_t: int


def lock_head(connection: Connection) -> Head:
    """The head, held by this write transaction until it ends; a new log is started.

    SQLite has locked the whole database by then; PostgreSQL locks the row. Raises Damaged if
    events are there but their head is gone.
    """
    row = connection.execute(_LOCK_HEAD).one_or_none()
    if row is None:
        if connection.scalar(select(exists().where(audit_event.c.seq >= 0))):
            raise Damaged("the head of the audit log is missing; verify the log, then restore it")
        start_head(connection, LOG)
        row = connection.execute(_LOCK_HEAD).one()
    return Head(Frontier.from_bytes(row.size, row.frontier), row.last_t)


def start_head(connection: Connection, log: str) -> None:
    """Make the head row of an empty log, unless it is there or is being made."""
    insert_unless_there(
        connection, audit_head, {"log": log, "size": 0, "frontier": b"", "last_t": 0}
    )


def append(connection: Connection, head: Head, drafts: Sequence[Draft], writer: Number) -> None:
    """Append at least one draft, in their order, from seq `head.frontier.size` on; move the head.

    writer: the number of the first draft; the others count on from it. A draft made before the
    newest event in the log is recorded at that event's time: time in the log never goes back.
    """
    rows: list[tuple[object, ...]] = []
    hashes = []
    last_t = head.last_t
    for at, made in enumerate(drafts):
        last_t = max(last_t, made.t)
        number = Number(writer.node, writer.start, writer.counter + at)
        body = stamp(made, t=last_t, number=number)
        hashes.append(leaf_hash(body))
        served = columns(head.frontier.size + at, made.id, last_t, made.event)
        rows.append((*served, body, hashes[-1]))
    frontier = head.frontier.extend(hashes)
    # Past SQLAlchemy's own `insert`, which takes as long as the rest of the batch together.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_INSERT_ARRAYS, tuple(list(c) for c in zip(*rows, strict=True)))
    else:
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[at : at + _ROWS_AT_ONCE]
            statement = _INSERT_ROWS + ", ".join([_ROW] * len(some))
            connection.exec_driver_sql(statement, tuple(value for row in some for value in row))
    connection.execute(
        _MOVE_HEAD, {"size": frontier.size, "frontier": frontier.to_bytes(), "last_t": last_t}
    )


def columns(seq: int, id: str, t: int, event: Event) -> tuple[object, ...]:  # noqa: A002
    """The values of `SERVING_COLUMNS`; each is a copy of what the leaf bytes say."""
    actor = event.actor.subject
    return seq, id, t, event.kind, event.outcome, actor, event.resource, event.department


def is_recorded(connection: Connection, id: str) -> bool:  # noqa: A002 - the column's name
    """Whether the log holds the event with this id."""
    return bool(connection.scalar(select(exists().where(audit_event.c.id == id))))


def put_into_outbox(connection: Connection, made: Draft) -> None:
    """Leave the draft to be appended after this transaction is committed, and only then."""
    connection.execute(insert(audit_outbox).values(id=made.id, body=made.body))


def take_from_outbox(connection: Connection, limit: int) -> list[Draft]:
    """The oldest drafts of the outbox, removed from it by this transaction.

    Raises Damaged if a row is not a draft: it was changed from outside, and stays where it is.
    """
    rows = connection.execute(select(audit_outbox).order_by(audit_outbox.c.id).limit(limit)).all()
    if not rows:
        return []
    drafts = []
    for row in rows:
        made = draft_of(row.body)
        if made.id != row.id:
            raise Damaged(f"the audit outbox row {row.id} holds another event; verify the log")
        drafts.append(made)
    connection.execute(delete(audit_outbox).where(audit_outbox.c.id.in_([d.id for d in drafts])))
    return drafts
