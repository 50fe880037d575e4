"""Every row that belongs to a record, so that none stays when the record is erased.

Found by its columns: a table of the metadata with `collection` and `record` holds rows of records.
Needed live, where a record is erased, and on a restored copy, where it is erased once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Table, delete, update

from secvault.store.tables import metadata, object_actor, record

CONTENTS, GIVEN_UP = "attachment", "unused"
"""The table of what lies beside the database. A row of it stays, without its key, until the content
that it names has been removed from there."""

_AT_ONCE = 500


def tables_of_records() -> tuple[Table, ...]:
    """The tables whose rows belong to one record each and go with it, those that refer to others
    first.
    """
    return tuple(
        table
        for table in reversed(metadata.sorted_tables)
        if {"collection", "record"} <= set(table.c.keys()) and table.name != CONTENTS
    )


def delete_records(connection: Connection, collection: str, ids: Iterable[str], at: int) -> int:
    """Delete these records with all that belongs to them; how many there were. at: micros."""
    contents = metadata.tables.get(CONTENTS)
    gone = 0
    for some in _chunks(ids):
        if contents is not None:
            _give_up(connection, contents, collection, some, at)
        for table in tables_of_records():
            columns = table.c
            connection.execute(
                delete(table).where(columns.collection == collection, columns.record.in_(some))
            )
        names = [f"{collection}/{one}" for one in some]
        connection.execute(delete(object_actor).where(object_actor.c.object.in_(names)))
        gone += connection.execute(
            delete(record).where(record.c.collection == collection, record.c.id.in_(some))
        ).rowcount
    return gone


def names_of_tables() -> tuple[str, ...]:
    """All tables that hold something of a record or the key to it."""
    contents = (CONTENTS,) if CONTENTS in metadata.tables else ()
    belonging = (one.name for one in tables_of_records())
    return ("data_key", "object_actor", "record", *belonging, *contents)


def _give_up(
    connection: Connection, contents: Table, collection: str, ids: Sequence[str], at: int
) -> None:
    connection.execute(
        update(contents)
        .where(contents.c.collection == collection, contents.c.record.in_(ids))
        .values(state=GIVEN_UP, wrapped_key=None, changed_at=at)
    )


def _chunks(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
