"""A question that is written once gives what one that is written anew would."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, true

from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged
from secvault.keyring import Keyring
from secvault.records.blind_index import IndexKeys, Kind, Token
from secvault.records.candidates import wanted_tokens
from secvault.records.search import find_records
from secvault.records.search_question import next_ids
from secvault.records.search_terms import Place, Search, parse_search
from secvault.store import Store
from tests.records.searchable import THINGS, all_pages, keep, keyring_of

BATCH: Mapping[str, Mapping[str, JsonValue]] = {
    "t-0": {},
    **{
        f"t-{number}": {
            "s_text": f"name {number % 4}",
            "s_integer": number % 3,
            "n_text": "Đỗ" if number % 2 else "?%s'",
            "n_integer": -number,
            "n_decimal": f"{number % 3}.25",
            "n_money": {"amount": f"{number}.5", "currency": "VND"},
            "n_boolean": number % 2 == 0,
            "n_date": f"2026-05-0{number}",
        }
        for number in range(1, 9)
    },
}
SORTED_BY = ("n_text", "n_integer", "n_decimal", "n_money", "n_boolean", "n_date", "id")
INDEXES = {"s_text": THINGS.fields["s_text"], "s_integer": THINGS.fields["s_integer"]}


@pytest.fixture
def keyring(any_store: Store) -> Keyring:
    made = keyring_of(any_store)
    keep(any_store, made, BATCH, THINGS)
    return made


def tokens_of(store: Store, keyring: Keyring, asked: Search) -> tuple[frozenset[Token], ...]:
    """The tokens by which the present indexes answer."""
    versions = {name: (field.index,) for name, field in INDEXES.items() if field.index}
    with store.write() as connection:
        keys = IndexKeys.of(connection, keyring, THINGS)
    return wanted_tokens(asked, versions, keys)


def place_after(id_: str, sort: str) -> Place:
    value = BATCH[id_].get(sort.removeprefix("-"))
    return Place(id_, value)


@pytest.mark.parametrize("where", [{}, {"s_text": "NAME 1"}, {"s_text": "name 2", "s_integer": 0}])
def test_whatever_it_sorts_by_and_goes_on_after_it_gives_the_same(
    any_store: Store, keyring: Keyring, where: dict[str, JsonValue]
) -> None:
    """Where something else must hold, SQLAlchemy writes it anew."""
    for sort in [*SORTED_BY, *(f"-{name}" for name in SORTED_BY)]:
        asked = parse_search(THINGS, where, sort)
        wanted = tokens_of(any_store, keyring, asked)
        with any_store.read() as connection:
            every = next_ids(connection, THINGS, wanted, (), asked.sorting, None, 20)
            assert every == next_ids(connection, THINGS, wanted, [true()], asked.sorting, None, 20)
            # Those that have a token by chance come with those that have the value.
            assert set(every) >= {
                id_
                for id_, values in BATCH.items()
                if all(str(values.get(name)) == str(said).lower() for name, said in where.items())
            }
            for at, id_ in enumerate(every):
                place = place_after(id_, sort)
                rest = next_ids(connection, THINGS, wanted, (), asked.sorting, place, 2)
                assert rest == every[at + 1 : at + 3]


def test_one_token_of_many_is_enough_however_many_are_asked_for(
    any_store: Store, keyring: Keyring
) -> None:
    asked = parse_search(THINGS, {"s_text": "name 1"})
    (right,) = tokens_of(any_store, keyring, asked)
    (by,) = {(field, kind, version) for field, kind, version, _ in right}
    foreign: list[Token] = [(*by, number.to_bytes(3, "big")) for number in range(130)]
    with any_store.read() as connection:

        def found(*wanted: frozenset[Token]) -> list[str]:
            return next_ids(connection, THINGS, wanted, (), asked.sorting, None, 20)

        expected = found(right)
        assert {"t-1", "t-5"} <= set(expected)
        for many in (1, 2, 3, 31, 32, 63, 64, 65, 130):
            others = frozenset(foreign[:many])
            assert found(others) == []
            assert found(others | right) == expected
            assert found(right, others) == []
        # A token counts for its own field, kind and version only.
        (token,) = {one[-1] for one in right}
        for elsewhere in (
            ("s_date", Kind.EXACT, 1, token),
            ("s_text", Kind.LAST, 9, token),
            ("s_text", Kind.EXACT, 2, token),
        ):
            assert found(frozenset({elsewhere})) == []
        assert found(frozenset()) == []


@contextmanager
def written_by_sqlalchemy(engine: Engine) -> Iterator[list[str]]:
    """The statements that SQLAlchemy is given to write, while the block runs."""
    said: list[str] = []

    def listen(_connection: Any, clause: Any, *_: Any) -> None:
        said.append(str(clause))

    event.listen(engine, "before_execute", listen)
    try:
        yield said
    finally:
        event.remove(engine, "before_execute", listen)


@pytest.mark.parametrize("sort", ["id", "-n_money"])
def test_a_search_by_indexes_has_no_statement_written_anew(
    any_store: Store, keyring: Keyring, sort: str
) -> None:
    tokens_of(any_store, keyring, parse_search(THINGS, {}))
    with any_store.read() as connection, written_by_sqlalchemy(any_store.reader) as said:
        assert all_pages(connection, keyring, THINGS, {"s_text": "name 1"}, sort, limit=1)
        assert all_pages(connection, keyring, THINGS, {"s_text": "name 2"}, sort, limit=1)
        assert said == []
        # That it would be seen.
        assert all_pages(connection, keyring, THINGS, {"n_integer": -1}) == ["t-1"]
        assert len(said) == 1


def test_a_search_by_two_indexes_asks_the_database_six_times(sqlite_store: Store) -> None:
    """The indexes, their key, the ids; the records, their fields, and the key of the collection."""
    keyring = keyring_of(sqlite_store)
    keep(sqlite_store, keyring, BATCH, THINGS)
    asked = parse_search(THINGS, {"s_text": "name 1", "s_integer": 1})
    tokens_of(sqlite_store, keyring, asked)
    said: list[str] = []
    with sqlite_store.read() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(said.append)
        try:
            found = find_records(connection, keyring, THINGS, asked, 20)
        finally:
            driver.set_trace_callback(None)
    assert [one.id for one in found.records] == ["t-1"]
    assert len(said) == 6
    assert sum("record_index_version" in one for one in said) == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE record SET id = CAST(id AS BLOB) WHERE id = 't-1'", {}),
        (
            "INSERT INTO record_index_version VALUES ('things', 's_text', 1, 'text', '', NULL)",
            {"s_text": "name 1"},
        ),
        (
            "UPDATE named_key_version SET wrapped = CAST('of text' AS TEXT)",
            {"s_text": "name 1"},
        ),
    ],
)
def test_a_value_of_another_type_than_was_written_is_damage(
    sqlite_store: Store, change: str, where: dict[str, JsonValue]
) -> None:
    """One changed bit in a page of SQLite makes another type of what was written."""
    keyring = keyring_of(sqlite_store)
    keep(sqlite_store, keyring, BATCH, THINGS)
    asked = parse_search(THINGS, where)
    tokens_of(sqlite_store, keyring, asked)
    # A connection of its own looks at no references, as damage does not.
    with closing(sqlite3.connect(str(sqlite_store.reader.url.database))) as driver, driver:
        assert driver.execute(change).rowcount > 0
    with pytest.raises(Damaged), sqlite_store.read() as connection:
        find_records(connection, keyring, THINGS, asked, 20)
