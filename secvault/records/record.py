"""A record at rest: plain fields in clear, sensitive ones sealed, and a tag over all of it.

The envelope of a field binds its place (design: collection, record, field). The tag, under the
record's data key, binds the parts to each other: an old envelope put back, a plain field changed,
a sealed field removed or a version turned back makes the record fail to open.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.crypto.field import FieldAddress, open_field, seal_field
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound, VersionMismatch
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.collection import Collection
from secvault.records.data_key import forget_data_key, keep_data_key, open_data_key
from secvault.records.facts import columns
from secvault.store import tables

V = TypeVar("V")

RECORD_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Record:
    """A record as read, its tag verified. Times in micros. Sensitive values are still sealed."""

    collection: str
    id: str
    subject: str
    version: int
    plain: Mapping[str, JsonValue]
    sealed: Mapping[str, bytes]
    data_key: Secret
    created_at: int
    updated_at: int

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that have a value, in order."""
        return tuple(sorted([*self.plain, *self.sealed]))

    def value(self, field: str) -> JsonValue:
        """The value of one field in clear. Raises NotFound (no value) or Damaged."""
        if field in self.plain:
            return self.plain[field]
        envelope = self.sealed.get(field)
        if envelope is None:
            raise NotFound(f"{self.collection}/{self.id} has no value for {field}")
        return open_field(envelope, self.data_key, FieldAddress(self.collection, self.id, field))


# What the tag is over; the two columns beside it only serve to be asked by.
_STORED = tuple(each for each in tables.record.c if each.name not in ("person", "team"))


