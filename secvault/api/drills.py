"""Restore drills over HTTP: how plans stand, drills listed, looked at, and asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from secvault.api.backups import Limit, PlanName, Requested
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.following import event, follow, refusal, stream_place
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.backup.drills.order import AS_SET, DrillOrder
from secvault.backup.drills.stored import Drill
from secvault.clock import timestamp
from secvault.config.drills import LevelName
from secvault.service import Service, drill_standing, drills
from secvault.service.drill_standing import Standing
from secvault.service.spine import Caller
from secvault.service.watching import Watch

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
DrillId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]
Watched = tuple[Watch[Drill], Drill]


class FaultAnswer(BaseModel):
    """Something that a drill found. where: a path, database, table or key, never a value."""

    level: str
    code: str
    where: str
    words: str


class DrillAnswer(BaseModel):
    """A restore drill. Sizes in bytes.

    complete: whether it was all that the plan's settings ask for; only such a one proves the plan.
    estimate: how long the whole restore would take, by a sample.
    """

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: str
    finished_at: str | None
    repository: str | None
    snapshot: str | None
    snapshot_at: str | None
    data_at: str | None
    chosen: str | None
    extent: str | None
    passed: bool | None
    complete: bool | None
    levels: dict[str, str]
    faults: list[FaultAnswer]
    rpo_seconds: int | None
    rpo_target_seconds: int | None
    rto_seconds: int | None
    rto_target_seconds: int | None
    phases_ms: dict[str, int]
    files: int | None
    bytes: int | None
    bytes_per_second: int | None
    scratch_announced: int | None
    scratch_used: int | None
    audit_entries_lost: int | None
    estimate_ms: int | None
    estimate_low_ms: int | None
    estimate_high_ms: int | None
    sample_population: int | None
    sample_size: int | None
    sample_found: int | None
    error: str | None


class DrillList(BaseModel):
    """The newest drills, newest first."""

    drills: list[DrillAnswer]


class StandingAnswer(BaseModel):
    """How a plan stands with its drills.

    state: failed (the newest did not pass), overdue, missed (one was due and did not begin), new,
    proven, or off (never by itself). due_by: when it has to be proven again.
    """

    plan: str
    state: Literal["failed", "overdue", "missed", "new", "proven", "off"]
    overdue: bool
    due_by: str | None
    allowed_seconds: int | None
    missed_at: str | None
    next_due: str | None
    running: str | None
    proven: DrillAnswer | None
    failing: DrillAnswer | None


class StandingList(BaseModel):
    """Every plan, the worst first."""

    plans: list[StandingAnswer]


class DrillWanted(BaseModel):
    """What is asked of the drill; what is left out is as the plan's settings say."""

    snapshot: str = Field(
        "", pattern="^(latest|[0-9a-f]{8,64})?$", description="`latest`, or an id's beginning."
    )
    repository: str = Field("", max_length=64, description="One of the plan's repositories.")
    extent: Literal["", "whole", "sample"] = ""
    levels: list[LevelName] = Field(default_factory=list, max_length=5)


class Evidence(BaseModel):
    """The signed finding of a drill: its exact bytes as text, and the note over their SHA-256."""

    document: str
    note: str


@router.get("/drills")
@operation("it/backups", "drill.read")
def drill_list(
    at: Authenticated,
    limit: Limit = 50,
    plan: Annotated[str | None, Query(max_length=127)] = None,
) -> DrillList:
    """The newest restore drills, of all plans or of one."""
    service, who = at
    return DrillList(drills=[_drill(one) for one in drills.list_drills(service, who, limit, plan)])


@router.get("/drills/status")
@operation("it/backups", "drill.read")
def drill_status(at: Authenticated) -> StandingList:
    """How every plan stands with its drills: failed, overdue, missed, new, proven or off."""
    service, who = at
    found = drill_standing.read_standings(service, who)
    proofs = drill_standing.proving(service, found)
    return StandingList(plans=[_standing(one, proofs) for one in found])


