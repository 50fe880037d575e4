"""When a backup plan is due: its runs, the checks of its repositories, its drills, scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import get_args

from sqlalchemy import Connection

from secvault.backup import plans
from secvault.config import PlanSettings
from secvault.config.drills import ScenarioName
from secvault.errors import Damaged, InvalidInput
from secvault.jobs import Schedule, occurrences
from secvault.jobs.occurrences import Timing
from secvault.service.service import Service

BACKUP, CHECK, DRILL = "backup", "check", "drill"
SCENARIO = "scenario-"
"""How the kinds of jobs begin that play a scenario; its name follows."""
SCENARIO_KINDS = tuple(f"{SCENARIO}{name}" for name in get_args(ScenarioName))
KINDS = (BACKUP, CHECK, DRILL, *SCENARIO_KINDS)


def of_plan(name: str, plan: PlanSettings) -> tuple[Schedule, ...]:
    """What is due of the plan, by its settings; nothing for an empty cron expression.

    Windows, jitter and priority hold for all of it: each reads what the plan reads, or its
    repositories.
    """
    return tuple(
        Schedule(
            kind,
            name,
            cron,
            plan.time_zone,
            plan.missed,
            plan.windows,
            plan.jitter_minutes,
            plan.priority,
        )
        for kind, _, cron in _crons(plan)
        if cron
    )


def drill_timing(plan: PlanSettings) -> Timing | None:
    """When drills of a plan are due, but for the share of its jitter; None where none is."""
    if not plan.drill_schedule:
        return None
    jitter = timedelta(minutes=plan.jitter_minutes)
    return Timing(plan.drill_schedule, plan.time_zone, plan.windows, jitter)


def of_store(service: Service, connection: Connection) -> Iterator[Schedule]:
    """What is due of the plans of the store that are not paused.

    One that cannot be read is left out, so that it does not keep the worker from the others; it
    falls behind, and whoever lists plans is told.
    """
    declared = service.settings.backup.plans
    for name in plans.names(connection):
        try:
            one = plans.get(connection, name)
            require_readable(service, one.settings)
        except (Damaged, InvalidInput):
            continue
        if one.paused_at is None and name not in declared:
            yield from of_plan(name, one.settings)


def require_readable(service: Service, plan: PlanSettings) -> None:
    """Return when every schedule of the plan can be read. Raises InvalidInput at its field."""
    for _, field, cron in _crons(plan):
        if not cron:
            continue
        timing = Timing(cron, plan.time_zone, plan.windows)
        try:
            occurrences.next_after(timing, service.clock.now())
        except InvalidInput as error:
            raise InvalidInput.at(field, error.fields[0].detail) from None


def _crons(plan: PlanSettings) -> tuple[tuple[str, str, str], ...]:
    return (
        (BACKUP, "schedule", plan.schedule),
        (CHECK, "check_schedule", plan.check_schedule),
        (DRILL, "drill_schedule", plan.drill_schedule),
        *(
            (f"{SCENARIO}{name}", f"scenario_schedules.{name}", cron)
            for name, cron in sorted(plan.scenario_schedules.items())
        ),
    )
