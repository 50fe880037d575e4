"""Which part of a repository's data a check reads, so that all of it is read within some days.

The data is in so many equal parts (restic takes packs by the first byte of their names, hence at
most 256). Each part has to be read again before its last reading is older than the days stated. A
check reads as few parts as it may, so that those that are left can still be read in time by the
checks to come, one each; checks that did not happen are made up for by the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_part

MOST_PARTS = 256
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Part:
    """One part, counted from 1. since: when it was first known; read_at: when it was last read."""

    number: int
    since: int
    read_at: int | None

    def due(self, days: int) -> int:
        """Until when it has to be read. Microseconds, as all times here."""
        return (self.since if self.read_at is None else self.read_at) + days * _DAY


def how_many(days: int, between: int) -> int:
    """In how many parts the data is read within the days, by checks that are `between` apart.

    between: microseconds.
    """
    return min(MOST_PARTS, max(1, days * _DAY // max(1, between)))


def to_read(parts: Sequence[Part], coming: Sequence[int], days: int) -> tuple[int, ...]:
    """The numbers of the parts that a check now reads, most urgent first; at least one.

    coming: when the checks after this one are due, in their order.
    """
    urgent = sorted(parts, key=lambda one: (one.due(days), one.read_at is not None, one.number))
    least = 1
    for place, part in enumerate(urgent, 1):
        in_time = bisect_right(coming, part.due(days))
        least = max(least, place - in_time)
    return tuple(part.number for part in urgent[:least])


def parts_of(connection: Connection, repository: str, count: int, now: int) -> tuple[Part, ...]:
    """The parts of a repository in so many parts, made where they are not known yet."""
    table = backup_part
    this = (table.c.repository == repository, table.c.parts == count)
    columns = (table.c.part, table.c.since, table.c.read_at)
    rows = connection.execute(select(*columns).where(*this).order_by(table.c.part)).all()
    if not rows:
        for number in range(1, count + 1):
            first = {"repository": repository, "parts": count, "part": number, "since": now}
            insert_unless_there(connection, table, first)
        rows = connection.execute(select(*columns).where(*this).order_by(table.c.part)).all()
    return tuple(Part(*row) for row in rows)


def were_read(
    connection: Connection, repository: str, count: int, numbers: Sequence[int], now: int
) -> None:
    """Write down that these parts were read and are whole."""
    table = backup_part
    connection.execute(
        update(table)
        .where(table.c.repository == repository, table.c.parts == count, table.c.part.in_(numbers))
        .values(read_at=now)
    )