def check_id(record_id: str) -> str:
    """Return an id that may name a record. Raises InvalidInput."""
    if not RECORD_ID.fullmatch(record_id):
        raise InvalidInput.at(
            "id", "use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        )
    return record_id


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
    """Store a new record, version 1, under a data key of its own.

    values: already parsed by the collection's schema. at: micros. Raises Conflict when the id is
    taken.
    """
    table = tables.record
    taken = select(table.c.id).where(table.c.collection == collection.name, table.c.id == record_id)
    if connection.execute(taken).first() is not None:
        raise Conflict(f"{collection.name}/{record_id} exists already")
    key = datakey.new_data_key(random)
    keep_data_key(connection, keyring, collection.name, record_id, key, at, random)
    plain, sensitive = _split(collection, values)
    record = Record(
        collection=collection.name,
        id=record_id,
        subject=record_id,
        version=1,
        plain=plain,
        sealed=_seal(collection.name, record_id, sensitive, key, random),
        data_key=key,
        created_at=at,
        updated_at=at,
    )
    connection.execute(
        insert(table).values(
            collection=record.collection,
            id=record.id,
            subject=record.subject,
            version=record.version,
            plain=canonical_json(dict(plain)),
            tag=_tag(record),
            created_at=at,
            updated_at=at,
            **columns(collection, record_id, plain),
        )
    )
    _insert_fields(connection, record, record.sealed)
    return record


def read_record(
    connection: Connection, keyring: Keyring, collection: Collection, record_id: str
) -> Record:
    """Return a record whose parts belong together. Raises NotFound or Damaged."""
    found = read_records(connection, keyring, collection, (record_id,))
    if not found:
        raise NotFound(f"there is no {collection.name}/{record_id}")
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


def read_records(
    connection: Connection, keyring: Keyring, collection: Collection, ids: Iterable[str]
) -> tuple[Record, ...]:
    """Return those of the named records that exist, in order of their ids. Raises Damaged."""
    return _read(connection, keyring, collection, ids, to_change=False)


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
    """Change some fields; a value of None removes one. Untouched envelopes stay as they are.

    Raises NotFound, Damaged, or VersionMismatch when the record is no longer `expected_version`.
    """
    # Locked, so that the row and its fields are of one version.
    before = read_to_change(connection, keyring, collection, record_id)
    if before.version != expected_version:
        raise VersionMismatch(
            f"{collection.name}/{record_id} is at version {before.version}, not "
            f"{expected_version}: read it again, then change it"
        )
    table = tables.record
    kept = {name: change for name, change in changes.items() if change is not None}
    plain, sensitive = _split(collection, kept)
    sealed_now = _seal(collection.name, record_id, sensitive, before.data_key, random)
    after = Record(
        collection=before.collection,
        id=before.id,
        subject=before.subject,
        version=before.version + 1,
        plain={**_without(before.plain, changes), **plain},
        sealed={**_without(before.sealed, changes), **sealed_now},
        data_key=before.data_key,
        created_at=before.created_at,
        updated_at=at,
    )
    connection.execute(
        update(table)
        .where(table.c.collection == collection.name, table.c.id == record_id)
        .values(
            version=after.version,
            plain=canonical_json(dict(after.plain)),
            tag=_tag(after),
            updated_at=at,
            **columns(collection, record_id, after.plain),
        )
    )
    field = tables.record_field
    connection.execute(
        delete(field).where(
            field.c.collection == collection.name,
            field.c.record == record_id,
            field.c.field.in_(list(changes)),
        )
    )
    _insert_fields(connection, after, sealed_now)
    return after


def delete_record(
    connection: Connection, collection: Collection, record_id: str, expected_version: int
) -> None:
    """Delete a record and its data key. Raises NotFound or VersionMismatch."""
    table = tables.record
    here = (table.c.collection == collection.name) & (table.c.id == record_id)
    row = connection.execute(select(table.c.subject, table.c.version).where(here)).one_or_none()
    if row is None:
        raise NotFound(f"there is no {collection.name}/{record_id}")
    gone = connection.execute(delete(table).where(here, table.c.version == expected_version))
    if gone.rowcount != 1:
        raise VersionMismatch(
            f"{collection.name}/{record_id} is at version {row.version}, not "
            f"{expected_version}: read it again, then delete it"
        )
    forget_data_key(connection, collection.name, row.subject)


def read_to_change(
    connection: Connection, keyring: Keyring, collection: Collection, record_id: str
) -> Record:
    """As `read_record`, and nobody else changes it until the caller's transaction ends."""
    found = _read(connection, keyring, collection, (record_id,), to_change=True)
    if not found:
        raise NotFound(f"there is no {collection.name}/{record_id}")
    return found[0]


def _split(
    collection: Collection, values: Mapping[str, JsonValue]
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    plain: dict[str, JsonValue] = {}
    sensitive: dict[str, JsonValue] = {}
    for name, value in values.items():
        chosen = plain if collection.fields[name].sensitivity == "normal" else sensitive
        chosen[name] = value
    return plain, sensitive


def _seal(
    collection: str, record_id: str, values: Mapping[str, JsonValue], key: Secret, random: Random
) -> dict[str, bytes]:
    return {
        name: seal_field(value, key, FieldAddress(collection, record_id, name), random)
        for name, value in values.items()
    }


def _insert_fields(connection: Connection, record: Record, sealed: Mapping[str, bytes]) -> None:
    rows = [
        {
            "collection": record.collection,
            "record": record.id,
            "field": name,
            "envelope": envelope,
        }
        for name, envelope in sealed.items()
    ]
    if rows:
        connection.execute(insert(tables.record_field), rows)


def _read(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    ids: Iterable[str],
    *,
    to_change: bool,
) -> tuple[Record, ...]:
    record, key, field = tables.record, tables.data_key, tables.record_field
    wanted = sorted(set(ids))
    query = (
        select(*_STORED, key.c.wrapped)
        .select_from(record)
        .outerjoin(
            key, (key.c.collection == record.c.collection) & (key.c.subject == record.c.subject)
        )
        .where(record.c.collection == collection.name, record.c.id.in_(wanted))
        .order_by(record.c.id)
    )
    rows = connection.execute(query.with_for_update(of=record) if to_change else query).all()
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

    return tuple(
        _opened(row, sealed.get(row.id, {}), wrapping, f"the record {collection.name}/{row.id}")
        for row in rows
    )


def _opened(
    row: Row[*tuple[Any, ...]],
    sealed: Mapping[str, bytes],
    wrapping: Callable[[int], Secret],
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
        data_key=open_data_key(wrapping, row.collection, row.subject, row.wrapped, what),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
    _verify(record, row.tag, what)
    return record


def _plain(stored: bytes, what: str) -> dict[str, JsonValue]:
    try:
        value = parse_canonical(stored)
    except Damaged:
        raise Damaged(f"{what} is damaged: its plain fields cannot be read") from None
    if not isinstance(value, dict):
        raise Damaged(f"{what} is damaged: its plain fields cannot be read")
    return value


def _message(record: Record) -> bytes:
    return canonical_json(
        {
            "collection": record.collection,
            "created_at": record.created_at,
            "id": record.id,
            "plain": dict(record.plain),
            "sealed": {
                name: hashlib.sha256(envelope).hexdigest()
                for name, envelope in record.sealed.items()
            },
            "subject": record.subject,
            "updated_at": record.updated_at,
            "version": record.version,
        }
    )


def _tag(record: Record) -> bytes:
    return datakey.record_tag(record.data_key, _message(record))


def _verify(record: Record, tag: bytes, what: str) -> None:
    try:
        datakey.verify_record_tag(record.data_key, _message(record), tag, what)
    except (Damaged, InvalidInput):
        # Which field, if one alone does not open; a number too large for the message is none.
        for name, envelope in record.sealed.items():
            open_field(envelope, record.data_key, FieldAddress(record.collection, record.id, name))
        raise Damaged(
            f"{what} is damaged: its parts do not belong together (a plain field, the version or "
            "the set of sealed fields was changed)"
        ) from None


def _without(values: Mapping[str, V], names: Iterable[str]) -> dict[str, V]:
    left_out = set(names)
    return {name: value for name, value in values.items() if name not in left_out}
