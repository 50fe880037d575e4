"""Restore drills: which plans are proven, and one now; losses that were played through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Form, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.backup.drills.order import DrillOrder
from secvault.backup.drills.reading import PHASES
from secvault.backup.drills.stored import Drill
from secvault.config.drills import ScenarioName
from secvault.console.backups import may
from secvault.console.bars import Amount, Bars, bars
from secvault.console.figures import figures, words_of
from secvault.console.live import follow, stream_place
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import NotFound
from secvault.service import backup_runs, drill_reports, drill_scenarios, drill_standing, drills
from secvault.service.drill_scenarios import SCENARIOS
from secvault.service.known_names import known_names
from secvault.service.watching import Watch

router = Routes(include_in_schema=False)

PATH = "/drills"
SHOWN = 20
MOST = 500
_PARTS = {
    "state": "drills/drill_state.html",
    "progress": "drills/drill_progress.html",
    "asof": "live/asof.html",
    "end": "drills/drill_rest.html",
}

DrillId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]
PlanField = Annotated[str, Form(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$")]
PlanAsked = Annotated[str, Query(max_length=127)]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Extent = Annotated[Literal["", "whole", "sample"], Form()]


@router.get(PATH)
@operation("it/backups", "drill.read", "drill.run")
def overview(
    request: Request,
    at: Visiting,
    plan: PlanAsked = "",
    limit: Limit = SHOWN,
    asked: Literal["", "drill", "scenario"] = "",
) -> Response:
    """How every plan stands, the worst first; the last drills. asked: what was just asked for."""
    standings = drill_standing.read_standings(at.service, at.caller)
    found = drills.list_drills(at.service, at.caller, limit, plan or None)
    of_plan = next((one for one in standings if one.plan == plan), None)
    target = of_plan.settings.drill.rto_minutes * 60 if of_plan else 0
    return page(
        request,
        "drills/overview.html",
        visitor=at,
        standings=standings,
        wrong=sum(one.word in ("failed", "overdue", "missed") for one in standings),
        drills=found,
        # Times of several plans say nothing beside each other.
        times=_times(found, target) if of_plan else None,
        target=target,
        scenarios=drill_scenarios.list_scenarios(at.service, at.caller, SHOWN),
        losses=SCENARIOS,
        plan=plan,
        limit=limit,
        most=MOST,
        asked=asked,
        may_run=frozenset(one.plan for one in standings if may(at, "drill.run", one.plan)),
        words=words_of(request),
        now=at.service.clock.micros(),
        **figures(request),
    )


def _times(found: Sequence[Drill], target: int) -> Bars | None:
    """How long restoring all takes, drill by drill, beside the promise; in seconds."""
    measured = [
        Amount(one.rto_of_all_seconds, one.passed is True)
        for one in found[::-1]
        if one.rto_of_all_seconds is not None
    ]
    return bars(measured, target)


@router.post(PATH)
@operation("it/backups/{plan}", "drill.run")
def drill_now(at: Visiting, plan: PlanField, extent: Extent = "") -> Response:
    """Ask the worker for a drill: as the plan's settings say, of all, or of a sample."""
    drills.request_drill(at.service, at.caller, plan, DrillOrder(extent=extent))
    return elsewhere(f"{PATH}?asked=drill")


@router.post("/scenario-drills")
@operation("it/backups/{plan}", "drill.run")
def scenario_now(
    at: Visiting, plan: PlanField, scenario: Annotated[ScenarioName, Form()]
) -> Response:
    """Ask the worker to play a loss through; nothing of production is touched."""
    drill_scenarios.request_scenario(at.service, at.caller, scenario, plan)
    return elsewhere(f"{PATH}?asked=scenario")


def watched(at: Visiting, drill: DrillId) -> tuple[Watch[Drill], Drill]:
    """The drill, which the visitor may look at."""
    return drills.watch(at.service, at.caller, drill)


Watched = Annotated[tuple[Watch[Drill], Drill], Depends(watched)]


@router.get(PATH + "/{drill}")
@operation("it/backups", "drill.read", "backup.cancel")
def drill_page(request: Request, at: Visiting, watched: Watched) -> Response:
    """One drill: what it found, or how far it is; the page is told how it goes on."""
    _, found = watched
    return page(request, "drills/drill.html", **_showing(request, at, found)(found))


@router.get(
    PATH + "/{drill}/live",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups", "drill.read", "backup.cancel")
async def drill_live(
    request: Request, at: Visiting, watched: Watched
) -> AsyncIterator[ServerSentEvent]:
    """The parts of the drill's page, as they change."""
    watch, first = watched
    shown = await run_in_threadpool(_showing, request, at, first)
    async for event in follow(request, watch, first, lambda drill: drill.ended, shown, _PARTS):
        yield event


@router.get("/scenario-drills/{drill}")
@operation("it/backups", "drill.read")
def scenario_page(request: Request, at: Visiting, drill: DrillId) -> Response:
    """One scenario drill that has ended, as its signed evidence tells it; else how far it is."""
    listed = drill_scenarios.list_scenarios(at.service, at.caller, MOST)
    row = next((one for one in listed if one.id == drill), None)
    if row is None:
        raise NotFound(f"there is no scenario drill {drill}")
    told = {}
    if row.state == "done":
        told = drill_scenarios.read_scenario(at.service, at.caller, drill).document
    return page(
        request,
        "drills/scenario.html",
        visitor=at,
        row=row,
        names=known_names(at.service, [row.requested_by]),
        told=told,
        words=words_of(request),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.post(PATH + "/{drill}/cancel")
@operation("it/backups/{plan}", "backup.cancel")
def cancel(at: Visiting, drill: DrillId) -> Response:
    """End a drill, on whichever node it is worked on."""
    backup_runs.cancel(at.service, at.caller, drill)
    return elsewhere(f"{PATH}/{drill}")


@router.get(PATH + "/{drill}/report")
@operation("it/backups", "drill.read")
def report(
    at: Visiting,
    drill: DrillId,
    form: Annotated[str, Query(alias="format", pattern="^(html|pdf)$")] = "html",
    language: Annotated[str, Query(pattern="^(en|vi)$")] = "en",
) -> Response:
    """The report on a drill or a scenario, as a page of its own or a PDF."""
    made = drill_reports.read_report(at.service, at.caller, drill, form, language)
    shown = "inline" if form == "html" else "attachment"
    named = {"Content-Disposition": f'{shown}; filename="{made.name}"'}
    return Response(made.content, media_type=made.media_type, headers=named)


def _showing(request: Request, at: Visitor, first: Drill) -> Callable[[Drill], dict[str, Any]]:
    """What the templates show of the drill, whenever it is looked at."""
    fixed = {
        "visitor": at,
        "names": known_names(at.service, [first.requested_by]),
        "path": f"{PATH}/{first.id}",
        "words": words_of(request),
        "steps": PHASES,
        **figures(request),
    }
    may_cancel = may(at, "backup.cancel", first.plan)

    def shown(found: Drill) -> dict[str, Any]:
        return {
            **fixed,
            "drill": found,
            "ended": found.ended,
            "may_cancel": may_cancel and not found.ended,
            "now": at.service.clock.micros(),
        }

    return shown
