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
    that has a value is not shown at all. revealable: those of the masked and withheld fields that
    the caller may reveal, each with a reason. released: whether its collection has records
    approved. approved: who approved it as it is; None for a draft. Times in micros.
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
    revealable: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Rights:
    """How each field of a sort of records is shown, and which may be revealed."""

    access: Mapping[str, FieldAccess]
    revealable: frozenset[str]


class Shown:
    """Shows records of one collection to one caller, each by what it is about."""

    def __init__(self, service: Service, caller: Caller, collection: Collection) -> None:
        self._service = service
        self._caller = caller
        self._collection = collection
        self._asker = asker_of(caller.principal)
        self._known: dict[About, _Rights] = {}

    def view(
        self, record: rows.Record, approved: Mapping[str, Approved] = MappingProxyType({})
    ) -> RecordView:
        """The record as far as the caller may see it. approved: see `approved_in`."""
        # Records that conditions see alike are shown alike.
        about = facts.sort_of(about_of(record, self._collection), self._asker)
        rights = self._rights_to(about)
        return _view(record, self._collection, rights, approved)

    def access_to(self, about: About) -> Mapping[str, FieldAccess]:
        """How each field of the collection is shown in records of this sort (`facts.sort_of`)."""
        return self._rights_to(about).access

    def _rights_to(self, about: About) -> _Rights:
        rights = self._known.get(about)
        if rights is None:
            spine, of = self._service.spine, self._collection
            access = spine.field_access(self._caller, of.department, of.name, of.fields, about)
            hidden = [name for name, one in access.items() if one.access is not Access.CLEAR]
            revealable = spine.revealable(self._caller, of.department, of.name, hidden, about)
            rights = self._known[about] = _Rights(access, frozenset(revealable))
        return rights


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
    rights: _Rights,
    approved: Mapping[str, Approved],
) -> RecordView:
    fields: dict[str, JsonValue] = {}
    hidden: dict[str, str] = {}
    withheld: dict[str, str] = {}
    for name in record.field_names:
        field = collection.fields.get(name)
        allowed = rights.access.get(name)
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
        tuple(name for name in (*hidden, *withheld) if name in rights.revealable),
    )
