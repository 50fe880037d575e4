"""Records as one caller may see them: in clear, masked or withheld, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection

from secvault.access import About, Access, FieldAccess
from secvault.crypto.canonical import JsonValue
from secvault.records import facts, release
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.records.mask import masked
from secvault.records.release import Approved
from secvault.service.asking import asker_of
from secvault.service.service import Service
from secvault.service.spine import Caller


@dataclass(frozen=True)
class RecordView:
    """A record as one caller may see it.

    fields: values in clear. masked: what is shown instead of the value. withheld: why a field
    that has a value is not shown at all. released: whether its collection has records approved.
    approved: who approved it as it is; None for a draft. Times in micros.
    """

    collection: str
    id: str
    version: int
    fields: Mapping[str, JsonValue]
    masked: Mapping[str, str]
    withheld: Mapping[str, str]
    created_at: int
    updated_at: int
    released: bool = False
    approved: Approved | None = None


class Shown:
    """Shows records of one collection to one caller, each by what it is about."""

    def __init__(self, service: Service, caller: Caller, collection: Collection) -> None:
        self._service = service
        self._caller = caller
        self._collection = collection
        self._asker = asker_of(caller.principal)
        self._known: dict[About, Mapping[str, FieldAccess]] = {}

    def view(
        self, record: rows.Record, approved: Mapping[str, Approved] = MappingProxyType({})
    ) -> RecordView:
        """The record as far as the caller may see it. approved: see `approved_in`."""
        # Records that conditions see alike are shown alike.
        about = facts.sort_of(about_of(record, self._collection), self._asker)
        return _view(record, self._collection, self.access_to(about), approved)

    def access_to(self, about: About) -> Mapping[str, FieldAccess]:
        """How each field of the collection is shown in records of this sort (`facts.sort_of`)."""
        access = self._known.get(about)
        if access is None:
            access = self._service.spine.field_access(
                self._caller,
                self._collection.department,
                self._collection.name,
                self._collection.fields,
                about,
            )
            self._known[about] = access
        return access


def about_of(record: rows.Record, collection: Collection) -> About:
    """What conditions look at of the record."""
    return facts.about(collection, record.id, record.plain)


def approved_in(
    connection: Connection, collection: Collection, found: Iterable[rows.Record]
) -> Mapping[str, Approved]:
    """Those of the records that are approved as they are, by id."""
    return {} if collection.release is None else release.releases_of(connection, found)


def _view(
    record: rows.Record,
    collection: Collection,
    access: Mapping[str, FieldAccess],
    approved: Mapping[str, Approved],
) -> RecordView:
    fields: dict[str, JsonValue] = {}
    hidden: dict[str, str] = {}
    withheld: dict[str, str] = {}
    for name in record.field_names:
        field = collection.fields.get(name)
        allowed = access.get(name)
        if field is None or allowed is None or allowed.access is Access.WITHHELD:
            withheld[name] = allowed.reason if allowed else "This field is no longer in use."
        elif allowed.access is Access.CLEAR:
            fields[name] = record.value(name)
        elif field.mask is not None:
            hidden[name] = masked(field.mask, record.value(name))
    return RecordView(
        record.collection,
        record.id,
        record.version,
        fields,
        hidden,
        withheld,
        record.created_at,
        record.updated_at,
        collection.release is not None,
        approved.get(record.id),
    )
