"""DBOS behind its fences, in this process."""

from __future__ import annotations

import base64
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from secvault.clock import Clock, system_clock
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Cancelled, Conflict, InvalidInput, Unavailable
from secvault.jobs import Job, JobContext, Place, Schedule, Step, Worker, Workflow, queue, request
from secvault.store import Store

from .conftest import ROOT, Events, eventually

Act = Callable[[JobContext, Mapping[str, JsonValue]], JsonValue]


def quick() -> Clock:
    clock = system_clock()
    return Clock(
        clock.wall, lambda: clock.monotonic() * 20, lambda seconds: clock.sleep(seconds / 20)
    )


def step(act: Act, name: str = "only", **how: object) -> Step:
    return Step(name, act, **how)  # type: ignore[arg-type]


def of(**acts: Act) -> Workflow:
    return Workflow("backup", tuple(Step(name, act) for name, act in acts.items()))


@contextmanager
def at_work(
    store: Store, place: Place, events: Events, *workflows: Workflow, **more: object
) -> Iterator[Worker]:
    worker = Worker(store, quick(), workflows, place, events, **more)  # type: ignore[arg-type]
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(finish=0.0, cancel=60.0)


def ask(store: Store, plan: str = "nightly", kind: str = "backup") -> str:
    with store.write() as connection:
        return request(connection, kind=kind, plan=plan, requested_by="user:thu", now=1)


def job(store: Store, id_: str) -> Job:
    with store.read() as connection:
        return queue.get(connection, id_)


def ended(store: Store, id_: str) -> Job:
    eventually(
        lambda: job(store, id_).state not in ("requested", "started"), lambda: str(job(store, id_))
    )
    return job(store, id_)


def rows(place: Place, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(place.database, timeout=30)) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


