"""One backup run: its steps, how far it is, and its end on request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.console.backups import PATH, may, run_path
from secvault.console.figures import figures
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting
from secvault.service import backup_runs
from secvault.service.known_names import known_names

router = APIRouter(include_in_schema=False)

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]


@router.get(PATH + "/runs/{run}")
@operation("it/backups/{plan}", "backup.read", "backup.cancel")
def run_page(request: Request, at: Visiting, run: RunId) -> Response:
    """The run as it stands now; to look again is to load the page again."""
    seen = backup_runs.look(at.service, at.caller, run)
    asked_by = seen.run or seen.job
    by = asked_by.requested_by if asked_by else ""
    return page(
        request,
        "backups/run.html",
        visitor=at,
        seen=seen,
        run=seen.run,
        error=seen.run.error if seen.run else seen.job.error if seen.job else None,
        by=by,
        names=known_names(at.service, [by]),
        may_cancel=not seen.ended and may(at, "backup.cancel", seen.plan),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.post(PATH + "/runs/{run}/cancel")
@operation("it/backups/{plan}", "backup.cancel")
def cancel(at: Visiting, run: RunId) -> Response:
    """End the run, on whichever node it is worked on."""
    backup_runs.cancel(at.service, at.caller, run)
    return elsewhere(run_path(run))
