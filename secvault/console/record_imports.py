"""Importing a file: it is sent, looked at as a whole without storing anything, and then started.

A form's file is held in memory while it is read, and never lies on a disk in clear; that bounds
how large it may be. Larger ones go by the command line or the API, which send them in parts.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import File, Form, Request, UploadFile
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.imports import ImportId
from secvault.api.records import CollectionName
from secvault.api.routing import Routes
from secvault.console.figures import figures
from secvault.console.language import language_of
from secvault.console.page import elsewhere, page
from secvault.console.record_words import titled
from secvault.console.visitor import Visiting
from secvault.errors import InvalidInput, NotFound
from secvault.records.imports.import_row import Import
from secvault.records.imports.spec import Dates, Numbers, OnConflict, Spec
from secvault.records.imports.spec import Form as FileForm
from secvault.service.record_asking import collection_of, operation_on
from secvault.service.record_imports import requests

router = Routes(include_in_schema=False)

# An id begins with a letter or a digit, so that no record is ever at these paths.
FORM = "/records/{collection}/-/import"
ONE = "/records/{collection}/-/imports/{import_id}"
PLACE = "{department}/{collection}"

LARGEST = 1_000_000
"""Bytes of a form with its file: fewer than what the framework would write to a disk."""

_NEWEST = 100
_MOST_SHOWN = 100


@router.get(FORM)
@operation(PLACE, "record.import")
def import_form(request: Request, at: Visiting, collection: CollectionName) -> Response:
    """The form for a file, and the newest imports into this collection."""
    return _form_page(request, at, collection)


@router.post(FORM, max_body_size=LARGEST)
@operation(PLACE, "record.import", "record.create", "record.update")
def import_file(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    file: Annotated[UploadFile, File()],
    dates: Annotated[Dates, Form()] = Dates.ISO,
    numbers: Annotated[Numbers, Form()] = Numbers.PLAIN,
    on_conflict: Annotated[OnConflict, Form()] = OnConflict.REFUSE,
) -> Response:
    """Take the file in and have it looked at; nothing is stored by that."""
    try:
        form = _form_of(file.filename or "")
        content = file.file.read()
        spec = Spec(form, dates, numbers)
        made = requests.create_import(at.service, at.caller, collection, spec, on_conflict)
        try:
            requests.put_part(at.service, at.caller, made.id, 1, content)
            requests.check_import(at.service, at.caller, made.id)
        except InvalidInput:
            # Else what can never be imported waits, and counts among those that do.
            requests.cancel_import(at.service, at.caller, made.id)
            raise
    except InvalidInput as error:
        return _form_page(request, at, collection, error.detail)
    return elsewhere(f"/records/{made.collection}/-/imports/{made.id}")


@router.get(ONE)
@operation(PLACE, "record.import")
def import_page(
    request: Request, at: Visiting, collection: CollectionName, import_id: ImportId
) -> Response:
    """How far an import is, and what is wrong with its file."""
    known = collection_of(at.service, collection)
    found, faults = requests.import_faults(at.service, at.caller, import_id)
    _require_of(found, collection)
    language = language_of(request)
    titles = {name: titled(field.title, language) for name, field in known.fields.items()}
    return page(
        request,
        "records/import.html",
        visitor=at,
        collection=known,
        title=titled(known.title, language),
        one=found,
        faults=faults[:_MOST_SHOWN],
        titles=titles,
        own=found.requested_by == at.caller.principal.subject,
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.post(f"{ONE}/start")
@operation(PLACE, "record.import", "record.create", "record.update")
def start(at: Visiting, collection: CollectionName, import_id: ImportId) -> Response:
    """Have a file that was looked at imported."""
    _require_of(requests.read_import(at.service, at.caller, import_id), collection)
    requests.start_import(at.service, at.caller, import_id)
    return elsewhere(f"/records/{collection}/-/imports/{import_id}")


@router.post(f"{ONE}/cancel")
@operation(PLACE, "record.import")
def cancel(at: Visiting, collection: CollectionName, import_id: ImportId) -> Response:
    """End an import and destroy its file; what is stored stays."""
    _require_of(requests.read_import(at.service, at.caller, import_id), collection)
    requests.cancel_import(at.service, at.caller, import_id)
    return elsewhere(f"/records/{collection}/-/imports/{import_id}")


def _form_page(request: Request, at: Visiting, collection: str, problem: str = "") -> Response:
    known = collection_of(at.service, collection)
    at.service.spine.decide(at.caller, operation_on("record.import", known))
    newest = requests.list_imports(at.service, at.caller, _NEWEST)
    return page(
        request,
        "records/import_form.html",
        422 if problem else 200,
        visitor=at,
        collection=known,
        title=titled(known.title, language_of(request)),
        imports=[one for one in newest if one.collection == known.name],
        problem=problem,
        largest=LARGEST // 1_000_000,
        now=at.service.clock.micros(),
        **figures(request),
    )


def _form_of(name: str) -> FileForm:
    try:
        return FileForm(PurePath(name).suffix.lower().removeprefix("."))
    except ValueError:
        raise InvalidInput.at("file", "must be named .csv, .xlsx or .jsonl") from None


def _require_of(found: Import, collection: str) -> None:
    if found.collection != collection:
        raise NotFound("there is no such import into this collection")
