"""Durable workflows: DBOS behind six fences, none of its types outside this file.

1. Nothing in its rows is ever unpickled; they hold canonical JSON, ids and results only.
2. Each start of a process has an executor id of its own.
3. The application version is ours and fixed, so that an upgrade does not strand running work.
4. Work of a dead executor is handed on by `secvault.jobs.node`, not by DBOS.
5. Its scheduler has nothing to do; the calendar is `secvault.jobs.calendar`.
6. It is imported when it is launched, not before: it costs a second, 50 MB and a dozen threads.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.errors import Cancelled, Conflict, Unavailable
from secvault.jobs.fence import canonical_json_serializer, redirect_log, refuse_pickle
from secvault.jobs.queue import Job
from secvault.jobs.workflow import JobContext, Log, Step, StepFailed, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbos import StepOptions, WorkflowStatus

# Raised when a step keeps its name and changes its meaning, see `version_of`.
GENERATION = 1

LARGEST_RESULT = 64 * 1024
_NAME = "secvault"
_WORKFLOW = "secvault-job"

Status: TypeAlias = Literal["running", "waiting", "done", "failed"]
_STATUS: Mapping[str, Status] = {
    "PENDING": "running",
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "SUCCESS": "done",
}


@dataclass(frozen=True)
class Flow:
    """How far the workflow of a job is, as DBOS wrote it down.

    executor: the process that worked on it last. version: of the program that began it.
    """

    job: str
    status: Status
    executor: str
    version: str
    error: str | None = None


class Interrupted(BaseException):
    """The worker stops before the step is done; it is done again at the next start.

    Not an Exception: DBOS would write one down as the step's outcome.
    """


class Durable:
    """A launched DBOS: one per process, from `launch` to `close`."""

    def __init__(
        self, workflows: Iterable[Workflow], *, executor: str, version: str, log: Log
    ) -> None:
        self.executor = executor
        self.version = version
        self.cancel = threading.Event()
        self._workflows = {workflow.kind: workflow for workflow in workflows}
        self._log = log
        self._running: dict[str, str] = {}
        self._lock = threading.Lock()
        self._entry: Callable[[str, str, str, str], JsonValue] | None = None

    def running(self) -> dict[str, str]:
        """The jobs that this process is working on now, each with its kind."""
        with self._lock:
            return dict(self._running)

    def start(self, job: Job) -> None:
        """Begin the workflow of `job`, once: a second start, here or elsewhere, changes nothing.

        Raises Unavailable.
        """
        from dbos import DBOS, SetWorkflowID  # noqa: PLC0415 - fence 6

        if self._entry is None:
            raise Conflict("the worker is not running; start it first")
        with _reachable(), SetWorkflowID(job.id):
            DBOS.start_workflow(self._entry, job.id, job.kind, job.plan, job.requested_by)

    def flows(self, jobs: Iterable[str]) -> dict[str, Flow]:
        """How far these jobs are; those never started are left out. Raises Unavailable."""
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        ids = list(jobs)
        if not ids:
            return {}
        with _reachable():
            rows = DBOS.list_workflows(workflow_ids=ids, load_input=False)
        return {row.workflow_id: _flow(row) for row in rows}

    def unfinished(self) -> tuple[Flow, ...]:
        """All workflows that are running or waiting, on any node. Raises Unavailable."""
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        with _reachable():
            rows = DBOS.list_workflows(
                status=["PENDING", "ENQUEUED", "DELAYED"], load_input=False, load_output=False
            )
        return tuple(_flow(row) for row in rows)

    def resume(self, jobs: Iterable[str]) -> None:
        """Let any live node continue these at the first step without a result. Raises Unavailable.

        Whoever worked on them loses them: it cannot write down another result.
        """
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        ids = list(jobs)
        if ids:
            with _reachable():
                DBOS.resume_workflows(ids)

    def forget(self, jobs: Iterable[str]) -> None:
        """Remove the workflows of these jobs, so that a start begins anew. Raises Unavailable."""
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        ids = list(jobs)
        if ids:
            with _reachable():
                DBOS.delete_workflows(ids)

    def close(self) -> None:
        """Stop DBOS. What still runs cannot write down its result and is done again later."""
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        DBOS.destroy(destroy_registry=True)

    def _launch(self, url: str) -> None:
        from dbos import DBOS  # noqa: PLC0415 - fence 6

        refuse_pickle()
        DBOS(
            config={
                "name": _NAME,
                "system_database_url": url,
                "executor_id": self.executor,
                "application_version": self.version,
                "serializer": canonical_json_serializer(),
                "log_level": "WARNING",
                "enable_otlp": False,
                "use_listen_notify": False,
                # Nothing listens; it is how long closing waits for that thread.
                "notification_listener_polling_interval_sec": 0.25,
                "db_engine_kwargs": {"hide_parameters": True},
            }
        )
        if DBOS.executor_id != self.executor:
            raise Conflict("a worker runs already in this process; stop it first")
        redirect_log(self._log)

        # A method cannot be registered: DBOS marks the function itself.
        @DBOS.workflow(name=_WORKFLOW)
        def entry(job: str, kind: str, plan: str, requested_by: str) -> JsonValue:
            return self._run(job, kind, plan, requested_by)

        self._entry = entry
        try:
            with _reachable():
                DBOS.launch()
        except BaseException:
            self.close()
            raise

    def _run(self, job: str, kind: str, plan: str, requested_by: str) -> JsonValue:
        from dbos import DBOS  # noqa: PLC0415 - fence 6
        from dbos import error as refusals  # noqa: PLC0415 - fence 6

        workflow = self._workflows.get(kind)
        if workflow is None:
            raise StepFailed(f"this program knows no jobs of the kind {kind}", "unknown-kind")
        context = JobContext(job, kind, plan, requested_by, self.cancel)
        results: dict[str, JsonValue] = {}
        with self._lock:
            self._running[job] = kind
        try:
            for step in workflow.steps:
                if self.cancel.is_set():
                    raise Interrupted
                results[step.name] = DBOS.run_step(
                    _options(step), self._act, step, context, dict(results)
                )
        except refusals.DBOSWorkflowConflictIDError:
            # Another node took it over. DBOS would hold this thread until that node is done.
            self._log("jobs.lost", job=job, node=self.executor)
            raise Interrupted from None
        finally:
            with self._lock:
                self._running.pop(job, None)
        return results

    def _act(self, step: Step, context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
        if self.cancel.is_set():
            raise Interrupted
        try:
            outcome = canonical_json(step.act(_of_attempt(context), results))
        except Cancelled:
            if self.cancel.is_set():
                raise Interrupted from None
            raise
        if len(outcome) > LARGEST_RESULT:
            raise StepFailed(f"the result of {step.name} is over 64 KiB", "result-too-large")
        # What later steps see now is what they would see after a kill.
        return parse_canonical(outcome)


def _of_attempt(context: JobContext) -> JobContext:
    """The context with what DBOS says of the attempt under way."""
    from dbos import DBOS  # noqa: PLC0415 - fence 6

    status = DBOS.step_status
    if status is None or status.current_attempt is None or status.max_attempts is None:
        return context
    # It counts from nought.
    return replace(context, last_attempt=status.current_attempt + 1 >= status.max_attempts)


def version_of(workflows: Iterable[Workflow]) -> str:
    """The version of the steps, which unfinished work must match to be continued.

    It changes when a kind, or the name or place of a step, changes, and only then: an upgrade that
    leaves the steps as they are continues unfinished work, another begins it anew.
    """
    steps = sorted((one.kind, [step.name for step in one.steps]) for one in workflows)
    written = canonical_json([[kind, *names] for kind, names in steps])
    return f"jobs-{GENERATION}-{hashlib.sha256(written).hexdigest()[:12]}"


def launch(
    workflows: Iterable[Workflow],
    *,
    database: Path | str,
    executor: str,
    log: Log,
    version: str | None = None,
) -> Durable:
    """Start DBOS on a SQLite file of its own, or on a PostgreSQL database by its URL.

    executor: unique for this start of this process. version: `version_of` unless given.
    Raises Unavailable when the database cannot be reached, and Conflict when this process has
    launched it already.
    """
    known = tuple(workflows)
    durable = Durable(known, executor=executor, version=version or version_of(known), log=log)
    durable._launch(_url(database))  # noqa: SLF001 - the class's own constructor
    return durable


def _url(database: Path | str) -> str:
    if isinstance(database, str):
        return database
    try:
        database.touch(mode=0o600)
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"the file for jobs, {database}, cannot be opened: {error}") from error
    return URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)


def _options(step: Step) -> StepOptions:
    return {
        "name": step.name,
        "retries_allowed": step.retries > 0,
        "max_attempts": step.retries + 1,
        "interval_seconds": step.wait,
        "backoff_rate": 2.0,
        "should_retry": lambda error: isinstance(error, step.retry_on),
    }


def _flow(row: WorkflowStatus) -> Flow:
    status = _STATUS.get(row.status, "failed")
    error = None
    if status == "failed":
        error = (
            f"{row.error.failure}: {row.error.detail}"
            if isinstance(row.error, StepFailed)
            else f"the workflow ended as {row.status.lower()}"
        )
    return Flow(row.workflow_id, status, row.executor_id or "", row.app_version or "", error)


@contextmanager
def _reachable() -> Iterator[None]:
    from dbos import error as refusals  # noqa: PLC0415 - fence 6

    try:
        yield
    except SQLAlchemyError as error:
        raise Unavailable(f"the database of jobs did not answer: {type(error).__name__}") from error
    except refusals.DBOSException as error:
        raise Unavailable(f"the engine of jobs refused: {type(error).__name__}") from error
