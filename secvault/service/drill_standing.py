"""How each plan stands with its drills: proven, new, missed, overdue or failed.

A plan is proven by a drill that passed and was all that its settings ask for. One that is written
down as ended in the future, by a clock that was wrong, proves nothing until that moment comes: else
nobody would miss a drill until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from secvault.backup.claims import CLOCK_SET_BACK_SECONDS
from secvault.backup.drills import stored
from secvault.backup.drills.stored import Drill, Proof
from secvault.backup.many_plans import asked, of_newest, under_way
from secvault.clock import moment
from secvault.config import PlanSettings
from secvault.errors import InvalidInput
from secvault.jobs import calendar
from secvault.jobs.occurrences import Timing, next_after
from secvault.service.plan_schedules import DRILL, drill_timing
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
    proven: Proof | None
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
        found = standings_of(connection, settings, now)
    return tuple(sorted(found.values(), key=lambda one: (WORDS.index(one.word), one.plan)))


def proving(service: Service, found: Iterable[Standing]) -> dict[str, Drill]:
    """The drills that proved these plans, whole, by their ids; for who was told how they stand."""
    with service.store.read() as connection:
        return stored.by_ids(connection, [one.proven.id for one in found if one.proven])


def standing_of(connection: Connection, plan: str, settings: PlanSettings, now: int) -> Standing:
    """How the plan stands at this moment. A plan that was never seen is taken for new."""
    return standings_of(connection, {plan: settings}, now)[plan]


def standings_of(
    connection: Connection, plans: Mapping[str, PlanSettings], now: int
) -> dict[str, Standing]:
    """How each of the plans stands, by a few statements however many there are."""
    if not plans:
        return {}
    rows = _rows(connection, plans, now)
    drills = stored.proofs(connection, [row.proven for row in rows if row.proven])
    proven = {row.plan: drills[row.proven] for row in rows if row.proven}
    failing = _failing(connection, {plan: proven.get(plan) for plan in plans})
    due = _last_due(connection, plans)
    found = {}
    for row in rows:
        settings, proof = plans[row.plan], proven.get(row.plan)
        allowed = allowed_for(settings, now)
        since = proof.finished_at if proof else row.seen
        due_by = None if since is None or not allowed else since + allowed
        found[row.plan] = Standing(
            plan=row.plan,
            settings=settings,
            proven=proof,
            failing=failing.get(row.plan),
            running=row.running,
            missed_at=_missed(row.next_due, due.get(row.plan), row.begun, now),
            next_due=row.next_due,
            allowed=allowed,
            due_by=due_by,
            overdue=due_by is not None and now > due_by,
        )
    return found


def _rows(
    connection: Connection, plans: Mapping[str, PlanSettings], now: int
) -> Sequence[Row[Any]]:
    """A row for each plan: ids of drills, and what else stands in one place."""
    of = asked(connection, [(plan, "", 0) for plan in plans])
    proving = (
        drill.c.passed.is_(true()),
        drill.c.complete.is_(true()),
        drill.c.finished_at <= now + _AHEAD,
    )

    def one(column: ColumnElement[Any], where: ColumnElement[bool]) -> ScalarSelect[Any]:
        return select(column).where(where).correlate(of).scalar_subquery()

    columns: list[ColumnElement[Any]] = [
        of.c.plan,
        of_newest(drill.c.id, of, *proving).label("proven"),
        of_newest(drill.c.id, of, under_way(drill)).label("running"),
        one(schedule.c.next_due, schedule.c.id == literal(f"{DRILL}:") + of.c.plan).label(
            "next_due"
        ),
        one(func.max(drill.c.started_at), drill.c.plan == of.c.plan).label("begun"),
        one(backup_watch.c.first_seen_at, backup_watch.c.plan == of.c.plan).label("seen"),
    ]
    return connection.execute(select(*columns)).all()


def allowed_for(settings: PlanSettings, now: int) -> int:
    """For how long a proof holds, in micros; 0: for ever, as nothing says how often to drill.

    Without `overdue_days` twice the longest time between the drills to come.
    """
    if settings.drill.overdue_days:
        return settings.drill.overdue_days * DAY
    timing = drill_timing(settings)
    return 0 if timing is None else 2 * _longest_gap(timing, now // DAY)


@lru_cache(maxsize=4096)
def _longest_gap(timing: Timing, day: int) -> int:
    """The longest time between the drills to come from this day on. day: since the epoch, UTC.

    By the day, and so kept: many plans share few calendars, and walking one takes milliseconds.
    """
    due = [moment(day * DAY)]
    try:
        while len(due) <= _GAPS:
            due.append(next_after(timing, due[-1]))
    except InvalidInput:
        # Whoever lists plans is told.
        return 0
    longest = max((after - before for before, after in pairwise(due[1:])), default=timedelta())
    return longest // timedelta(microseconds=1)


def _failing(connection: Connection, proven: Mapping[str, Proof | None]) -> dict[str, Drill]:
    """The newest drill that did not pass since each plan was proven. proven: of every plan."""
    of = asked(
        connection, [(plan, "", one.started_at if one else -1) for plan, one in proven.items()]
    )
    did_not = (
        drill.c.started_at > of.c.since,
        or_(drill.c.passed.is_(false()), drill.c.state == "failed"),
    )
    ids = connection.execute(select(of_newest(drill.c.id, of, *did_not)).select_from(of)).scalars()
    found = stored.by_ids(connection, [one for one in ids if one is not None])
    return {one.plan: one for one in found.values()}


def _last_due(connection: Connection, plans: Iterable[str]) -> dict[str, tuple[int, str]]:
    """When the calendar last asked for a drill of each plan, and what became of that."""
    of = asked(connection, [(plan, "", 0) for plan in plans])
    by_calendar = (
        job.c.kind == DRILL,
        job.c.plan == of.c.plan,
        job.c.requested_by == calendar.REQUESTED_BY,
    )
    newest = select(job.c.state).where(*by_calendar).order_by(job.c.due_at.desc()).limit(1)
    rows = connection.execute(
        select(
            of.c.plan,
            select(func.max(job.c.due_at)).where(*by_calendar).correlate(of).scalar_subquery(),
            newest.correlate(of).scalar_subquery(),
        )
    )
    return {plan: (due_at, state) for plan, due_at, state in rows if due_at is not None}


def _missed(
    next_due: int | None, last: tuple[int, str] | None, begun: int | None, now: int
) -> int | None:
    """When a drill was due that did not begin; None where the last one that was due did.

    begun: when the newest drill did, by whomever it was asked for.
    """
    if next_due is None:
        return None
    if next_due < now - LATE:
        # No worker looks at the calendar.
        return next_due
    if last is None:
        return None
    due_at, state = last
    waits = state == "requested" and due_at < now - LATE
    if state != "missed" and not waits:
        return None
    return due_at if begun is None or begun < due_at else None
