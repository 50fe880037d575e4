"""The worker's life: starting, turning, failing, stopping."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from secvault.crypto.canonical import JsonValue
from secvault.errors import Cancelled, Conflict, InvalidInput, Unavailable
from secvault.jobs import Apart, JobContext, Place, Schedule, Worker, Workflow, queue
from secvault.store import Store

from .conftest import Events, ask, at_work, ended, eventually, job, of, quick, step


def test_a_step_that_is_told_to_leave_off_is_done_again_at_the_next_start(
    store: Store, place: Place, events: Events
) -> None:
    begun: list[str] = []

    def long(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        begun.append(context.job)
        if len(begun) == 1:
            context.cancel.wait(60)
            raise Cancelled("the worker stops")
        return 1

    with at_work(store, place, events, of(long=long)):
        id_ = ask(store)
        eventually(lambda: begun, str)
    assert job(store, id_).state == "started"
    with at_work(store, place, events, of(long=long)):
        assert ended(store, id_).state == "done"
    assert begun == [id_, id_]


def test_a_step_that_will_not_leave_off_is_named_and_its_result_not_written(
    store: Store, place: Place, events: Events
) -> None:
    gate, begun = threading.Event(), threading.Event()

    def stubborn(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        begun.set()
        gate.wait(60)
        return 1

    worker = Worker(store, quick(), [of(stubborn=stubborn)], place, events)
    worker.start()
    id_ = ask(store)
    assert begun.wait(60)
    assert worker.stop(finish=1.0, cancel=1.0) == (id_,)
    second = Worker(store, quick(), [of(stubborn=stubborn)], place, events)
    with pytest.raises(Conflict, match="a worker runs already"):
        second.start()
    gate.set()
    assert job(store, id_).state == "started"


def test_two_workers_in_one_process_are_refused(
    store: Store, place: Place, events: Events, tmp_path: Path
) -> None:
    with at_work(store, place, events, of(one=lambda c, r: 1)):
        other = Place(place.database, tmp_path / "other.lock")
        with pytest.raises(Conflict, match="in this process"):
            Worker(store, quick(), [], other, events).start()
        # The first one is unharmed.
        assert ended(store, ask(store)).state == "done"


def test_a_worker_that_cannot_start_holds_nothing(
    store: Store, place: Place, events: Events, tmp_path: Path
) -> None:
    bad = [Schedule("backup", "nightly", "0 0 31 2 *", "UTC")]
    with pytest.raises(InvalidInput, match=r"backup:nightly\.cron"):
        Worker(store, quick(), [], place, events, schedules=bad).start()
    missing = Place(tmp_path / "no" / "jobs.db", place.lock)
    with pytest.raises(Unavailable, match="cannot be opened"):
        Worker(store, quick(), [], missing, events).start()
    with at_work(store, place, events, of(one=lambda c, r: 1)):
        assert ended(store, ask(store)).state == "done"


def test_a_store_that_fails_for_a_while_is_logged_and_survived(
    store: Store, place: Place, events: Events
) -> None:
    down = threading.Event()

    class Hiccups(Store):
        def read(self):  # type: ignore[no-untyped-def]
            if down.is_set():
                raise Unavailable("the database did not answer: gone fishing")
            return super().read()

    flaky = Hiccups(store.reader, store.writer)
    with at_work(flaky, place, events, of(one=lambda c, r: 1)) as worker:
        down.set()
        eventually(lambda: len(events.named("jobs.turn_failed")) >= 3, str)
        id_ = ask(store)
        down.clear()
        assert ended(store, id_).state == "done"
        assert worker.failure() is None
    assert {one["code"] for one in events.named("jobs.turn_failed")} == {"unavailable"}


def test_a_loop_that_dies_of_a_defect_is_seen(store: Store, place: Place, events: Events) -> None:
    broken = threading.Event()

    class Broken(Store):
        def read(self):  # type: ignore[no-untyped-def]
            if broken.is_set():
                raise ZeroDivisionError
            return super().read()

    with at_work(Broken(store.reader, store.writer), place, events) as worker:
        broken.set()
        eventually(worker.failure, str)
        assert isinstance(worker.failure(), ZeroDivisionError)
        broken.clear()
    [told] = events.named("jobs.worker_died")
    assert "test_worker.py" in str(told["where"])


def test_a_started_job_without_a_workflow_is_begun(
    store: Store, place: Place, events: Events
) -> None:
    # What a kill between the claim and the engine leaves.
    id_ = ask(store)
    with store.write() as connection:
        assert [one.id for one in queue.claim(connection, 1, now=1)] == [id_]
    with at_work(store, place, events, of(one=lambda c, r: 1)):
        assert ended(store, id_).state == "done"


def test_work_that_the_engine_lost_hold_of_is_resumed(
    store: Store, place: Place, events: Events
) -> None:
    gate, begun = threading.Event(), []

    def act(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        begun.append(context.plan)
        if context.plan == "held":
            gate.wait(60)
        return 1

    with at_work(store, place, events, of(one=act), capacity=2) as worker:
        done = ask(store, "lost")
        assert ended(store, done).state == "done"
        # As if the engine had claimed it and then failed to begin.
        with closing(sqlite3.connect(place.database, timeout=30)) as jobs_file, jobs_file:
            jobs_file.execute("DELETE FROM operation_outputs")
            jobs_file.execute(
                "UPDATE workflow_status SET status = 'PENDING', output = NULL, owner_xid = 'x', "
                "completed_at = NULL WHERE workflow_uuid = ?",
                (done,),
            )
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE job SET state = 'started', finished_at = NULL")
        held = ask(store, "held")
        assert ended(store, done).state == "done"
        gate.set()
        assert ended(store, held).state == "done"
        assert worker.failure() is None
    assert begun.count("lost") == 2
    assert begun.count("held") == 1
    assert [one["job"] for one in events.named("jobs.resumed")] == [done]


def test_ended_jobs_of_a_kind_are_forgotten_with_their_workflows_but_for_the_newest(
    store: Store, place: Place, events: Events
) -> None:
    gate = threading.Event()

    def act(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        if context.plan == "held":
            gate.wait(60)
        if context.plan == "bad":
            raise InvalidInput("no good")
        return 1

    with at_work(store, place, events, of(one=act), capacity=2) as worker:
        plans = ["a", "bad", "b", "c"]
        done = [ask(store, plan) for plan in plans]
        for each in done:
            ended(store, each)
        held = ask(store, "held")
        eventually(lambda: job(store, held).state == "started", str)
        assert worker.forget_ended("other", keep=0) == 0
        assert worker.forget_ended("backup", keep=2) == 2
        assert worker.forget_ended("backup", keep=2) == 0
        with store.read() as connection:
            left = {each.id for each in queue.jobs(connection)}
        # All were asked for at the same moment, so that their ids say which is newer.
        assert left == {*sorted(done)[2:], held}
        with closing(sqlite3.connect(place.database, timeout=30)) as jobs_file:
            flows = jobs_file.execute("SELECT workflow_uuid FROM workflow_status").fetchall()
        assert {flow for (flow,) in flows} == left
        gate.set()
        assert ended(store, held).state == "done"


def test_the_calendar_s_runs_are_done(store: Store, place: Place, events: Events) -> None:
    schedule = Schedule("backup", "nightly", "* * * * *", "Asia/Ho_Chi_Minh")
    with at_work(store, place, events, of(one=lambda c, r: 1), schedules=[schedule]):
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE schedule SET next_due = next_due - 180000000")
        eventually(lambda: events.named("jobs.done"), str)
        with store.read() as connection:
            states = {one.state for one in queue.jobs(connection)}
    assert states == {"done", "missed"}


def test_a_worker_whose_store_fails_while_it_starts_can_be_stopped_and_started_again(
    store: Store, place: Place, events: Events
) -> None:
    down = threading.Event()
    down.set()

    class Hiccups(Store):
        def read(self):  # type: ignore[no-untyped-def]
            if down.is_set():
                raise Unavailable("the database did not answer: gone fishing")
            return super().read()

    worker = Worker(
        Hiccups(store.reader, store.writer), quick(), [of(one=lambda c, r: 1)], place, events
    )
    with pytest.raises(Unavailable, match="gone fishing"):
        worker.start()
    assert worker.stop() == ()
    with at_work(store, place, events, of(one=lambda c, r: 1)):
        assert ended(store, ask(store)).state == "done"


def test_kinds_apart_have_places_of_their_own_and_no_more(
    store: Store, place: Place, events: Events
) -> None:
    release = threading.Event()
    working: list[str] = []

    def act(context: JobContext, _results: object) -> None:
        working.append(context.kind)
        release.wait(60)

    workflows = [Workflow(kind, (step(act),)) for kind in ("backup", "check", "notice")]
    apart = Apart(frozenset({"backup", "check"}), 2)
    with at_work(store, place, events, *workflows, capacity=1, apart=apart):
        jobs = [ask(store, f"{kind}-{n}", kind) for n in range(3) for kind in ("backup", "check")]
        eventually(lambda: len(working) == 2, lambda: str(working))
        # Two long ones are at work, and four wait: what is short does not.
        jobs.append(ask(store, "mail", "notice"))
        eventually(lambda: "notice" in working, lambda: str(working))
        time.sleep(0.3)
        assert len(working) == 3
        release.set()
        assert {ended(store, one).state for one in jobs} == {"done"}


def test_a_step_knows_whether_it_is_tried_again(store: Store, place: Place, events: Events) -> None:
    told: list[bool] = []

    def act(context: JobContext, _results: object) -> None:
        told.append(context.last_attempt)
        raise Unavailable("not now")

    patient = step(act, retries=2, wait=0.01)
    with at_work(store, place, events, Workflow("backup", (patient,))):
        assert ended(store, ask(store)).state == "failed"
    assert told == [False, False, True]