@router.get("/drills/{drill}")
@operation("it/backups", "drill.read")
def drill_read(at: Authenticated, drill: DrillId) -> DrillAnswer:
    """One restore drill: what it found, or how far it is."""
    service, who = at
    return _drill(drills.read_drill(service, who, drill))


def watched(at: Authenticated, drill: DrillId) -> Watched:
    """The drill, which the caller may look at; what is wrong is an answer of its own."""
    service, who = at
    return drills.watch(service, who, drill)


@router.get(
    "/drills/{drill}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups", "drill.read")
async def drill_watch(
    request: Request, seen: Annotated[Watched, Depends(watched)]
) -> AsyncIterator[ServerSentEvent]:
    """Follow a restore drill by server-sent events, as a backup run is followed."""
    watch, first = seen
    async for one in follow(request, first, watch.look, lambda drill: drill.ended, _told, refusal):
        yield one


@router.post("/backups/plans/{plan}/drills", status_code=202)
@operation("it/backups/{plan}", "drill.run")
def drill_request(at: Authenticated, plan: PlanName, given: DrillWanted | None = None) -> Requested:
    """Ask the worker for a restore drill: as the plan's settings say, unless more is given."""
    service, who = at
    order = AS_SET
    if given is not None:
        order = DrillOrder(given.snapshot, given.repository, given.extent, tuple(given.levels))
    return Requested(id=drills.request_drill(service, who, plan, order))


@router.get("/drills/{drill}/evidence")
@operation("it/backups", "drill.read")
def drill_evidence(at: Authenticated, drill: DrillId) -> Evidence:
    """The signed finding of a drill."""
    service, who = at
    _, document, note = drills.read_evidence(service, who, drill)
    return Evidence(document=document.decode(), note=note.decode())


def _told(drill: Drill) -> Mapping[str, ServerSentEvent]:
    return event("end" if drill.ended else "progress", _drill(drill))


def _drill(drill: Drill) -> DrillAnswer:
    figures = drill.figures
    return DrillAnswer(
        id=drill.id,
        plan=drill.plan,
        state=drill.state,
        phase=drill.phase,
        requested_by=drill.requested_by,
        started_at=timestamp(drill.started_at),
        finished_at=_time(drill.finished_at),
        repository=drill.repository,
        snapshot=drill.snapshot,
        snapshot_at=_time(drill.snapshot_at),
        data_at=_time(drill.data_at),
        chosen=drill.chosen,
        extent=drill.extent,
        passed=drill.passed,
        complete=drill.complete,
        levels=dict(drill.levels),
        faults=[
            FaultAnswer(level=one.level, code=one.code, where=one.where, words=one.words)
            for one in drill.faults
        ],
        rpo_seconds=drill.rpo_seconds,
        rpo_target_seconds=figures.rpo_target_seconds or None,
        rto_seconds=drill.rto_seconds,
        rto_target_seconds=figures.rto_target_seconds or None,
        phases_ms=dict(drill.phases),
        files=drill.files,
        bytes=drill.bytes,
        bytes_per_second=drill.bytes_per_second,
        scratch_announced=drill.scratch_announced,
        scratch_used=drill.scratch_used,
        audit_entries_lost=figures.audit_entries_lost,
        estimate_ms=figures.estimate_ms,
        estimate_low_ms=figures.estimate_low_ms,
        estimate_high_ms=figures.estimate_high_ms,
        sample_population=figures.sample_population,
        sample_size=figures.sample_size,
        sample_found=figures.sample_found,
        error=drill.error,
    )


def _standing(one: Standing, proofs: Mapping[str, Drill]) -> StandingAnswer:
    return StandingAnswer(
        plan=one.plan,
        state=one.word,
        overdue=one.overdue,
        due_by=_time(one.due_by),
        allowed_seconds=one.allowed // 1_000_000 or None,
        missed_at=_time(one.missed_at),
        next_due=_time(one.next_due),
        running=one.running,
        proven=_drill(proofs[one.proven.id]) if one.proven and one.proven.id in proofs else None,
        failing=None if one.failing is None else _drill(one.failing),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
