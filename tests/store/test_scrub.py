"""What was deleted is readable by the database no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, insert, text

from secvault.clock import system_clock
from secvault.store import Store, open_store, tables
from secvault.store.record_rows import names_of_tables
from secvault.store.scrub import scrub


def deleted_key(store: Store) -> None:
    key = {"collection": "payroll", "subject": "nv-1", "wrapped": b"\x07" * 65, "created_at": 1}
    with store.write() as connection:
        connection.execute(insert(tables.data_key).values(key))
    with store.write() as connection:
        connection.execute(delete(tables.data_key))


def test_no_file_of_sqlite_has_the_bytes(sqlite_url: str) -> None:
    store, folder = open_store(sqlite_url), Path(sqlite_url.removeprefix("sqlite:///")).parent
    deleted_key(store)
    assert any(b"\x07" * 65 in file.read_bytes() for file in folder.iterdir())
    assert scrub(store, system_clock(), names_of_tables())
    assert not any(b"\x07" * 65 in file.read_bytes() for file in folder.iterdir())
    store.close()


@pytest.mark.real
def test_postgresql_has_no_dead_row_of_it(migrated_postgresql_url: str) -> None:
    store = open_store(migrated_postgresql_url)
    deleted_key(store)
    assert scrub(store, system_clock(), names_of_tables())
    with store.read() as connection:
        size = connection.execute(text("SELECT pg_relation_size('data_key')")).scalar_one()
    # Its only page was given back to the file system.
    assert size == 0
    store.close()
