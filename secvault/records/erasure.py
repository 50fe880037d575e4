"""Erasing records: their rows go, the data key goes with the last of them, a tombstone stays.

A data key is shared by the records of one data subject of a collection. With the last of them it is
destroyed, and what it sealed is lost in every copy of the database that has not its own key. A
record whose siblings stay loses its rows; copies lose it when they are restored (`backup.rejoin`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select

from secvault.errors import Conflict, NotFound
from secvault.records.collection import OWN_ID, Collection
from secvault.records.hold import Held
from secvault.records.tombstone import missing
from secvault.store.record_rows import delete_records
from secvault.store.tables import (
    data_key,
    erased_record,
    erased_subject,
    erasure,
    record,
    record_field,
)

_AT_ONCE = 500


@dataclass(frozen=True)
class DestroyedKey:
    """A data key that is no more. reference: SHA-256 of its wrapped form, empty when there was none
    in this database, and only copies may have one. created_at: no key of the subject that was made
    until then opens anything again.
    """

    collection: str
    subject: str
    reference: bytes
    created_at: int


@dataclass(frozen=True)
class ErasedRows:
    """What was erased. fields: how many sealed values there were. shared: records whose data key
    stays, because others of their subject do.
    """

    records: tuple[Held, ...]
    keys: tuple[DestroyedKey, ...]
    fields: int
    shared: tuple[Held, ...]

    @property
    def destroyed(self) -> tuple[DestroyedKey, ...]:
        """The keys that were in this database."""
        return tuple(key for key in self.keys if key.reference)


@dataclass(frozen=True)
class Erasure:
    """An erasure as stored. at: micros. records, keys: how many."""

    id: str
    kind: str
    asked_by: str
    at: int
    records: int
    keys: int


def record_of(connection: Connection, collection: Collection, record_id: str) -> Held:
    """The record as it would be erased. Raises NotFound, Erased."""
    here = (record.c.collection == collection.name) & (record.c.id == record_id)
    found = _held(connection, here)
    if not found:
        raise missing(connection, collection.name, record_id)
    return found[0]


def records_of_subject(
    connection: Connection, collection: Collection, subject: str
) -> tuple[Held, ...]:
    """The records of a data subject of the collection, in order.

    subject: in the form that is compared. What was stored before the schema named the subject is
    found where its field also says whom a record is about.
    """
    is_theirs = record.c.subject == subject
    if collection.subject_field and collection.subject_field == collection.person_field:
        is_theirs |= record.c.person == subject
    return _held(connection, (record.c.collection == collection.name) & is_theirs)


def records_of_person(
    connection: Connection, collections: Iterable[Collection], number: str
) -> tuple[Held, ...]:
    """What is kept on an employee in these collections, in order.

    number: in the form that is compared (`identity.names.compared`). By the fields that the schemas
    name for the person and for the data subject.
    """
    return tuple(
        held
        for collection in sorted(collections, key=lambda one: one.name)
        if (here := _of_person(collection, number)) is not None
        for held in _held(connection, here)
    )


def subjects_of_person(collection: Collection, number: str) -> tuple[str, ...]:
    """The data subjects of the collection that are this employee, whether anything is kept or not.

    None where the schema does not say that the data subject is the person.
    """
    names_person = collection.subject_field or OWN_ID
    return (number,) if collection.person_field == names_person else ()


def hold_records(connection: Connection, records: Iterable[Held]) -> tuple[Held, ...]:
    """Those of the records that are there, as they are now; nobody changes or deletes them until
    the caller's transaction ends.
    """
    found: list[Held] = []
    # Before any data key, as whoever changes a record does, and in one order for everybody.
    wanted = sorted({(one.collection, one.id) for one in records})
    for collection, group in groupby(wanted, key=lambda one: one[0]):
        ids = [record_id for _, record_id in group]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            rows = connection.execute(
                select(record.c.collection, record.c.id, record.c.subject, record.c.person)
                .where(record.c.collection == collection, record.c.id.in_(some))
                .order_by(record.c.id)
                .with_for_update()
            )
            found += [Held(**row._asdict()) for row in rows]
    return tuple(found)


def erase_rows(
    connection: Connection,
    erasure_id: str,
    records: Iterable[Held],
    at: int,
    subjects: Iterable[tuple[str, str]] = (),
    elsewhere: Iterable[DestroyedKey] = (),
) -> ErasedRows:
    """Erase these records, and the data keys that none needs any more. at: micros.

    subjects: collection and data subject, whose keys are destroyed in copies of the database also
    when none is here. elsewhere: keys that were destroyed in this transaction, to be left out of
    copies like those. Raises Conflict when one of the records is gone, or another subject's, since
    it was looked up; nothing is erased then.
    """
    wanted = sorted(set(records), key=lambda one: (one.collection, one.subject, one.id))
    _require_same(wanted, hold_records(connection, wanted))
    whole = set(subjects)
    fields = _count_fields(connection, wanted)
    keys: list[DestroyedKey] = [*elsewhere]
    shared: list[Held] = []
    # So that nobody stores a record under a key that is about to go.
    touched = {(one.collection, one.subject) for one in wanted} | whole
    present = {pair: _locked_key(connection, *pair) for pair in sorted(touched)}
    for collection, group in groupby(wanted, key=lambda one: one.collection):
        delete_records(connection, collection, [one.id for one in group], at)
    for collection, subject in sorted(touched):
        if _has_records(connection, collection, subject):
            shared += [o for o in wanted if (o.collection, o.subject) == (collection, subject)]
            continue
        row = present[collection, subject]
        reference = hashlib.sha256(row.wrapped).digest() if row else b""
        made = max(row.created_at, at) if row else at
        keys.append(DestroyedKey(collection, subject, reference, made))
        connection.execute(
            delete(data_key).where(
                data_key.c.collection == collection, data_key.c.subject == subject
            )
        )
    _bury(connection, erasure_id, wanted, keys, at)
    return ErasedRows(tuple(wanted), tuple(keys), fields, tuple(shared))


def keep_erasure(connection: Connection, made: Erasure, document: bytes, note: bytes) -> None:
    """Keep the erasure with its evidence."""
    connection.execute(insert(erasure).values(**vars(made), document=document, note=note))


def read_erasure(connection: Connection, erasure_id: str) -> Erasure:
    """The erasure of this id. Raises NotFound."""
    columns = [erasure.c[name] for name in Erasure.__dataclass_fields__]
    row = connection.execute(select(*columns).where(erasure.c.id == erasure_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no erasure {erasure_id[:64]}")
    return Erasure(**row._asdict())


def list_erasures(connection: Connection, limit: int) -> tuple[Erasure, ...]:
    """The newest erasures, newest first."""
    columns = [erasure.c[name] for name in Erasure.__dataclass_fields__]
    rows = connection.execute(
        select(*columns).order_by(erasure.c.at.desc(), erasure.c.id.desc()).limit(limit)
    )
    return tuple(Erasure(**row._asdict()) for row in rows)


def evidence_of(connection: Connection, erasure_id: str) -> tuple[bytes, bytes]:
    """The signed evidence of an erasure: document and note. Raises NotFound."""
    row = connection.execute(
        select(erasure.c.document, erasure.c.note).where(erasure.c.id == erasure_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no erasure {erasure_id[:64]}")
    return row.document, row.note


def _require_same(wanted: Iterable[Held], present: Iterable[Held]) -> None:
    there = {(one.collection, one.id): one.subject for one in present}
    for one in wanted:
        if there.get((one.collection, one.id)) != one.subject:
            raise Conflict(
                f"{one.collection}/{one.id} was changed or deleted at the same moment; nothing was "
                "erased: look at what there is, then erase it"
            )


def _held(connection: Connection, here: ColumnElement[bool]) -> tuple[Held, ...]:
    column = record.c
    rows = connection.execute(
        select(column.collection, column.id, column.subject, column.person)
        .where(here)
        .order_by(column.collection, column.id)
    )
    return tuple(Held(**row._asdict()) for row in rows)


def _of_person(collection: Collection, number: str) -> ColumnElement[bool] | None:
    """The rows that may be about the person; None when the schema names nobody."""
    ways: list[ColumnElement[bool]] = []
    if collection.person_field:
        ways.append(record.c.person == number)
    if collection.subject_field:
        ways.append(record.c.subject == number)
    return and_(record.c.collection == collection.name, or_(*ways)) if ways else None


def _locked_key(connection: Connection, collection: str, subject: str) -> Row[bytes, int] | None:
    return connection.execute(
        select(data_key.c.wrapped, data_key.c.created_at)
        .where(data_key.c.collection == collection, data_key.c.subject == subject)
        .with_for_update()
    ).one_or_none()


def _has_records(connection: Connection, collection: str, subject: str) -> bool:
    here = (record.c.collection == collection) & (record.c.subject == subject)
    return connection.execute(select(record.c.id).where(here).limit(1)).first() is not None


def _count_fields(connection: Connection, records: Iterable[Held]) -> int:
    total = 0
    by_collection: dict[str, list[str]] = {}
    for one in records:
        by_collection.setdefault(one.collection, []).append(one.id)
    for collection, ids in by_collection.items():
        for start in range(0, len(ids), _AT_ONCE):
            total += connection.execute(
                select(func.count()).where(
                    record_field.c.collection == collection,
                    record_field.c.record.in_(ids[start : start + _AT_ONCE]),
                )
            ).scalar_one()
    return total


def _bury(
    connection: Connection,
    erasure_id: str,
    records: Iterable[Held],
    keys: Iterable[DestroyedKey],
    at: int,
) -> None:
    common: Mapping[str, Any] = {"erasure": erasure_id, "erased_at": at}
    graves = [{"collection": one.collection, "id": one.id, **common} for one in records]
    if graves:
        connection.execute(insert(erased_record), graves)
    rows = [{**vars(one), **common} for one in keys]
    if rows:
        connection.execute(insert(erased_subject), rows)
