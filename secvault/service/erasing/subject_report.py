"""What is held on one person: every record on them, as far as whoever asks may see it.

The report is for the person themself (GDPR article 15; Vietnam's Law on Personal Data Protection,
91/2025/QH15). It covers the collections that the reporter may see, says which, and says nothing of
others; what a role sees masked stands masked in it. A head makes it of their own department.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput, Refused
from secvault.records import facts
from secvault.records.collection import Collection
from secvault.records.erasure import records_of_person
from secvault.records.record import Record, read_records
from secvault.records.retention import period_of
from secvault.records.subject_report_pdf import LANGUAGES, subject_report_pdf
from secvault.records.value import FieldType
from secvault.service.approvals.subjects import name_of
from secvault.service.asking import asker_of
from secvault.service.erasing.target import person_number
from secvault.service.record_views import RecordView, Shown, about_of, approved_in
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

KIND, VERSION = "privacy.subject-report", 1
MOST_READS = 200
"""So many of the newest uses of a record stand in the report; how many there are more is said."""

_USES = frozenset(
    {
        "record.read",
        "record.read_masked",
        "record.reveal",
        "field.reveal",
        "record.list",
        "record.export",
    }
)
_AT_ONCE = 200


def report(service: Service, caller: Caller, person: str) -> dict[str, JsonValue]:
    """What is held on the employee with this number, as a document for programs.

    Each record is read and its showing put on record. Raises InvalidInput, Refused, Damaged.
    """
    number = person_number(person)
    operation = _operation(service, caller)
    service.audit.drain()

    def act(connection: Connection) -> Outcome[dict[str, JsonValue]]:
        covered = _covered(service, caller)
        sections: list[JsonValue] = []
        fields: set[str] = set()
        count = 0
        for collection in covered:
            views = tuple(_views(service, caller, connection, collection, number))
            for view in views:
                fields.update(view.fields, view.masked)
            count += len(views)
            if views:
                sections.append(_section(service, connection, collection, views))
        document: dict[str, JsonValue] = {
            "kind": KIND,
            "version": VERSION,
            "organisation": service.settings.organisation,
            "person": number,
            "made_by": name_of(connection, caller.principal.subject),
            "made_at": timestamp(service.clock.micros()),
            "covers": [
                {"collection": one.name, "department": one.department, "title": dict(one.title)}
                for one in covered
            ],
            "records": count,
            "sections": sections,
        }
        return Outcome(document, tuple(sorted(fields)), count=count)

    return service.spine.read(caller, operation, act)


def report_pdf(service: Service, caller: Caller, person: str, language: str) -> bytes:
    """The same as a PDF. language: `en` or `vi`. Raises InvalidInput, Refused, Damaged."""
    if language not in LANGUAGES:
        raise InvalidInput.at("language", f"use one of {', '.join(LANGUAGES)}")
    return subject_report_pdf(report(service, caller, person), language)


def _operation(service: Service, caller: Caller) -> Operation:
    """Where the caller may make a report: over all, else in the first department that lets them."""
    wheres = ["it", *sorted({one.department for one in service.collections.values()} - {"it"})]
    asked = {
        where: Operation("subject.report", where, "subjects", f"{where}/subjects")
        for where in wheres
    }
    return asked[next(iter(service.spine.allowed(caller, asked)), "it")]


def _covered(service: Service, caller: Caller) -> tuple[Collection, ...]:
    """The collections that the schema says are about people, and the caller may report on and see
    records of.
    """
    found = []
    for name in sorted(service.collections):
        collection = service.collections[name]
        if not (collection.person_field or collection.subject_field):
            continue
        where = collection.department
        reporting = Operation("subject.report", where, "subjects", f"{where}/subjects")
        listing = _listing(collection)
        sorts = tuple(sort.about for sort in facts.sorts_of(collection, asker_of(caller.principal)))
        if service.spine.ask(caller, reporting).allowed and service.spine.may_some(
            caller, listing, sorts
        ):
            found.append(collection)
    return tuple(found)


def _views(
    service: Service,
    caller: Caller,
    connection: Connection,
    collection: Collection,
    number: str,
) -> Iterator[RecordView]:
    ids = [held.id for held in records_of_person(connection, (collection,), number)]
    shown = Shown(service, caller, collection)
    for begin in range(0, len(ids), _AT_ONCE):
        some = read_records(connection, service.keyring, collection, ids[begin : begin + _AT_ONCE])
        approved = approved_in(connection, collection, some)
        for record in some:
            if _is_of(record, collection, number) and _may_list(
                service, caller, connection, collection, record
            ):
                yield shown.view(record, approved)


def _is_of(record: Record, collection: Collection, number: str) -> bool:
    """The columns that were asked by are not under the tag; what is there decides."""
    return number in (about_of(record, collection).person, record.subject)


def _may_list(
    service: Service,
    caller: Caller,
    connection: Connection,
    collection: Collection,
    record: Record,
) -> bool:
    about = about_of(record, collection)
    operation = _listing(collection, record.id)
    try:
        service.spine.require(caller, replace(operation, about=lambda _: about), connection)
    except Refused:
        return False
    return True


def _listing(collection: Collection, record_id: str = "") -> Operation:
    path = (collection.department, collection.name, record_id)
    place = "/".join(part for part in path if part)
    return Operation("record.list", collection.department, collection.name, place)


def _section(
    service: Service,
    connection: Connection,
    collection: Collection,
    views: Iterable[RecordView],
) -> dict[str, JsonValue]:
    kept = collection.retention
    begins = None if kept is None else collection.fields.get(kept.from_field)
    return {
        "collection": collection.name,
        "department": collection.department,
        "title": dict(collection.title),
        "retention": None
        if kept is None
        else {
            "period": period_of(kept),
            "from": kept.from_field,
            "from_title": None if begins is None else dict(begins.title),
            "reason": dict(kept.reason),
        },
        "records": [_record(service, connection, collection, view) for view in views],
    }


def _record(
    service: Service, connection: Connection, collection: Collection, view: RecordView
) -> dict[str, JsonValue]:
    reads, more = _reads(service, connection, collection, view.id)
    return {
        "id": view.id,
        "version": view.version,
        "created_at": timestamp(view.created_at),
        "updated_at": timestamp(view.updated_at),
        "fields": [
            {
                "name": name,
                "title": dict(field.title),
                "class": str(field.sensitivity),
                **_said(view, name),
            }
            for name, field in collection.fields.items()
            if name in view.fields or name in view.masked or name in view.withheld
        ],
        "attachments": [
            {"field": name, **_attachment(view.fields[name])}
            for name, field in collection.fields.items()
            if field.type is FieldType.ATTACHMENT and name in view.fields
        ],
        "reads": reads,
        "more_reads": more,
    }


def _said(view: RecordView, name: str) -> dict[str, JsonValue]:
    if name in view.fields:
        return {"shown": "clear", "value": view.fields[name]}
    if name in view.masked:
        return {"shown": "masked", "value": view.masked[name]}
    return {"shown": "withheld", "reason": view.withheld[name]}


def _attachment(value: JsonValue) -> dict[str, JsonValue]:
    said: Mapping[str, JsonValue] = value if isinstance(value, Mapping) else {}
    return {key: said.get(key) for key in ("name", "size", "type", "sha256")}


def _reads(
    service: Service, connection: Connection, collection: Collection, record_id: str
) -> tuple[list[JsonValue], bool]:
    """Who saw the record, newest first, from the audit log; and whether there are more.

    What named no single record, a page of a list, is not of one record.
    """
    where = f"{collection.department}/{collection.name}/{record_id}"
    found = query.page(service.store, Question(resource=where), limit=query.MAX_PAGE)
    uses = [one for one in found.events if _is_use(one)]
    shown: list[JsonValue] = [
        {
            "at": timestamp(one.t),
            "by": name_of(connection, one.event.actor.subject),
            "what": one.event.kind,
            "fields": [*one.event.fields],
        }
        for one in uses[:MOST_READS]
    ]
    return shown, len(uses) > MOST_READS or found.next is not None


def _is_use(stored: StoredEvent) -> bool:
    return stored.event.kind in _USES and stored.event.outcome == "ok"
