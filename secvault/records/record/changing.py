"""Changing and deleting a record."""

from __future__ import annotations

import os
from collections.abc import Collection as Group
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, select

from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.crypto.field import seal_fields
from secvault.errors import NotFound, VersionMismatch
from secvault.keyring.keyring import Keyring
from secvault.records import attachment_rows
from secvault.records.collection import Collection
from secvault.records.data_key import drop_unused_data_key, hold_alone, hold_data_keys
from secvault.records.record.form import Record
from secvault.records.record.indexing import reindex_record
from secvault.records.record.reading import read_to_change
from secvault.records.record.rows import insert_fields, replace_record
from secvault.records.record.sealing import is_plain
from secvault.records.record.subject import subject_of
from secvault.store import tables


def update_record(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    record_id: str,
    changes: Mapping[str, JsonValue],
    expected_version: int,
    at: int,
    random: Random = os.urandom,
) -> Record:
    """Change some fields; a value of None removes one. Untouched envelopes stay as they are,
    unless the schema or the record's subject has changed: then they move with it.

    Raises NotFound, Damaged, or VersionMismatch when the record is no longer `expected_version`.
    """
    # Locked, so that the row and its fields are of one version.
    before = read_to_change(connection, keyring, collection, record_id)
    if before.version != expected_version:
        raise VersionMismatch(
            f"{collection.name}/{record_id} is at version {before.version}, not "
            f"{expected_version}: read it again, then change it"
        )
    newer = replace(before, version=before.version + 1, updated_at=at)
    return rewrite(connection, keyring, collection, newer, changes, at, random)


def rewrite(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    record: Record,
    changes: Mapping[str, JsonValue],
    at: int,
    random: Random,
) -> Record:
    """Write the record with these changes as the present schema keeps it: each value in clear or
    sealed, under the data key of its subject, with its index.

    record: as `read_to_change` gives it, with the version and time that it is to have. Fields that
    the schema does not know any more stay where they are.
    """
    arranged = _arranged(collection, record, changes)
    subject = subject_of(collection, record.id, arranged.plain)
    key, fresh, kept = record.data_key, arranged.to_seal, arranged.kept
    if subject != record.subject:
        # Both keys in one order for everybody, so that two records that go the opposite ways do
        # not wait for each other.
        if record.subject < subject:
            hold_alone(connection, collection.name, record.subject)
        key = hold_data_keys(connection, keyring, collection.name, (subject,), at, random)[subject]
        fresh, kept = {**fresh, **{name: record.value(name) for name in kept}}, {}
    sealed_now = seal_fields(fresh, key, collection.name, record.id, random)
    after = replace(
        record,
        subject=subject,
        plain=arranged.plain,
        sealed={**kept, **sealed_now},
        data_key=key,
        schema_version=collection.version,
    )
    replace_record(connection, collection, after)
    _forget_fields(connection, after, set(record.sealed) - set(kept))
    insert_fields(connection, after, sealed_now)
    rebuilt = record.schema_version != collection.version
    reindex_record(connection, keyring, collection, after, None if rebuilt else changes)
    if subject != record.subject:
        attachment_rows.rewrap(
            connection, collection.name, record.id, record.sealed, record.data_key, key, random
        )
        drop_unused_data_key(connection, collection.name, record.subject)
    return after


def delete_record(
    connection: Connection, collection: Collection, record_id: str, expected_version: int
) -> None:
    """Delete a record, and its data key when no other record of its subject needs it.

    Raises NotFound or VersionMismatch.
    """
    table = tables.record
    here = (table.c.collection == collection.name) & (table.c.id == record_id)
    row = connection.execute(
        select(table.c.subject, table.c.version).where(here).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no {collection.name}/{record_id}")
    if row.version != expected_version:
        raise VersionMismatch(
            f"{collection.name}/{record_id} is at version {row.version}, not "
            f"{expected_version}: read it again, then delete it"
        )
    # Its fields and its index go with it.
    connection.execute(delete(table).where(here))
    drop_unused_data_key(connection, collection.name, row.subject)


def _forget_fields(connection: Connection, record: Record, names: Group[str]) -> None:
    column = tables.record_field.c
    if names:
        connection.execute(
            delete(tables.record_field).where(
                column.collection == record.collection,
                column.record == record.id,
                column.field.in_(names),
            )
        )


@dataclass(frozen=True)
class _Arranged:
    """Where the present schema keeps each value. kept: envelopes that stay as they are."""

    plain: Mapping[str, JsonValue]
    to_seal: Mapping[str, JsonValue]
    kept: Mapping[str, bytes]


def _arranged(
    collection: Collection, record: Record, changes: Mapping[str, JsonValue]
) -> _Arranged:
    plain: dict[str, JsonValue] = {}
    to_seal: dict[str, JsonValue] = {}
    kept: dict[str, bytes] = {}
    for name, value in record.plain.items():
        if name not in changes:
            stays = name not in collection.fields or is_plain(collection, name)
            (plain if stays else to_seal)[name] = value
    for name, envelope in record.sealed.items():
        if name in changes:
            continue
        if name in collection.fields and is_plain(collection, name):
            plain[name] = record.value(name)
        else:
            kept[name] = envelope
    for name, change in changes.items():
        if change is not None:
            (plain if is_plain(collection, name) else to_seal)[name] = change
    return _Arranged(plain, to_seal, kept)
