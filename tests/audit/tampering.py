"""What somebody with the database password can do to the log. Used by the tests of audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select, text

from secvault.audit.append import LOG
from secvault.audit.leaf import StoredEvent
from secvault.crypto.merkle import Frontier, leaf_hash
from secvault.store import Store
from secvault.store.tables import audit_event

GUARDS = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_event_no_update",
        "DROP TRIGGER IF EXISTS audit_event_no_delete",
        "DROP TRIGGER IF EXISTS audit_event_no_replace",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS audit_event_append_only ON audit_event",
        "DROP TRIGGER IF EXISTS audit_event_only_archived ON audit_event",
        "DROP TRIGGER IF EXISTS audit_event_no_truncate ON audit_event",
    ),
}


@contextmanager
def intrusion(store: Store) -> Iterator[Connection]:
    """A transaction with the append-only guards taken down."""
    with store.write() as connection:
        for statement in GUARDS[store.dialect]:
            connection.execute(text(statement))
        yield connection


def change(connection: Connection, seq: int, /, **columns: object) -> None:
    """Overwrite columns of one event."""
    connection.execute(audit_event.update().where(audit_event.c.seq == seq).values(columns))


def forge(connection: Connection, seq: int, body: bytes) -> None:
    """Replace the bytes of one event, and their hash with them."""
    change(connection, seq, body=body, leaf_hash=leaf_hash(body))


def swap(connection: Connection, one: int, other: int) -> None:
    """Let two events change places."""
    for start, end in ((one, -1), (other, one), (-1, other)):
        change(connection, start, seq=end)


def cut(connection: Connection, size: int) -> None:
    """Remove all events from `size` on, and make the head fit."""
    connection.execute(audit_event.delete().where(audit_event.c.seq >= size))
    fit_head(connection)


def fit_head(connection: Connection) -> None:
    """Recompute the head from the events that are there."""
    rows = connection.execute(select(audit_event).order_by(audit_event.c.seq)).mappings().all()
    frontier = Frontier().extend(row["leaf_hash"] for row in rows)
    connection.execute(
        text("UPDATE audit_head SET size = :size, frontier = :stack, last_t = :t WHERE log = :log"),
        {
            "size": frontier.size,
            "stack": frontier.to_bytes(),
            "t": rows[-1]["t"] if rows else 0,
            "log": LOG,
        },
    )


def flipped(data: bytes) -> bytes:
    """The bytes with one bit changed that leaves the JSON readable: the last digit of a number."""
    at = data.index(b'"v":3') - 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def body_of(connection: Connection, seq: int) -> bytes:
    """The stored leaf bytes."""
    body: bytes = connection.execute(
        select(audit_event.c.body).where(audit_event.c.seq == seq)
    ).scalar_one()
    return body


def renamed(event: StoredEvent) -> bytes:
    """The leaf bytes with somebody else as the actor."""
    return event.body.replace(b'"i":"u-7"', b'"i":"u-8"')
