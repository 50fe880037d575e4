"""How far a stream has come, as a row: moved only by what was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from secvault.audit import entries
from secvault.audit.archive_rows import boundary
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.streams.batch import MOST_BYTES, Batch, FormName
from secvault.store.engine import insert_unless_there, row_held
from secvault.store.tables import audit_event, audit_stream

MICROS = 1_000_000
FIRST_WAIT, LONGEST_WAIT = 2, 300
"""Seconds until the second attempt, doubled each time, and at most."""


@dataclass(frozen=True)
class Place:
    """How far a stream has come. Times in microseconds, UTC.

    first_seq: the first event that it was to send. acknowledged_seq: the last one that the
    receiver acknowledged. next_seq: what is sent next; before that, where something is sent again.
    reason: a code for why nothing gets through. stalled_at: when that was put on record.
    """

    name: str
    first_seq: int
    acknowledged_seq: int
    next_seq: int
    acknowledged_at: int | None = None
    failing_since: int | None = None
    attempts: int = 0
    reason: str | None = None
    next_try_at: int = 0
    stalled_at: int | None = None


def log_size(connection: Connection) -> int:
    """How many events the log has."""
    head = select(func.coalesce(func.max(audit_event.c.seq), -1))
    return int(connection.execute(head).scalar_one()) + 1


def begin(connection: Connection, name: str, *, history: bool) -> Place:
    """The stream's place; a new one begins at the first event at hand, or behind the last one."""
    start = log_size(connection)
    if history:
        first = select(func.min(audit_event.c.seq))
        start = connection.execute(first).scalar_one_or_none() or 0
    fresh = Place(name, start, start - 1, start)
    insert_unless_there(connection, audit_stream, vars(fresh))
    return _place(row_held(connection, audit_stream, vars(fresh)))


def read(connection: Connection, name: str) -> Place | None:
    """The stream's place; None for one that has not begun."""
    found = connection.execute(select(audit_stream).where(audit_stream.c.name == name)).first()
    return None if found is None else _place(found)


def places(connection: Connection) -> dict[str, Place]:
    """All of them, by name; also of streams that the settings do not have any more."""
    rows = connection.execute(select(audit_stream).order_by(audit_stream.c.name))
    return {row.name: _place(row) for row in rows}


def oldest_waiting(connection: Connection, place: Place) -> int | None:
    """When the first event that is not acknowledged was recorded; None when there is none."""
    t: int | None = connection.scalar(
        select(audit_event.c.t)
        .where(audit_event.c.seq > place.acknowledged_seq)
        .order_by(audit_event.c.seq)
        .limit(1)
    )
    return t


def next_batch(
    connection: Connection, place: Place, *, at_once: int, form: FormName, origin: str = ""
) -> Batch | None:
    """What is to be sent next; None when there is nothing. Raises Damaged.

    It ends before a gap; a gap where it would begin gives LookupError: something that was never
    sent is gone from the log. What was archived meanwhile is sent from there; Unavailable when the
    archives cannot be reached.
    """
    found: list[StoredEvent] = []
    size = 0
    for seq, body in _rows(connection, place.next_seq, at_once):
        size += len(body)
        if seq != place.next_seq + len(found) or (found and size > MOST_BYTES):
            if not found:
                raise LookupError(place.name)
            break
        found.append(decode(body, seq=seq))
    return Batch(place.name, tuple(found), form, origin) if found else None


def _rows(connection: Connection, start: int, at_once: int) -> Iterator[tuple[int, bytes]]:
    """Numbers and bodies from `start` on, from archives alone while it lies in one."""
    live = boundary(connection)
    if 0 <= start < live:
        yield from enumerate(entries.bodies(connection, start, min(start + at_once, live)), start)
        return
    rows = connection.execute(
        select(audit_event.c.seq, audit_event.c.body)
        .where(audit_event.c.seq >= start)
        .order_by(audit_event.c.seq)
        .limit(at_once)
    )
    yield from ((row.seq, row.body) for row in rows)


def acknowledge(connection: Connection, place: Place, batch: Batch, now: int) -> Place | None:
    """Move on behind the batch; None when another node did something to it meanwhile."""
    moved = Place(
        place.name,
        place.first_seq,
        # What is sent once more was acknowledged before.
        max(place.acknowledged_seq, batch.last),
        batch.last + 1,
        acknowledged_at=now,
        next_try_at=0,
    )
    return moved if _exchange(connection, place, moved) else None


def fail(connection: Connection, place: Place, reason: str, now: int, *, overlap: int) -> None:
    """Nothing was acknowledged; the next attempt comes later each time.

    overlap: how many acknowledged events are sent again when the receiver is back.
    """
    wait = min(FIRST_WAIT << min(place.attempts, 16), LONGEST_WAIT)
    again = max(place.first_seq, place.acknowledged_seq + 1 - overlap)
    failed = Place(
        place.name,
        place.first_seq,
        place.acknowledged_seq,
        min(place.next_seq, again),
        acknowledged_at=place.acknowledged_at,
        failing_since=now if place.failing_since is None else place.failing_since,
        attempts=place.attempts + 1,
        reason=reason,
        next_try_at=now + wait * MICROS,
        stalled_at=place.stalled_at,
    )
    _exchange(connection, place, failed)


def stall(connection: Connection, place: Place, now: int) -> bool:
    """Note that it stands still; False when that was noted before."""
    noted = connection.execute(
        update(audit_stream)
        .where(
            audit_stream.c.name == place.name,
            audit_stream.c.stalled_at.is_(None),
            audit_stream.c.failing_since.is_not(None),
        )
        .values(stalled_at=now)
    )
    return noted.rowcount == 1


def _exchange(connection: Connection, seen: Place, new: Place) -> bool:
    row = audit_stream.c
    changed = connection.execute(
        update(audit_stream)
        .where(
            row.name == seen.name,
            row.next_seq == seen.next_seq,
            row.acknowledged_seq == seen.acknowledged_seq,
            row.attempts == seen.attempts,
        )
        .values({name: value for name, value in vars(new).items() if name != "name"})
    )
    return changed.rowcount == 1


def _place(row: Row[Any]) -> Place:
    return Place(**row._asdict())
