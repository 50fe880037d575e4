"""The schedules, and the tick that turns a due moment into exactly one job.

`schedule.next_due` only moves by compare-and-set, in the transaction that writes the job; the
job's id is the schedule's and the due moment. So neither two nodes nor a clock that is set back
run one due moment twice, and no crash loses one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Row, delete, select, update

from secvault.clock import Clock, moment
from secvault.errors import InvalidInput
from secvault.jobs import queue
from secvault.jobs.occurrences import Timing, due_runs, next_after, open_at, share_of
from secvault.jobs.queue import Job
from secvault.store.engine import Store, insert_unless_there
from secvault.store.tables import schedule

Missed: TypeAlias = Literal["latest", "all", "skip"]

REQUESTED_BY = "schedule"
GRACE = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Schedule:
    """Work that is due again and again: what kind, of which plan, when.

    missed: what happens to runs that came due while nobody looked. `latest`: the newest runs,
    once. `all`: each runs. `skip`: none runs, but for one that is late by no more than the grace
    period. Those that do not run are recorded as missed.
    windows: times of day, by the zone, between which its runs may begin, as 22:00-05:30; those of
    an outage, too. jitter_minutes: by how much later than the cron its runs are at most. priority:
    of its jobs; those with a lower number begin first.
    """

    kind: str
    plan: str
    cron: str
    time_zone: str
    missed: Missed = "latest"
    windows: tuple[str, ...] = ()
    jitter_minutes: int = 0
    priority: int = 0

    @property
    def timing(self) -> Timing:
        """When its runs begin."""
        jitter = timedelta(minutes=self.jitter_minutes)
        return Timing(self.cron, self.time_zone, self.windows, jitter, share_of(self.id))

    @property
    def id(self) -> str:
        """`<kind>:<plan>`."""
        return f"{self.kind}:{self.plan}"


@dataclass(frozen=True)
class Tick:
    """What one look at the calendar did: ids of jobs, and schedules that cannot be read."""

    requested: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


def sync_schedules(connection: Connection, declared: Iterable[Schedule], now: datetime) -> None:
    """Make the table hold exactly `declared`.

    declared: asked for its members once the table was read, so that a schedule which another
    transaction puts there meanwhile is not taken for one that nobody wants any more.
    A schedule whose timing is unchanged keeps its next due moment, so that downtime is
    caught up; but one that lies later than the first from now (the clock was wrong when it was
    written) is brought back. Raises InvalidInput naming the schedule and its field; nothing is
    changed then if the caller's transaction is undone.
    """
    present = {row.id: row for row in connection.execute(select(schedule))}
    wanted = {one.id: one for one in declared}
    firsts = {one.id: _first(one, now) for one in wanted.values()}
    for gone in present.keys() - wanted.keys():
        connection.execute(delete(schedule).where(schedule.c.id == gone))
    for id_, one in wanted.items():
        _put(connection, one, present.get(id_), firsts[id_])


def put_schedules(
    connection: Connection,
    kinds: Iterable[str],
    plan: str,
    of_it: Iterable[Schedule],
    now: datetime,
) -> None:
    """Make the table hold exactly `of_it` for these kinds of the plan; see `sync_schedules`.

    Every node works by it from its next look on, for the table is what they look at.
    """
    ids = [f"{kind}:{plan}" for kind in kinds]
    rows = connection.execute(select(schedule).where(schedule.c.id.in_(ids)))
    present = {row.id: row for row in rows}
    wanted = {one.id: one for one in of_it}
    for gone in present.keys() - wanted.keys():
        connection.execute(delete(schedule).where(schedule.c.id == gone))
    for id_, one in wanted.items():
        _put(connection, one, present.get(id_), _first(one, now))


def _put(
    connection: Connection, one: Schedule, row: Row[tuple[object, ...]] | None, first: datetime
) -> None:
    kept = row is not None and _schedule(row).timing == one.timing
    values = {
        "cron": one.cron,
        "time_zone": one.time_zone,
        "missed": one.missed,
        "windows": " ".join(one.windows),
        "jitter_minutes": one.jitter_minutes,
        "priority": one.priority,
        "next_due": min(row.next_due, _micros(first)) if row and kept else _micros(first),
    }
    if row is None:
        insert_unless_there(connection, schedule, {"id": one.id, **values})
    elif values != {name: row._mapping[name] for name in values}:  # noqa: SLF001 - public name
        connection.execute(update(schedule).where(schedule.c.id == one.id).values(values))


def schedules(connection: Connection) -> tuple[tuple[Schedule, datetime], ...]:
    """All schedules with their next due moment (UTC), soonest first."""
    rows = connection.execute(select(schedule).order_by(schedule.c.next_due, schedule.c.id))
    return tuple((_schedule(row), moment(row.next_due)) for row in rows)


def tick(store: Store, clock: Clock, *, grace: timedelta = GRACE) -> Tick:
    """Turn every due moment into a job: requested, or recorded as missed by the policy.

    grace: how late a run may still start under the policy `skip`. A schedule that cannot be read
    is named in the result and does not hold up the others. Raises Unavailable.
    """
    now = clock.now()
    with store.read() as connection:
        due = connection.execute(select(schedule).where(schedule.c.next_due <= _micros(now))).all()
        late = queue.closed(connection, _micros(now))
    done = Tick()
    for one in late:
        _wait_on(store, one, now)
    for row in due:
        try:
            requested, missed = _advance(store, row, now, grace)
        except InvalidInput as error:
            done = replace(done, faults=(*done.faults, (row.id, error.detail)))
        else:
            done = replace(
                done,
                requested=(*done.requested, *requested),
                missed=(*done.missed, *missed),
            )
    return done


def _wait_on(store: Store, job: Job, now: datetime) -> None:
    """Let a job that found no place before its window closed wait for the next opening."""
    with store.write() as connection:
        asked = select(schedule).where(schedule.c.id == f"{job.kind}:{job.plan}")
        row = connection.execute(asked).one_or_none()
        try:
            at = open_at(_schedule(row).timing, now) if row else None
        except InvalidInput:
            at = None
        queue.move(
            connection,
            job,
            not_before=_micros(at.begins) if at else None,
            not_after=_micros(at.ends) if at else None,
        )


def _advance(
    store: Store, row: Row[tuple[object, ...]], now: datetime, grace: timedelta
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    one = _schedule(row)
    runs = due_runs(one.timing, moment(row.next_due), now)
    following = next_after(one.timing, now)
    wanted = _wanted(one.missed, runs, now, grace)
    with store.write() as connection:
        won = connection.execute(
            update(schedule)
            .where(
                schedule.c.id == one.id,
                schedule.c.next_due == row.next_due,
                schedule.c.cron == one.cron,
                schedule.c.time_zone == one.time_zone,
                schedule.c.windows == row.windows,
                schedule.c.jitter_minutes == one.jitter_minutes,
            )
            .values(next_due=_micros(following))
        ).rowcount
        if won != 1:
            return (), ()
        missed = queue.add(
            connection, [_missed_job(one, run, now) for run in runs if run not in wanted]
        )
        requested = queue.add(connection, [_job(one, run, now) for run in wanted])
        if requested and one.missed != "all":
            # Runs that take longer than their period must not pile up.
            missed += queue.supersede(connection, requested[0], now=_micros(now))
        return requested, missed


def _wanted(
    policy: Missed, runs: tuple[datetime, ...], now: datetime, grace: timedelta
) -> tuple[datetime, ...]:
    if policy == "all":
        return runs
    if policy == "skip":
        return tuple(run for run in runs[-1:] if now - run <= grace)
    return runs[-1:]


def _job(one: Schedule, run: datetime, now: datetime) -> Job:
    at = open_at(one.timing, now)
    return Job(
        id=f"{one.id}:{run.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}",
        kind=one.kind,
        plan=one.plan,
        requested_by=REQUESTED_BY,
        requested_at=_micros(now),
        due_at=_micros(run),
        state="requested",
        priority=one.priority,
        not_before=_micros(at.begins) if at else None,
        not_after=_micros(at.ends) if at else None,
    )


def _missed_job(one: Schedule, run: datetime, now: datetime) -> Job:
    return replace(
        _job(one, run, now),
        state="missed",
        finished_at=_micros(now),
        error="it came due while no worker ran",
    )


def _first(one: Schedule, now: datetime) -> datetime:
    try:
        return next_after(one.timing, now)
    except InvalidInput as error:
        fault = error.fields[0]
        raise InvalidInput.at(f"{one.id}.{fault.field}", fault.detail) from None


def _schedule(row: Row[tuple[object, ...]]) -> Schedule:
    kind, _, plan = row.id.partition(":")
    return Schedule(
        kind,
        plan,
        row.cron,
        row.time_zone,
        row.missed,
        tuple(row.windows.split()),
        row.jitter_minutes,
        row.priority,
    )


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
