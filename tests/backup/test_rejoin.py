"""Joining a copy with its data keys: which keys a copy needs, and which are none of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from secvault.backup import key_file, rejoin
from secvault.backup.key_file import PURPOSE, Head
from secvault.errors import Conflict
from secvault.records.imports.source import make_key
from secvault.records.record import create_records
from secvault.store import Store, tables
from secvault.store.engine import insert_unless_there
from tests.records.ledger import CREATED, LATER, LEDGER, Ledger, entry, opened, values


@pytest.fixture
def ledger(any_store: Store) -> Ledger:
    return opened(any_store)


def saved(ledger: Ledger, folder: Path, run: str = "run-1") -> Path:
    """The data keys as they are, in a file of their own."""
    file = folder / f"{run}.jsonl"
    head = Head(ledger.keyring.vault_id, run, "nightly", LATER)
    sealing = ledger.keyring.internal(PURPOSE)
    with ledger.store.read() as connection:
        key_file.write(connection, ledger.keyring, sealing, head, file, os.urandom)
    return file


def come_apart(ledger: Ledger) -> None:
    """Make the store what the copy of it in a backup is."""
    with ledger.store.write() as connection:
        connection.execute(delete(tables.data_key))
        connection.execute(delete(tables.keys_here))


def joined(ledger: Ledger, *files: Path, without: bool = False) -> rejoin.Rejoined:
    with ledger.store.write() as connection:
        return rejoin.rejoin(connection, ledger.keyring, files, LATER + 1, without_deleted=without)


def run_of_copy(ledger: Ledger, run: str, started_at: int) -> None:
    """The row of the run that the copy was made in, as the copy has it."""
    with ledger.store.write() as connection:
        connection.execute(
            insert(tables.backup_run).values(
                id=run,
                plan="nightly",
                repository="here",
                state="running",
                phase="copying the database",
                requested_by="user:x",
                started_at=started_at,
                node="here",
                beat_at=started_at,
            )
        )


def test_the_keys_of_records_that_a_migration_moved_to_other_subjects_come_back(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Resealing makes keys later than any record was changed: these are the copy's own, too."""
    ledger.create(pay_1=entry("nv-1"), pay_2=entry(None))
    by_month = ledger.under(replace(LEDGER, version=2, subject_field="month"))
    for name in ("pay-1", "pay-2"):
        assert by_month.reseal(name).subject == "2026-11"
    before = {name: values(record) for name, record in by_month.read_all().items()}
    run_of_copy(ledger, "run-1", LATER)
    file = saved(ledger, tmp_path)
    come_apart(ledger)
    assert joined(ledger, file).left_out == 0
    assert {name: values(record) for name, record in by_month.read_all().items()} == before


def test_they_come_back_from_a_newer_file_alone(ledger: Ledger, tmp_path: Path) -> None:
    ledger.create(pay_1=entry("nv-1"))
    by_month = ledger.under(replace(LEDGER, version=2, subject_field="month"))
    by_month.reseal("pay-1")
    run_of_copy(ledger, "run-1", LATER + 1)
    newer = saved(ledger, tmp_path, "run-2")
    come_apart(ledger)
    assert joined(ledger, newer).left_out == 0
    assert values(by_month.read("pay-1")) == entry("nv-1")


def test_a_key_that_was_made_after_the_copy_opens_nothing_in_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.create(pay_1=entry("nv-1"))
    copy = {table: ledger.rows(table) for table in (tables.record, tables.record_field)}
    ledger.delete("pay-1")
    with ledger.store.write() as connection:
        create_records(connection, ledger.keyring, LEDGER, {"pay-2": entry("nv-1")}, LATER)
    newest = saved(ledger, tmp_path, "run-2")
    with ledger.store.write() as connection:
        for table in (tables.record_field, tables.record):
            connection.execute(delete(table))
        for table, rows in copy.items():
            for row in rows:
                connection.execute(insert(table).values(row))
    run_of_copy(ledger, "run-1", CREATED)
    come_apart(ledger)
    with pytest.raises(Conflict, match="1 records, first ledger/pay-1"):
        joined(ledger, newest)


def test_a_store_that_has_its_keys_keeps_those_of_files_that_wait_to_be_imported(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.create(pay_1=entry("nv-1"))
    file = saved(ledger, tmp_path)
    for name, ended_at in (("1", None), ("2", LATER)):
        with ledger.store.write() as connection:
            make_key(connection, ledger.keyring, "ledger", name, LATER, os.urandom)
            connection.execute(
                insert(tables.record_import).values(
                    id=name,
                    collection="ledger",
                    requested_by="user:x",
                    state="done" if ended_at else "receiving",
                    goal="check",
                    format="csv",
                    on_conflict="refuse",
                    created_at=LATER,
                    changed_at=LATER,
                    ended_at=ended_at,
                )
            )
    with ledger.store.write() as connection:
        insert_unless_there(connection, tables.keys_here, {"id": 1, "since": CREATED})
    assert joined(ledger, file).left_out == 0
    assert ledger.subjects() == ["IMPORT/1", "nv-1"]
    # A copy gets none: what was erased since may stand in the file. It is sent anew.
    own = saved(ledger, tmp_path, "run-2")
    come_apart(ledger)
    joined(ledger, own)
    assert ledger.subjects() == ["nv-1"]
