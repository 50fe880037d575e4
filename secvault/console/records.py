"""Records: the collections that the visitor may work with, and the records in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from secvault.access import Access
from secvault.api.declared import operation
from secvault.api.records import CollectionName
from secvault.api.routing import Routes
from secvault.console.language import Language, language_of
from secvault.console.page import page
from secvault.console.record_words import in_words, titled
from secvault.console.visitor import Visiting, Visitor
from secvault.records.collection import Collection, Field
from secvault.records.value import FieldType
from secvault.service import records
from secvault.service.policies import operations as policies
from secvault.service.record_asking import collection_of, operation_on, sorts_of
from secvault.service.record_views import RecordView, Shown

router = Routes(include_in_schema=False)

PAGE = 50
_MOST_COLUMNS = 5
_LONGEST_COLUMN = 200
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY})

After = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True)
class Listed:
    """One record in a list. cells: a text for each column; None where it is not shown in clear."""

    id: str
    cells: tuple[str | None, ...]
    updated_at: int
    state: str


@dataclass(frozen=True)
class Column:
    """A column of a list. number: whether its values are numbers or amounts."""

    title: str
    number: bool


@router.get("/records")
@operation("{department}/{collection}", "collection.read")
def collections(request: Request, at: Visiting) -> Response:
    """The collections, by department."""
    language = language_of(request)
    found = sorted(
        records.collections(at.service, at.caller),
        key=lambda one: (one.department, titled(one.title, language)),
    )
    departments = [
        (name, [(one, titled(one.title, language)) for one in ones])
        for name, ones in groupby(found, key=lambda one: one.department)
    ]
    return page(
        request,
        "records/collections.html",
        visitor=at,
        departments=departments,
        may_add=at.could(policies.APPLY),
    )


@router.get("/records/{collection}")
@operation("{department}/{collection}", "record.list", "record.create", "record.import")
def record_list(
    request: Request, at: Visiting, collection: CollectionName, after: After = ""
) -> Response:
    """A page of the records, in order of their ids."""
    known = collection_of(at.service, collection)
    found = records.list_records(at.service, at.caller, collection, after, PAGE)
    return page(
        request,
        "records/list.html",
        visitor=at,
        collection=known,
        title=titled(known.title, language_of(request)),
        ways=ways_of(at, known, language_of(request)),
        may_create=at.may(operation_on("record.create", known)),
        may_import=at.may(operation_on("record.import", known)),
        after=after,
        next=found.next_after,
        now=at.service.clock.micros(),
        **listed(found.records, known, language_of(request)),
    )


def listed(
    views: Iterable[RecordView], collection: Collection, language: Language
) -> dict[str, Any]:
    """What a list shows: columns of what is open to the visitor, and a row for each record."""
    views = tuple(views)
    open_to = {name for view in views for name in view.fields}
    fields = [one for one in collection.fields.values() if one.name in open_to and _fits(one)]
    columns = fields[:_MOST_COLUMNS]
    rows = [
        Listed(view.id, _cells(view, columns, language), view.updated_at, _state(view))
        for view in views
    ]
    shown = [Column(titled(one.title, language), one.type in _NUMBERS) for one in columns]
    return {"columns": shown, "rows": rows}


@dataclass(frozen=True)
class Way:
    """A way to search: a field, and how it is compared. value: as the form sends it."""

    value: str
    title: str
    how: str


def ways_of(at: Visitor, collection: Collection, language: Language) -> tuple[Way, ...]:
    """By what the visitor may search: the fields that some records show them in clear."""
    shown = Shown(at.service, at.caller, collection)
    in_clear = {
        name
        for about in sorts_of(at.caller, collection)
        for name, access in shown.access_to(about).items()
        if access.access is Access.CLEAR
    }
    return tuple(
        Way(f"{field.name}:{how}", titled(field.title, language), how)
        for field in collection.fields.values()
        if field.name in in_clear
        for how in _hows(field)
    )


_PARTS = frozenset({FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.ACCOUNT})
_RANGES = frozenset(
    {
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.INTEGER,
        FieldType.DECIMAL,
        FieldType.MONEY,
    }
)


def _hows(field: Field) -> tuple[str, ...]:
    if field.type is FieldType.ATTACHMENT:
        return ()
    if field.sensitive:
        return field.index.kinds if field.index else ()
    if field.type in _RANGES:
        return ("exact", "range")
    return ("exact", "prefix") if field.type in _PARTS else ("exact",)


def _fits(field: Field) -> bool:
    short = field.limits.max_length <= _LONGEST_COLUMN and not field.limits.multi_line
    return field.type is not FieldType.ATTACHMENT and (field.type is not FieldType.TEXT or short)


def _cells(view: RecordView, columns: list[Field], language: Language) -> tuple[str | None, ...]:
    return tuple(
        in_words(one, view.fields[one.name], language) if one.name in view.fields else None
        for one in columns
    )


def _state(view: RecordView) -> str:
    if not view.released:
        return ""
    return "draft" if view.approved is None else "approved"
