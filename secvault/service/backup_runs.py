"""Operations on runs under way: look at them, watch them, end them; and retention on demand."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Table, select, update

from secvault.backup import catalogue, retaining, run
from secvault.backup.claims import cancelled_by
from secvault.backup.restic import Cancel
from secvault.backup.retaining import Retained
from secvault.backup.run import Run
from secvault.backup.steps import Step, steps
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.jobs import queue
from secvault.jobs.queue import Job, State
from secvault.service import watching
from secvault.service.plan_schedules import KINDS
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.watching import Watch
from secvault.store import tables

_WORK: tuple[Table, ...] = (
    tables.backup_run,
    tables.backup_check,
    tables.drill,
    tables.drill_scenario,
)
"""Rows of work whose end can be asked for."""
"""The kinds of jobs whose work can be cancelled."""
FORGET = "forget"
STATES = ("requested", "running", "waiting", "done", "failed", "cancelled", "missed")
ENDED = frozenset({"done", "failed", "cancelled", "missed"})
_WITHOUT_ROW: tuple[State, ...] = ("requested", "started", "failed", "missed")


@dataclass(frozen=True)
class Seen:
    """A run as it stands. run: None while the worker has not begun it. job: None for a run that
    was not asked of the worker. state: one of `STATES`.
    """

    id: str
    plan: str
    state: str
    run: Run | None
    job: Job | None
    steps: tuple[Step, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


def watch(service: Service, caller: Caller, run_id: str) -> tuple[Watch[Seen], Seen]:
    """Begin to watch a run, and what is seen at once. Raises NotFound, Refused."""
    plan = _plan_of(service, run_id)
    asked = _operation("backup.read", plan or "*")
    return watching.watch(service, caller, asked, lambda connection: _seen(connection, run_id))


def look(service: Service, caller: Caller, run_id: str) -> Seen:
    """One run with its steps. Raises NotFound, Refused."""
    return watch(service, caller, run_id)[1]


def list_runs(
    service: Service, caller: Caller, limit: int, plan: str | None, state: str | None
) -> tuple[Seen, ...]:
    """The newest runs, newest first, before them those that wait for the worker."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    if state is not None and state not in STATES:
        raise InvalidInput.at("state", f"use one of {', '.join(STATES)}")

    def act(connection: Connection) -> Outcome[tuple[Seen, ...]]:
        jobs = [
            job
            for wanted in _WITHOUT_ROW
            for job in queue.jobs(connection, state=wanted, kind="backup", plan=plan, limit=limit)
        ]
        known = _known(connection, [one.id for one in jobs])
        # What was missed fills the list after an outage; it is there for those who ask for it.
        without_row = [
            one
            for one in map(_of_job, jobs)
            if one.id not in known and (one.state == state or not (state or one.state == "missed"))
        ]
        stored = (
            Seen(one.id, one.plan, one.state, one, None, ())
            for one in run.newest_runs(service.backups, limit, plan=plan, state=state)
        )
        return Outcome((*without_row, *stored)[:limit])

    return service.spine.read(caller, _operation("backup.read", plan or "*"), act)


def cancel(service: Service, caller: Caller, work_id: str) -> str:
    """End a run, a check or a drill, wherever it is worked on; the state that it is in now.

    One that has not begun is not begun; one that waits to be tried again ends; one that a process
    works on is told, and ends within seconds, with what was saved before. Raises NotFound, and
    Conflict for one that has ended.
    """
    plan = _plan_of(service, work_id)

    def act(connection: Connection) -> Outcome[str]:
        state = _cancelled(connection, service, caller.principal.subject, work_id)
        return Outcome(state, detail={"plan": plan or "*", "run": work_id})

    return service.spine.change(caller, _operation("backup.cancel", plan or "*"), act)


def forget(service: Service, caller: Caller, plan: str, stop: Cancel) -> Retained:
    """Apply the plan's retention now: forget what it no longer keeps, and prune."""
    service.backups.plan(plan)

    def act() -> Outcome[Retained]:
        newest = [one.id for one in run.newest_runs(service.backups, 1, plan=plan, state="done")]
        done = retaining.retain(service.backups.for_plan(plan), plan, stop, *newest)
        catalogue.take_out(service.backups, plan, done)
        count = len(done.forgotten.removed)
        return Outcome(done, count=count, detail={"plan": plan})

    return service.spine.work(caller, _operation("backup.forget", plan), act)


def request_forget(service: Service, caller: Caller, plan: str) -> str:
    """Ask the worker to apply the plan's retention; the id of the job."""
    service.backups.plan(plan)

    def act(connection: Connection) -> Outcome[str]:
        job = queue.request(
            connection,
            kind=FORGET,
            plan=plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
        )
        # What it comes to is another entry, by whoever does it.
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation("backup.forget", plan), act)


def _cancelled(connection: Connection, service: Service, subject: str, work_id: str) -> str:
    now, words = service.clock.micros(), cancelled_by(subject).detail
    for table in _WORK:
        row = connection.execute(select(table).where(table.c.id == work_id)).one_or_none()
        if row is None:
            continue
        if row.state in ENDED:
            raise Conflict(f"{work_id} has ended already: it is {row.state}")
        values: dict[str, object] = {"cancel_by": subject}
        if row.state == "waiting":
            values |= {"state": "cancelled", "finished_at": now, "error": words}
            # Its next attempt, which would only find this, need not be waited for.
            queue.finish(connection, work_id, "failed", now=now, error=words)
        connection.execute(update(table).where(table.c.id == work_id).values(**values))
        return "cancelled" if row.state == "waiting" else "running"
    job = queue.get(connection, work_id)
    if job.kind not in KINDS:
        raise NotFound(f"there is no backup run {work_id}")
    if queue.withdraw(connection, work_id, now=now, why=words):
        return "missed"
    if job.state == "started":
        raise Conflict(f"{work_id} is just beginning; ask again in a moment")
    raise Conflict(f"{work_id} has ended already: it is {job.state}")


def _plan_of(service: Service, work_id: str) -> str | None:
    """The plan that the decision is about, before anything is told."""
    with service.store.read() as connection:
        for table in (*_WORK, tables.job):
            plan: str | None = connection.execute(
                select(table.c.plan).where(
                    table.c.id == work_id,
                    *((table.c.kind.in_(KINDS),) if "kind" in table.c else ()),
                )
            ).scalar_one_or_none()
            if plan is not None:
                return plan
    return None


def _seen(connection: Connection, run_id: str) -> Seen:
    found = run.run_in(connection, run_id)
    if found is not None:
        return Seen(run_id, found.plan, found.state, found, None, steps(connection, run_id))
    try:
        job = queue.get(connection, run_id)
    except NotFound:
        job = None
    if job is None or job.kind != "backup":
        raise NotFound(f"there is no backup run {run_id}")
    return _of_job(job)


def _of_job(job: Job) -> Seen:
    # Started without a row: the worker is about to make one, or another run of the plan is first.
    state = "requested" if job.state == "started" else job.state
    return Seen(job.id, job.plan, state, None, job, ())


def _known(connection: Connection, ids: list[str]) -> frozenset[str]:
    table = tables.backup_run
    return frozenset(connection.execute(select(table.c.id).where(table.c.id.in_(ids))).scalars())


def _operation(action: str, plan: str) -> Operation:
    return Operation(action, "it", plan, f"it/backups/{plan}")
