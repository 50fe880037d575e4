"""Backups over HTTP: runs are listed and asked for; the worker does them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.clock import timestamp
from secvault.service import Service, backups
from secvault.service.spine import Caller

router = APIRouter(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$", examples=["daily"])]
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


class Requested(BaseModel):
    """The work is asked for; it appears under this id when the worker begins."""

    id: str


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


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
