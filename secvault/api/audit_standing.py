"""How the audit log stands over HTTP, without verifying it: its size, and how much came when."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from secvault.api.audit import Asked, Authenticated
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import audit_standing
from secvault.service.audit_standing import MOST_PARTS, even_edges

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())


class PartAnswer(BaseModel):
    """How many events were recorded at or after `since` and before `until`."""

    since: str
    until: str
    events: int


class TimelineAnswer(BaseModel):
    """archived: older events of the time asked for lie in archives, and are not counted. partial:
    of those that answer the question only the newest are.
    """

    parts: list[PartAnswer]
    archived: bool
    partial: bool


class StandingAnswer(BaseModel):
    """How the log stands; nothing is verified for it."""

    size: int = Field(description="Events of the log.")
    checkpoint: int | None = Field(description="Size of the newest checkpoint.")
    checkpoint_at: str | None
    cosigned: int = Field(description="Size of the newest that a witness co-signed; 0 for none.")
    live_from: int = Field(description="Events below this number lie in archives.")
    verified_at: str | None = Field(description="When it was last verified, as far as is known.")
    verified: bool | None = Field(description="Whether it passed then.")


@router.get("/timeline")
@operation("it/audit", "audit.read")
def audit_timeline(
    at: Authenticated, question: Asked, parts: Annotated[int, Query(ge=1, le=MOST_PARTS)] = 30
) -> TimelineAnswer:
    """How many events answer the question, in even parts of its time; at most the newest 5,000
    are counted where it restricts more than the time.

    since, until: microseconds UTC; without them the 30 days until now.
    """
    service, who = at
    edges = even_edges(question.since, question.until, parts, service.clock.micros())
    found = audit_standing.read_timeline(service, who, edges, question)
    return TimelineAnswer(
        parts=[
            PartAnswer(since=timestamp(since), until=timestamp(until), events=count)
            for (since, until), count in zip(pairwise(found.edges), found.counts, strict=True)
        ],
        archived=found.archived,
        partial=found.partial,
    )


@router.get("/standing")
@operation("it/audit", "audit.verify")
def audit_standing_read(at: Authenticated) -> StandingAnswer:
    """How the log stands: its size, its newest checkpoint, when it was last verified."""
    service, who = at
    found = audit_standing.read_standing(service, who)
    signed, verified = found.checkpoint, found.verified
    return StandingAnswer(
        size=found.size,
        checkpoint=signed.size if signed else None,
        checkpoint_at=timestamp(signed.t) if signed else None,
        cosigned=found.cosigned,
        live_from=found.live_from,
        verified_at=timestamp(verified.t) if verified else None,
        verified=verified.passed if verified else None,
    )
