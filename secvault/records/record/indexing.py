"""The index of a record: the tokens that its values are found by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete

from secvault.crypto.canonical import JsonValue
from secvault.keyring.keyring import Keyring
from secvault.records.blind_index import IndexKeys, tokens
from secvault.records.collection import Collection
from secvault.records.record.form import Record
from secvault.store.bulk import insert_rows
from secvault.store.tables import record_index

_COLUMNS = ("collection", "field", "kind", "version", "token", "record")


def indexed_fields(collection: Collection) -> frozenset[str]:
    """The fields that the present schema indexes."""
    return frozenset(
        field.name
        for field in collection.fields.values()
        if field.index is not None and not field.retired
    )


def index_records(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    batch: Mapping[str, Mapping[str, JsonValue]],
) -> None:
    """Keep the tokens of new records. batch: id to values, as they were stored."""
    if indexed_fields(collection):
        keys = IndexKeys.of(connection, keyring, collection)
        rows = [
            row
            for record_id, values in sorted(batch.items())
            for row in _rows(collection, record_id, values, keys)
        ]
        insert_rows(connection, record_index, _COLUMNS, rows)


def reindex_record(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    record: Record,
    changed: Iterable[str] | None,
) -> None:
    """Make the tokens of a record anew. changed: of these fields only; None for all of them."""
    column = record_index.c
    here = (column.collection == record.collection) & (column.record == record.id)
    indexed = indexed_fields(collection)
    if changed is not None:
        names = indexed.intersection(changed)
        if not names:
            return
        here &= column.field.in_(names)
    else:
        names = indexed
    connection.execute(delete(record_index).where(here))
    values = {name: record.value(name) for name in names if name in record.field_names}
    if values:
        keys = IndexKeys.of(connection, keyring, collection)
        rows = _rows(collection, record.id, values, keys)
        insert_rows(connection, record_index, _COLUMNS, rows)


def _rows(
    collection: Collection, record_id: str, values: Mapping[str, JsonValue], keys: IndexKeys
) -> list[tuple[object, ...]]:
    return [
        (collection.name, field, str(kind), version, token, record_id)
        for field, kind, version, token in tokens(collection, values, keys)
    ]
