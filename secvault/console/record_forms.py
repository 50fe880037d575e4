"""New records, and changes of those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.records import CollectionName, RecordId
from secvault.api.routing import Routes
from secvault.console.language import Language, language_of
from secvault.console.page import elsewhere, page
from secvault.console.record_fields import (
    Input,
    Typed,
    input_of,
    value_of,
    with_problems,
    with_typed,
    with_value,
)
from secvault.console.record_words import titled
from secvault.console.visitor import Visiting, Visitor
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, FieldError, InvalidInput, VersionMismatch
from secvault.records.collection import Collection, Field
from secvault.records.mask import HIDDEN
from secvault.records.value import FieldType
from secvault.service import records
from secvault.service.record_asking import collection_of, of_record, operation_on, sorts_of
from secvault.service.record_views import RecordView

router = Routes(include_in_schema=False)

# An id begins with a letter or a digit, so that no record is ever at this path.
NEW = "/records/{collection}/-/new"
EDIT = "/records/{collection}/{record}/edit"

Once = Annotated[str, Form(pattern=r"^[0-9a-f]{32}$")]
Version = Annotated[int, Form(ge=1, le=2**53 - 1)]
InClear = Annotated[list[str] | None, Form(max_length=500)]


@router.get(NEW)
@operation("{department}/{collection}/{record}", "record.create")
def new_form(request: Request, at: Visiting, collection: CollectionName) -> Response:
    """An empty form, for who may make records."""
    known, language = collection_of(at.service, collection), language_of(request)
    making = operation_on("record.create", known)
    at.service.spine.some(at.caller, making, sorts_of(at.caller, known))
    inputs = _new_inputs(at, known, language)
    return _new_page(request, at, known, inputs, at.service.random(16).hex())


@router.post(NEW)
@operation("{department}/{collection}/{record}", "record.create")
def create(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    typed: Typed,
    once: Once,
    record_id: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Store a new record. once: makes the form, sent twice, one record."""
    known, language = collection_of(at.service, collection), language_of(request)
    fields = (field for field in known.fields.values() if _is_written(field))
    given = {field.name: value_of(field, typed) for field in fields}
    values = {name: value for name, value in given.items() if value is not None}
    try:
        made = records.create_record(
            at.service, at.caller, collection, record_id.strip() or None, values, once
        )
    except (InvalidInput, Conflict) as error:
        faults = error.fields or (FieldError("id", error.detail),)
        typed_in = (with_typed(one, typed) for one in _new_inputs(at, known, language))
        inputs = with_problems(typed_in, faults)
        return _new_page(request, at, known, inputs, once, record_id, faults, error.status)
    return elsewhere(f"/records/{made.collection}/{made.id}")


@router.get(EDIT)
@operation("{department}/{collection}/{record}", "record.list", "record.update")
def edit_form(
    request: Request, at: Visiting, collection: CollectionName, record: RecordId
) -> Response:
    """The fields that the visitor may change, as they are now."""
    known, language = collection_of(at.service, collection), language_of(request)
    writing = of_record(at.service, operation_on("record.update", known, record), known, record)
    at.service.spine.decide(at.caller, writing)
    view = records.read_record(at.service, at.caller, collection, record)
    return _edit_page(request, at, known, view, _edit_inputs(at, known, view, language))


@router.post(EDIT)
@operation("{department}/{collection}/{record}", "record.list", "record.update")
def edit(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    typed: Typed,
    version: Version,
    in_clear: InClear = None,
) -> Response:
    """Change what was changed in the form. in_clear: the fields that it had with their values."""
    known, language = collection_of(at.service, collection), language_of(request)
    view = records.read_record(at.service, at.caller, collection, record)
    changes = _changes(known, view, typed, in_clear or [])
    if not changes:
        return elsewhere(f"/records/{known.name}/{record}")
    try:
        records.update_record(at.service, at.caller, collection, record, changes, version)
    except InvalidInput as error:
        inputs = _edit_inputs(at, known, view, language)
        inputs = tuple(_retyped(one, typed, in_clear or []) for one in inputs)
        inputs = with_problems(inputs, error.fields)
        shown = replace(view, version=version)
        return _edit_page(request, at, known, shown, inputs, faults=error.fields, status=422)
    except VersionMismatch:
        inputs = _edit_inputs(at, known, view, language)
        unsaved = [
            (one.title, with_typed(one, typed).value) for one in inputs if one.name in changes
        ]
        return _edit_page(request, at, known, view, inputs, unsaved=unsaved, status=412)
    return elsewhere(f"/records/{known.name}/{record}")


