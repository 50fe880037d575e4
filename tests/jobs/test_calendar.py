from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.jobs import Job, Schedule, calendar, occurrences, queue
from secvault.jobs.calendar import Missed, put_schedules, schedules, sync_schedules, tick
from secvault.jobs.cron import due_runs, next_after
from secvault.store import Store, open_store

from .conftest import HandClock

HOURLY = Schedule("backup", "nightly", "@hourly", "UTC")


@pytest.fixture
def store(any_store: Store) -> Store:
    """A store of each engine."""
    return any_store


def declare(store: Store, clock: HandClock, *declared: Schedule) -> None:
    with store.write() as connection:
        sync_schedules(connection, declared, clock.at)


def jobs_of(store: Store, **narrowed: str) -> list[Job]:
    with store.read() as connection:
        return list(reversed(queue.jobs(connection, limit=10_000, **narrowed)))  # type: ignore[arg-type]


def next_due(store: Store) -> dict[str, datetime]:
    with store.read() as connection:
        return {one.id: due for one, due in schedules(connection)}


def next_of(one: Schedule, at: datetime) -> datetime:
    return occurrences.next_after(one.timing, at)


def test_a_due_moment_becomes_one_job_named_after_it(store: Store, new_year: HandClock) -> None:
    declare(store, new_year, HOURLY)
    assert tick(store, new_year.clock) == calendar.Tick()
    new_year.go_on(hours=1, seconds=2)
    done = tick(store, new_year.clock)
    assert done.requested == ("backup:nightly:2026-01-01T01:00:00Z",)
    [job] = jobs_of(store)
    assert job == Job(
        id="backup:nightly:2026-01-01T01:00:00Z",
        kind="backup",
        plan="nightly",
        requested_by="schedule",
        requested_at=1767229202000000,
        due_at=1767229200000000,
        state="requested",
    )
    assert tick(store, new_year.clock) == calendar.Tick()
    assert next_due(store) == {HOURLY.id: datetime(2026, 1, 1, 2, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("policy", "requested", "missed"), [("latest", 1, 47), ("all", 48, 0), ("skip", 0, 48)]
)
def test_after_two_days_down_the_policy_says_what_runs_and_the_rest_is_recorded(
    store: Store, new_year: HandClock, policy: Missed, requested: int, missed: int
) -> None:
    declare(store, new_year, replace(HOURLY, missed=policy))
    new_year.go_on(hours=48, minutes=30)
    tick(store, new_year.clock)
    wanted = jobs_of(store, state="requested")
    recorded = jobs_of(store, state="missed")
    assert (len(wanted), len(recorded)) == (requested, missed)
    assert all(job.finished_at and job.error for job in recorded)
    if policy == "latest":
        assert wanted[0].id == "backup:nightly:2026-01-03T00:00:00Z"
    assert next_due(store)[HOURLY.id] == datetime(2026, 1, 3, 1, tzinfo=UTC)


def test_under_skip_a_run_that_is_late_within_the_grace_still_runs(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, replace(HOURLY, missed="skip"))
    new_year.go_on(hours=2, minutes=4)
    done = tick(store, new_year.clock, grace=timedelta(minutes=5))
    assert done.requested == ("backup:nightly:2026-01-01T02:00:00Z",)
    assert done.missed == ("backup:nightly:2026-01-01T01:00:00Z",)


def test_a_newer_run_replaces_one_that_could_not_start_yet(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, HOURLY)
    new_year.go_on(hours=1)
    tick(store, new_year.clock)
    new_year.go_on(hours=1)
    tick(store, new_year.clock)
    states = {job.id: job.state for job in jobs_of(store)}
    assert states == {
        "backup:nightly:2026-01-01T01:00:00Z": "missed",
        "backup:nightly:2026-01-01T02:00:00Z": "requested",
    }


def test_a_person_s_request_is_not_replaced_by_a_due_run(store: Store, new_year: HandClock) -> None:
    declare(store, new_year, HOURLY)
    with store.write() as connection:
        asked = queue.request(
            connection, kind="backup", plan="nightly", requested_by="user:thu", now=1
        )
    new_year.go_on(hours=1)
    tick(store, new_year.clock)
    assert asked in {job.id for job in jobs_of(store, state="requested")}


@pytest.mark.parametrize("synced", [False, True])
def test_a_clock_that_is_set_back_an_hour_runs_nothing_twice(
    store: Store, new_year: HandClock, synced: bool
) -> None:
    declare(store, new_year, replace(HOURLY, cron="*/10 * * * *"))
    for _ in range(12):
        new_year.go_on(minutes=10)
        tick(store, new_year.clock)
    before = jobs_of(store)
    assert len(before) == 12
    new_year.set_wall("2026-01-01T01:00:00+00:00")
    if synced:
        declare(store, new_year, replace(HOURLY, cron="*/10 * * * *"))
    for _ in range(6):
        new_year.go_on(minutes=10)
        tick(store, new_year.clock)
    assert jobs_of(store) == before
    new_year.go_on(minutes=10)
    assert tick(store, new_year.clock).requested == ("backup:nightly:2026-01-01T02:10:00Z",)


def test_a_schedule_that_a_wrong_clock_pushed_far_ahead_is_brought_back(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, HOURLY)
    new_year.set_wall("2099-01-01T00:00:00+00:00")
    tick(store, new_year.clock)
    new_year.set_wall("2026-01-01T00:30:00+00:00")
    declare(store, new_year, HOURLY)
    assert next_due(store)[HOURLY.id] == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_the_table_becomes_what_is_declared_and_keeps_what_did_not_change(
    store: Store, new_year: HandClock
) -> None:
    drill = Schedule("drill", "nightly", "0 4 * * 0", "Europe/Berlin", "skip")
    declare(store, new_year, HOURLY, drill)
    overdue = next_due(store)[HOURLY.id]
    new_year.go_on(hours=5)
    changed = replace(drill, time_zone="Asia/Ho_Chi_Minh")
    declare(store, new_year, replace(HOURLY, missed="all"), changed)
    assert next_due(store) == {
        HOURLY.id: overdue,
        drill.id: datetime(2026, 1, 3, 21, tzinfo=UTC),
    }
    with store.read() as connection:
        assert {one for one, _ in schedules(connection)} == {
            replace(HOURLY, missed="all"),
            changed,
        }
    declare(store, new_year, changed)
    assert next_due(store).keys() == {drill.id}


def test_a_bad_schedule_is_refused_by_its_name_and_field_and_changes_nothing(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, HOURLY)
    with pytest.raises(InvalidInput) as refused:
        declare(store, new_year, replace(HOURLY, plan="weekly", cron="0 0 31 2 *"))
    assert refused.value.fields[0].field == "backup:weekly.cron"
    assert next_due(store).keys() == {HOURLY.id}


def test_an_unreadable_row_is_named_and_does_not_hold_up_the_others(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, HOURLY, replace(HOURLY, plan="other"))
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE schedule SET cron = 'x' WHERE id = 'backup:nightly'")
    new_year.go_on(hours=1)
    done = tick(store, new_year.clock)
    assert done.requested == ("backup:other:2026-01-01T01:00:00Z",)
    assert [id_ for id_, _ in done.faults] == ["backup:nightly"]


@settings(max_examples=20)
@given(
    st.sampled_from(["latest", "all", "skip"]),
    st.sampled_from(["*/15 * * * *", "@hourly", "30 2 * * *"]),
    st.lists(st.integers(-90, 300), max_size=15),
)
def test_every_due_moment_is_recorded_exactly_once_however_the_clock_moves(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_file: Path,
    policy: Missed,
    cron: str,
    moves: list[int],
) -> None:
    file = shutil.copy(migrated_file, tmp_path_factory.mktemp("moves"))
    store = open_store(f"sqlite:///{file}")
    hand = HandClock("2026-03-28T20:00:00+00:00")
    declared = Schedule("backup", "nightly", cron, "Europe/Berlin", policy)
    declare(store, hand, declared)
    furthest, start = hand.at, hand.at
    for minutes in moves:
        hand.go_on(minutes=minutes)
        tick(store, hand.clock)
        furthest = max(furthest, hand.at)
    due = due_runs(cron, "Europe/Berlin", next_after(cron, "Europe/Berlin", start), furthest)
    assert sorted(job.due_at for job in jobs_of(store)) == [
        int(run.timestamp() * 1_000_000) for run in due
    ]
    store.close()


AT_NIGHT = Schedule(
    "backup", "nightly", "@hourly", "UTC", windows=("22:00-02:00",), priority=9, jitter_minutes=0
)


def test_what_is_due_outside_the_windows_waits_for_the_next(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, AT_NIGHT)
    new_year.go_on(hours=21, minutes=30)
    # Those of 01:00 and of 22:00 to come; none of those between.
    tick(store, new_year.clock)
    [job] = jobs_of(store, state="requested")
    assert job.id == "backup:nightly:2026-01-01T01:00:00Z"
    # It came due in an outage: it begins when the window opens again.
    opens = datetime(2026, 1, 1, 22, tzinfo=UTC)
    assert (job.not_before, job.priority) == (int(opens.timestamp() * 1_000_000), 9)
    assert next_due(store)[AT_NIGHT.id] == opens


def test_a_run_that_found_no_place_before_its_window_closed_waits_for_the_next_opening(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, replace(AT_NIGHT, cron="0 23 * * *"))
    new_year.go_on(hours=23)
    tick(store, new_year.clock)
    new_year.go_on(hours=4)
    with store.write() as connection:
        assert queue.claim(connection, 9, now=new_year.clock.micros()) == ()
    tick(store, new_year.clock)
    [job] = jobs_of(store, state="requested")
    assert job.not_before == int(datetime(2026, 1, 2, 22, tzinfo=UTC).timestamp() * 1_000_000)


def test_a_plan_that_is_put_into_the_calendar_is_due_without_another_start(
    store: Store, new_year: HandClock
) -> None:
    declare(store, new_year, HOURLY)
    files = replace(HOURLY, plan="files")
    with store.write() as connection:
        put_schedules(connection, ("backup", "drill"), "files", (files,), new_year.at)
    new_year.go_on(hours=1)
    assert len(tick(store, new_year.clock).requested) == 2
    with store.write() as connection:
        put_schedules(connection, ("backup", "drill"), "files", (), new_year.at)
    assert [*next_due(store)] == [HOURLY.id]


@pytest.mark.parametrize(
    "changed",
    [{"windows": ("01:00-02:00",)}, {"jitter_minutes": 30}, {"cron": "15 * * * *"}],
    ids=["windows", "jitter", "cron"],
)
def test_a_schedule_whose_timing_changes_is_due_by_the_new_one(
    store: Store, new_year: HandClock, changed: dict[str, object]
) -> None:
    declare(store, new_year, HOURLY)
    other = replace(HOURLY, **changed)  # type: ignore[arg-type]
    declare(store, new_year, other)
    with store.read() as connection:
        [(kept, due)] = schedules(connection)
    assert kept == other
    assert due == next_of(other, new_year.at)


def test_a_priority_that_changes_moves_nothing(store: Store, new_year: HandClock) -> None:
    declare(store, new_year, HOURLY)
    new_year.go_on(hours=3)
    declare(store, new_year, replace(HOURLY, priority=3))
    # What came due while nobody looked is still to be caught up.
    assert next_due(store)[HOURLY.id] == datetime(2026, 1, 1, 1, tzinfo=UTC)
