"""Reading records, each verified as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from secvault.crypto.canonical import JsonValue, parse_canonical
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.collection import Collection
from secvault.records.data_key import open_data_key
from secvault.records.record.form import Record
from secvault.records.record.sealing import verify
from secvault.records.tombstone import missing
from secvault.store import tables

# What the tag is over, and the hint beside it; `person` and `team` only serve to be asked by.
_STORED = tuple(each for each in tables.record.c if each.name not in ("person", "team"))


def read_record(
    connection: Connection, keyring: Keyring, collection: Collection, record_id: str
) -> Record:
    """Return a record whose parts belong together. Raises NotFound, Erased or Damaged."""
    found = read_records(connection, keyring, collection, (record_id,))
    if not found:
        raise missing(connection, collection.name, record_id)
    return found[0]


def record_ids(
    connection: Connection,
    collection: Collection,
    after: str,
    limit: int,
    among: ColumnElement[bool] | None = None,
) -> tuple[str, ...]:
    """The ids after `after` in order, `limit` of them at most. among: the rows that count."""
    table = tables.record
    question = select(table.c.id).where(table.c.collection == collection.name, table.c.id > after)
    if among is not None:
        question = question.where(among)
    return tuple(connection.execute(question.order_by(table.c.id).limit(limit)).scalars())


def read_to_change(
    connection: Connection, keyring: Keyring, collection: Collection, record_id: str
) -> Record:
    """As `read_record`, and nobody else changes it until the caller's transaction ends."""
    record = tables.record
    here = (record.c.collection == collection.name) & (record.c.id == record_id)
    # In a statement of its own: the one that waits for a lock goes on with the data key that the
    # record had before.
    connection.execute(select(record.c.id).where(here).with_for_update())
    return read_record(connection, keyring, collection, record_id)


def read_records(
    connection: Connection, keyring: Keyring, collection: Collection, ids: Iterable[str]
) -> tuple[Record, ...]:
    """Return those of the named records that exist, in order of their ids. Raises Damaged."""
    record, key, field = tables.record, tables.data_key, tables.record_field
    wanted = sorted(set(ids))
    rows = connection.execute(
        select(*_STORED, key.c.wrapped)
        .select_from(record)
        .outerjoin(
            key, (key.c.collection == record.c.collection) & (key.c.subject == record.c.subject)
        )
        .where(record.c.collection == collection.name, record.c.id.in_(wanted))
        .order_by(record.c.id)
    ).all()
    sealed: dict[str, dict[str, bytes]] = {}
    for at, name, envelope in connection.execute(
        select(field.c.record, field.c.field, field.c.envelope).where(
            field.c.collection == collection.name, field.c.record.in_(wanted)
        )
    ):
        sealed.setdefault(at, {})[name] = envelope

    @cache
    def wrapping(version: int) -> Secret:
        return keyring.material(connection, RECORDS, collection.name, version)

    @cache
    def data_key(subject: str, wrapped: bytes | None, of: str) -> Secret:
        return open_data_key(wrapping, collection.name, subject, wrapped, of)

    return tuple(
        _opened(row, sealed.get(row.id, {}), data_key, f"the record {collection.name}/{row.id}")
        for row in rows
    )


def _opened(
    row: Row[*tuple[Any, ...]],
    sealed: Mapping[str, bytes],
    data_key: Callable[[str, bytes | None, str], Secret],
    what: str,
) -> Record:
    # A broken page of SQLite can hold NULL where none was written.
    if None in (*row[:-1], *sealed, *sealed.values()):
        raise Damaged(f"{what} is damaged: a part of it is gone")
    record = Record(
        collection=row.collection,
        id=row.id,
        subject=row.subject,
        version=row.version,
        plain=_plain(row.plain, what),
        sealed=sealed,
        data_key=data_key(row.subject, row.wrapped, what),
        created_at=row.created_at,
        updated_at=row.updated_at,
        schema_version=row.schema_version,
    )
    verify(record, row.tag, what)
    return record


def _plain(stored: bytes, what: str) -> dict[str, JsonValue]:
    try:
        value = parse_canonical(stored)
    except Damaged:
        raise Damaged(f"{what} is damaged: its plain fields cannot be read") from None
    if not isinstance(value, dict):
        raise Damaged(f"{what} is damaged: its plain fields cannot be read")
    return value
