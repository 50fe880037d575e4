"""Questions to the audit log over HTTP: those that auditors ask, and those saved here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.audit.event import Outcome
from secvault.audit.questions.own import USUAL_COLUMNS, OwnQuestion
from secvault.audit.questions.saved import Asked, Page, SavedQuestion
from secvault.clock import timestamp
from secvault.service import Service, audit_questions
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Name = Annotated[str, Path(max_length=48)]
Moment = Annotated[int | None, Query(ge=0, le=2**53 - 1)]


class ShippedAnswer(BaseModel):
    """A question that ships with the product. takes, needs: parameters that it goes by, and those
    that it cannot do without.
    """

    name: str
    title: str
    told: str
    takes: list[str]
    needs: list[str]
    columns: dict[str, str]


class OwnBody(BaseModel):
    """What a saved question asks; what is empty does not restrict.

    kinds: kinds of events, or what they begin with (`record.`). actor: a subject, or a sort of them
    (`svc:`). facts: values of an event's detail. columns: of the answer.
    """

    title: str = Field(max_length=120)
    kinds: list[str] = Field(default_factory=list, max_length=200)
    outcomes: list[Outcome] = Field(default_factory=list, max_length=5)
    actor: str = Field("", max_length=200)
    resource: str = Field("", max_length=1024)
    department: str = Field("", max_length=63)
    facts: dict[str, str] = Field(default_factory=dict, max_length=20)
    after_hours: bool = False
    columns: list[str] = Field(default_factory=lambda: list(USUAL_COLUMNS), max_length=20)


class OwnAnswer(OwnBody):
    """A question that was saved here."""

    name: str
    kept_by: str
    kept_at: str


class QuestionList(BaseModel):
    """All that can be asked."""

    shipped: list[ShippedAnswer]
    own: list[OwnAnswer]


class TableAnswer(BaseModel):
    """The answer as a table. columns: titles by the keys of the rows. next: continues as `after`,
    null at the end.
    """

    name: str
    title: str
    columns: dict[str, str]
    rows: list[dict[str, str | int | bool | None]]
    next: int | None


def _shipped(one: SavedQuestion) -> ShippedAnswer:
    return ShippedAnswer(
        name=one.name,
        title=one.title,
        told=one.told,
        takes=list(one.takes),
        needs=list(one.needs),
        columns=dict(one.columns),
    )


def _own(one: OwnQuestion) -> OwnAnswer:
    return OwnAnswer(
        name=one.name,
        title=one.title,
        kinds=list(one.kinds),
        outcomes=list(one.outcomes),
        actor=one.actor,
        resource=one.resource,
        department=one.department,
        facts=dict(one.facts),
        after_hours=one.after_hours,
        columns=list(one.columns),
        kept_by=one.kept_by,
        kept_at=timestamp(one.kept_at),
    )


@router.get("/questions")
@operation("it/audit", "audit.read")
def audit_question_list(at: Authenticated) -> QuestionList:
    """The questions that ship with the product, and those that were saved here."""
    service, who = at
    found = audit_questions.list_questions(service, who)
    return QuestionList(
        shipped=[_shipped(one) for one in found.shipped], own=[_own(one) for one in found.own]
    )


@router.get("/questions/{name}/answer")
@operation("it/audit", "audit.read", "audit.personal")
def audit_question_ask(
    at: Authenticated,
    name: Name,
    who: Annotated[str, Query(max_length=200)] = "",
    on: Annotated[str, Query(max_length=1024)] = "",
    department: Annotated[str, Query(max_length=63)] = "",
    since: Moment = None,
    until: Moment = None,
    days: Annotated[int | None, Query(ge=1, le=3650)] = None,
    after: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TableAnswer:
    """Ask a question. Moments are microseconds UTC; asking is itself an event."""
    service, caller_ = at
    asked = Asked(who=who, on=on, department=department, since=since, until=until, days=days)
    found = audit_questions.ask(service, caller_, name, asked, Page(after, limit))
    return TableAnswer(
        name=found.name,
        title=found.title,
        columns=dict(found.columns),
        rows=[dict(row) for row in found.rows],
        next=found.next,
    )


@router.put("/questions/{name}")
@operation("it/audit", "audit.keep_question")
def audit_question_keep(at: Authenticated, name: Name, body: OwnBody) -> OwnAnswer:
    """Save a question under this name, for everybody who may read the log; or change it."""
    service, who = at
    wanted = OwnQuestion(
        name=name,
        title=body.title,
        kinds=tuple(body.kinds),
        outcomes=tuple(body.outcomes),
        actor=body.actor,
        resource=body.resource,
        department=body.department,
        facts=tuple(sorted(body.facts.items())),
        after_hours=body.after_hours,
        columns=tuple(body.columns),
    )
    return _own(audit_questions.keep_question(service, who, wanted))


@router.delete("/questions/{name}", status_code=204)
@operation("it/audit", "audit.drop_question")
def audit_question_drop(at: Authenticated, name: Name) -> Response:
    """Forget a question that was saved here."""
    service, who = at
    audit_questions.drop_question(service, who, name)
    return Response(status_code=204)
