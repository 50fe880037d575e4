"""The rows of records, as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, update

from secvault.crypto.canonical import canonical_json
from secvault.records import facts
from secvault.records.collection import Collection
from secvault.records.record.form import Record
from secvault.records.record.sealing import tag_of
from secvault.store.bulk import insert_rows
from secvault.store.tables import record as record_table
from secvault.store.tables import record_field

_COLUMNS = (
    "collection",
    "id",
    "subject",
    "version",
    "plain",
    "tag",
    "created_at",
    "updated_at",
    "schema_version",
    "person",
    "team",
)
_FIELD_COLUMNS = ("collection", "record", "field", "envelope")


def insert_records(
    connection: Connection, collection: Collection, records: Iterable[Record]
) -> None:
    """Insert new records with their sealed fields."""
    # In one order for everybody, so that two batches cannot wait for each other in a circle.
    ordered = sorted(records, key=lambda record: record.id)
    rows = [_row(collection, record) for record in ordered]
    insert_rows(connection, record_table, _COLUMNS, rows)
    insert_rows(
        connection,
        record_field,
        _FIELD_COLUMNS,
        [row for record in ordered for row in _field_rows(record, record.sealed)],
    )


def insert_fields(connection: Connection, record: Record, sealed: Mapping[str, bytes]) -> None:
    """Insert these sealed fields of a record."""
    insert_rows(connection, record_field, _FIELD_COLUMNS, _field_rows(record, sealed))


def replace_record(connection: Connection, collection: Collection, record: Record) -> None:
    """Put the record in the place of the one with its id; its sealed fields are not touched."""
    column = record_table.c
    connection.execute(
        update(record_table)
        .where(column.collection == record.collection, column.id == record.id)
        .values(dict(zip(_COLUMNS, _row(collection, record), strict=True)))
    )


def _row(collection: Collection, record: Record) -> tuple[object, ...]:
    about = facts.about(collection, record.id, record.plain)
    plain = canonical_json(dict(record.plain))
    return (
        record.collection,
        record.id,
        record.subject,
        record.version,
        plain,
        tag_of(record, plain),
        record.created_at,
        record.updated_at,
        record.schema_version,
        about.person,
        about.team,
    )


def _field_rows(record: Record, sealed: Mapping[str, bytes]) -> list[tuple[object, ...]]:
    return [(record.collection, record.id, name, envelope) for name, envelope in sealed.items()]
