"""One backup plan: what it saves and when, its promise over time, its runs and snapshots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Form, Query, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.ages import DAY, HOUR, Ages, Good, ages
from secvault.console.backups import PATH, PlanName, may
from secvault.console.bars import Amount, Bars, bars
from secvault.console.figures import figures
from secvault.console.page import elsewhere, page
from secvault.console.strips import strip
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import Overloaded
from secvault.service import (
    backup_calendar,
    backup_copies,
    backup_plans,
    backup_runs,
    backup_snapshots,
    backup_status,
    repository_access,
)
from secvault.service.backup_snapshots import Catalogue, Row
from secvault.service.plan_views import PlanView

router = Routes(include_in_schema=False)

SNAPSHOTS = 20
DRAWN = 90
"""Of the snapshots, so many have their bar."""
MOST_RUNS = 500
SAFE_DAYS = 30
"""For how long backups should be safe, as the API asks where nobody says more."""

Runs = Annotated[int, Query(ge=1, le=MOST_RUNS)]
Older = Annotated[int, Query(ge=0, le=1_000_000)]
Repository = Annotated[str, Query(max_length=200)]
Version = Annotated[int, Form(ge=0)]

_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* ([0-6]|\*)")


@dataclass(frozen=True)
class Timing:
    """When something is due, as words can say it. kind: of which the template knows the words.

    at: hours and minutes. weekday: 0 is Monday. cron: as it is written.
    """

    kind: Literal["never", "daily", "weekly", "cron"]
    at: str = ""
    weekday: int = 0
    cron: str = ""


@router.get(PATH + "/{plan}")
@operation("it/backups/{plan}", "backup.read", "backup.run", "drill.run", "plan.pause")
def plan_page(
    request: Request,
    at: Visiting,
    plan: PlanName,
    repository: Repository = "",
    runs: Runs = 10,
    older: Older = 0,
) -> Response:
    """The plan as it stands. older: of the snapshots, so many of the newest are passed over."""
    view = backup_plans.read_plan(at.service, at.caller, plan)
    statuses = backup_status.read_status(at.service, at.caller)
    standing = next((one for one in statuses if one.state.plan == plan), None)
    catalogue = _catalogue(at, view, repository)
    rows = catalogue.rows[::-1] if catalogue else ()
    return page(
        request,
        "backups/plan.html",
        visitor=at,
        view=view,
        standing=standing,
        timings={
            "backup": timing(view.settings.schedule),
            "check": timing(view.settings.check_schedule),
            "drill": timing(view.settings.drill_schedule),
        },
        strip=_strip(at, view),
        ages=_ages(at, view),
        runs=backup_runs.list_runs(at.service, at.caller, runs, plan, None),
        shown=runs,
        most=MOST_RUNS,
        catalogue=catalogue,
        sizes=_sizes(rows),
        growth=_growth(catalogue),
        snapshots=rows[older : older + SNAPSHOTS],
        older=older + SNAPSHOTS if len(rows) > older + SNAPSHOTS else None,
        may_run=view.state != "shadowed" and may(at, "backup.run", plan),
        may_drill=may(at, "drill.run", plan),
        may_pause=not view.declared and may(at, "plan.pause", plan),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.get(PATH + "/{plan}/buckets")
@operation("it/backups/{plan}", "backup.read")
def buckets(request: Request, at: Visiting, plan: PlanName) -> Response:
    """The plan's repositories where they lie, which are asked now; and their newest copies."""
    found = repository_access.buckets_of_plan(at.service, at.caller, plan, SAFE_DAYS)
    return page(
        request,
        "backups/buckets.html",
        visitor=at,
        plan=plan,
        reports=found,
        days=SAFE_DAYS,
        copies=backup_copies.list_copies(at.service, at.caller, plan, 20),
        now=at.service.clock.micros(),
    )


@router.post(PATH + "/{plan}/pause")
@operation("it/backups/{plan}", "plan.pause")
def pause(at: Visiting, plan: PlanName, version: Version) -> Response:
    """Let nothing of the plan be due until it is resumed. version: the one that was seen."""
    backup_plans.pause_plan(at.service, at.caller, plan, version, paused=True)
    return elsewhere(f"{PATH}/{plan}")


@router.post(PATH + "/{plan}/resume")
@operation("it/backups/{plan}", "plan.pause")
def resume(at: Visiting, plan: PlanName, version: Version) -> Response:
    """Let a paused plan be due again."""
    backup_plans.pause_plan(at.service, at.caller, plan, version, paused=False)
    return elsewhere(f"{PATH}/{plan}")


def timing(cron: str) -> Timing:
    """The plain forms of a schedule; any other as it is written."""
    if not cron:
        return Timing("never")
    found = _DAILY.fullmatch(cron)
    if found is None:
        return Timing("cron", cron=cron)
    minute, hour, weekday = found.groups()
    clock = f"{int(hour):02}:{int(minute):02}"
    if weekday == "*":
        return Timing("daily", clock, cron=cron)
    # Cron's week begins with Sunday.
    return Timing("weekly", clock, (int(weekday) - 1) % 7, cron)


def _catalogue(at: Visitor, view: PlanView, repository: str) -> Catalogue | None:
    """What is known of the snapshots; None while others look into theirs."""
    try:
        return backup_snapshots.list_snapshots(
            at.service, at.caller, view.name, repository=repository
        )
    except Overloaded:
        return None


def _sizes(rows: Sequence[Row]) -> Bars | None:
    """The sizes as far as they are known, of the newest snapshots. rows: the newest first."""
    known = [Amount(row.snapshot.bytes) for row in rows[:DRAWN] if row.snapshot.bytes is not None]
    return bars(known[::-1])


def _growth(catalogue: Catalogue | None) -> Bars | None:
    """What all snapshots took together, each time that it was measured; one alone says nothing."""
    if catalogue is None or len(catalogue.measures) < 2:
        return None
    return bars([Amount(one.stored_bytes) for one in catalogue.measures[:DRAWN][::-1]])


def _strip(at: Visitor, view: PlanView) -> object:
    (days,) = backup_calendar.read_calendar(at.service, at.caller, [view.name])
    return strip(view.name, days.days)


def _ages(at: Visitor, view: PlanView) -> Ages | None:
    now = at.service.clock.micros()
    done = backup_runs.list_runs(at.service, at.caller, MOST_RUNS, view.name, "done")
    good = [
        Good(one.run.finished_at, one.run.data_at)
        for one in done
        if one.run and one.run.snapshot and one.run.finished_at and one.run.data_at is not None
    ]
    since = now - backup_calendar.DAYS * DAY
    if len(done) == MOST_RUNS and good:
        # There are more than were listed: what is drawn begins where the list does.
        since = max(since, good[-1].ended_at)
    promised = view.settings.rpo_hours * HOUR
    return ages(good, promised, since, now)
