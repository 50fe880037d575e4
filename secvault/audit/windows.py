"""Asking archived entries what the store is asked: the same SQL, of a small copy in memory.

So there is one meaning of every question, whatever it may ask; archived entries answer it the more
slowly, at some ten thousand a second.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine, delete
from sqlalchemy.pool import StaticPool

from secvault.audit import archive_rows, entries
from secvault.audit.append import columns
from secvault.audit.archive_rows import Archive, boundary
from secvault.audit.leaf import decode
from secvault.crypto.tiles import WIDTH
from secvault.store.tables import audit_event

BUNDLES = 16
"""How many bundles of 256 entries are copied at a time."""

_INSERT = (
    "INSERT INTO audit_event (seq, id, t, kind, outcome, actor, resource, department, body,"
    " leaf_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, x'')"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the log. connection: has its entries, from `start` on, in `audit_event`; where it
    is the store's own, older ones that are archived may still be there and do not count. stop: it
    ends before this one; of the store's own, 0.
    """

    connection: Connection
    start: int
    stop: int = 0


def windows(
    connection: Connection,
    *,
    newest_first: bool,
    after: int | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Generator[Window, None, None]:
    """The parts of the log that may hold entries beyond `after` and of this time, in the order
    asked for. What is read of one must be read before the next is taken. Raises as
    `entries.bodies` does.
    """
    live = boundary(connection)
    if newest_first and (after is None or after > live):
        yield Window(connection, live)
    if live:
        start = 0 if newest_first or after is None else after + 1
        stop = live if not newest_first or after is None else min(after, live)
        found = [
            archive
            for archive in archive_rows.archives(connection, start, stop, newest_first=newest_first)
            if (since is None or archive.last_t >= since)
            and (until is None or archive.first_t < until)
        ]
        with _in_memory() as copy:
            for archive in found:
                first, last = max(start, archive.first), min(stop, archive.stop)
                places = range(first // WIDTH, -(-last // WIDTH), BUNDLES)
                for at in reversed(places) if newest_first else places:
                    end = min(at + BUNDLES, places.stop) * WIDTH
                    _fill(copy, connection, archive, at * WIDTH, end)
                    yield Window(copy, at * WIDTH, min(end, archive.stop))
    if not newest_first:
        yield Window(connection, live)


def _fill(
    copy: Connection, connection: Connection, archive: Archive, start: int, stop: int
) -> None:
    copy.execute(delete(audit_event))
    for n, bodies in entries.archived(connection, archive, start, stop):
        events = (decode(body, seq=seq) for seq, body in enumerate(bodies, n * WIDTH))
        rows = [(*columns(one.seq, one.id, one.t, one.event), one.body) for one in events]
        copy.exec_driver_sql(_INSERT, rows)


@contextmanager
def _in_memory() -> Generator[Connection, None, None]:
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    try:
        with engine.connect() as copy:
            audit_event.create(copy)
            yield copy
    finally:
        engine.dispose()
