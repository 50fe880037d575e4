"""The audit log over HTTP: events, verification, checkpoint, public keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from fastapi import Depends, Path, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.audit.event import Outcome
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question
from secvault.clock import timestamp
from secvault.service import Service, audit_log
from secvault.service.audit_personal import Seen
from secvault.service.spine import Caller

NOTHING_PERSONAL: Mapping[str, Seen] = MappingProxyType({})

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Number = Annotated[int | None, Query(ge=0, le=2**53 - 1)]


class PersonalAnswer(BaseModel):
    """What is personal in an event. state: shown; masked, for whoever may not see it, but for the
    network of the address; erased with the person; altered in the store.

    address: where the request came from. agent: what the program there called itself. name: of the
    person, at the time. reason: what they wrote about why.
    """

    state: Literal["shown", "masked", "erased", "altered"]
    address: str
    agent: str
    name: str
    reason: str


class EventAnswer(BaseModel):
    """One event of the log. decision: id of what it rests on, to be explained and replayed by.

    reason: why a value was revealed, for whoever may see the history of the record, and as long as
    that is kept. reason_damaged: it was changed in the store. network: where a system's request
    came from. personal: the same and more of a person's; null where there never was any.
    """

    seq: int
    id: str
    time: str
    kind: str
    outcome: str
    actor: str
    resource: str
    department: str
    fields: list[str]
    count: int | None
    rule: str
    decision: str
    request: str
    detail: dict[str, str | int | bool]
    reason: str | None = None
    reason_damaged: bool = False
    network: str = ""
    personal: PersonalAnswer | None = None


class EventPage(BaseModel):
    """Events, newest first; `next` continues as `after`, null at the end; `previous` goes back as
    `before`, null at the beginning.
    """

    events: list[EventAnswer]
    next: int | None
    previous: int | None = None


class ProblemFound(BaseModel):
    """One thing that is wrong with the log."""

    seq: int | None
    what: str
    kind: str


class StopFound(BaseModel):
    """A time without a worker, and so without heartbeats. announced: it was stopped, not killed."""

    start: str
    end: str
    seq: int
    announced: bool


class Verdict(BaseModel):
    """Whether the log is intact (nothing changed) and complete (nothing missing)."""

    ok: bool
    intact: bool
    complete: bool
    size: int
    root: str
    checkpoints: int
    first_bad_seq: int | None
    problems: list[ProblemFound]
    stops: list[StopFound]
    unread: list[str] = Field(description="Publications that could not be compared, and why.")


class LogKey(BaseModel):
    """A key that signs or signed the log. until: to when beside its successor; null for the newest.

    reason: why the log goes on under another name with it; empty for a rotation.
    """

    number: int
    key: str
    since: str
    until: str | None
    reason: str


class PublicKeys(BaseModel):
    """Verifier keys in the C2SP form. audit_keys: all of the log, the newest first."""

    audit: str
    evidence: str
    audit_keys: list[LogKey]


def event_answer(
    stored: StoredEvent,
    reasons: Mapping[str, str | None],
    personal: Mapping[str, Seen] = NOTHING_PERSONAL,
) -> EventAnswer:
    """The event as it is answered. reasons: why values were revealed, by event id. personal: what
    is shown of that, by event id.
    """
    seen, event = personal.get(stored.id), stored.event
    return EventAnswer(
        seq=stored.seq,
        id=stored.id,
        time=timestamp(stored.t),
        kind=event.kind,
        outcome=event.outcome,
        actor=event.actor.subject,
        resource=event.resource,
        department=event.department,
        fields=list(event.fields),
        count=event.count,
        rule=event.decision.rule if event.decision else "",
        decision=event.decision.id if event.decision else "",
        request=event.request,
        detail=dict(event.detail),
        reason=reasons.get(stored.id),
        reason_damaged=stored.id in reasons and reasons[stored.id] is None,
        network=event.network,
        personal=None if seen is None else PersonalAnswer(**vars(seen)),
    )


def asked(
    kind: Annotated[str, Query(max_length=64)] = "",
    outcome: Outcome | None = None,
    actor: Annotated[str, Query(max_length=200)] = "",
    resource: Annotated[str, Query(max_length=1024)] = "",
    department: Annotated[str, Query(max_length=63)] = "",
    request: Annotated[str, Query(max_length=128)] = "",
    decision: Annotated[str, Query(max_length=128)] = "",
    since: Number = None,
    until: Number = None,
) -> Question:
    """What is asked of the log. kind: one, or all that begin with it (`record.`). actor: one, or
    all of a sort (`svc:`). since, until: microseconds UTC, `until` not included.
    """
    return Question(
        kind=kind,
        outcome=outcome,
        actor=actor,
        resource=resource,
        department=department,
        request=request,
        decisions=(decision,) if decision else (),
        since=since,
        until=until,
    )


Asked = Annotated[Question, Depends(asked)]


@router.get("/events")
@operation("it/audit", "audit.read", "audit.personal", "record.history")
def event_list(
    at: Authenticated,
    question: Asked,
    after: Number = None,
    before: Number = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventPage:
    """A page of events; reading the log is itself an event.

    kind: one, or all that begin with it (`record.`). actor: one, or all of a sort (`svc:`). since,
    until: microseconds UTC, `until` not included.
    """
    service, who = at
    page = audit_log.read_events(service, who, question, after, limit, before)
    return EventPage(
        events=[event_answer(stored, page.reasons, page.personal) for stored in page.events],
        next=page.next,
        previous=page.previous,
    )


@router.get("/events/{seq}")
@operation("it/audit", "audit.read", "audit.personal", "record.history")
def event_read(at: Authenticated, seq: Annotated[int, Path(ge=0, le=2**53 - 1)]) -> EventAnswer:
    """One event, by its number in the log."""
    service, who = at
    found = audit_log.read_event(service, who, seq)
    return event_answer(found.events[0], found.reasons, found.personal)


@router.post("/verification")
@operation("it/audit", "audit.verify")
def audit_verify(at: Authenticated) -> Verdict:
    """Recompute the whole tree and compare it with every checkpoint."""
    service, who = at
    report = audit_log.verify_log(service, who)
    return Verdict(
        ok=report.ok,
        intact=report.intact,
        complete=report.complete,
        size=report.size,
        root=report.root.hex(),
        checkpoints=report.checkpoints,
        first_bad_seq=report.first_bad_seq,
        problems=[
            ProblemFound(seq=found.seq, what=found.what, kind=found.kind)
            for found in report.problems
        ],
        stops=[
            StopFound(
                start=timestamp(stop.start),
                end=timestamp(stop.end),
                seq=stop.seq,
                announced=stop.announced,
            )
            for stop in report.stops
        ],
        unread=list(report.unread),
    )


@router.post(
    "/checkpoint",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "A C2SP signed note."}},
)
@operation("it/audit", "audit.verify")
def audit_checkpoint(at: Authenticated) -> Response:
    """The signed checkpoint of the log as it is now, to keep elsewhere."""
    service, who = at
    return PlainTextResponse(audit_log.take_checkpoint(service, who).decode())


@router.get("/keys")
@operation("it/audit", "audit.verify")
def audit_keys(at: Authenticated) -> PublicKeys:
    """The public keys that verify checkpoints and evidence."""
    service, who = at
    found = audit_log.public_keys(service, who)
    return PublicKeys(
        audit=found.audit,
        evidence=found.evidence,
        audit_keys=[
            LogKey(
                number=key.number,
                key=key.vkey,
                since=timestamp(key.since),
                until=None if key.until is None else timestamp(key.until),
                reason=key.reason,
            )
            for key in found.audit_keys
        ],
    )
