"""Reading records, each verified as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import NoneType
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.collection import Collection
from secvault.records.data_key import open_data_key
from secvault.records.record.form import Record
from secvault.records.record.sealing import verify
from secvault.records.tombstone import missing
from secvault.store import tables
from secvault.store.straight import straight


class _Row(NamedTuple):
    """What the tag is over, the hint beside it, and the data key; None when there is none.

    `person` and `team` only serve to be asked by.
    """

    collection: str
    id: str
    subject: str
    version: int
    plain: bytes
    tag: bytes
    created_at: int
    updated_at: int
    schema_version: int
    wrapped: bytes | None


# Straight to the driver, because pages of records are asked for more often than anything else; so
# the types of what was read are looked at here (see `store.written`).
_TYPES = (str, str, str, int, bytes, bytes, int, int, int)
_FIELD_TYPES = (str, str, bytes)
_ROWS = (
    f"SELECT {', '.join(f'record.{name}' for name in _Row._fields[:-1])}, data_key.wrapped "  # noqa: S608
    "FROM record LEFT JOIN data_key ON data_key.collection = record.collection "
    "AND data_key.subject = record.subject "
    "WHERE record.collection = ? AND record.id IN ({0}) ORDER BY record.id"
)
_FIELDS = (
    "SELECT record, field, envelope FROM record_field WHERE collection = ? AND record IN ({0})"
)


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
    wanted = sorted(set(ids))
    if not wanted:
        return ()
    places = ", ".join("?" * len(wanted))
    asked = [collection.name, *wanted]
    rows = [_Row(*row) for row in straight(connection, _ROWS.format(places), asked)]
    sealed: dict[str, dict[str, bytes]] = {}
    for field in straight(connection, _FIELDS.format(places), asked):
        at, name, envelope = field
        if tuple(map(type, field)) != _FIELD_TYPES:
            raise Damaged(f"the record {collection.name}/{at} is damaged: {_ANOTHER_TYPE}")
        sealed.setdefault(at, {})[name] = envelope

    @cache
    def wrapping(version: int) -> Secret:
        return keyring.material(connection, RECORDS, collection.name, version)

    opened: dict[tuple[str, bytes | None], Secret] = {}

    def data_key(subject: str, wrapped: bytes | None, of: str) -> Secret:
        # Once for all records of a subject.
        key = opened.get((subject, wrapped))
        if key is None:
            key = open_data_key(wrapping, collection.name, subject, wrapped, of)
            opened[subject, wrapped] = key
        return key

    return tuple(
        _opened(row, sealed.get(row.id, {}), data_key, f"the record {collection.name}/{row.id}")
        for row in rows
    )


_ANOTHER_TYPE = "a part of it is gone, or has not the type that was written"


def _opened(
    row: _Row,
    sealed: Mapping[str, bytes],
    data_key: Callable[[str, bytes | None, str], Secret],
    what: str,
) -> Record:
    # One changed bit in a page of SQLite makes NULL or another type of what was written.
    if tuple(map(type, row[:-1])) != _TYPES or type(row.wrapped) not in (bytes, NoneType):
        raise Damaged(f"{what} is damaged: {_ANOTHER_TYPE}")
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
    verify(record, row.plain, row.tag, what)
    return record


def _plain(stored: bytes, what: str) -> dict[str, JsonValue]:
    # That the bytes are those that were written, the tag says.
    try:
        value = json.loads(stored.decode())
    except (ValueError, RecursionError):
        raise Damaged(f"{what} is damaged: its plain fields cannot be read") from None
    if not isinstance(value, dict):
        raise Damaged(f"{what} is damaged: its plain fields cannot be read")
    return value
