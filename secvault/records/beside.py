"""What is kept beside a record and sealed under its data key, so that it goes when the record goes.

Why a value was revealed, and what was asked for when the record was made: people's words, and
values. Each is sealed as a field of the record is, under a name that no field can have. Whoever is
erased takes it along, and a copy of the store without the key shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, select, update

from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.crypto.field import FieldAddress, open_field, seal_field
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.data_key import open_data_key
from secvault.records.record.form import Record
from secvault.store.tables import data_key, idempotency_key, record, record_reveal

_NAMES: Mapping[Table, Callable[[Row[Any]], str]] = {
    record_reveal: lambda row: reveal_name(row.id),
    idempotency_key: lambda row: request_name(row.caller, row.key),
}


def reveal_name(reveal: str) -> str:
    """The name that a reason is sealed under."""
    return f"reveal/{reveal}"


def request_name(caller: str, key: str) -> str:
    """The name that a request is sealed under."""
    return f"request/{caller}/{key}"


def seal_beside(of: Record, name: str, value: JsonValue, random: Random) -> bytes:
    """The value, sealed for this place beside the record."""
    return seal_field(value, of.data_key, FieldAddress(of.collection, of.id, name), random)


def opened(
    connection: Connection, keyring: Keyring, table: Table, which: ColumnElement[bool]
) -> Iterable[tuple[Row[Any], tuple[Secret, JsonValue] | None]]:
    """The rows of the table, each with the data key of its record and what it holds.

    What belongs to a record, or to a person, that is gone is not among them. None where something
    was changed in the store.
    """
    wrapping = cache(partial(_material, connection, keyring))
    of_record = (record.c.collection == table.c.collection) & (record.c.id == table.c.record)
    if table is idempotency_key:
        # What stays after its record is not of one that has the same id since.
        of_record &= table.c.created_at >= record.c.created_at
    of_key = (data_key.c.collection == record.c.collection) & (
        data_key.c.subject == record.c.subject
    )
    rows = connection.execute(
        select(table, record.c.subject, data_key.c.wrapped)
        .join_from(table, record, of_record)
        .join(data_key, of_key)
        .where(which)
    ).all()
    for row in rows:
        of_collection = partial(wrapping, row.collection)
        try:
            key = open_data_key(of_collection, row.collection, row.subject, row.wrapped, "it")
            value = open_field(row.envelope, key, _place(row, _NAMES[table](row)))
        except Damaged:
            yield row, None
        else:
            yield row, (key, value)


def move_beside(connection: Connection, before: Record, after: Record, random: Random) -> None:
    """Keep it all readable when the record comes under another data key."""
    if before.data_key == after.data_key:
        return
    for table, name_of in _NAMES.items():
        here = (table.c.collection == after.collection) & (table.c.record == after.id)
        if table is idempotency_key:
            here &= table.c.created_at >= after.created_at
        for row in connection.execute(select(table).where(here)).all():
            value = open_field(row.envelope, before.data_key, _place(row, name_of(row)))
            this = and_(*(column == getattr(row, column.name) for column in table.primary_key))
            sealed = seal_beside(after, name_of(row), value, random)
            connection.execute(update(table).where(this).values(envelope=sealed))


def _place(row: Row[Any], name: str) -> FieldAddress:
    return FieldAddress(row.collection, row.record, name)


def _material(connection: Connection, keyring: Keyring, collection: str, version: int) -> Secret:
    return keyring.material(connection, RECORDS, collection, version)
