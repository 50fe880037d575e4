"""Storing new records, many with one statement a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.crypto.field import seal_fields
from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.collection import Collection
from secvault.records.data_key import hold_data_keys
from secvault.records.record.form import Record
from secvault.records.record.indexing import index_records
from secvault.records.record.rows import insert_records
from secvault.records.record.sealing import split
from secvault.records.record.subject import subject_of
from secvault.store import tables

_AT_ONCE = 1000


def ensure_collection_keys(
    connection: Connection, keyring: Keyring, collections: Iterable[Collection]
) -> None:
    """Make the named key of each collection that has none."""
    keyring.add_mount(connection, RECORDS, RECORDS, "it")
    for collection in collections:
        keyring.ensure(connection, RECORDS, collection.name)


def create_record(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    record_id: str,
    values: Mapping[str, JsonValue],
    at: int,
    random: Random = os.urandom,
) -> Record:
    """Store one new record, as `create_records` does."""
    return create_records(connection, keyring, collection, {record_id: values}, at, random)[0]


def create_records(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    batch: Mapping[str, Mapping[str, JsonValue]],
    at: int,
    random: Random = os.urandom,
) -> tuple[Record, ...]:
    """Store new records, version 1, each under the data key of its subject, in the batch's order.

    batch: id to values that were parsed by the collection's schema. at: micros. Raises Conflict
    when an id is taken; nothing is to be committed then.
    """
    _require_free(connection, collection, list(batch))
    subjects = {
        record_id: subject_of(collection, record_id, values) for record_id, values in batch.items()
    }
    keys = hold_data_keys(connection, keyring, collection.name, set(subjects.values()), at, random)
    made = tuple(
        _made(collection, record_id, values, subjects[record_id], keys, at, random)
        for record_id, values in batch.items()
    )
    insert_records(connection, collection, made)
    index_records(connection, keyring, collection, batch)
    return made


def _require_free(connection: Connection, collection: Collection, ids: list[str]) -> None:
    table = tables.record
    for begin in range(0, len(ids), _AT_ONCE):
        taken = connection.execute(
            select(table.c.id)
            .where(
                table.c.collection == collection.name, table.c.id.in_(ids[begin : begin + _AT_ONCE])
            )
            .order_by(table.c.id)
            .limit(1)
        ).scalar()
        if taken is not None:
            raise Conflict(f"{collection.name}/{taken} exists already")


def _made(
    collection: Collection,
    record_id: str,
    values: Mapping[str, JsonValue],
    subject: str,
    keys: Mapping[str, Secret],
    at: int,
    random: Random,
) -> Record:
    plain, sensitive = split(collection, values)
    key = keys[subject]
    return Record(
        collection=collection.name,
        id=record_id,
        subject=subject,
        version=1,
        plain=plain,
        sealed=seal_fields(sensitive, key, collection.name, record_id, random),
        data_key=key,
        created_at=at,
        updated_at=at,
        schema_version=collection.version,
    )
