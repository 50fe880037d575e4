"""Backup runs over HTTP: one run with its steps, its progress as it comes, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.following import event, follow, refusal, stream_place
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, backup_runs
from secvault.service.backup_runs import Seen
from secvault.service.spine import Caller
from secvault.service.watching import Watch

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$", examples=["backup:nightly:..."])]


class StepAnswer(BaseModel):
    """A step of a run: running, waiting (to be tried again), done or failed."""

    name: str
    state: str
    attempts: int
    started_at: str
    finished_at: str | None
    error: str | None


class ProgressAnswer(BaseModel):
    """A run as it stands now.

    state: requested, running, waiting (to be tried again by itself), done, failed, cancelled or
    missed. rate: bytes a second. What is not known is null.
    """

    id: str
    plan: str
    state: str
    phase: str | None
    source: str | None
    bytes_done: int | None
    bytes_expected: int | None
    files_done: int | None
    files_expected: int | None
    rate: int | None
    seconds_left: int | None
    cancel_by: str | None
    error: str | None


class RunDetail(ProgressAnswer):
    """A run with its steps."""

    repository: str | None
    requested_by: str | None
    started_at: str | None
    finished_at: str | None
    data_at: str | None
    snapshot: str | None
    files: int | None
    bytes: int | None
    bytes_added: int | None
    steps: list[StepAnswer]


class Cancelling(BaseModel):
    """The state that the run is in now: running means that its process has been told."""

    id: str
    state: str


Watched = tuple[Watch[Seen], Seen]


def watched(at: Authenticated, run: RunId) -> Watched:
    """The run, which the caller may look at; what is wrong is an answer of its own."""
    service, who = at
    return backup_runs.watch(service, who, run)


@router.get("/backups/runs/{run}")
@operation("it/backups/{plan}", "backup.read")
def run_read(at: Authenticated, run: RunId) -> RunDetail:
    """One backup run with its steps and how far it is."""
    service, who = at
    return _detail(backup_runs.look(service, who, run))


@router.get(
    "/backups/runs/{run}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups/{plan}", "backup.read")
async def run_watch(
    request: Request, seen: Annotated[Watched, Depends(watched)]
) -> AsyncIterator[ServerSentEvent]:
    """Follow a backup run by server-sent events until it has ended.

    `progress` comes at most once a second and only when something changed; `end` is the last, with
    the same content. A comment each second keeps the line open. When the right to look ends, the
    last event is `refused`. 429 with more than `server.streams_each` streams at once.
    """
    watch, first = seen
    async for one in follow(request, first, watch.look, lambda run: run.ended, _told, refusal):
        yield one


@router.post("/backups/runs/{run}/cancel", status_code=202)
@operation("it/backups/{plan}", "backup.cancel")
def run_cancel(at: Authenticated, run: RunId) -> Cancelling:
    """End a backup run or a check, on whichever node it is worked on."""
    service, who = at
    return Cancelling(id=run, state=backup_runs.cancel(service, who, run))


def _told(seen: Seen) -> Mapping[str, ServerSentEvent]:
    return event("end" if seen.ended else "progress", _progress(seen))


def _progress(seen: Seen) -> ProgressAnswer:
    run, job = seen.run, seen.job
    return ProgressAnswer(
        id=seen.id,
        plan=seen.plan,
        state=seen.state,
        phase=run.phase if run else None,
        source=run.source if run else None,
        bytes_done=run.bytes_done if run else None,
        bytes_expected=run.bytes_expected if run else None,
        files_done=run.files_done if run else None,
        files_expected=run.files_expected if run else None,
        rate=run.rate if run else None,
        seconds_left=run.seconds_left if run else None,
        cancel_by=run.cancel_by if run else None,
        error=run.error if run else job.error if job else None,
    )


def _detail(seen: Seen) -> RunDetail:
    run, job = seen.run, seen.job
    return RunDetail(
        **_progress(seen).model_dump(),
        repository=run.repository if run else None,
        requested_by=run.requested_by if run else job.requested_by if job else None,
        started_at=_time(run.started_at if run else None),
        finished_at=_time(run.finished_at if run else job.finished_at if job else None),
        data_at=_time(run.data_at if run else None),
        snapshot=run.snapshot if run else None,
        files=run.files if run else None,
        bytes=run.bytes if run else None,
        bytes_added=run.bytes_added if run else None,
        steps=[
            StepAnswer(
                name=one.name,
                state=one.state,
                attempts=one.attempts,
                started_at=timestamp(one.started_at),
                finished_at=_time(one.finished_at),
                error=one.error,
            )
            for one in seen.steps
        ],
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