def _changes(
    collection: Collection, view: RecordView, typed: Mapping[str, str], in_clear: list[str]
) -> dict[str, JsonValue]:
    """What the form changes. A field that it showed without its value stays when left empty."""
    changes: dict[str, JsonValue] = {}
    for field in collection.fields.values():
        name = field.name
        if not _is_written(field) or name not in typed:
            continue
        value = value_of(field, typed)
        if value is None and name not in in_clear:
            continue
        if not _is_same(field, view.fields.get(name), value):
            changes[name] = value
    return changes


def _is_same(field: Field, stored: JsonValue, value: JsonValue) -> bool:
    """Whether a form has left a value as it is; what does not fit the schema is a change."""
    if stored is None or value is None:
        return stored is value
    try:
        return field.parse(value) == stored
    except InvalidInput:
        return False


def _is_written(field: Field) -> bool:
    """Whether a form can have the field; files come by a way of their own."""
    return not field.retired and field.type is not FieldType.ATTACHMENT


def _retyped(one: Input, typed: Mapping[str, str], in_clear: list[str]) -> Input:
    """The input as it was sent; what it had not shown then, it must not be said to show now."""
    if one.name not in typed:
        return one
    if one.in_clear and one.name not in in_clear:
        one = replace(one, in_clear=False, masked=HIDDEN, required=False)
    return with_typed(one, typed)


def _new_inputs(at: Visitor, collection: Collection, language: Language) -> tuple[Input, ...]:
    return tuple(
        input_of(field, language)
        for field in collection.fields.values()
        if _is_written(field) and at.may(operation_on("record.create", collection, "*", field.name))
    )


def _edit_inputs(
    at: Visitor, collection: Collection, view: RecordView, language: Language
) -> tuple[Input, ...]:
    inputs = []
    for field in collection.fields.values():
        name = field.name
        asked = operation_on("record.update", collection, view.id, name)
        writing = of_record(at.service, asked, collection, view.id)
        if not _is_written(field) or not at.may(writing):
            continue
        one = input_of(field, language)
        if name in view.fields:
            one = replace(with_value(one, view.fields[name]), in_clear=True)
        elif name in view.masked or name in view.withheld:
            one = replace(one, masked=view.masked.get(name, HIDDEN), required=False)
        inputs.append(one)
    return tuple(inputs)


def _new_page(
    request: Request,
    at: Visitor,
    collection: Collection,
    inputs: tuple[Input, ...],
    once: str,
    record_id: str = "",
    faults: tuple[FieldError, ...] = (),
    status: int = 200,
) -> Response:
    language = language_of(request)
    offered = {one.name for one in inputs}
    missing = [
        titled(field.title, language)
        for field in collection.fields.values()
        if field.required and _is_written(field) and field.name not in offered
    ]
    return page(
        request,
        "records/new.html",
        status,
        visitor=at,
        collection=collection,
        title=titled(collection.title, language),
        inputs=inputs,
        once=once,
        record_id=record_id,
        missing=missing,
        faults=_said(collection, faults, language),
    )


def _edit_page(
    request: Request,
    at: Visitor,
    collection: Collection,
    view: RecordView,
    inputs: tuple[Input, ...],
    *,
    faults: tuple[FieldError, ...] = (),
    unsaved: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> Response:
    language = language_of(request)
    return page(
        request,
        "records/edit.html",
        status,
        visitor=at,
        collection=collection,
        title=titled(collection.title, language),
        view=view,
        inputs=inputs,
        unsaved=unsaved,
        faults=_said(collection, faults, language),
    )


def _said(
    collection: Collection, faults: tuple[FieldError, ...], language: Language
) -> list[tuple[str, str, str]]:
    """Name, title and fault of each field at fault."""
    said = []
    for fault in faults:
        name = fault.field.partition(".")[0]
        field = collection.fields.get(name)
        said.append((name, titled(field.title, language) if field else name, fault.detail))
    return said
