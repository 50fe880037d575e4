"""Sealed fields of a copy, drawn by chance from all of its collections, and files of its records:
they decrypt to what was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from secvault.backup.contents import CONTENTS
from secvault.errors import Damaged, NotFound, TooLarge, Unavailable
from secvault.records import attachment_rows
from secvault.records import collection as schemas
from secvault.records.attachment import Attached
from secvault.records.attachment_content import Content
from secvault.records.attachment_folder import FolderStorage
from secvault.records.attachment_storage import Storage
from secvault.records.record import Record, read_records
from secvault.records.value import FieldType
from secvault.service.drill_levels.findings import Findings
from secvault.service.drill_levels.own_copy import OwnCopy
from secvault.service.policies.published import Published
from secvault.service.service import Service
from secvault.store import Store, tables

ATTACHMENTS = 20
"""How many files of records are opened, beside the fields."""
_LARGEST = 1 << 30

Heed = Callable[[], None]


@dataclass(frozen=True)
class Opened:
    """A record of the sample that holds a sealed field, to ask the restored service about."""

    collection: str
    department: str
    id: str
    field: str


def open_sample(
    service: Service,
    copy: OwnCopy,
    strange: Collection[tuple[str, str]],
    found: Findings,
    heed: Heed,
) -> tuple[Opened, ...]:
    """Decrypt so many fields as the settings say; those records that can be asked about.

    strange: subjects whose data key does not open, which is said already.
    """
    collections = collections_of(copy)
    wanted = service.settings.backup.drill_sample
    asked: list[Opened] = []
    fields = 0
    with copy.store.read() as connection:
        _leave_unknown_open(connection, collections, found)
        for collection, ids in _drawn(connection, collections, wanted):
            for record_id in ids:
                heed()
                record = _read(connection, copy, collection, record_id, strange, found)
                if record is None:
                    continue
                opened = _open_fields(record, found)
                fields += len(opened)
                asked += [
                    Opened(collection.name, collection.department, record.id, name)
                    for name in opened[:1]
                    if collection.fields.get(name) is not None
                ]
        found.fact("collections", len(collections))
        found.fact("fields-decrypted", fields)
        if not fields:
            found.leave_open("sealed fields: the copy holds none")
        _open_attachments(service, copy, connection, collections, found, heed)
    return tuple(asked)


def collections_of(copy: OwnCopy) -> Mapping[str, schemas.Collection]:
    """The collections of the policy that is in force in the copy. Raises Unavailable."""
    with copy.store.read() as connection:
        present: Mapping[str, schemas.Collection] = Published().present(connection).collections
    return present


def _drawn(
    connection: Connection, collections: Mapping[str, schemas.Collection], wanted: int
) -> list[tuple[schemas.Collection, Sequence[str]]]:
    """Some records of each collection that has any, as many of one as of the other."""
    record = tables.record.c
    held = set(connection.execute(select(record.collection).distinct()).scalars())
    known = [one for name, one in sorted(collections.items()) if name in held]
    share = -(-wanted // max(1, len(known)))
    return [
        (
            one,
            connection.execute(
                select(record.id)
                .where(record.collection == one.name)
                .order_by(func.random())
                .limit(share)
            )
            .scalars()
            .all(),
        )
        for one in known
    ]


def _leave_unknown_open(
    connection: Connection, collections: Mapping[str, schemas.Collection], found: Findings
) -> None:
    record = tables.record.c
    held = set(connection.execute(select(record.collection).distinct()).scalars())
    for name in sorted(held - set(collections)):
        found.leave_open(f"records of a collection that the copy's policy does not know: {name}")


def _read(
    connection: Connection,
    copy: OwnCopy,
    collection: schemas.Collection,
    record_id: str,
    strange: Collection[tuple[str, str]],
    found: Findings,
) -> Record | None:
    record = tables.record.c
    here = (record.collection == collection.name) & (record.id == record_id)
    subject = connection.execute(select(record.subject).where(here)).scalar_one_or_none()
    if (collection.name, subject) in strange:
        return None
    try:
        records = read_records(connection, copy.keyring, collection, (record_id,))
    except Damaged as damage:
        found.fault("field-unreadable", f"record {collection.name}/{record_id}", damage.detail)
        return None
    return records[0] if records else None


def _open_fields(record: Record, found: Findings) -> list[str]:
    opened = []
    for name in sorted(record.sealed):
        try:
            record.value(name)
        except Damaged as damage:
            where = f"field {record.collection}/{record.id}/{name}"
            found.fault("field-unreadable", where, damage.detail)
        else:
            opened.append(name)
    return opened


def _open_attachments(
    service: Service,
    copy: OwnCopy,
    connection: Connection,
    collections: Mapping[str, schemas.Collection],
    found: Findings,
    heed: Heed,
) -> None:
    row = tables.attachment.c
    drawn = connection.execute(
        select(row.id, row.collection, row.record, row.field)
        .where(row.state == attachment_rows.KEPT)
        .order_by(func.random())
        .limit(ATTACHMENTS)
    ).all()
    if not drawn:
        return
    storage, elsewhere = storage_of(service, copy)
    opened = 0
    for one in drawn:
        heed()
        collection = collections.get(one.collection)
        field = None if collection is None else collection.fields.get(one.field)
        if collection is None or field is None or field.type is not FieldType.ATTACHMENT:
            continue
        where = f"attachment {one.collection}/{one.record}/{one.field}"
        try:
            opened += _open_attachment(connection, copy, collection, one.record, one.field, storage)
        except NotFound:
            continue
        except TooLarge:
            found.leave_open(f"files of records larger than 1 GiB: {where}")
        except Unavailable as error:
            # The copy says nothing wrong; the place outside of it does not answer.
            found.leave_open(f"attachments that could not be read: {error.detail}")
        except Damaged as error:
            if elsewhere and _given_up(service.store, one.id):
                continue
            found.fault("field-unreadable", where, error.detail)
    found.fact("attachments-decrypted", opened)
    if elsewhere:
        found.leave_open("attachments as they were: they lie in a bucket, and were read from there")


def storage_of(service: Service, copy: OwnCopy) -> tuple[Storage, bool]:
    """Where the files of the copy's records lie; whether that is outside of the backup."""
    if service.backups.contents is None:
        return service.attachments, True
    return FolderStorage(copy.folder / CONTENTS, make=True), False


def _open_attachment(
    connection: Connection,
    copy: OwnCopy,
    collection: schemas.Collection,
    record_id: str,
    field: str,
    storage: Storage,
) -> bool:
    """Whether it was opened, all of it. Raises Damaged, Unavailable, NotFound, TooLarge."""
    records = read_records(connection, copy.keyring, collection, (record_id,))
    if not records:
        return False
    record = records[0]
    attached = Attached.of(record.value(field))
    if attached.size > _LARGEST:
        raise TooLarge(f"{attached.size} bytes take too long to be read")
    address = attached.address(collection.name, record_id, field)
    key = attachment_rows.content_key(connection, record.data_key, address)
    content = Content(storage, address, key, attached.size)
    digest = hashlib.sha256()
    with closing(content.read(0, attached.size)) as pieces:
        for piece in pieces:
            digest.update(piece)
    if digest.hexdigest() != attached.sha256:
        raise Damaged("its content is not the one that the record names")
    return True


def _given_up(live: Store, attachment: str) -> bool:
    """Whether the live vault does not keep this content any more, so that it may be gone."""
    row = tables.attachment.c
    with live.read() as connection:
        state = connection.execute(
            select(row.state).where(row.id == attachment)
        ).scalar_one_or_none()
    return state != attachment_rows.KEPT
