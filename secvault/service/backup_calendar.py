"""Which days had backups: what became of the runs of each day, as far back as a picture shows.

Days are those of the plan's own time zone: a run of half past midnight belongs to the new day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from secvault.clock import micros_of, moment
from secvault.errors import InvalidInput
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import backup_run, backup_watch, job

Word = Literal["before", "none", "good", "mixed", "running", "cancelled", "missed", "failed"]
WORDS: tuple[Word, ...] = (
    "before",
    "none",
    "good",
    "mixed",
    "running",
    "cancelled",
    "missed",
    "failed",
)
"""before: the plan was not there yet. none: nothing ran. mixed: something went wrong, and another
run of the day went well. Of the rest it is the worst that there was, as they stand here."""
DAYS = 90
MOST_DAYS = 400
MOST_PLANS = 100

_OF_STATE: Mapping[str, Word] = {
    "done": "good",
    "running": "running",
    "waiting": "running",
    "cancelled": "cancelled",
    "missed": "missed",
    "failed": "failed",
}


@dataclass(frozen=True)
class Day:
    """A day of a plan. counts: how many of its runs came to what, by words; none of zero."""

    date: date
    word: Word
    counts: Mapping[Word, int]


@dataclass(frozen=True)
class PlanDays:
    """A plan's days, the oldest first; the last is today, where the plan is."""

    plan: str
    days: tuple[Day, ...]


def read_calendar(
    service: Service, caller: Caller, plans: Sequence[str], days: int = DAYS
) -> tuple[PlanDays, ...]:
    """The days of these plans, in their order. Raises NotFound, InvalidInput."""
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.at("days", f"use 1 to {MOST_DAYS}")
    if len(plans) > MOST_PLANS:
        raise InvalidInput.at("plan", f"name at most {MOST_PLANS} plans")
    zones = {plan: ZoneInfo(service.backups.plan(plan).time_zone) for plan in plans}
    now = service.clock.now()

    def act(connection: Connection) -> Outcome[tuple[PlanDays, ...]]:
        # A day more: the zones' days begin at other moments than these.
        since = micros_of(now - timedelta(days=days + 1))
        there = _first_there(connection, plans)
        counted: dict[str, dict[date, Counter[Word]]] = {plan: {} for plan in plans}
        for plan, at, state in _ended_or_at_work(connection, plans, since):
            day = moment(at).astimezone(zones[plan]).date()
            counted[plan].setdefault(day, Counter())[_OF_STATE[state]] += 1
        found = tuple(
            PlanDays(
                plan,
                tuple(_days(now.astimezone(zone), days, there.get(plan), counted[plan], zone)),
            )
            for plan, zone in zones.items()
        )
        return Outcome(found, count=len(found))

    operation = Operation("backup.read", "it", "*", "it/backups/*")
    return service.spine.read(caller, operation, act)


def _ended_or_at_work(
    connection: Connection, plans: Sequence[str], since: int
) -> Iterable[tuple[str, int, str]]:
    """(plan, when, state) of every run, and of what was due and did not begin."""
    run = backup_run.c
    runs = select(run.plan, run.started_at, run.state).where(
        run.plan.in_(plans), run.started_at >= since
    )
    missed = select(job.c.plan, job.c.due_at, job.c.state).where(
        job.c.state == "missed",
        job.c.kind == "backup",
        job.c.plan.in_(plans),
        job.c.due_at >= since,
    )
    for asked in (runs, missed):
        yield from (tuple(row) for row in connection.execute(asked))


def _first_there(connection: Connection, plans: Sequence[str]) -> dict[str, int]:
    """Since when each plan is there, as far as anything tells. Micros."""
    seen, run = backup_watch.c, backup_run.c
    first: dict[str, int] = {}
    for asked in (
        select(seen.plan, seen.first_seen_at).where(seen.plan.in_(plans)),
        select(run.plan, func.min(run.started_at)).where(run.plan.in_(plans)).group_by(run.plan),
    ):
        for plan, at in connection.execute(asked):
            first[plan] = min(at, first.get(plan, at))
    return first


def _days(
    now: datetime,
    days: int,
    there: int | None,
    counted: Mapping[date, Counter[Word]],
    zone: ZoneInfo,
) -> Iterable[Day]:
    today = now.date()
    began = today if there is None else moment(there).astimezone(zone).date()
    for back in range(days - 1, -1, -1):
        day = today - timedelta(days=back)
        counts = counted.get(day, Counter())
        yield Day(day, _word(counts, before=day < began), dict(counts))


def _word(counts: Counter[Word], *, before: bool) -> Word:
    if not counts:
        return "before" if before else "none"
    worst = max(counts, key=WORDS.index)
    return "mixed" if worst in ("missed", "failed") and counts["good"] else worst
