"""What happened to a record, over HTTP: /api/v1/records/.../history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from secvault.api.audit import EventAnswer, event_answer
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.records import Authenticated, CollectionName, RecordId
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import record_history

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())


class DeedAnswer(BaseModel):
    """Who entered, changed or approved it, and which version that left."""

    action: str
    version: int
    who: str
    at: str


class HistoryAnswer(BaseModel):
    """What happened to a record; `next` continues as `after`, null at the end."""

    collection: str
    record: str
    deeds: list[DeedAnswer] = Field(
        description="What made it what it is, oldest first; none of a record that is gone."
    )
    events: list[EventAnswer] = Field(description="Of the audit log, newest first.")
    names: dict[str, str] = Field(description="Of the people and systems in it, by subject.")
    next: int | None


@router.get("/records/{collection}/{record}/history")
@operation("{department}/{collection}/{record}", "record.history")
def record_history_read(
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    after: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    collection_wide: Annotated[  # noqa: FBT002 - a parameter of the query
        bool,
        Query(
            description="With what was done to the whole collection, which names no records: "
            "pages, searches, exports."
        ),
    ] = False,
) -> HistoryAnswer:
    """Who entered, changed, read and revealed it, and why; also of a record that is gone."""
    service, who = at
    found = record_history.record_history(
        service, who, collection, record, after=after, limit=limit, collection_wide=collection_wide
    )
    return HistoryAnswer(
        collection=collection,
        record=record,
        deeds=[
            DeedAnswer(
                action=one.action, version=one.version, who=one.subject, at=timestamp(one.at)
            )
            for one in found.deeds
        ],
        events=[event_answer(stored, found.reasons) for stored in found.events],
        names=dict(found.names),
        next=found.next,
    )
