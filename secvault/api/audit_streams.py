"""Streams of the audit log and alerts of detection over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.audit.detection.alerts import RaisedAlert
from secvault.clock import timestamp
from secvault.service import Service, audit_streams, detecting
from secvault.service.audit_streams import State, Stream
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class StreamAnswer(BaseModel):
    """A stream of the log, and how far it is."""

    name: str
    state: State
    target: Literal["", "syslog", "webhook", "s3"]
    address: str
    format: str
    lag_events: int = Field(description="How many entries wait for an acknowledgement.")
    lag_seconds: int = Field(description="For how long the first of them has waited.")
    acknowledged_seq: int | None
    acknowledged_at: str | None
    attempts: int
    reason: str | None = Field(description="A code for why the last attempt failed.")
    next_try_at: str | None


class StreamList(BaseModel):
    """All streams, by name."""

    streams: list[StreamAnswer]


class TriedAnswer(BaseModel):
    """How a test went. seq: the entry that was sent."""

    taken: bool
    seq: int
    reason: str


class AlertAnswer(BaseModel):
    """An alert. subject: whom or what it is about. seq: the event that raised it."""

    id: str
    rule: str
    subject: str
    first_at: str
    last_at: str
    times: int
    seq: int | None
    counted: int | None
    threshold: int | None
    acknowledged_at: str | None
    acknowledged_by: str | None


class AlertList(BaseModel):
    """Alerts, newest first; the last one's id continues as `after`."""

    alerts: list[AlertAnswer]


@router.get("/streams")
@operation("it/audit/streams", "stream.read")
def stream_list(at: Authenticated) -> StreamList:
    """The streams of the log, and how far each is."""
    service, who = at
    found = audit_streams.list_streams(service, who)
    return StreamList(streams=[_stream(one) for one in found])


@router.post("/streams/{stream}/test")
@operation("it/audit/streams/{stream}", "stream.test")
def stream_test(
    at: Authenticated, stream: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
) -> TriedAnswer:
    """Send the log's newest entry now; the stream sends it in its turn, too."""
    service, who = at
    tried = audit_streams.test_stream(service, who, stream)
    return TriedAnswer(taken=tried.taken, seq=tried.seq, reason=tried.reason)


@router.get("/alerts")
@operation("it/audit/alerts", "alert.read")
def alert_list(
    at: Authenticated,
    *,
    every: Annotated[bool, Query(alias="all", description="Also acknowledged ones.")] = False,
    after: Annotated[str, Query(max_length=36, description="Id that ended the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AlertList:
    """What detection has raised, newest first."""
    service, who = at
    found = detecting.list_alerts(service, who, every=every, after=after, limit=limit)
    return AlertList(alerts=[_alert(one) for one in found])


@router.post("/alerts/{alert}/acknowledgement")
@operation("it/audit/alerts/{alert}", "alert.acknowledge")
def alert_acknowledge(
    at: Authenticated, alert: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
) -> AlertAnswer:
    """Say that you have looked at an alert."""
    service, who = at
    return _alert(detecting.acknowledge_alert(service, who, alert))


def _moment(at: int | None) -> str | None:
    return None if at is None else timestamp(at)


def _stream(one: Stream) -> StreamAnswer:
    return StreamAnswer.model_validate(
        {
            **vars(one),
            "acknowledged_at": _moment(one.acknowledged_at),
            "next_try_at": _moment(one.next_try_at),
        }
    )


def _alert(one: RaisedAlert) -> AlertAnswer:
    return AlertAnswer.model_validate(
        {
            **vars(one),
            "first_at": timestamp(one.first_at),
            "last_at": timestamp(one.last_at),
            "acknowledged_at": _moment(one.acknowledged_at),
        }
    )
