"""A month of many plans on two nodes: each due run once, outages caught up, no two runs at a time.

The calendar and the queue are those of the product, on a real store; time is moved by hand, and a
run is a row that is claimed and ended. What is due is worked out here anew, minute by minute, from
the words of the schedules. SVTEST_MONTH_PLANS says how many plans; a few are enough to see a fault.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from secvault.backup.claims import Claims
from secvault.clock import Clock, micros_of
from secvault.jobs import Job, Schedule, queue
from secvault.jobs.calendar import GRACE, sync_schedules, tick
from secvault.store import Store, open_store, tables

pytestmark = pytest.mark.slow

PLANS = int(os.environ.get("SVTEST_MONTH_PLANS", "12"))
AT_ONCE = 3
MINUTE = timedelta(minutes=1)
ZONES = (
    "Asia/Ho_Chi_Minh",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Sydney",
    "UTC",
)
# Months in which clocks are changed: forward in some zones, back in others.
SPRING = datetime(2026, 3, 5, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 2, 12, tzinfo=UTC)
DAYS = 32
OUTAGES = ((5.3, 5.31), (9.7, 12.1), (23.0, 23.13))
"""In days from the beginning: no node is up. Of 14 minutes, of two days and more, of 3 hours."""
LOST_NODE = (15.2, 18.4)
"""The second node is killed in the midst of what it does, and comes back days later."""


@dataclass(frozen=True)
class Planned:
    """A schedule, and how the test understands it: at a time of day, or every six hours."""

    schedule: Schedule
    minute: int
    hour: int | None
    weekday: int | None

    def due(self, begin: datetime, end: datetime) -> set[datetime]:
        """What is due after the beginning, up to the end."""
        zone = ZoneInfo(self.schedule.time_zone)
        if self.hour is None:
            local = ((at, at.astimezone(zone)) for at in _minutes(begin, end))
            return {at for at, it in local if it.minute == self.minute and it.hour % 6 == 0}
        found: set[datetime] = set()
        day = begin.astimezone(zone).date() - timedelta(days=1)
        while day <= end.astimezone(zone).date() + timedelta(days=1):
            if self.weekday in (None, day.isoweekday() % 7):
                wall = datetime(day.year, day.month, day.day, self.hour, self.minute)  # noqa: DTZ001
                found.add(_instant(wall, zone))
            day += timedelta(days=1)
        return {at for at in found if begin < at <= end}


def _minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    at = begin.replace(second=0, microsecond=0) + MINUTE
    while at <= end:
        yield at
        at += MINUTE


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A time of day as an instant: the first of two, the change where the clock leaves it out."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # Looked for and not computed: the first minute after which the clock shows a later time.
    at = instant - timedelta(hours=3)
    while at.astimezone(zone).replace(tzinfo=None) < wall:
        at += MINUTE
    return at


def _plans(draw: random.Random) -> list[Planned]:
    found = []
    for number in range(PLANS):
        minute, hour, weekday = draw.randrange(60), draw.randrange(24), None
        # Half of them where clocks are changed: between midnight and four.
        hour = draw.choice((hour, draw.randrange(4)))
        cron = f"{minute} {hour} * * *"
        if number % 8 == 3:
            weekday = draw.randrange(7)
            cron = f"{minute} {hour} * * {weekday}"
        if number % 8 == 5:
            cron = f"{minute} */6 * * *"
        schedule = Schedule(
            "backup",
            f"plan-{number}",
            cron,
            ZONES[number % len(ZONES)],
            ("latest", "all", "skip")[number // 2 % 3],
            jitter_minutes=20 if number % 8 == 6 else 0,
            priority=number % 5,
        )
        often = number % 8 == 5
        found.append(Planned(schedule, minute, None if often else hour, weekday))
    return found


@dataclass
class Node:
    """A worker's share of the month. behind: by so many seconds its clock is."""

    name: str
    store: Store
    behind: float
    at: datetime
    busy: dict[str, datetime] = field(default_factory=dict)
    up: bool = True

    @property
    def clock(self) -> Clock:
        now = self.at - timedelta(seconds=self.behind)
        return Clock(lambda: micros_of(now), lambda: 0.0, lambda _: None)

    def turn(self) -> tuple[Job, ...]:
        """What a worker does each second: look at the calendar, claim what is free."""
        tick(self.store, self.clock)
        free = AT_ONCE - len(self.busy)
        if free <= 0:
            return ()
        with self.store.write() as connection:
            return queue.claim(connection, free, now=self.clock.micros(), only={"backup"})


