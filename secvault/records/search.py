"""Finding records by what is in them, sealed or in clear, page by page.

The database gives candidates in order (`candidates`); each is read, verified and opened as far as
the search looks into it, and those that share a token with what is sought, but not the value, are
dropped. So a page holds what comparing every record would find, and nothing else. Start at
`find_records`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select
from sqlalchemy.exc import DataError, OperationalError

from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged
from secvault.keyring.keyring import Keyring
from secvault.records import candidates, index_state, plain_column
from secvault.records.blind_index import IndexKeys
from secvault.records.collection import Collection
from secvault.records.record import Record, read_records
from secvault.records.search_terms import Search, Sorting
from secvault.store.tables import record

MOST_OPENED = 10_000
"""Candidates that are opened for one page; a page that has no more by then goes on after them."""

_MOST_AT_ONCE = 1_000


@dataclass(frozen=True)
class Place:
    """Where a page ended: a record, and its plain value of the field that is sorted by."""

    id: str
    value: JsonValue = None


@dataclass(frozen=True)
class Found:
    """A page. ended: where the next one goes on; None when there is nothing more.

    opened: how many candidates were read for it.
    """

    records: tuple[Record, ...]
    ended: Place | None
    opened: int


def find_records(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    search: Search,
    limit: int,
    after: Place | None = None,
    *,
    among: ColumnElement[bool] | None = None,
    admits: Callable[[Record], bool] = lambda _record: True,
) -> Found:
    """The next `limit` records of the search, in its order.

    among: the rows of `record` that count. admits: the same of a record as it was read. A page is
    shorter than its limit only at the end, or where `MOST_OPENED` candidates were opened for it.
    Raises InvalidInput (no index answers), Conflict (an index is not complete), Damaged.
    """
    question = _question(connection, keyring, collection, search, among)
    found: list[Record] = []
    opened, place = 0, after
    at_once = limit + 1
    while opened < MOST_OPENED:
        ids = _next_ids(connection, collection, search.sorting, question, place, at_once)
        read = {one.id: one for one in read_records(connection, keyring, collection, ids)}
        for id_ in ids:
            one = read.get(id_)
            if one is None:
                # Deleted since: only in a transaction that sees what others commit meanwhile.
                continue
            opened += 1
            if admits(one) and _is_sought(search, one):
                if len(found) == limit:
                    # One more than the page holds, so there is a next page.
                    return Found(tuple(found), place_of(search.sorting, found[-1]), opened)
                found.append(one)
            place = place_of(search.sorting, one)
        if len(ids) < at_once:
            return Found(tuple(found), None, opened)
        at_once = min(2 * at_once, _MOST_AT_ONCE)
    return Found(tuple(found), place, opened)


def place_of(sorting: Sorting, one: Record) -> Place:
    """Where a record stands in the order."""
    if sorting.field is None:
        return Place(one.id)
    return Place(one.id, one.plain.get(sorting.field.name))


def _is_sought(search: Search, one: Record) -> bool:
    known = one.field_names
    return all(
        condition.field.name in known and condition.holds(one.value(condition.field.name))
        for condition in search.conditions
    )


def _question(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    search: Search,
    among: ColumnElement[bool] | None,
) -> ColumnElement[bool]:
    indexed = candidates.indexed_fields(search)
    keys = IndexKeys.of(connection, keyring, collection) if indexed else None
    versions = index_state.readable(connection, collection, indexed)
    conditions = candidates.conditions(connection.dialect.name, collection, search, versions, keys)
    if among is not None:
        conditions.append(among)
    return and_(record.c.collection == collection.name, *conditions)


def _next_ids(
    connection: Connection,
    collection: Collection,
    sorting: Sorting,
    question: ColumnElement[bool],
    place: Place | None,
    limit: int,
) -> list[str]:
    dialect = connection.dialect.name
    statement = select(record.c.id).where(question)
    if place is not None:
        statement = statement.where(_after(dialect, sorting, place))
    statement = statement.order_by(*_order(dialect, sorting)).limit(limit)
    try:
        return list(connection.execute(statement).scalars())
    except DataError:
        raise _damaged(collection) from None
    except OperationalError as error:
        if str(error.orig).startswith("malformed JSON"):
            raise _damaged(collection) from None
        raise


def _order(dialect: str, sorting: Sorting) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [record.c.id]
    if sorting.field is not None:
        columns = [*plain_column.order(dialect, sorting.field), *columns]
    directed: list[ColumnElement[Any]] = [
        one.desc() if sorting.descending else one.asc() for one in columns
    ]
    if sorting.field is None:
        return directed
    # False comes before true on both engines: what has no value comes last.
    return [plain_column.missing(dialect, sorting.field).asc(), *directed]


def _after(dialect: str, sorting: Sorting, place: Place) -> ColumnElement[bool]:
    descending = sorting.descending
    own = plain_column.after((record.c.id,), (place.id,), descending=descending)
    if sorting.field is None:
        return own
    missing = plain_column.missing(dialect, sorting.field)
    if place.value is None:
        return and_(missing, own)
    columns = (*plain_column.order(dialect, sorting.field), record.c.id)
    key = (*plain_column.key_of(dialect, sorting.field, place.value), place.id)
    return or_(missing, plain_column.after(columns, key, descending=descending))


def _damaged(collection: Collection) -> Damaged:
    return Damaged(
        f"plain fields of a record of {collection.name} are damaged; "
        f"`secvault records check {collection.name}` says which"
    )
