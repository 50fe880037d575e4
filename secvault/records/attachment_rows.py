"""Attachments as rows: which contents a record has, and what is to be removed from where they lie.

A row is `uploading` before anything of its content is stored, `kept` from the transaction on in
which the record's field names it, and `unused` from the one on in which it no longer does. Only
what is unused is removed from storage, and its row goes after it. So whatever is killed, a record
names the old content or the new one, and what lies in storage is known. All times in micros.
"""

from __future__ import annotations

import os
from collections.abc import Collection as Group

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from secvault.crypto.aead import Random
from secvault.crypto.content_key import ContentAddress, unwrap_content_key, wrap_content_key
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged
from secvault.store import tables

UPLOADING, KEPT, UNUSED = "uploading", "kept", "unused"

_row = tables.attachment


def begin(connection: Connection, address: ContentAddress, at: int) -> None:
    """Note that a content is on its way in."""
    connection.execute(
        insert(_row).values(
            id=address.attachment,
            collection=address.collection,
            record=address.record,
            field=address.field,
            state=UPLOADING,
            changed_at=at,
        )
    )


def beat(connection: Connection, attachment: str, at: int) -> None:
    """Note that it is still on its way. Raises Conflict when it was given up."""
    _change(connection, attachment, changed_at=at)


def keep(
    connection: Connection,
    address: ContentAddress,
    key: Secret,
    data_key: Secret,
    at: int,
    random: Random = os.urandom,
) -> None:
    """Keep the content that came in, in place of what the field had before.

    data_key: of the record, as it stands in this transaction. Raises Conflict when the content was
    given up meanwhile.
    """
    unuse(connection, address.collection, address.record, address.field, at)
    wrapped = wrap_content_key(key, data_key, address, random)
    _change(connection, address.attachment, state=KEPT, wrapped_key=wrapped, changed_at=at)


def unuse(connection: Connection, collection: str, record: str, field: str, at: int) -> None:
    """Give up what the field of a record keeps: it changes, or is emptied."""
    here = (_row.c.collection == collection) & (_row.c.record == record) & (_row.c.field == field)
    connection.execute(
        update(_row).where(here, _row.c.state == KEPT).values(state=UNUSED, changed_at=at)
    )


def give_up(connection: Connection, attachment: str, at: int) -> bool:
    """Give up a content on its way in; False when it is kept, or was given up before."""
    here = update(_row).where(_row.c.id == attachment, _row.c.state == UPLOADING)
    return connection.execute(here.values(state=UNUSED, changed_at=at)).rowcount == 1


def give_up_silent(connection: Connection, before: int, at: int) -> None:
    """Give up what is uploading and was not heard of since `before`: its program was killed."""
    connection.execute(
        update(_row)
        .where(_row.c.state == UPLOADING, _row.c.changed_at < before)
        .values(state=UNUSED, changed_at=at)
    )


def give_up_lost(connection: Connection, at: int) -> None:
    """Give up what no record names any more, or only one whose data key is erased."""
    record, key, field = tables.record, tables.data_key, tables.record_field
    readable = exists(
        select(field.c.field)
        .join(
            record,
            and_(record.c.collection == field.c.collection, record.c.id == field.c.record),
        )
        .join(key, and_(key.c.collection == record.c.collection, key.c.subject == record.c.subject))
        .where(
            field.c.collection == _row.c.collection,
            field.c.record == _row.c.record,
            field.c.field == _row.c.field,
        )
        .correlate(_row)
    )
    connection.execute(
        update(_row).where(_row.c.state == KEPT, ~readable).values(state=UNUSED, changed_at=at)
    )


def due(connection: Connection, before: int, limit: int) -> tuple[str, ...]:
    """Contents that are to be removed, those that wait longest first.

    What a record has named waits until it was given up before `before`, so that a copy of the
    database from not long ago finds it still; what none ever has does not.
    """
    where = and_(
        _row.c.state == UNUSED, or_(_row.c.wrapped_key.is_(None), _row.c.changed_at < before)
    )
    found = select(_row.c.id).where(where).order_by(_row.c.changed_at, _row.c.id).limit(limit)
    return tuple(connection.execute(found).scalars())


def waiting(connection: Connection) -> int:
    """How many contents are unused, whether they are due or not."""
    return len(connection.execute(select(_row.c.id).where(_row.c.state == UNUSED)).all())


def forget(connection: Connection, attachments: Group[str]) -> None:
    """Delete the rows of contents that were removed."""
    connection.execute(delete(_row).where(_row.c.id.in_(attachments), _row.c.state == UNUSED))


def known(connection: Connection, attachments: Group[str]) -> frozenset[str]:
    """Those of these contents that have a row."""
    found = connection.execute(select(_row.c.id).where(_row.c.id.in_(attachments)))
    return frozenset(found.scalars())


def content_key(connection: Connection, data_key: Secret, address: ContentAddress) -> Secret:
    """The key of a content that a record names. data_key: of the record. Raises Damaged."""
    wrapped = connection.execute(
        select(_row.c.wrapped_key).where(_row.c.id == address.attachment)
    ).scalar_one_or_none()
    if wrapped is None:
        raise Damaged(f"the attachment {address} is damaged: its key is gone")
    return unwrap_content_key(wrapped, data_key, address)


def rewrap(
    connection: Connection,
    collection: str,
    record: str,
    fields: Group[str],
    old: Secret,
    new: Secret,
    random: Random = os.urandom,
) -> None:
    """Wrap the keys of a record's contents under its new data key. Raises Damaged.

    fields: that have a value. What lies under another is of an earlier record of the same id.
    """
    here = (_row.c.collection == collection) & (_row.c.record == record)
    here &= _row.c.field.in_(fields)
    kept = select(_row.c.id, _row.c.field, _row.c.wrapped_key).where(here, _row.c.state == KEPT)
    for row in connection.execute(kept).all():
        address = ContentAddress(collection, record, row.field, row.id)
        key = unwrap_content_key(row.wrapped_key or b"", old, address)
        wrapped = wrap_content_key(key, new, address, random)
        connection.execute(update(_row).where(_row.c.id == row.id).values(wrapped_key=wrapped))


def _change(connection: Connection, attachment: str, **values: object) -> None:
    here = update(_row).where(_row.c.id == attachment, _row.c.state == UPLOADING)
    if connection.execute(here.values(**values)).rowcount != 1:
        raise Conflict(
            "nothing was heard of the upload for too long, so it was given up; send the file again"
        )
