"""How each plan stands with its drills: proven, new, missed, overdue or failed.

A plan is proven by a drill that passed and was all that its settings ask for. One that is written
down as ended in the future, by a clock that was wrong, proves nothing until that moment comes: else
nobody would miss a drill until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from sqlalchemy import Connection, func, or_, select, true

from secvault.backup.claims import CLOCK_SET_BACK_SECONDS
from secvault.backup.drills import stored
from secvault.backup.drills.stored import Drill
from secvault.clock import moment
from secvault.config import PlanSettings
from secvault.errors import InvalidInput
from secvault.jobs import calendar
from secvault.jobs.occurrences import next_after
from secvault.service.plan_schedules import DRILL, of_plan
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import backup_watch, drill, job, schedule

Word = Literal["failed", "overdue", "missed", "new", "proven", "off"]
WORDS: tuple[Word, ...] = ("failed", "overdue", "missed", "new", "proven", "off")
"""The worst first. off: the plan is never drilled by itself, and nothing says how often."""
DAY = 86_400_000_000
LATE = DAY // 4
"""How long after its moment a drill that is due may begin before it is missed. Micros."""
_AHEAD = CLOCK_SET_BACK_SECONDS * 1_000_000
_GAPS = 12


@dataclass(frozen=True)
class Standing:
    """A plan and its drills. Times in micros.

    proven: the newest that proved the plan. failing: the newest that did not pass, or did not come
    to its end, since then. running: one under way. missed_at: when one was due that did not begin.
    allowed: for how long a proof holds; 0: for ever. due_by: when it has to be proven anew, counted
    from the proof, or from when the plan was first seen.
    """

    plan: str
    settings: PlanSettings
    proven: Drill | None
    failing: Drill | None
    running: str | None
    missed_at: int | None
    next_due: int | None
    allowed: int
    due_by: int | None
    overdue: bool

    @property
    def word(self) -> Word:
        """The state in one word."""
        if self.failing is not None:
            return "failed"
        if self.overdue:
            return "overdue"
        if self.missed_at is not None:
            return "missed"
        if self.proven is not None:
            return "proven"
        return "new" if self.allowed else "off"


def read_standings(service: Service, caller: Caller) -> tuple[Standing, ...]:
    """Every plan as it stands, the worst first."""

    def act(_: object) -> Outcome[tuple[Standing, ...]]:
        found = standings(service)
        return Outcome(found, count=len(found))

    operation = Operation("drill.read", "it", "*", "it/backups/*")
    return service.spine.read(caller, operation, act)


def standings(
    service: Service, plans: Mapping[str, PlanSettings] | None = None
) -> tuple[Standing, ...]:
    """The same, for the program itself. plans: all that there are, unless these are given."""
    settings = service.backups.plans() if plans is None else plans
    now = service.clock.micros()
    with service.store.read() as connection:
        found = [standing_of(connection, name, one, now) for name, one in settings.items()]
    return tuple(sorted(found, key=lambda one: (WORDS.index(one.word), one.plan)))


def standing_of(connection: Connection, plan: str, settings: PlanSettings, now: int) -> Standing:
    """How the plan stands at this moment. A plan that was never seen is taken for new."""
    proven = next(
        iter(
            stored.newest(
                connection,
                1,
                drill.c.plan == plan,
                drill.c.passed.is_(true()),
                drill.c.complete.is_(true()),
                drill.c.finished_at <= now + _AHEAD,
            )
        ),
        None,
    )
    allowed = allowed_for(settings, now)
    since = proven.finished_at if proven else _first_seen(connection, plan)
    due_by = None if since is None or not allowed else since + allowed
    next_due = connection.execute(
        select(schedule.c.next_due).where(schedule.c.id == f"{DRILL}:{plan}")
    ).scalar_one_or_none()
    return Standing(
        plan=plan,
        settings=settings,
        proven=proven,
        failing=_failing(connection, plan, proven),
        running=connection.execute(
            select(drill.c.id)
            .where(drill.c.plan == plan, drill.c.state.in_(("running", "waiting")))
            .order_by(drill.c.started_at.desc())
            .limit(1)
        ).scalar_one_or_none(),
        missed_at=None if next_due is None else _missed(connection, plan, next_due, now),
        next_due=next_due,
        allowed=allowed,
        due_by=due_by,
        overdue=due_by is not None and now > due_by,
    )


def allowed_for(settings: PlanSettings, now: int) -> int:
    """For how long a proof holds, in micros; 0: for ever, as nothing says how often to drill.

    Without `overdue_days` twice the longest time between the drills to come.
    """
    if settings.drill.overdue_days:
        return settings.drill.overdue_days * DAY
    timing = next((one.timing for one in of_plan("", settings) if one.kind == DRILL), None)
    if timing is None:
        return 0
    due = [moment(now)]
    try:
        while len(due) <= _GAPS:
            due.append(next_after(timing, due[-1]))
    except InvalidInput:
        # Whoever lists plans is told.
        return 0
    longest = max((after - before for before, after in pairwise(due[1:])), default=timedelta())
    return 2 * (longest // timedelta(microseconds=1))


def _failing(connection: Connection, plan: str, proven: Drill | None) -> Drill | None:
    found = stored.newest(
        connection,
        1,
        drill.c.plan == plan,
        drill.c.started_at > (proven.started_at if proven else -1),
        or_(drill.c.passed.is_(False), drill.c.state == "failed"),
    )
    return found[0] if found else None


def _missed(connection: Connection, plan: str, next_due: int, now: int) -> int | None:
    """When a drill was due that did not begin; None where the last one that was due did."""
    if next_due < now - LATE:
        # No worker looks at the calendar.
        return next_due
    newest = connection.execute(
        select(job.c.due_at, job.c.state)
        .where(job.c.kind == DRILL, job.c.plan == plan, job.c.requested_by == calendar.REQUESTED_BY)
        .order_by(job.c.due_at.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        return None
    waits = newest.state == "requested" and newest.due_at < now - LATE
    if newest.state != "missed" and not waits:
        return None
    begun = connection.execute(
        select(func.max(drill.c.started_at)).where(drill.c.plan == plan)
    ).scalar_one_or_none()
    return newest.due_at if begun is None or begun < newest.due_at else None


def _first_seen(connection: Connection, plan: str) -> int | None:
    asked = select(backup_watch.c.first_seen_at).where(backup_watch.c.plan == plan)
    return connection.execute(asked).scalar_one_or_none()
