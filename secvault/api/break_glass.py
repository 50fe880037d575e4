"""Emergency access over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service
from secvault.service.break_glass import operations
from secvault.service.break_glass.operations import View
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["break-glass"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
IncidentId = Annotated[str, Path(pattern=r"^[gr][0-9a-f]{20}$")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewIncident(_Given):
    """Why the glass is broken."""

    reason: str = Field(max_length=1024, description="1 to 200 characters, for who is alarmed.")
    drill: bool = False


class NewFindings(_Given):
    """What somebody else found."""

    findings: str = Field(max_length=8000, description="1 to 2000 characters.")
    reinstate: bool = Field(
        default=False,
        description="Let those back in whom the incident has disabled, and nobody since.",
    )


class CommandAnswer(BaseModel):
    """Something that was done meanwhile. under: whether the emergency role allowed it."""

    event: str
    at: str
    action: str
    outcome: str
    resource: str
    department: str
    under: bool


class IncidentAnswer(BaseModel):
    """An incident. kind: emergency, drill or recovery. state: open, lapsed or reviewed."""

    id: str
    kind: str
    state: str
    running: bool
    subject: str
    subject_name: str
    role: str
    reason: str
    started_at: str
    expires_at: str
    ended_at: str | None
    review_by: str
    reviewed_at: str | None
    reviewed_by_name: str | None
    findings: str | None
    commands: list[CommandAnswer]


class IncidentList(BaseModel):
    """Incidents, the newest first."""

    incidents: list[IncidentAnswer]


@router.get("/break-glass")
@operation("it/break-glass", "break_glass.read")
def incident_list(at: Authenticated) -> IncidentList:
    """All incidents of emergency access."""
    service, who = at
    return IncidentList(
        incidents=[_incident(one) for one in operations.list_incidents(service, who)]
    )


@router.post("/break-glass", status_code=201)
@operation("it/break-glass", "break_glass.start")
def incident_start(at: Authenticated, new: Annotated[NewIncident, Body()]) -> IncidentAnswer:
    """Take emergency access; needs a second factor of the last five minutes."""
    service, who = at
    return _incident(operations.start(service, who, new.reason, drill=new.drill))


@router.get("/break-glass/own")
@operation("it/break-glass", "break_glass.own")
def incident_own(at: Authenticated) -> IncidentList:
    """Your own incidents."""
    service, who = at
    return IncidentList(
        incidents=[_incident(one) for one in operations.own_incidents(service, who)]
    )


@router.get("/break-glass/{incident}")
@operation("it/break-glass/{incident}", "break_glass.read")
def incident_read(at: Authenticated, incident: IncidentId) -> IncidentAnswer:
    """One incident, with everything that its person did while it ran."""
    service, who = at
    return _incident(operations.read_incident(service, who, incident))


@router.post("/break-glass/{incident}/end")
@operation("it/break-glass/{incident}", "break_glass.end", "break_glass.own")
def incident_end(at: Authenticated, incident: IncidentId) -> IncidentAnswer:
    """End emergency access before its time, or stop a way in that waits."""
    service, who = at
    return _incident(operations.end(service, who, incident))


@router.post("/break-glass/{incident}/review")
@operation("it/break-glass/{incident}", "break_glass.review")
def incident_review(
    at: Authenticated, incident: IncidentId, new: Annotated[NewFindings, Body()]
) -> IncidentAnswer:
    """Say what you found, and so close an incident; not for whoever broke the glass."""
    service, who = at
    done = operations.review(service, who, incident, new.findings, reinstate=new.reinstate)
    return _incident(done)


def _incident(view: View) -> IncidentAnswer:
    one = view.incident
    return IncidentAnswer(
        id=one.id,
        kind=one.kind,
        state=one.state,
        running=view.running,
        subject=one.subject,
        subject_name=view.names[one.subject],
        role=one.role,
        reason=one.reason,
        started_at=timestamp(one.started_at),
        expires_at=timestamp(one.expires_at),
        ended_at=_time(one.ended_at),
        review_by=timestamp(one.review_by),
        reviewed_at=_time(one.reviewed_at),
        reviewed_by_name=view.names.get(one.reviewed_by or ""),
        findings=one.findings,
        commands=[
            CommandAnswer(
                event=each.event,
                at=timestamp(each.t),
                action=each.action,
                outcome=each.outcome,
                resource=each.resource,
                department=each.department,
                under=each.under,
            )
            for each in view.commands
        ],
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
