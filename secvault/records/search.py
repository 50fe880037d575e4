"""Finding records by what is in them, sealed or in clear, page by page.

The database gives candidates in order (`candidates`, `search_question`); each is read, verified and
opened as far as the search looks into it, and those that share a token with what is sought, but not
the value, are dropped. So a page holds what comparing every record would find, and nothing else.
Start at `find_records`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, false, true

from secvault.keyring.keyring import Keyring
from secvault.records import candidates, index_state
from secvault.records.blind_index import IndexKeys, Token
from secvault.records.collection import Collection
from secvault.records.index_rows import stored_tokens
from secvault.records.record import Record, read_records
from secvault.records.search_question import next_ids
from secvault.records.search_terms import Place, Search, Sorting

MOST_OPENED = 10_000
"""Candidates that are opened for one page; a page that has no more by then goes on after them."""

MOST_LOOKED = 100_000
"""Records that are looked at for one page where only some of the records count."""

_MOST_AT_ONCE = 1_000


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
    keys: IndexKeys | None = None,
    among: ColumnElement[bool] | None = None,
    admits: Callable[[Record], bool] = lambda _record: True,
) -> Found:
    """The next `limit` records of the search, in its order.

    keys: of the collection's indexes, where the caller has them. among: the rows of `record` that
    count. admits: the same of a record as it was read. A page is shorter than its limit only at the
    end, or where `MOST_OPENED` candidates were opened for it.
    Raises InvalidInput (no index answers), Conflict (an index is not complete), Damaged.
    """
    asked = _asked(connection, keyring, collection, search, keys, among)
    found: list[Record] = []
    opened, looked, place = 0, 0, after
    at_once = limit + 1
    while opened < MOST_OPENED and looked < MOST_LOOKED:
        ids = next_ids(
            connection, collection, asked.tokens, asked.others, search.sorting, place, at_once
        )
        likely = _having(connection, collection, ids, asked.among_these)
        read = {
            one.id: one
            # The last one also where it is none, as it is what the next page goes on after.
            for one in read_records(connection, keyring, collection, [*likely, *ids[-1:]])
        }
        for id_ in ids:
            one = read.get(id_)
            if one is None:
                # No candidate; or deleted since, where a transaction sees what others commit.
                continue
            opened += 1
            if id_ in likely and admits(one) and _is_sought(search, one):
                if len(found) == limit:
                    # One more than the page holds, so there is a next page.
                    return Found(tuple(found), place_of(search.sorting, found[-1]), opened)
                found.append(one)
            place = place_of(search.sorting, one)
        looked += len(ids)
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


@dataclass(frozen=True)
class _Asked:
    """tokens, others: the question to the database, see `search_question.next_ids`. among_these:
    the tokens that are looked for among its answers.
    """

    tokens: tuple[frozenset[Token], ...] = ()
    others: tuple[ColumnElement[bool], ...] = ()
    among_these: tuple[frozenset[Token], ...] = ()


def _asked(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    search: Search,
    keys: IndexKeys | None,
    among: ColumnElement[bool] | None,
) -> _Asked:
    indexed = candidates.indexed_fields(search)
    wanted: tuple[frozenset[Token], ...] = ()
    if indexed:
        versions = index_state.readable(connection, collection, indexed)
        keys = keys or IndexKeys.of(connection, keyring, collection)
        wanted = candidates.wanted_tokens(search, versions, keys)
    plain = candidates.in_clear(connection.dialect.name, collection, search)
    if among is None:
        return _Asked(wanted, tuple(plain))
    # Where only some records count, nothing is compared that the others hold: how long it takes
    # would tell of them. So the tokens are looked for among the records that count.
    compared = case((among, and_(true(), *plain)), else_=false())
    return _Asked(others=(among, compared), among_these=wanted)


def _having(
    connection: Connection,
    collection: Collection,
    ids: list[str],
    wanted: tuple[frozenset[Token], ...],
) -> frozenset[str]:
    """Those of the records that have a token of each set."""
    if not wanted or not ids:
        return frozenset(ids)
    stored = stored_tokens(connection, collection, ids)
    return frozenset(id_ for id_ in ids if all(stored[id_] & those for those in wanted))