def test_importing_the_room_does_not_load_the_engine() -> None:
    code = (
        "import sys, secvault.jobs, secvault.jobs.durable; "
        "sys.exit('dbos' in sys.modules or any(m.startswith('dbos.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_steps_get_the_results_before_them_and_rows_hold_canonical_json(
    store: Store, place: Place, events: Events
) -> None:
    contexts: list[JobContext] = []

    def freeze(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        contexts.append(context)
        return {"snapshot": "4f1e", "files": [1, None]}

    def copy(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        return [dict(results)]

    with at_work(store, place, events, of(freeze=freeze, copy=copy)) as worker:
        id_ = ask(store)
        assert ended(store, id_).state == "done"
        assert worker.failure() is None
    [context] = contexts
    assert (context.job, context.kind, context.plan) == (id_, "backup", "nightly")
    assert context.requested_by == "user:thu"
    assert rows(place, "SELECT function_name, output, serialization FROM operation_outputs") == [
        ("freeze", '{"value":{"files":[1,null],"snapshot":"4f1e"}}', "secvault-json"),
        ("copy", '{"value":[{"freeze":{"files":[1,null],"snapshot":"4f1e"}}]}', "secvault-json"),
    ]
    arguments = f'{{"value":{{"args":["{id_}","backup","nightly","user:thu"],"kwargs":{{}}}}}}'
    assert rows(place, "SELECT inputs FROM workflow_input") == [(arguments,)]
    assert rows(
        place, "SELECT executor_id, application_version, serialization FROM workflow_status"
    ) == [(worker.name, "jobs-1", "secvault-json")]
    assert isinstance(place.database, Path)
    assert place.database.stat().st_mode & 0o777 == 0o600


FAILURES = [
    (BackupFailed("the disk is full"), "backup-failed: the disk is full"),
    (InvalidInput.at("plan", "unknown"), "invalid-input: plan: unknown"),
    (ValueError("hunter2"), "defect: an unexpected ValueError; the log says where"),
]


def test_a_failed_job_says_why_and_never_shows_the_text_of_a_foreign_error(
    store: Store, place: Place, events: Events
) -> None:
    def fail(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        raise FAILURES[int(context.plan)][0]

    def float_result(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        return 0.5  # type: ignore[return-value]

    workflows = of(fail=fail), Workflow("drill", (step(float_result),))
    with at_work(store, place, events, *workflows):
        ids = [ask(store, str(number)) for number in range(len(FAILURES))]
        found = [ended(store, id_) for id_ in ids]
        unfit = ended(store, ask(store, kind="drill"))
        unknown = ended(store, ask(store, kind="other"))
    assert [(one.state, one.error) for one in found] == [("failed", text) for _, text in FAILURES]
    assert str(unfit.error).startswith("invalid-input")
    assert unknown.error == "unknown-kind: this program knows no jobs of the kind other"
    assert "hunter2" not in str(events.all)
    assert isinstance(place.database, Path)
    for file in place.database.parent.glob("jobs.db*"):
        assert b"hunter2" not in file.read_bytes()
    told = [one for one in events.named("jobs.engine") if one["error"] == "ValueError"]
    assert "test_durable.py" in str(told[0]["where"])


def test_a_step_is_tried_again_only_after_the_errors_it_names(
    store: Store, place: Place, events: Events
) -> None:
    tries: dict[str, int] = {}

    def flaky(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        tries[context.plan] = tries.get(context.plan, 0) + 1
        if context.plan == "recovers" and tries[context.plan] == 3:
            return "done"
        raise (BackupFailed if context.plan == "final" else Unavailable)("no answer")

    workflow = Workflow("backup", (step(flaky, retries=2, wait=0.01),))
    with at_work(store, place, events, workflow):
        ids = {plan: ask(store, plan) for plan in ("recovers", "final", "gives-up")}
        found = {plan: ended(store, id_) for plan, id_ in ids.items()}
    assert tries == {"recovers": 3, "final": 1, "gives-up": 3}
    assert found["recovers"].state == "done"
    assert found["final"].error == "backup-failed: no answer"
    assert found["gives-up"].error == "unavailable: no answer"


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.file), "w")


def test_pickled_rows_are_not_read(
    store: Store, place: Place, events: Events, tmp_path: Path
) -> None:
    gate = threading.Event()

    def wait(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        if context.plan == "slow":
            gate.wait(60)
        return 1

    trap = tmp_path / "executed"
    pickled = base64.b64encode(
        pickle.dumps({"args": (Bomb(trap), "backup", "p", "u"), "kwargs": {}})
    ).decode()
    pickle.loads(base64.b64decode(pickled))["args"][0].close()
    assert trap.exists(), "the bomb must work for this test to mean anything"
    trap.unlink()
    with at_work(store, place, events, of(one=wait, two=wait)) as worker:
        good = ask(store)
        assert ended(store, good).state == "done"
        # As if written by somebody with access to the file: work to do, and a step's result.
        with closing(sqlite3.connect(place.database, timeout=30)) as connection, connection:
            connection.execute(
                "CREATE TEMP TABLE forged AS SELECT * FROM workflow_status WHERE workflow_uuid = ?",
                (good,),
            )
            connection.execute(
                "UPDATE forged SET workflow_uuid = 'evil', status = 'ENQUEUED', owner_xid = NULL, "
                "queue_name = '_dbos_internal_queue', output = NULL, completed_at = NULL, "
                "inputs = ?, serialization = 'py_pickle'",
                (pickled,),
            )
            connection.execute("INSERT INTO workflow_status SELECT * FROM forged")
        eventually(
            lambda: rows(
                place,
                "SELECT 1 FROM workflow_status WHERE workflow_uuid = 'evil' AND status = 'ERROR'",
            ),
            lambda: str(rows(place, "SELECT * FROM workflow_status")),
        )
        slow = ask(store, "slow")
        eventually(lambda: slow in [f["job"] for f in events.named("jobs.started")], str)
        with closing(sqlite3.connect(place.database, timeout=30)) as connection, connection:
            connection.execute(
                "INSERT INTO operation_outputs (workflow_uuid, function_id, function_name, output,"
                " serialization) VALUES (?, 2, 'two', ?, 'py_pickle')",
                (slow, pickled),
            )
        gate.set()
        assert ended(store, slow).state == "failed"
        assert worker.failure() is None
    assert not trap.exists()


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
    assert "test_durable.py" in str(told["where"])


def test_a_started_job_without_a_workflow_is_begun(
    store: Store, place: Place, events: Events
) -> None:
    # What a kill between the claim and the engine leaves.
    id_ = ask(store)
    with store.write() as connection:
        assert [one.id for one in queue.claim(connection, 1)] == [id_]
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
        with closing(sqlite3.connect(place.database, timeout=30)) as connection, connection:
            connection.execute("DELETE FROM operation_outputs")
            connection.execute(
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


def test_the_calendar_s_runs_are_done(store: Store, place: Place, events: Events) -> None:
    schedule = Schedule("backup", "nightly", "* * * * *", "Asia/Ho_Chi_Minh")
    with at_work(store, place, events, of(one=lambda c, r: 1), schedules=[schedule]):
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE schedule SET next_due = next_due - 180000000")
        eventually(lambda: events.named("jobs.done"), str)
        with store.read() as connection:
            states = {one.state for one in queue.jobs(connection)}
    assert states == {"done", "missed"}
