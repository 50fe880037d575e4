"""The worker: the one process per host that watches the calendar and does the long work."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from secvault.clock import Clock
from secvault.errors import Conflict, SecvaultError
from secvault.jobs import durable, node, queue
from secvault.jobs.calendar import GRACE, Schedule, sync_schedules, tick
from secvault.jobs.durable import Durable, Flow
from secvault.jobs.fence import where
from secvault.jobs.host import forget_predecessors, hold_host
from secvault.jobs.queue import Job
from secvault.jobs.workflow import Log, Workflow
from secvault.store.engine import Store

TURN_SECONDS = 1.0
FORGOTTEN_AT_ONCE = 500
ADRIFT_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Where a worker keeps its things.

    database: the SQLite file of the durable workflows (made when missing), or the URL of a
    PostgreSQL database, shared by all nodes. lock: a file on this host that only one worker holds.
    """

    database: Path | str
    lock: Path


@dataclass(frozen=True)
class Apart:
    """Kinds of jobs of which a node does at most so many at once."""

    kinds: frozenset[str]
    at_once: int


def node_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """A name for one start of one worker: host name, colon, 32 hex digits."""
    return f"{socket.gethostname()}:{random(16).hex()}"


class Worker:
    """Runs from `start` to `stop`: beats, turns due moments into jobs, and does the jobs.

    schedules: what the configuration declares. kept_schedules: what the store has beside them when
    the worker starts; who changes that changes the calendar with it. capacity: jobs in work at one
    time on this node. apart: of the kinds named, so many are in work at one time, beside the others
    and not among them, so that neither keeps the other waiting. version: see `durable.version_of`.
    name: unique for each start.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        workflows: Iterable[Workflow],
        place: Place,
        log: Log,
        *,
        schedules: Iterable[Schedule] = (),
        kept_schedules: Callable[[Connection], Iterable[Schedule]] = lambda _connection: (),
        capacity: int = 2,
        apart: Apart | None = None,
        grace: timedelta = GRACE,
        version: str | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or node_id()
        self._store = store
        self._clock = clock
        self._workflows = tuple(workflows)
        self._place = place
        self._log = log
        self._schedules = tuple(schedules)
        self._kept_schedules = kept_schedules
        self._capacity = capacity
        self._apart = apart or Apart(frozenset(), 0)
        self._grace = grace
        self._version = version
        self._watch = node.Watch()
        self._adrift: dict[str, float] = {}
        self._beat_at: float | None = None
        self._stopping = threading.Event()
        self._held = ExitStack()
        self._engine: Durable | None = None
        self._loop: Future[None] | None = None

    def start(self) -> None:
        """Take up what earlier starts on this host left unfinished, then begin to work.

        Raises Conflict when a worker runs on this host already, InvalidInput for a schedule that
        cannot be read, Unavailable when the store or the database of jobs cannot be reached;
        nothing runs then.
        """
        with ExitStack() as undo:
            before = undo.enter_context(hold_host(self._place.lock, self.name))
            with self._store.write() as connection:
                node.beat(connection, self.name, self._clock.micros())
                sync_schedules(connection, self._all_schedules(connection), self._clock.now())
            self._engine = durable.launch(
                self._workflows,
                database=self._place.database,
                executor=self.name,
                log=self._log,
                version=self._version,
            )
            undo.callback(self._close_engine)
            self._hand_over(before)
            forget_predecessors(self._place.lock, self.name)
            self._held = undo.pop_all()
        self._log("jobs.worker_started", node=self.name)
        self._loop = _in_thread(self._work)
        self._loop.add_done_callback(self._ended)

    def failure(self) -> BaseException | None:
        """What ended the worker's loop, though it was not stopped; None while all is well."""
        if self._loop is None or not self._loop.done():
            return None
        return self._loop.exception()

    def turn(self) -> None:
        """One look at everything that may need doing; the loop calls it each second.

        A store or a database of jobs that cannot be reached is logged and looked at again in the
        next turn.
        """
        self._guard("beat", self._beat)
        self._guard("calendar", self._tick)
        self._guard("jobs", self._reconcile)
        self._guard("queue", self._claim)

    def forget_ended(self, kind: str, *, keep: int) -> int:
        """Delete the ended jobs of this kind, all but the newest `keep`; how many.

        For kinds whose jobs come often and say nothing once they are done. Raises Unavailable;
        Conflict when the worker does not run.
        """
        gone = 0
        while True:
            with self._store.read() as connection:
                ids = queue.ended(connection, kind, keep=keep, limit=FORGOTTEN_AT_ONCE)
            if not ids:
                return gone
            # The row last: what is left by a kill between the two is found again.
            self._launched().forget(ids)
            with self._store.write() as connection:
                gone += queue.forget(connection, ids)

    def stop(self, *, finish: float = 10.0, cancel: float = 10.0) -> tuple[str, ...]:
        """Stop, and return the jobs that would not: end the process without waiting for them.

        finish: seconds that running jobs have to come to their end. cancel: seconds that running
        steps have after that to leave off. What is left off is continued at the next start.
        """
        self._stopping.set()
        if self._engine is None:
            return ()
        if self._loop is not None:
            self._wait(self._loop.done, finish + TURN_SECONDS)
        self._wait(lambda: not self._working(), finish)
        self._engine.cancel.set()
        self._wait(lambda: not self._working(), cancel)
        left = self._working()
        # What ended since the last turn is written down now, not at the next start.
        self._guard("jobs", self._reconcile)
        if left:
            # The lock and the row stay until the process ends: it is still at work.
            self._close_engine()
        else:
            self._guard("leave", self._leave)
            self._held.close()
        self._log("jobs.worker_stopped", node=self.name, unfinished=len(left))
        return left

    def _all_schedules(self, connection: Connection) -> Iterator[Schedule]:
        yield from self._schedules
        yield from self._kept_schedules(connection)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self.turn()
            self._clock.sleep(TURN_SECONDS)

    def _ended(self, loop: Future[None]) -> None:
        error = loop.exception()
        if error is not None:
            self._log(
                "jobs.worker_died",
                node=self.name,
                error=type(error).__name__,
                where=where(error),
            )

    def _guard(self, phase: str, do: Callable[[], None]) -> None:
        try:
            do()
        except SecvaultError as error:
            self._log("jobs.turn_failed", phase=phase, code=error.code, detail=error.detail)

    def _beat(self) -> None:
        now = self._clock.monotonic()
        if self._beat_at is not None and now - self._beat_at < node.BEAT_SECONDS:
            return
        with self._store.write() as connection:
            node.beat(connection, self.name, self._clock.micros())
            others = node.beats(connection)
        self._beat_at = now
        self._hand_over(self._watch.dead(others, now))

    def _hand_over(self, dead: frozenset[str]) -> None:
        taken = node.hand_over(
            self._store, self._launched(), me=self.name, dead=dead, now=self._clock.micros()
        )
        for job in taken:
            self._log("jobs.taken_over", job=job, node=self.name)

    def _tick(self) -> None:
        done = tick(self._store, self._clock, grace=self._grace)
        for job in done.requested:
            self._log("jobs.due", job=job)
        for job in done.missed:
            self._log("jobs.missed", job=job)
        for schedule, detail in done.faults:
            self._log("jobs.schedule_unreadable", schedule=schedule, detail=detail)

    def _claim(self) -> None:
        kinds, working = self._apart.kinds, self._launched().running().values()
        busy = sum(kind in kinds for kind in working)
        free = self._capacity - (len(working) - busy)
        free_apart = self._apart.at_once - busy
        if max(free, free_apart) <= 0:
            return
        with self._store.read() as connection:
            if not queue.waiting(connection):
                return
        claimed: tuple[Job, ...] = ()
        with self._store.write() as connection:
            now = self._clock.micros()
            if free > 0:
                claimed += queue.claim(connection, free, now=now, but=kinds)
            if free_apart > 0:
                claimed += queue.claim(connection, free_apart, now=now, only=kinds)
        # A kill between the two leaves started jobs without a workflow; `_reconcile` begins them.
        for job in claimed:
            self._launched().start(job)
            self._log("jobs.started", job=job.id, node=self.name)

    def _reconcile(self) -> None:
        """Bring the rows of started jobs and their workflows together."""
        with self._store.read() as connection:
            started = queue.started(connection)
        if not started:
            return
        flows = self._launched().flows(job.id for job in started)
        for job in started:
            flow = flows.get(job.id)
            if flow is None:
                self._launched().start(job)
            elif flow.status in ("done", "failed"):
                self._finish(flow)
        self._resume_adrift(flows)

    def _finish(self, flow: Flow) -> None:
        with self._store.write() as connection:
            state: Literal["done", "failed"] = "done" if flow.status == "done" else "failed"
            first = queue.finish(
                connection, flow.job, state, now=self._clock.micros(), error=flow.error
            )
        if first:
            self._log(f"jobs.{state}", job=flow.job, error=flow.error)

    def _resume_adrift(self, flows: dict[str, Flow]) -> None:
        """Resume what DBOS believes to run here and does not.

        It claims a workflow in one transaction and begins it in another breath; when its database
        fails in between, the workflow is nobody's.
        """
        now = self._clock.monotonic()
        working = self._working()
        self._adrift = {
            flow.job: self._adrift.get(flow.job, now)
            for flow in flows.values()
            if flow.status == "running" and flow.executor == self.name and flow.job not in working
        }
        lost = [job for job, since in self._adrift.items() if now - since >= ADRIFT_SECONDS]
        self._launched().resume(lost)
        for job in lost:
            del self._adrift[job]
            self._log("jobs.resumed", job=job, node=self.name)

    def _leave(self) -> None:
        with self._store.write() as connection:
            node.leave(connection, self.name)

    def _wait(self, until: Callable[[], bool], seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        while not until() and self._clock.monotonic() < end:
            # Others would take over the work of a node that falls silent.
            self._guard("beat", self._beat)
            self._clock.sleep(0.05)

    def _close_engine(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _working(self) -> tuple[str, ...]:
        return tuple(sorted(self._launched().running()))

    def _launched(self) -> Durable:
        if self._engine is None:
            raise Conflict("the worker is not running; start it first")
        return self._engine


def _in_thread(work: Callable[[], None]) -> Future[None]:
    """Run `work` in a thread; its end, however it ends, is the future's."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - kept whole in the future
            ended.set_exception(error)
        else:
            ended.set_result(None)

    threading.Thread(target=run, name="secvault-worker", daemon=True).start()
    return ended
