"""One backup run: its steps, how far it is, and its end on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.backups import PATH, may, run_path
from secvault.console.figures import figures
from secvault.console.live import follow, stream_place
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.service import backup_runs
from secvault.service.backup_runs import Seen
from secvault.service.known_names import known_names
from secvault.service.watching import Watch

router = Routes(include_in_schema=False)

_PARTS = {
    "state": "backups/run_state.html",
    "progress": "backups/run_progress.html",
    "facts": "backups/run_facts.html",
    "asof": "live/asof.html",
    "end": "backups/run_rest.html",
}

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]


def watched(at: Visiting, run: RunId) -> tuple[Watch[Seen], Seen]:
    """The run, which the visitor may look at."""
    return backup_runs.watch(at.service, at.caller, run)


Watched = Annotated[tuple[Watch[Seen], Seen], Depends(watched)]


@router.get(PATH + "/runs/{run}")
@operation("it/backups/{plan}", "backup.read", "backup.cancel")
def run_page(request: Request, at: Visiting, watched: Watched) -> Response:
    """The run as it stands now; the page is told how it goes on."""
    _, seen = watched
    return page(request, "backups/run.html", **_showing(request, at, seen)(seen))


@router.get(
    PATH + "/runs/{run}/live",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups/{plan}", "backup.read", "backup.cancel")
async def run_live(
    request: Request, at: Visiting, watched: Watched
) -> AsyncIterator[ServerSentEvent]:
    """The parts of the run's page, as they change."""
    watch, first = watched
    shown = await run_in_threadpool(_showing, request, at, first)
    async for event in follow(request, watch, first, lambda run: run.ended, shown, _PARTS):
        yield event


@router.post(PATH + "/runs/{run}/cancel")
@operation("it/backups/{plan}", "backup.cancel")
def cancel(at: Visiting, run: RunId) -> Response:
    """End the run, on whichever node it is worked on."""
    backup_runs.cancel(at.service, at.caller, run)
    return elsewhere(run_path(run))


def _showing(request: Request, at: Visitor, first: Seen) -> Callable[[Seen], dict[str, Any]]:
    """What the templates show of the run, whenever it is looked at."""
    asked_by = first.run or first.job
    by = asked_by.requested_by if asked_by else ""
    fixed = {
        "visitor": at,
        "by": by,
        "names": known_names(at.service, [by]),
        "path": run_path(first.id),
        **figures(request),
    }
    may_cancel = may(at, "backup.cancel", first.plan)

    def shown(seen: Seen) -> dict[str, Any]:
        return {
            **fixed,
            "seen": seen,
            "ended": seen.ended,
            "run": seen.run,
            "error": seen.run.error if seen.run else seen.job.error if seen.job else None,
            "may_cancel": may_cancel and not seen.ended,
            "now": at.service.clock.micros(),
        }

    return shown
