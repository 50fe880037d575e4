"""The release of a record: which version somebody else has approved, and who.

A record of a collection with `release` is a draft until then, and again after every change: an
approval is of one version. Its tag, under the record's data key, binds it to the record as it was;
a row made up or changed in the database makes the record fail to open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.crypto import datakey
from secvault.crypto.canonical import canonical_json
from secvault.errors import Conflict, Damaged
from secvault.records.record import Record
from secvault.store.tables import record_release


@dataclass(frozen=True)
class Approved:
    """An approval of a record. approved_by: a subject. approved_at: micros."""

    version: int
    approved_by: str
    approved_at: int


def approve(connection: Connection, record: Record, subject: str, at: int) -> Approved:
    """Approve the record as it is. The caller holds its row and knows that `subject` may.

    Raises Conflict when it is approved already.
    """
    if releases_of(connection, (record,)):
        raise Conflict(f"{record.collection}/{record.id} is approved already")
    given = Approved(record.version, subject, at)
    void(connection, record.collection, record.id)
    connection.execute(
        insert(record_release).values(
            collection=record.collection,
            record=record.id,
            tag=datakey.record_tag(record.data_key, _message(record, given)),
            **vars(given),
        )
    )
    return given


def rebind(connection: Connection, record: Record, given: Approved) -> None:
    """Bind an approval, which was verified, to the record under its present data key."""
    column = record_release.c
    connection.execute(
        update(record_release)
        .where(column.collection == record.collection, column.record == record.id)
        .values(tag=datakey.record_tag(record.data_key, _message(record, given)))
    )


def void(connection: Connection, collection: str, record_id: str) -> None:
    """Make the record a draft again."""
    column = record_release.c
    connection.execute(
        delete(record_release).where(column.collection == collection, column.record == record_id)
    )


def releases_of(connection: Connection, records: Iterable[Record]) -> Mapping[str, Approved]:
    """By id, the approvals of those of one collection's records that are approved as they are.

    Raises Damaged.
    """
    known = {record.id: record for record in records}
    collections = {record.collection for record in known.values()}
    if not known:
        return {}
    column = record_release.c
    rows = connection.execute(
        select(record_release).where(
            column.collection.in_(collections), column.record.in_(list(known))
        )
    )
    return {
        row.record: _verified(known[row.record], row)
        for row in rows
        if row.version == known[row.record].version
    }


def _verified(record: Record, row: Row[Any]) -> Approved:
    what = f"the approval of {record.collection}/{record.id}"
    if None in tuple(row):
        raise Damaged(f"{what} is damaged: a part of it is gone")
    given = Approved(row.version, row.approved_by, row.approved_at)
    datakey.verify_record_tag(record.data_key, _message(record, given), row.tag, what)
    return given


def _message(record: Record, given: Approved) -> bytes:
    # No record's own message has these names, so that neither can stand for the other.
    return canonical_json(
        {
            "approved_at": given.approved_at,
            "approved_by": given.approved_by,
            "approved_version": given.version,
            "collection": record.collection,
            "id": record.id,
            "updated_at": record.updated_at,
        }
    )
