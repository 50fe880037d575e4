"""The entries of the log, wherever they lie: the newer ones in the store, older ones in archives.

Everything that reads bodies reads them here, so that nobody else knows of archives. A connection
knows where those of its store lie when the store was made with `reaching`; with any other, an entry
that is archived cannot be read, and that is said (Unavailable).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, select

from secvault.audit import archive_rows
from secvault.audit.archive_rows import Archive, boundary
from secvault.audit.archives import Archives, bundles_of
from secvault.crypto.secret import Secret
from secvault.crypto.tiles import WIDTH
from secvault.errors import Damaged
from secvault.store.engine import Store
from secvault.store.tables import audit_event

CHUNK = 2_000
"""How many entries are read at a time, so that memory stays flat."""

_OPTION = "secvault_audit_archives"


def reaching(store: Store, archives: Archives) -> Store:
    """The same store, whose connections also reach what lies in these archives."""
    option = {_OPTION: archives}
    return replace(
        store,
        reader=store.reader.execution_options(**option),
        writer=store.writer.execution_options(**option),
    )


def archives_of(connection: Connection) -> Archives:
    """The archives that the connection reaches."""
    found = connection.get_execution_options().get(_OPTION)
    return found if isinstance(found, Archives) else Archives(None, _no_key)


def bodies(connection: Connection, start: int, stop: int) -> Iterator[bytes]:
    """The leaf bytes of the entries from `start` to below `stop`, as far as they are there.

    Raises Damaged when an archive is missing or damaged, Unavailable when it cannot be reached.
    """
    live = boundary(connection)
    if start < live:
        for archive in archive_rows.archives(connection, start, min(stop, live)):
            for n, entries in archived(connection, archive, start, min(stop, live)):
                first = n * WIDTH
                yield from entries[max(start - first, 0) : stop - first]
        start = live
    seq = audit_event.c.seq
    while start < stop:
        rows = connection.execute(
            select(seq, audit_event.c.body)
            .where(seq >= start, seq < stop)
            .order_by(seq)
            .limit(CHUNK)
        ).all()
        if not rows:
            return
        yield from (row.body for row in rows)
        start = rows[-1].seq + 1


def body(connection: Connection, seq: int) -> bytes | None:
    """The leaf bytes of one entry; None when it is not there. Raises as `bodies` does."""
    found = connection.scalar(select(audit_event.c.body).where(audit_event.c.seq == seq))
    if found is None and 0 <= seq < boundary(connection):
        return next(bodies(connection, seq, seq + 1), None)
    return found


def archived(
    connection: Connection, archive: Archive, start: int, stop: int
) -> Iterator[tuple[int, list[bytes]]]:
    """Each bundle of the archive with entries of this range: its number, its 256 entries."""
    reader = archives_of(connection)
    wanted = bundles_of(archive, start, stop)
    known = archive_rows.leaves(connection, wanted.start, wanted.stop)
    for n in wanted:
        found, hashes = next(known, (None, b""))
        if found != n:
            raise Damaged(f"the leaf hashes of bundle {n} are missing; verify the log")
        yield n, reader.bundle(archive, n, hashes)


def _no_key() -> Secret:
    raise AssertionError("nothing is opened where there is no place")
