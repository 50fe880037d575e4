"""The history of one record: who entered, changed, approved, read and revealed it, and when.

What changed it is kept with the record; the rest is in the audit log, by the record's name. What
was done to a whole collection (a page of it, a search, an export) names none of its records, and is
asked for apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question
from secvault.errors import NotFound
from secvault.records import history
from secvault.records import record as rows
from secvault.records.history import Deed
from secvault.service.approvals.subjects import name_of
from secvault.service.record_asking import collection_of, of_record, operation_on
from secvault.service.reveals import HISTORY, reasons
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome


@dataclass(frozen=True)
class History:
    """What happened to a record.

    deeds: what made it what it is, oldest first; none of a record that is gone. events: of the
    audit log, newest first. next: the `after` of the next page; None at the end. reasons: why
    values were revealed, by event id; None for one that was changed in the store. names: of the
    people and systems in it, by subject.
    """

    deeds: tuple[Deed, ...]
    events: tuple[StoredEvent, ...]
    next: int | None
    reasons: Mapping[str, str | None]
    names: Mapping[str, str]


def record_history(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    *,
    after: int | None = None,
    limit: int = 100,
    collection_wide: bool = False,
) -> History:
    """A page of what happened to the record, also to one that is gone.

    after: sequence number of the last event seen. collection_wide: with what was done to the whole
    collection, and so perhaps to this record. Raises NotFound when nothing is known of it.
    """
    collection = collection_of(service, collection_name)
    operation = operation_on(HISTORY, collection, rows.check_id(record_id))
    operation = of_record(service, operation, collection, record_id)
    name = history.object_of(collection.name, record_id)
    whole = operation_on("record.list", collection).resource

    def act(connection: Connection) -> Outcome[History]:
        if after is None:
            service.audit.drain()
        questions = [Question(resource=operation.resource)]
        if collection_wide:
            questions.append(Question(resource=whole, below=False))
        pages = [query.page(service.store, one, after=after, limit=limit) for one in questions]
        found = sorted((one for page in pages for one in page.events), key=_newest_first)
        events = tuple(found[:limit])
        more = len(found) > limit or any(page.next is not None for page in pages)
        deeds = history.deeds_of(connection, name)
        if not (deeds or after is not None or pages[0].events):
            raise NotFound(f"nothing is known of {collection.name}/{record_id}")
        subjects = {one.event.actor.subject for one in events} | {one.subject for one in deeds}
        page = History(
            deeds,
            events,
            events[-1].seq if more else None,
            reasons(service, events),
            {one: name_of(connection, one) for one in sorted(subjects)},
        )
        return Outcome(page, count=len(events))

    return service.spine.read(caller, operation, act)


def _newest_first(stored: StoredEvent) -> int:
    return -stored.seq
