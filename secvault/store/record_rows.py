"""Every row that belongs to a record, so that none stays when the record is erased.

Found by its columns: a table of the metadata with `collection` and `record` holds rows of records.
Needed live, where a record is erased, and on a restored copy, where it is erased once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Table, delete, inspect

from secvault.store.tables import metadata, object_actor, record

_AT_ONCE = 500


def tables_of_records() -> tuple[Table, ...]:
    """The tables whose rows belong to one record each, those that refer to others first."""
    return tuple(
        table
        for table in reversed(metadata.sorted_tables)
        if {"collection", "record"} <= table.c.keys()
    )


def tables_there(connection: Connection) -> frozenset[str]:
    """The names of the tables that this database has, which may be of an older schema."""
    return frozenset(inspect(connection).get_table_names())


def delete_records(
    connection: Connection,
    collection: str,
    ids: Iterable[str],
    there: frozenset[str] | None = None,
) -> int:
    """Delete these records with all that belongs to them; how many there were.

    there: the tables of a database that may be of an older schema; None for the present one.
    """
    hanging = [one for one in tables_of_records() if there is None or one.name in there]
    actors = there is None or object_actor.name in there
    gone = 0
    for some in _chunks(ids):
        for table in hanging:
            columns = table.c
            connection.execute(
                delete(table).where(columns.collection == collection, columns.record.in_(some))
            )
        if actors:
            names = [f"{collection}/{one}" for one in some]
            connection.execute(delete(object_actor).where(object_actor.c.object.in_(names)))
        gone += connection.execute(
            delete(record).where(record.c.collection == collection, record.c.id.in_(some))
        ).rowcount
    return gone


def _chunks(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
