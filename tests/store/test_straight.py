"""Statements straight to the driver share transaction, values and faults with all others."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from secvault.errors import Conflict, SecvaultError
from secvault.store import Store, tables
from secvault.store.straight import straight

ADD = "INSERT INTO mount (path, kind, department, created_at) VALUES (?, ?, ?, ?)"
ROW = ("transit", "transit", "it", 1)


def _paths(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(tables.mount.c.path)).scalars())


def test_it_is_part_of_the_transaction_around_it(any_store: Store) -> None:
    def added_and_undone() -> None:
        with any_store.write() as connection:
            assert straight(connection, ADD, ROW) == []
            found = straight(connection, "SELECT path FROM mount WHERE kind = ?", ["transit"])
            assert found == [("transit",)]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        added_and_undone()
    assert _paths(any_store) == []
    with any_store.write() as connection:
        straight(connection, ADD, ROW)
    assert _paths(any_store) == ["transit"]


def test_the_store_names_its_faults_as_those_of_all_other_statements(any_store: Store) -> None:
    with any_store.write() as connection:
        straight(connection, ADD, ROW)
    with pytest.raises(Conflict), any_store.write() as connection:
        straight(connection, ADD, ROW)
    with pytest.raises(SecvaultError), any_store.read() as connection:
        straight(connection, ADD, ROW)
    assert _paths(any_store) == ["transit"]
