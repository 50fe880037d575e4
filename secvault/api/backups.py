"""Backups and drills over HTTP: runs and drills are listed and asked for; the worker does them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.clock import timestamp
from secvault.service import Service, backups, drills
from secvault.service.spine import Caller

router = APIRouter(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$", examples=["daily"])]
DrillId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]
Limit = Annotated[int, Query(ge=1, le=500)]


class RunAnswer(BaseModel):
    """A backup run."""

    id: str
    plan: str
    repository: str
    state: str
    phase: str
    requested_by: str
    started_at: str
    finished_at: str | None
    data_at: str | None
    snapshot: str | None
    files: int | None
    bytes: int | None
    bytes_added: int | None
    error: str | None


class RunList(BaseModel):
    """The newest runs, newest first."""

    runs: list[RunAnswer]


class DrillAnswer(BaseModel):
    """A restore drill; RPO and RTO in seconds."""

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: str
    finished_at: str | None
    snapshot: str | None
    passed: bool | None
    rpo_seconds: int | None
    rto_seconds: int | None
    error: str | None


class DrillList(BaseModel):
    """The newest drills, newest first."""

    drills: list[DrillAnswer]


class Requested(BaseModel):
    """The work is asked for; it appears under this id when the worker begins."""

    id: str


class Evidence(BaseModel):
    """The signed finding of a drill: its exact bytes as text, and the note over their SHA-256."""

    document: str
    note: str


@router.get("/backups/runs")
@operation("it/backups", "backup.read")
def run_list(at: Authenticated, limit: Limit = 50) -> RunList:
    """The newest backup runs of all plans."""
    service, who = at
    return RunList(
        runs=[
            RunAnswer(
                id=run.id,
                plan=run.plan,
                repository=run.repository,
                state=run.state,
                phase=run.phase,
                requested_by=run.requested_by,
                started_at=timestamp(run.started_at),
                finished_at=_time(run.finished_at),
                data_at=_time(run.data_at),
                snapshot=run.snapshot,
                files=run.files,
                bytes=run.bytes,
                bytes_added=run.bytes_added,
                error=run.error,
            )
            for run in backups.list_runs(service, who, limit)
        ]
    )


@router.post("/backups/plans/{plan}/runs", status_code=202)
@operation("it/backups/{plan}", "backup.run")
def run_request(at: Authenticated, plan: PlanName) -> Requested:
    """Ask the worker for a backup."""
    service, who = at
    return Requested(id=backups.request_backup(service, who, plan))


@router.get("/drills")
@operation("it/backups", "drill.read")
def drill_list(at: Authenticated, limit: Limit = 50) -> DrillList:
    """The newest restore drills of all plans."""
    service, who = at
    return DrillList(
        drills=[
            DrillAnswer(
                id=drill.id,
                plan=drill.plan,
                state=drill.state,
                phase=drill.phase,
                requested_by=drill.requested_by,
                started_at=timestamp(drill.started_at),
                finished_at=_time(drill.finished_at),
                snapshot=drill.snapshot,
                passed=drill.passed,
                rpo_seconds=drill.rpo_seconds,
                rto_seconds=drill.rto_seconds,
                error=drill.error,
            )
            for drill in drills.list_drills(service, who, limit)
        ]
    )


@router.post("/backups/plans/{plan}/drills", status_code=202)
@operation("it/backups/{plan}", "drill.run")
def drill_request(at: Authenticated, plan: PlanName) -> Requested:
    """Ask the worker for a restore drill."""
    service, who = at
    return Requested(id=drills.request_drill(service, who, plan))


@router.get("/drills/{drill}/evidence")
@operation("it/backups", "drill.read")
def drill_evidence(at: Authenticated, drill: DrillId) -> Evidence:
    """The signed finding of a drill."""
    service, who = at
    _, document, note = drills.read_evidence(service, who, drill)
    return Evidence(document=document.decode(), note=note.decode())


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
