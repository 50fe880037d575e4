"""Verification of what lies in archives: every bundle read, opened, and compared with the store.

A bundle that cannot be read is named, and its leaf hashes, which the store kept, go on in the tree:
so damage of an archive hides no other damage, and is not taken for a gap in the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import Any

from sqlalchemy import Connection, select

from secvault.audit import archive_rows
from secvault.audit.archive_rows import Archive
from secvault.audit.archives import Archives, MissingArchive, bundles_of
from secvault.audit.entries import archives_of
from secvault.audit.leaf import outline
from secvault.audit.walk import Kind, Verdict
from secvault.crypto.tiles import WIDTH
from secvault.errors import Damaged
from secvault.store.tables import audit_event

_NO_HASHES = bytes(archive_rows.BUNDLE_BYTES)


Row = tuple[Any, ...]
"""An entry as a row of the store would show it, in the order of `chunks.COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that was not read."""

    seq: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with an archive. seq: the first entry that it concerns."""

    seq: int
    what: str
    kind: Kind = "altered"
    verdict: Verdict = "integrity"


def archived(connection: Connection) -> Iterator[Row | Unread | Fault]:
    """All that archives hold, in the order of the log, and what is wrong with it.

    Where the connection reaches no archives, as with a copy, all is unread and nothing wrong.
    """
    if not archive_rows.is_kept(connection):
        return
    stop = 0
    reader = archives_of(connection)
    reader.forget()
    for archive in archive_rows.archives(connection):
        if archive.first != stop:
            yield Fault(stop, f"there is no archive of the entries before {archive.first}")
        yield from _of_archive(connection, reader, archive)
        stop = archive.stop


def live_from(connection: Connection) -> int:
    """The number of the first entry that must lie in the store."""
    return archive_rows.boundary(connection) if archive_rows.is_kept(connection) else 0


def left_behind(connection: Connection, live: int) -> Iterator[Fault]:
    """Entries that lie in the store as well as in an archive, and differ from what it holds.

    A run that was killed leaves entries behind, which the next one removes.
    """
    row = audit_event.c
    known: dict[int, bytes] = {}
    for seq, found in connection.execute(
        select(row.seq, row.leaf_hash).where(row.seq >= 0, row.seq < live).order_by(row.seq)
    ):
        n = seq // WIDTH
        if n not in known:
            known = dict(archive_rows.leaves(connection, n, n + 1))
        if archive_rows.cut(known.get(n, _NO_HASHES))[seq % WIDTH] != found:
            yield Fault(seq, "it lies in the store and in an archive, and the two differ")


def _of_archive(
    connection: Connection, reader: Archives, archive: Archive
) -> Iterator[Row | Unread | Fault]:
    wanted = bundles_of(archive, archive.first, archive.stop)
    known = dict(archive_rows.leaves(connection, wanted.start, wanted.stop))
    readable = reader.place is not None
    if readable:
        try:
            if not reader.opened(archive).whole:
                yield Fault(archive.first, f"the archive {archive.name} was changed")
        except MissingArchive as error:
            yield Fault(archive.first, error.detail, "missing", "completeness")
            readable = False
        except Damaged as error:
            yield Fault(archive.first, error.detail)
            readable = False
    for n in wanted:
        hashes = known.get(n)
        if hashes is None:
            yield Fault(n * WIDTH, f"the leaf hashes of bundle {n} were removed")
            continue
        leaves = archive_rows.cut(hashes)
        if not readable:
            yield from starmap(Unread, enumerate(leaves, n * WIDTH))
            continue
        try:
            entries = reader.bundle(archive, n, hashes)
        except Damaged as error:
            yield Fault(n * WIDTH, error.detail)
            yield from starmap(Unread, enumerate(leaves, n * WIDTH))
            continue
        yield from _rows(entries, leaves, n * WIDTH)


def _rows(entries: list[bytes], leaves: list[bytes], first: int) -> Iterator[Row]:
    for seq, (body, leaf) in enumerate(zip(entries, leaves, strict=True), first):
        try:
            served = outline(body).served
        except Damaged:
            # Its bytes are those of the log; that they are no event is found where it is taken.
            served = ("", 0, "", "unknown", "", "", "")
        yield seq, *served, body, leaf