@dataclass
class Month:
    """The nodes, and what happened: who ran what from when to when."""

    store: Store
    nodes: tuple[Node, Node]
    begin: datetime
    draw: random.Random
    began: dict[str, datetime] = field(default_factory=dict)
    spans: dict[str, list[tuple[datetime, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    most_at_once: int = 0

    def day(self, number: float) -> datetime:
        return self.begin + timedelta(days=number)

    def play(self) -> None:
        """All of the month, from one moment at which something happens to the next."""
        at, end = self.begin, self.day(DAYS)
        with ThreadPoolExecutor(2) as both:
            while (at := self._next(at)) < end:
                down = [
                    self.day(until)
                    for since, until in OUTAGES
                    if self.day(since) <= at < self.day(until)
                ]
                at = max([at, *down])
                self._lose_or_find(at)
                for node in self.nodes:
                    node.at = at
                self._finish(at)
                up = [node for node in self.nodes if node.up]
                for node, jobs in zip(up, both.map(Node.turn, up), strict=True):
                    for job in jobs:
                        self._start(node, job, at)
                self.most_at_once = max(
                    self.most_at_once, sum(len(node.busy) for node in self.nodes)
                )
            self._finish(end + timedelta(days=1))

    def _next(self, at: datetime) -> datetime:
        """Some seconds after something is next due, or ends, or may begin: as workers look."""
        job = tables.job
        with self.store.read() as connection:
            due = connection.execute(select(func.min(tables.schedule.c.next_due))).scalar_one()
            held = connection.execute(
                select(func.min(job.c.not_before)).where(
                    job.c.state == "requested", job.c.not_before > micros_of(at)
                )
            ).scalar_one()
        coming = [datetime.fromtimestamp(one / 1_000_000, UTC) for one in (due, held) if one]
        coming += [ends for node in self.nodes for ends in node.busy.values()]
        coming += [
            self.day(one) for one in (*LOST_NODE, *(day for span in OUTAGES for day in span))
        ]
        later = [one for one in coming if one > at - timedelta(seconds=8)]
        return max(at + timedelta(seconds=1), min(later) + timedelta(seconds=8))

    def _lose_or_find(self, at: datetime) -> None:
        first, second = self.nodes
        lost = self.day(LOST_NODE[0]) <= at < self.day(LOST_NODE[1])
        if lost and second.up:
            # The other takes over what was under way, and goes on where it was.
            first.busy |= second.busy
            second.busy = {}
        second.up = not lost

    def _start(self, node: Node, job: Job, at: datetime) -> None:
        assert job.id not in self.began, f"{job.id} runs twice"
        assert not any(
            other.startswith(f"backup:{job.plan}:") for one in self.nodes for other in one.busy
        ), f"two runs of {job.plan} at once"
        self.began[job.id] = at
        node.busy[job.id] = at + timedelta(seconds=self.draw.randrange(20, 240))
        Claims(self.store, node.clock, node.name).claim(
            tables.backup_run,
            job.plan,
            job.id,
            repository="local",
            requested_by=job.requested_by,
            started_at=node.clock.micros(),
        )

    def _finish(self, at: datetime) -> None:
        for node in self.nodes:
            for id_, ends in list(node.busy.items()):
                if ends > at:
                    continue
                del node.busy[id_]
                self.spans[id_.split(":")[1]].append((self.began[id_], ends))
                claims = Claims(self.store, node.clock, node.name)
                claims.mark(tables.backup_run, id_, state="done")
                with self.store.write() as connection:
                    queue.finish(connection, id_, "done", now=node.clock.micros())


CASES = {"spring-sqlite": SPRING, "autumn-postgresql": AUTUMN}
if PLANS >= 500:
    CASES |= {"autumn-sqlite": AUTUMN, "spring-postgresql": SPRING}


@pytest.fixture(params=CASES)
def begin(request: pytest.FixtureRequest) -> datetime:
    """When the month begins; each engine has one, and in the full test both."""
    return CASES[request.param]


@pytest.fixture
def store(request: pytest.FixtureRequest, begin: datetime) -> Iterator[Store]:
    """A store of the engine that the case names."""
    assert begin in (SPRING, AUTUMN)
    engine = request.node.callspec.params["begin"].partition("-")[2]
    fixture = "migrated_postgresql_url" if engine == "postgresql" else "sqlite_url"
    opened = open_store(request.getfixturevalue(fixture))
    yield opened
    opened.close()


@pytest.mark.timeout(7200)
def test_in_a_month_each_due_run_happens_once_and_outages_are_caught_up_as_stated(
    store: Store, begin: datetime
) -> None:
    draw = random.Random(f"{begin}")
    planned = _plans(draw)
    nodes = Node("a:worker:1", store, 0.0, begin), Node("b:worker:2", store, 3.0, begin)
    month = Month(store, nodes, begin, draw)
    with store.write() as connection:
        sync_schedules(connection, [one.schedule for one in planned], begin)

    month.play()

    with store.read() as connection:
        jobs = {job.id: job for job in queue.jobs(connection, limit=1_000_000)}
    for one in planned:
        _require_as_stated(
            month, one, [job for job in jobs.values() if job.plan == one.schedule.plan]
        )
    assert month.most_at_once <= AT_ONCE * len(nodes)
    assert month.most_at_once > AT_ONCE
    for spans in month.spans.values():
        spans.sort()
        for (_, ends), (begins, _) in pairwise(spans):
            assert begins >= ends


def _require_as_stated(month: Month, one: Planned, jobs: list[Job]) -> None:
    """Every due moment is one job, and those that did not run are those that the policy leaves."""
    end = month.day(DAYS)
    jitter = timedelta(minutes=one.schedule.jitter_minutes)
    expected = sorted(one.due(month.begin - jitter, end))
    found = sorted(((_at(job), job) for job in jobs), key=lambda pair: pair[0])
    # What was due just before the beginning may begin after it, spread by its jitter.
    if expected[0] <= month.begin and not expected[0] <= found[0][0] <= expected[0] + jitter:
        expected.pop(0)
    # What is due in the last moments is not looked at any more.
    while expected and len(expected) > len(found) and expected[-1] + jitter > end - MINUTE:
        expected.pop()
    assert len(found) == len(expected), (one, len(found), len(expected))
    for (at, job), due in zip(found, expected, strict=True):
        assert due <= at <= due + jitter, (one, job)
        assert (job.id in month.began) == (job.state in ("done", "started")), job
        # What did not run was missed, but for what still waits or is at work at the end.
        assert job.state in ("done", "missed") or at > end - timedelta(hours=2), job
    for at, job in found:
        if job.state == "missed":
            _require_rightly_missed(month, one, at, job, [it for due, it in found if due > at])
    for since, until in OUTAGES:
        span = month.day(since), month.day(until)
        slept = [job for at, job in found if span[0] < at <= span[1] - timedelta(seconds=10)]
        if slept:
            _require_caught_up(month, one, slept, span[1])


def _require_rightly_missed(
    month: Month, one: Planned, at: datetime, job: Job, newer: list[Job]
) -> None:
    assert one.schedule.missed != "all", job
    if "newer" in (job.error or ""):
        # Only once the newer one was due, which is not left out itself unless for one newer still.
        assert newer[0].due_at <= (job.finished_at or 0), job
        assert any(other.state == "done" for other in newer), job
    else:
        spans = [(month.day(since) - GRACE, month.day(until)) for since, until in OUTAGES]
        assert any(since <= at <= until for since, until in spans), job


def _require_caught_up(month: Month, one: Planned, slept: list[Job], until: datetime) -> None:
    """Of what came due while no node was up, that ran which the policy says."""
    last = slept[-1]
    ran = [job.id for job in slept if job.id in month.began]
    late = until - _at(last)
    if one.schedule.missed == "all":
        assert len(ran) == len(slept)
    elif one.schedule.missed == "skip" and late > GRACE + timedelta(seconds=10):
        assert ran == []
    elif one.schedule.missed == "latest" or late < GRACE - timedelta(seconds=20):
        # A newer one may have come due before it found a place.
        assert ran == ([] if "newer" in (last.error or "") else [last.id])


def _at(job: Job) -> datetime:
    return datetime.fromtimestamp(job.due_at / 1_000_000, UTC)
