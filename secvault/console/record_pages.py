"""One record: as the visitor may see it, one value revealed, and what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Query, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.records import CollectionName, FieldName, RecordId
from secvault.api.routing import Routes
from secvault.audit.leaf import StoredEvent
from secvault.console.figures import figures
from secvault.console.language import Language, language_of
from secvault.console.page import elsewhere, page
from secvault.console.record_words import Row, in_words, rows_of, titled
from secvault.console.visitor import Visiting, Visitor
from secvault.records.collection import Collection
from secvault.service import record_history, records, reveals
from secvault.service.attachments import NONE_YET, WHATEVER
from secvault.service.record_asking import collection_of, of_record, operation_on
from secvault.service.record_history import History

router = Routes(include_in_schema=False)

RECORD = "/records/{collection}/{record}"
FIELD = f"{RECORD}/fields/{{field}}"

_EVENTS = 50

Reason = Annotated[str, Form(max_length=1024)]


@router.get(RECORD)
@operation(
    "{department}/{collection}/{record}",
    "record.list",
    "record.update",
    "record.approve",
    "record.history",
)
def record_page(
    request: Request, at: Visiting, collection: CollectionName, record: RecordId
) -> Response:
    """The record: values in clear, masked, or withheld with the reason."""
    known, language = collection_of(at.service, collection), language_of(request)
    view = records.read_record(at.service, at.caller, collection, record)
    rows = rows_of(view, known, language)
    return page(
        request,
        "records/record.html",
        visitor=at,
        collection=known,
        title=titled(known.title, language),
        view=view,
        rows=rows,
        expected=_expected(at, known, record, rows),
        may_edit=_may(at, "record.update", known, record),
        may_see_history=_may(at, "record.history", known, record),
        may_approve=view.released
        and view.approved is None
        and at.may(records.approving(at.service, at.caller, known, record)),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.post(f"{RECORD}/approve")
@operation("{department}/{collection}/{record}", "record.approve", "record.list")
def approve(
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    version: Annotated[int, Form(ge=1, le=2**53 - 1)],
) -> Response:
    """Approve the version that the visitor saw, which others have made."""
    records.approve_record(at.service, at.caller, collection, record, version)
    return elsewhere(f"/records/{collection}/{record}")


@router.get(f"{FIELD}/reveal")
@operation("{department}/{collection}/{record}", "record.list")
def no_reveal(at: Visiting, collection: CollectionName, record: RecordId) -> Response:
    """The record: a value that was revealed is shown once, and has no address."""
    return elsewhere(f"/records/{collection_of(at.service, collection).name}/{record}")


@router.post(f"{FIELD}/reveal")
@operation("{department}/{collection}/{record}/{field}", "record.reveal")
def reveal(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    reason: Reason = "",
) -> Response:
    """One value in clear, on this page alone; the reason is kept."""
    known, language = collection_of(at.service, collection), language_of(request)
    shown = reveals.reveal_field(at.service, at.caller, collection, record, field, reason)
    of = known.fields[field]
    return page(
        request,
        "records/revealed.html",
        visitor=at,
        collection=known,
        record=record,
        field=field,
        title=titled(of.title, language),
        text=in_words(of, shown.value, language),
        reason=reason,
    )


@dataclass(frozen=True)
class Happening:
    """One line of a history. who: a name. fields: titles. reason: of a reveal."""

    kind: str
    outcome: str
    who: str
    at: int
    fields: tuple[str, ...] = ()
    reason: str = ""


@router.get(f"{RECORD}/history")
@operation("{department}/{collection}/{record}", "record.history", "record.list")
def history(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    after: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
) -> Response:
    """Who entered, changed, read and revealed it, and why; also of a record that is gone."""
    known, language = collection_of(at.service, collection), language_of(request)
    found = record_history.record_history(
        at.service, at.caller, collection, record, after=after, limit=_EVENTS
    )
    return page(
        request,
        "records/history.html",
        visitor=at,
        collection=known,
        record=record,
        title=titled(known.title, language),
        deeds=found.deeds if after is None else (),
        names=found.names,
        happenings=[_happening(one, found, known, language) for one in found.events],
        next=found.next,
        may_look=_may(at, "record.list", known, record),
        now=at.service.clock.micros(),
    )


def _happening(
    stored: StoredEvent, found: History, collection: Collection, language: Language
) -> Happening:
    event = stored.event
    fields = (collection.fields.get(name) for name in event.fields)
    return Happening(
        event.kind,
        event.outcome,
        found.names.get(event.actor.subject, event.actor.subject),
        stored.t,
        tuple(titled(field.title, language) for field in fields if field),
        found.reasons.get(stored.id) or "",
    )


def _may(at: Visitor, action: str, collection: Collection, record: str) -> bool:
    asked = operation_on(action, collection, record)
    return at.may(of_record(at.service, asked, collection, record))


def _expected(
    at: Visitor, collection: Collection, record: str, rows: tuple[Row, ...]
) -> dict[str, str]:
    """The fields into which the visitor may put a file, each with what the form is to replace."""
    expected = {}
    for row in rows:
        field = collection.fields.get(row.name)
        if row.is_file and field and not field.retired:
            asked = operation_on("record.update", collection, record, row.name)
            if at.may(of_record(at.service, asked, collection, record)):
                there = row.file.id if row.file else WHATEVER
                expected[row.name] = NONE_YET if row.shown == "empty" else there
    return expected
