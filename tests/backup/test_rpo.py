"""Whether plans keep their promise, and the other questions to the rows, on both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from secvault.backup import catalogue, numbers, pings, rpo
from secvault.config import PlanSettings
from secvault.store import Store, tables
from tests.backup_rows import HOUR, PLAN, SNAPSHOT, add_job, add_numbers, add_run

NOW = 1_790_000_000_000_000
SETTINGS = PlanSettings(rpo_hours=24)


def state(store: Store, now: int = NOW) -> rpo.PlanState:
    with store.read() as connection:
        return rpo.state_of(connection, PLAN, SETTINGS, now)


def test_a_promise_is_kept_until_the_data_is_too_old(any_store: Store) -> None:
    with any_store.write() as connection:
        add_run(connection, "old", NOW - 30 * HOUR)
        # What counts is the moment of its data, not that of its end.
        add_run(connection, "good", NOW - 10 * HOUR, finished_at=NOW - HOUR)
        add_run(connection, "bad", NOW - HOUR, state="failed", snapshot=None, error="disk full")
        add_run(connection, "new", NOW - 60, state="running", finished_at=None, snapshot=None)
    found = state(any_store)
    assert found.newest is not None
    assert (found.newest.run, found.running) == ("good", "new")
    assert found.failed == rpo.Failed("bad", NOW - HOUR + 60_000_000, "disk full", 1)
    assert (found.behind, found.behind_since) == (False, None)
    due = NOW + 14 * HOUR
    assert state(any_store, due).behind is False
    assert state(any_store, due + 1).behind_since == due


def test_a_plan_without_a_backup_is_measured_by_when_it_was_first_seen(any_store: Store) -> None:
    assert state(any_store).behind is False
    with any_store.write() as connection:
        rpo.first_seen(connection, [PLAN], NOW - 25 * HOUR)
        rpo.first_seen(connection, [PLAN], NOW)
    assert state(any_store).behind_since == NOW - HOUR


@pytest.mark.parametrize(("asked_at", "counts"), [(-HOUR, True), (HOUR, False)])
def test_a_snapshot_that_the_repository_had_not_when_it_was_asked_after_the_run_is_none(
    any_store: Store, asked_at: int, *, counts: bool
) -> None:
    with any_store.write() as connection:
        add_run(connection, "run-1", NOW)
        row = {"plan": PLAN, "repository": "local", "refreshed_at": NOW + asked_at}
        connection.execute(insert(tables.backup_catalogue).values(row))
    assert (state(any_store, NOW + 2 * HOUR).newest is not None) is counts
    with any_store.write() as connection:
        connection.execute(
            insert(tables.backup_snapshot).values(
                repository="local",
                id=SNAPSHOT,
                plan=PLAN,
                run="run-1",
                taken_at=NOW,
                host="h",
                paths='["/srv"]',
                tags="[]",
            )
        )
    assert state(any_store, NOW + 2 * HOUR).newest is not None
    with any_store.read() as connection:
        (known,) = catalogue.known(connection, PLAN)
        assert (known.paths, known.bytes) == (("/srv",), None)
        assert catalogue.is_stale(connection, PLAN, "local") is (asked_at < 0)


def test_a_passed_drill_is_the_proof_and_a_failed_one_is_none(any_store: Store) -> None:
    drill = {"plan": PLAN, "phase": "x", "requested_by": "x", "node": "n", "beat_at": NOW}
    with any_store.write() as connection:
        for number, passed in enumerate((True, False, None)):
            row = {
                "id": f"d-{number}",
                "state": "done",
                "passed": passed,
                "complete": True,
                **drill,
            }
            connection.execute(
                insert(tables.drill).values(started_at=NOW, finished_at=NOW + number, **row)
            )
    assert state(any_store).proven_at == NOW


def test_numbers_are_judged_once_and_only_of_runs_that_ended_well(any_store: Store) -> None:
    with any_store.write() as connection:
        for number, done in enumerate(("done", "failed", "done", "running")):
            add_run(connection, f"run-{number}", NOW + number, state=done)
            add_numbers(connection, f"run-{number}", NOW + number, sources='{"erp": 7}')
    with any_store.write() as connection:
        assert [one.run for one in numbers.unjudged(connection)] == ["run-0", "run-2"]
        assert [one.run for one in numbers.past(connection, PLAN, NOW + 2)] == ["run-0"]
        assert numbers.past(connection, PLAN, NOW + 9)[0].sources == {"erp": 7}
        marked = [numbers.mark_judged(connection, "run-0", NOW) for _ in range(2)]
    assert marked == [True, False]


def test_pings_are_noted_once_taken_once_and_forgotten(any_store: Store) -> None:
    with any_store.write() as connection:
        add_run(connection, "run-1", NOW - HOUR)
        add_job(connection, "run-1", NOW - HOUR, "done")
        assert pings.wanted(connection, {PLAN}, NOW)
        assert [pings.note_new(connection, {PLAN}, NOW) for _ in range(2)] == [2, 0]
        assert not pings.wanted(connection, {PLAN}, NOW)
        assert not pings.wanted(connection, set(), NOW)
        assert pings.any_due(connection, NOW)
        start, done = pings.take(connection, NOW, 10)
        assert (start.event, done.event) == ("start", "done")
        assert pings.take(connection, NOW, 10) == ()
        pings.sent(connection, start, NOW)
        pings.postpone(connection, done, NOW, "timeout")
        assert pings.counts(connection) == {"sent": 1, "waiting": 1}
        pings.forget_old(connection, NOW + pings.KEPT + 1)
        assert pings.counts(connection) == {"waiting": 1}
        assert pings.sealed(connection) == frozenset()
