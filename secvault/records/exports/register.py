"""Who took how many records away: a row for each export, from its beginning on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, cast, func, insert, select, update

from secvault.store.tables import record_export

BEGUN, DONE, BROKEN_OFF = "begun", "done", "broken_off"
DAY = 86_400 * 1_000_000


def begin(
    connection: Connection,
    export: str,
    *,
    collection: str,
    project: str,
    requested_by: str,
    at: int,
    records: int,
) -> None:
    """Keep that somebody begins. records: as many as there will be, as far as is known."""
    connection.execute(
        insert(record_export).values(
            id=export,
            collection=collection,
            project=project,
            requested_by=requested_by,
            started_at=at,
            state=BEGUN,
            records=records,
        )
    )


def end(connection: Connection, export: str, state: str, records: int, at: int) -> None:
    """Keep how it ended, and how many records left."""
    connection.execute(
        update(record_export)
        .where(record_export.c.id == export)
        .values(state=state, records=records, ended_at=at)
    )


def taken(connection: Connection, requested_by: str, since: int) -> int:
    """How many records somebody took away since then, in all exports that show them as they are.

    One that was killed counts with what it was about to take.
    """
    table = record_export
    found = connection.execute(
        # PostgreSQL sums into numeric.
        select(cast(func.coalesce(func.sum(table.c.records), 0), BigInteger)).where(
            table.c.requested_by == requested_by,
            table.c.started_at > since,
            table.c.project == "",
        )
    ).scalar_one()
    return int(found)
