"""Batches of migrating records on both databases: what is moved, and what a data key seals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from secvault.crypto.canonical import JsonValue
from secvault.errors import VersionMismatch
from secvault.records.collection import Collection
from secvault.records.collection_files import parse_collections
from secvault.records.record import create_records, read_record, update_record
from secvault.records.schema_migration import count_left, migrate_batch
from secvault.records.schema_versions import alike_versions, known_schemas, note_schemas
from secvault.store import Store, tables
from tests.records.test_record_rows import CREATED, LATER, Vault, opened
from tests.records.test_schema_keys import FILE


def schema(version: int, *edits: tuple[str, str]) -> Collection:
    text = FILE.replace("version = 3", f"version = {version}", 1)
    for was, becomes in edits:
        assert was in text, was
        text = text.replace(was, becomes, 1)
    return parse_collections({"hr.toml": text})["payroll"]


FIRST = schema(
    1,
    ('subject = "employee"\n', ""),
    ('type = "integer"\nclass = "salary"\nmask = "hidden"', 'type = "integer"\nclass = "normal"'),
)
SECOND = schema(2, ('mask = "last4"', 'mask = "hidden"'))
ALIKE = schema(3)
VALUES: Mapping[str, JsonValue] = {
    "employee": "NV-1",
    "account": "0011002233445",
    "days": 22,
}


@pytest.fixture
def vault(any_store: Store) -> Vault:
    """Twelve records of three people, stored as the first schema says."""
    made = opened(any_store)
    with made.store.write() as connection:
        note_schemas(connection, (FIRST,), 1)
        batch = {f"p-{n:02}": {**VALUES, "employee": f"NV-{n % 3}"} for n in range(12)}
        create_records(connection, made.keyring, FIRST, batch, CREATED)
        note_schemas(connection, (SECOND,), 2)
    return made


def migrated(vault: Vault, to: Collection, limit: int = 5) -> tuple[int, tuple[str, ...]]:
    count, damaged, after = 0, [], ""
    while True:
        with vault.store.write() as connection:
            batch = migrate_batch(connection, vault.keyring, to, after, limit, LATER, os.urandom)
        count += batch.migrated
        damaged += batch.damaged
        if batch.last is None:
            return count, tuple(damaged)
        after = batch.last


def left(vault: Vault, schema: Collection) -> int:
    with vault.store.read() as connection:
        return count_left(connection, schema)


def subjects(vault: Vault) -> set[str]:
    with vault.store.read() as connection:
        return set(connection.execute(select(tables.data_key.c.subject)).scalars())


def test_records_come_under_the_key_of_their_subject_and_no_other_key_stays(vault: Vault) -> None:
    assert len(subjects(vault)) == 12
    assert migrated(vault, SECOND) == (12, ())
    assert subjects(vault) == {"nv-0", "nv-1", "nv-2"}
    for n in range(12):
        with vault.store.read() as connection:
            read = read_record(connection, vault.keyring, SECOND, f"p-{n:02}")
        assert (read.version, read.created_at, read.updated_at) == (1, CREATED, CREATED)
        assert set(read.plain) == {"employee"}
        assert {name: read.value(name) for name in read.field_names} == {
            **VALUES,
            "employee": f"NV-{n % 3}",
        }
    assert (left(vault, SECOND), migrated(vault, SECOND)) == (0, (0, ()))


def test_a_schema_that_stores_alike_leaves_nothing_to_do(vault: Vault) -> None:
    migrated(vault, SECOND)
    with vault.store.write() as connection:
        note_schemas(connection, (ALIKE,), 3)
        assert alike_versions(connection, ALIKE) == {2, 3}
    assert left(vault, ALIKE) == 0


def test_records_of_a_schema_that_was_never_noted_are_old(vault: Vault) -> None:
    with vault.store.write() as connection:
        connection.execute(update(tables.record).values(schema_version=0))
    assert left(vault, FIRST) == 12
    assert migrated(vault, FIRST) == (12, ())
    assert left(vault, FIRST) == 0


def test_what_was_noted_first_of_a_version_stays(vault: Vault) -> None:
    with vault.store.write() as connection:
        before = known_schemas(connection, "payroll")
        note_schemas(connection, (schema(2, ("years = 10", "years = 5")),), 3)
        assert known_schemas(connection, "payroll") == before
        assert set(before) == {1, 2}


def test_a_damaged_record_undoes_nothing_but_itself(vault: Vault) -> None:
    broken = tables.record.c.id.in_(("p-03", "p-07"))
    with vault.store.write() as connection:
        connection.execute(update(tables.record).where(broken).values(version=9))
    assert migrated(vault, SECOND) == (10, ("p-03", "p-07"))
    assert left(vault, SECOND) == 2
    assert subjects(vault) == {"nv-0", "nv-1", "nv-2", "p-03", "p-07"}


def test_two_that_migrate_and_one_that_writes_at_once_lose_nothing(vault: Vault) -> None:
    def write(n: int) -> int:
        for _ in range(50):
            try:
                with vault.store.write() as connection:
                    read = read_record(connection, vault.keyring, SECOND, f"p-{n:02}")
                    update_record(
                        connection,
                        vault.keyring,
                        SECOND,
                        read.id,
                        {"days": 100 + n},
                        read.version,
                        LATER,
                    )
            except VersionMismatch:
                continue
            return 1
        raise AssertionError("never written")

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(migrated, vault, SECOND, 3) for _ in range(2)]
        written = pool.submit(lambda: sum(write(n) for n in range(12)))
        assert written.result() == 12
        assert all(run.result()[1] == () for run in runs)
    assert left(vault, SECOND) == 0
    assert subjects(vault) == {"nv-0", "nv-1", "nv-2"}
    for n in range(12):
        with vault.store.read() as connection:
            read = read_record(connection, vault.keyring, SECOND, f"p-{n:02}")
        assert (read.version, read.value("days")) == (2, 100 + n)
