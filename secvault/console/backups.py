"""Backups: whether every plan keeps its promise, what the last months were like, and a run now."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.figures import figures
from secvault.console.page import elsewhere, page
from secvault.console.strips import strip
from secvault.console.visitor import Visiting, Visitor
from secvault.service import backup_calendar, backup_runs, backup_status, backups
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

PATH = "/backups"
PLANS = 20
"""On a page: each has its strip of days."""
RUNS = 10

PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$")]
Place = Annotated[int, Query(alias="page", ge=1, le=10_000)]


@router.get(PATH)
@operation("it/backups", "backup.read", "backup.run")
def overview(request: Request, at: Visiting, place: Place = 1) -> Response:
    """Every plan as it stands, the worst first; their days; the last runs."""
    plans = backup_status.read_status(at.service, at.caller)
    shown = plans[(place - 1) * PLANS : place * PLANS]
    names = [one.state.plan for one in shown]
    days = backup_calendar.read_calendar(at.service, at.caller, names)
    return page(
        request,
        "backups/overview.html",
        visitor=at,
        plans=shown,
        wrong=sum(one.word not in ("good", "new") for one in plans),
        place=place,
        pages=-(-len(plans) // PLANS),
        strips=[strip(one.plan, one.days) for one in days],
        runs=backup_runs.list_runs(at.service, at.caller, RUNS, None, None),
        may_run=frozenset(name for name in names if may(at, "backup.run", name)),
        may_add=at.could(Operation("plan.add", "it", "*", "it/backups/*")),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.post(PATH + "/{plan}/run")
@operation("it/backups/{plan}", "backup.run")
def run_now(at: Visiting, plan: PlanName) -> Response:
    """Ask the worker for a backup, and look at it."""
    return elsewhere(run_path(backups.request_backup(at.service, at.caller, plan)))


def may(at: Visitor, action: str, plan: str) -> bool:
    """Whether the visitor may do this with the plan; the route declares the action."""
    return at.may(Operation(action, "it", plan, f"it/backups/{plan}"))


def run_path(run: str) -> str:
    """The page of a run."""
    return f"{PATH}/runs/{quote(run, safe=':')}"
