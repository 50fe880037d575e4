"""A small collection whose records belong to people, and what one does with it, on any store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Table, func, select

from secvault.clock import Clock
from secvault.crypto import datakey
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.keyring import Keyring
from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import read_key
from secvault.keyring.root import Root
from secvault.records.blind_index import IndexKeys, tokens
from secvault.records.collection import Collection, Field, Sensitivity
from secvault.records.collection_files import parse_collections
from secvault.records.record import (
    Record,
    create_records,
    delete_record,
    ensure_collection_keys,
    read_record,
    read_records,
    record_ids,
    update_record,
)
from secvault.records.reseal import reseal_record
from secvault.records.rewrap import rewrap_batch
from secvault.store import Store, tables

CREATED, LATER = 1_793_700_000_000_000, 1_793_700_060_000_000
CLOCK = Clock(wall=lambda: CREATED, monotonic=lambda: 0.0, sleep=lambda _: None)
ROOT = Root("vault-1", Secret(bytes(range(32))))

_SCHEMA = """
department = "hr"
title = { en = "Human resources", vi = "Nhân sự" }
[collections.ledger]
title = { en = "Ledger", vi = "Sổ" }
version = 1
subject = "employee"
[collections.ledger.fields.employee]
title = { en = "Employee", vi = "Mã" }
type = "text"
class = "normal"
required = true
[collections.ledger.fields.month]
title = { en = "Month", vi = "Tháng" }
type = "text"
class = "normal"
[collections.ledger.fields.name]
title = { en = "Name", vi = "Tên" }
type = "text"
class = "personal"
mask = "hidden"
index = { exact = 24, prefix = { length = 4, bits = 12 } }
[collections.ledger.fields.account]
title = { en = "Account", vi = "Tài khoản" }
type = "account"
class = "bank"
mask = "hidden"
index = { exact = 32 }
[collections.ledger.fields.note]
title = { en = "Note", vi = "Ghi chú" }
type = "text"
class = "personal"
mask = "hidden"
"""
LEDGER: Collection = parse_collections({"hr.toml": _SCHEMA})["ledger"]
"""Its records share a data key by `employee`; `name` and `account` are indexed."""


def entry(employee: str | None, account: str = "0011002233445", **more: JsonValue) -> Any:
    """The values of a record."""
    said: dict[str, JsonValue] = {"month": "2026-11", "name": "Nguyễn Thị Hoa", "account": account}
    if employee is not None:
        said["employee"] = employee
    return {**said, **more}


def changed(collection: Collection, version: int, **fields: Mapping[str, Any]) -> Collection:
    """The collection under a later version of its schema, with these fields changed."""
    new: dict[str, Field] = {
        name: replace(field, **fields.get(name, {})) for name, field in collection.fields.items()
    }
    return replace(collection, version=version, fields=new)


SEALED_FIELD: Mapping[str, Any] = {"sensitivity": Sensitivity.PERSONAL}
OPEN_FIELD: Mapping[str, Any] = {"sensitivity": Sensitivity.NORMAL, "index": None}


@dataclass(frozen=True)
class Ledger:
    """A store with the key of the collection. Each method is a transaction of its own."""

    store: Store
    keyring: Keyring
    collection: Collection = LEDGER

    def under(self, collection: Collection) -> Ledger:
        """The same records under another schema."""
        return replace(self, collection=collection)

    def create(self, **batch: Mapping[str, JsonValue]) -> tuple[Record, ...]:
        """Create records, with `_` for the hyphen of their ids."""
        named = {name.replace("_", "-"): values for name, values in batch.items()}
        return self.create_all(named)

    def create_all(self, batch: Mapping[str, Mapping[str, JsonValue]]) -> tuple[Record, ...]:
        with self.store.write() as connection:
            return create_records(connection, self.keyring, self.collection, batch, CREATED)

    def read(self, record_id: str) -> Record:
        with self.store.read() as connection:
            return read_record(connection, self.keyring, self.collection, record_id)

    def read_all(self) -> dict[str, Record]:
        """Every record by id, each of them verified."""
        with self.store.read() as connection:
            ids = record_ids(connection, self.collection, "", 10_000)
            found = read_records(connection, self.keyring, self.collection, ids)
        return {record.id: record for record in found}

    def update(self, record_id: str, changes: Mapping[str, JsonValue], version: int) -> Record:
        with self.store.write() as connection:
            return update_record(
                connection, self.keyring, self.collection, record_id, changes, version, LATER
            )

    def delete(self, record_id: str, version: int = 1) -> None:
        with self.store.write() as connection:
            delete_record(connection, self.collection, record_id, version)

    def reseal(self, record_id: str) -> Record:
        with self.store.write() as connection:
            return reseal_record(connection, self.keyring, self.collection, record_id, LATER)

    def rotate(self) -> None:
        with self.store.write() as connection:
            self.keyring.rotate(connection, RECORDS, self.collection.name)

    def rewrap(self) -> int:
        """Re-wrap the data keys that are under an older version; how many they were."""
        done, after = 0, ""
        while True:
            with self.store.write() as connection:
                key = read_key(connection, RECORDS, self.collection.name)
                batch = rewrap_batch(connection, self.keyring, key, after, 2, {}, os.urandom)
            done += batch.rewrapped
            if batch.last is None:
                return done
            after = batch.last

    def rows(self, table: Table) -> list[tuple[Any, ...]]:
        """All rows of a table, in the order of its key."""
        with self.store.read() as connection:
            found = connection.execute(select(table).order_by(*table.primary_key))
            return [tuple(row) for row in found]

    def subjects(self) -> list[str]:
        """The data subjects that have a key, in order."""
        return [row[1] for row in self.rows(tables.data_key)]

    def key_versions(self) -> list[int]:
        """The version of the collection's key that each data key is under, in their order."""
        return [datakey.wrapping_version(row[2]) for row in self.rows(tables.data_key)]

    def count(self, table: Table) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def tokens(self) -> set[tuple[Any, ...]]:
        """The rows of the index."""
        return set(self.rows(tables.record_index))

    def tokens_due(self) -> set[tuple[Any, ...]]:
        """What they have to be, by the values of all records."""
        found = self.read_all()
        with self.store.read() as connection:
            keys = IndexKeys.of(connection, self.keyring, self.collection)
        return {
            (self.collection.name, field, str(kind), version, token, record.id)
            for record in found.values()
            for field, kind, version, token in tokens(self.collection, values(record), keys)
        }


def opened(store: Store) -> Ledger:
    """The ledger in an empty store."""
    ledger = reopened(store)
    with store.write() as connection:
        ensure_collection_keys(connection, ledger.keyring, (LEDGER,))
        IndexKeys.of(connection, ledger.keyring, LEDGER)
    return ledger


def reopened(store: Store) -> Ledger:
    """The ledger in a store that has one."""
    return Ledger(store, Keyring(store, CLOCK, ROOT))


def values(record: Record, names: Iterable[str] | None = None) -> dict[str, JsonValue]:
    """The values of a record in clear."""
    return {name: record.value(name) for name in (names or record.field_names)}
