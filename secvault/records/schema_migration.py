"""Bringing the records of a collection to how its present schema stores them, in batches."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from secvault.crypto.aead import Random
from secvault.errors import Damaged
from secvault.keyring.keyring import Keyring
from secvault.records.collection import Collection
from secvault.records.reseal import reseal_record
from secvault.records.schema_versions import alike_versions
from secvault.store.tables import record


@dataclass(frozen=True)
class Batch:
    """What one transaction did. last: the last record that it looked at; None at the end.

    damaged: records that do not open, in order; they stay as they are.
    """

    migrated: int
    damaged: tuple[str, ...]
    last: str | None


def count_left(connection: Connection, collection: Collection) -> int:
    """How many records are stored otherwise than the present schema would store them."""
    old = _is_old(connection, collection)
    return connection.scalar(select(func.count()).select_from(record).where(old)) or 0


def migrate_batch(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    after: str,
    limit: int,
    at: int,
    random: Random,
) -> Batch:
    """Bring the next old records after this id to the present schema, in the caller's transaction.

    Values, versions and approvals stay. at: micros, the time of data keys that are made. Raises
    Damaged when not a record, but a key or what is known of the schemas cannot be opened.
    """
    ids = tuple(
        connection.execute(
            select(record.c.id)
            .where(_is_old(connection, collection), record.c.id > after)
            .order_by(record.c.id)
            .limit(limit)
        ).scalars()
    )
    damaged = []
    for record_id in ids:
        try:
            # A record that turns out damaged half-way is left as it was.
            with connection.begin_nested():
                reseal_record(connection, keyring, collection, record_id, at, random)
        except Damaged:
            damaged.append(record_id)
    return Batch(len(ids) - len(damaged), tuple(damaged), ids[-1] if ids else None)


def _is_old(connection: Connection, collection: Collection) -> ColumnElement[bool]:
    alike = alike_versions(connection, collection)
    return (record.c.collection == collection.name) & record.c.schema_version.not_in(alike)
