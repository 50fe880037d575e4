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
    is the store's own, older ones that are archived may still be there and do not count.
    """

    connection: Connection
    start: int


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
        found = archive_rows.archives(connection, start, stop, newest_first=newest_first)
        for archive in found:
            if since is not None and archive.last_t < since:
                continue
            if until is not None and archive.first_t >= until:
                continue
            yield from _copies(connection, archive, start, stop, newest_first=newest_first)
    if not newest_first:
        yield Window(connection, live)


def _copies(
    connection: Connection, archive: Archive, start: int, stop: int, *, newest_first: bool
) -> Generator[Window, None, None]:
    first, last = max(start, archive.first) // WIDTH, -(-min(stop, archive.stop) // WIDTH)
    places = range(first, last, BUNDLES)
    with _in_memory() as copy:
        for at in reversed(places) if newest_first else places:
            copy.execute(delete(audit_event))
            begin, end = at * WIDTH, min(at + BUNDLES, last) * WIDTH
            for n, some in entries.archived(connection, archive, begin, end):
                rows = (
                    (*columns(found.seq, found.id, found.t, found.event), found.body)
                    for found in (decode(body, seq=seq) for seq, body in enumerate(some, n * WIDTH))
                )
                copy.exec_driver_sql(_INSERT, list(rows))
            yield Window(copy, begin)


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
