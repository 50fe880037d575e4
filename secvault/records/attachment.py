"""Attachments as rows: which contents a record has, and what is to be removed from where they lie.

A row is `uploading` before anything of its content is stored, `kept` from the transaction on in
which the record's field names it, and `unused` from the one on in which it no longer does. Only
what is unused is removed from storage, so that nothing is lost whatever is killed, and a row goes
after its content. All times in micros.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.crypto.content_key import ContentAddress, unwrap_content_key, wrap_content_key
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged
from secvault.records.record import Record
from secvault.store import tables

UPLOADING, KEPT, UNUSED = "uploading", "kept", "unused"

_row = tables.attachment


@dataclass(frozen=True)
class Attached:
    """What a record says of an attachment: its id, the file's name, its size in bytes, its type
    and the SHA-256 of its content as hexadecimal.
    """

    id: str
    name: str
    size: int
    type: str
    sha256: str

    @classmethod
    def of(cls, value: JsonValue) -> Attached:
        """From the value of a field, as `value` has it when it is taken apart."""
        said = cast("Mapping[str, str]", value)
        return cls(
            said["attachment"], said["name"], int(said["size"]), said["type"], said["sha256"]
        )

    def value(self) -> JsonValue:
        """The value of the field."""
        return {
            "attachment": self.id,
            "name": self.name,
            "size": self.size,
            "type": self.type,
            "sha256": self.sha256,
        }


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
    _change(connection, attachment, UPLOADING, changed_at=at)


def keep(
    connection: Connection,
    address: ContentAddress,
    key: Secret,
    record: Record,
    at: int,
    random: Random = os.urandom,
) -> None:
    """Keep the content that came in, in place of what the field had before.

    record: as it stands in this transaction. Raises Conflict when it was given up meanwhile.
    """
    unuse(connection, address.collection, address.record, at, (address.field,))
    wrapped = wrap_content_key(key, record.data_key, address, random)
    _change(
        connection,
        address.attachment,
        UPLOADING,
        state=KEPT,
        wrapped_key=wrapped,
        changed_at=at,
    )


def unuse(
    connection: Connection,
    collection: str,
    record: str,
    at: int,
    fields: Iterable[str] | None = None,
) -> None:
    """Give up what a record keeps, in these fields or in all: it is deleted, or they change."""
    where = and_(_row.c.collection == collection, _row.c.record == record, _row.c.state == KEPT)
    if fields is not None:
        where = and_(where, _row.c.field.in_(tuple(fields)))
    connection.execute(update(_row).where(where).values(state=UNUSED, changed_at=at))


def give_up(connection: Connection, attachment: str, at: int) -> bool:
    """Give up a content on its way in; False when it came in before, and is kept."""
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
    """Give up what no record has any more, or only one whose data key is erased."""
    record, key, field = tables.record, tables.data_key, tables.record_field
    readable = exists(
        select(field.c.field)
        .join(
            record,
            and_(record.c.collection == field.c.collection, record.c.id == field.c.record),
        )
        .join(
            key, and_(key.c.collection == record.c.collection, key.c.subject == record.c.subject)
        )
        .where(
            field.c.collection == _row.c.collection,
            field.c.record == _row.c.record,
            field.c.field == _row.c.field,
        )
    )
    connection.execute(
        update(_row).where(_row.c.state == KEPT, ~readable).values(state=UNUSED, changed_at=at)
    )


def unused(connection: Connection, limit: int) -> tuple[str, ...]:
    """Contents that are to be removed, those that wait longest first."""
    where = select(_row.c.id).where(_row.c.state == UNUSED).order_by(_row.c.changed_at)
    return tuple(connection.execute(where.limit(limit)).scalars())


def forget(connection: Connection, attachment: str) -> None:
    """Delete the row of a content that was removed."""
    connection.execute(delete(_row).where(_row.c.id == attachment, _row.c.state == UNUSED))


def stored(connection: Connection, after: str, limit: int) -> tuple[str, ...]:
    """Contents that lie whole in storage, in order of their ids, after `after`."""
    whole = or_(_row.c.state == KEPT, and_(_row.c.state == UNUSED, _row.c.wrapped_key.is_not(None)))
    where = select(_row.c.id).where(whole, _row.c.id > after).order_by(_row.c.id).limit(limit)
    return tuple(connection.execute(where).scalars())


def kept_of(connection: Connection, collection: str) -> Iterator[ContentAddress]:
    """What the records of a collection keep, in order of record and field."""
    columns = (_row.c.collection, _row.c.record, _row.c.field, _row.c.id)
    where = and_(_row.c.collection == collection, _row.c.state == KEPT)
    for row in connection.execute(select(*columns).where(where).order_by(*columns)):
        yield ContentAddress(*row)


def content_key(connection: Connection, record: Record, address: ContentAddress) -> Secret:
    """The key of a content that the record names. Raises Damaged."""
    wrapped = connection.execute(
        select(_row.c.wrapped_key).where(_row.c.id == address.attachment)
    ).scalar_one_or_none()
    if wrapped is None:
        raise Damaged(f"the attachment {address} is damaged: its key is gone")
    return unwrap_content_key(wrapped, record.data_key, address)


def rewrap(
    connection: Connection,
    collection: str,
    record: str,
    old: Secret,
    new: Secret,
    random: Random = os.urandom,
) -> None:
    """Wrap the keys of a record's contents under its new data key. Raises Damaged."""
    where = and_(_row.c.collection == collection, _row.c.record == record, _row.c.state == KEPT)
    for row in connection.execute(select(_row.c.id, _row.c.field, _row.c.wrapped_key).where(where)):
        address = ContentAddress(collection, record, row.field, row.id)
        if row.wrapped_key is None:
            raise Damaged(f"the attachment {address} is damaged: its key is gone")
        key = unwrap_content_key(row.wrapped_key, old, address)
        wrapped = wrap_content_key(key, new, address, random)
        connection.execute(update(_row).where(_row.c.id == row.id).values(wrapped_key=wrapped))


def _change(connection: Connection, attachment: str, state: str, **values: object) -> None:
    here = update(_row).where(_row.c.id == attachment, _row.c.state == state)
    if connection.execute(here.values(**values)).rowcount != 1:
        raise Conflict(
            "nothing was heard of the upload for too long, so it was given up; send the file again"
        )
