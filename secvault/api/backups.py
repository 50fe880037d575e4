"""Backups over HTTP: runs are listed, counted by days, and asked for; the worker does them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, backup_calendar, backups
from secvault.service.backup_calendar import DAYS, MOST_DAYS, MOST_PLANS, Word
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

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


class DayAnswer(BaseModel):
    """A day of a plan, by its time zone. counts: how many runs came to what.

    word: before (the plan was not there yet), none (nothing ran), mixed (something went wrong, and
    another run of the day went well); of the rest the worst that there was.
    """

    date: str
    word: Word
    counts: dict[Word, int]


class PlanDaysAnswer(BaseModel):
    """A plan's days, the oldest first."""

    plan: str
    days: list[DayAnswer]


class CalendarAnswer(BaseModel):
    """The days of the plans that were asked for."""

    plans: list[PlanDaysAnswer]


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


@router.get("/backups/calendar")
@operation("it/backups", "backup.read")
def calendar_read(
    at: Authenticated,
    plan: Annotated[list[str], Query(min_length=1, max_length=MOST_PLANS)],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = DAYS,
) -> CalendarAnswer:
    """What became of the runs of plans, day by day until today."""
    service, who = at
    found = backup_calendar.read_calendar(service, who, plan, days)
    return CalendarAnswer(
        plans=[
            PlanDaysAnswer(
                plan=one.plan,
                days=[
                    DayAnswer(date=day.date.isoformat(), word=day.word, counts={**day.counts})
                    for day in one.days
                ],
            )
            for one in found
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
