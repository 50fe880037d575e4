"""Many rows with one statement are the same rows, in the same transaction, with the same faults."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from secvault.errors import Conflict, InvalidInput
from secvault.store import Store, tables
from secvault.store.bulk import insert_rows, insert_rows_unless_there

KEYS = tables.data_key
COLUMNS = ("collection", "subject", "wrapped", "created_at")


def rows_of(store: Store) -> list[tuple[object, ...]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(KEYS).order_by(KEYS.c.subject))]


def row(number: int) -> tuple[str, str, bytes, int]:
    return ("payroll", f"nv-{number:05}", number.to_bytes(3, "big"), number)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_all_are_there_whatever_their_number(any_store: Store, count: int) -> None:
    rows = [row(number) for number in range(count)]
    with any_store.write() as connection:
        insert_rows(connection, KEYS, COLUMNS, rows)
    assert rows_of(any_store) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
            st.binary(max_size=8),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=8,
        unique_by=lambda one: one[0],
    )
)
def test_every_value_comes_back(any_store: Store, found: list[tuple[str, bytes, int]]) -> None:
    rows = [("payroll", *one) for one in found]
    with any_store.write() as connection:
        connection.execute(KEYS.delete())
        insert_rows(connection, KEYS, COLUMNS, rows)
    assert sorted(rows_of(any_store)) == sorted(rows)


def test_a_value_that_may_be_missing_may_be_missing(any_store: Store) -> None:
    columns = ("object", "version", "action", "subject", "owner", "at")
    rows = [("a", 1, "x", "user:a", None, 1), ("b", 1, "x", "user:a", "user:b", 1)]
    with any_store.write() as connection:
        insert_rows(connection, tables.object_actor, columns, rows)
    with any_store.read() as connection:
        found = connection.execute(select(tables.object_actor.c.owner))
        assert sorted(found.scalars(), key=str) == [None, "user:b"]


def test_one_that_is_there_is_a_conflict_and_none_is_inserted(any_store: Store) -> None:
    with any_store.write() as connection:
        insert_rows(connection, KEYS, COLUMNS, [row(1500)])
    with pytest.raises(Conflict), any_store.write() as connection:
        insert_rows(connection, KEYS, COLUMNS, [row(number) for number in range(2000)])
    assert rows_of(any_store) == [row(1500)]


def test_those_that_are_there_are_left_out_and_the_others_told(any_store: Store) -> None:
    with any_store.write() as connection:
        insert_rows(connection, KEYS, COLUMNS, [row(1), row(1500)])
    others = [("payroll", f"nv-{number:05}", b"new", 7) for number in range(2000)]
    with any_store.write() as connection:
        told = insert_rows_unless_there(connection, KEYS, COLUMNS, others, "subject")
    assert told == {f"nv-{number:05}" for number in range(2000)} - {"nv-00001", "nv-01500"}
    assert len(rows_of(any_store)) == 2000
    assert {row(1), row(1500)} <= set(rows_of(any_store))


@pytest.mark.parametrize("count", [1, 50])
def test_what_the_database_cannot_keep_is_named(any_store: Store, count: int) -> None:
    rows = [row(number) for number in range(count)]
    for bad in ["\ud800"] + ["nv\0"] * (any_store.dialect == "postgresql"):
        with pytest.raises(InvalidInput), any_store.write() as connection:
            insert_rows(connection, KEYS, COLUMNS, [*rows, ("payroll", bad, b"x", 1)])
    assert rows_of(any_store) == []
