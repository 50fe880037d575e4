"""What lies idle, over HTTP: people, systems, tokens and grants that nobody uses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service
from secvault.service.reviews import evidence, reports
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["reviews"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Days = Annotated[int | None, Query(ge=1, le=reports.LONGEST_DAYS)]


class DormantAnswer(BaseModel):
    """Somebody or something that was not seen. kind: person, system or token."""

    kind: str
    id: str
    name: str
    created_at: str
    last_seen: str | None
    note: str = Field(description="never, owner_out, or empty.")
    grants: int


class DormantList(BaseModel):
    """What was not seen for so many days."""

    dormant: list[DormantAnswer]


class UnusedAnswer(BaseModel):
    """A grant of which something was not used. smaller: a role that would have been enough."""

    grant: str
    subject: str
    name: str
    role: str
    department: str
    last_used: str | None
    unused: int
    given: int
    rules: list[str]
    smaller: str


class EligibleAnswer(BaseModel):
    """A role that somebody may activate. last_used: when they did last."""

    eligibility: str
    subject: str
    name: str
    role: str
    department: str
    created_at: str
    expires_at: str | None
    last_used: str | None
    privileged: bool


class UnusedList(BaseModel):
    """Grants that are idle or too large, and what nobody activates. known_since: uses of grants
    before are not known.
    """

    days: int
    known_since: str | None
    grants: list[UnusedAnswer]
    eligible: list[EligibleAnswer]


@router.get("/reviews/dormant")
@operation("it/reviews", "review.read")
def review_dormant(at: Authenticated, days: Days = None) -> DormantList:
    """People, systems and tokens that were not seen for so many days, or never."""
    service, who = at
    return DormantList(
        dormant=[
            DormantAnswer(
                kind=one.kind,
                id=one.id,
                name=one.name,
                created_at=timestamp(one.since),
                last_seen=_time(one.last_seen),
                note=one.note,
                grants=one.grants,
            )
            for one in reports.dormant(service, who, days)
        ]
    )


@router.get("/reviews/unused")
@operation("it/reviews", "review.read")
def review_unused(at: Authenticated, days: Days = None) -> UnusedList:
    """Grants that were not used for so many days, and smaller roles that would have been enough."""
    service, who = at
    report = reports.unused(service, who, days)
    return UnusedList(
        days=report.days,
        known_since=_time(report.since),
        grants=[
            UnusedAnswer(
                grant=one.grant.id,
                subject=one.grant.subject,
                name=one.name,
                role=one.grant.role,
                department=one.grant.department,
                last_used=evidence.day(one.last_used),
                unused=one.unused,
                given=one.given,
                rules=list(one.rules),
                smaller=one.smaller,
            )
            for one in report.grants
        ],
        eligible=[EligibleAnswer.model_validate(evidence.as_row(one)) for one in report.eligible],
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
