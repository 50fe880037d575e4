"""DBOS behind its fences, in this process."""

from __future__ import annotations

import base64
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, InvalidInput, Unavailable
from secvault.jobs import JobContext, Place, Workflow
from secvault.jobs.durable import version_of
from secvault.store import Store

from .conftest import ROOT, Events, ask, at_work, ended, eventually, of, step


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
    ) == [(worker.name, version_of([of(freeze=freeze, copy=copy)]), "secvault-json")]
    assert isinstance(place.database, Path)
    assert place.database.stat().st_mode & 0o777 == 0o600


def test_the_version_changes_with_the_steps_and_with_nothing_else() -> None:
    def one(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        return 1

    def rewritten(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        return 2

    drill = Workflow("drill", (step(one),))
    version = version_of([of(a=one, b=one), drill])
    assert version == version_of([drill, of(a=rewritten, b=one)]) == "jobs-1-3cf6eaad7455"
    others = [
        [of(b=one, a=one), drill],
        [of(a=one, b=one, c=one), drill],
        [of(a=one), drill],
        [of(a=one, b=one)],
        [of(a=one, b=one), Workflow("trial", drill.steps)],
    ]
    assert version not in {version_of(other) for other in others}


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
