"""What the store knows of archives: which there are, and the leaf hashes of what lies in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, inspect, select

from secvault.crypto.merkle import HASH_BYTES
from secvault.crypto.tiles import WIDTH
from secvault.errors import Damaged
from secvault.store.tables import audit_archive, audit_leaves

BUNDLE_BYTES = WIDTH * HASH_BYTES
_LEAVES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was written and read back. It holds the entries from `first` to below `stop`.

    digest: SHA-256 of its file. first_t, last_t: times of its first and last entry. keep_until: how
    long it was to be kept when it was made. All times in microseconds, UTC.
    """

    first: int
    stop: int
    name: str
    digest: bytes
    bytes: int
    first_t: int
    last_t: int
    made_at: int
    keep_until: int


def boundary(connection: Connection) -> int:
    """Entries below this number lie in archives; 0 when none does."""
    return connection.scalar(select(func.max(audit_archive.c.stop))) or 0


def is_kept(connection: Connection) -> bool:
    """Whether this store is of a version that knows of archives."""
    return inspect(connection).has_table(audit_archive.name)


def archives(
    connection: Connection, start: int = 0, stop: int | None = None, *, newest_first: bool = False
) -> tuple[Archive, ...]:
    """The archives with entries from `start` to below `stop`, in the order of the log."""
    order = audit_archive.c.first.desc() if newest_first else audit_archive.c.first
    wanted = select(audit_archive).where(audit_archive.c.stop > start).order_by(order)
    if stop is not None:
        wanted = wanted.where(audit_archive.c.first < stop)
    return tuple(Archive(*row) for row in connection.execute(wanted))


def leaves(connection: Connection, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Each bundle from number `start` to below `stop` that is there, and its 256 leaf hashes."""
    row = audit_leaves.c
    while start < stop:
        some = min(stop, start + _LEAVES_AT_ONCE)
        found = connection.execute(
            select(row.n, row.hashes).where(row.n >= start, row.n < some).order_by(row.n)
        ).all()
        for n, hashes in found:
            if len(hashes) != BUNDLE_BYTES:
                raise Damaged(f"the leaf hashes of bundle {n} are not 256; verify the log")
            yield n, hashes
        start = some


def cut(hashes: bytes) -> list[bytes]:
    """The single leaf hashes of a bundle."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
