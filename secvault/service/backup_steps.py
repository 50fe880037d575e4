"""Backups as durable work: the steps of a run, each of which may be done again after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection

from secvault.backup import in_order, run, staging
from secvault.backup.claims import PlanBusy
from secvault.backup.repository_faults import RepositoryLocked
from secvault.backup.restic import Cancel, Progress
from secvault.backup.run import Run
from secvault.backup.steps import step
from secvault.crypto.canonical import JsonValue
from secvault.errors import Cancelled, Unavailable
from secvault.jobs import JobContext, Step, Workflow
from secvault.service import authentication, backup_endings, backups
from secvault.service.plan_schedules import BACKUP
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables

# The network and the store come back; plans may share a repository, and retention needs it alone;
# a lock that a dead process left on another host lapses after half an hour; a person's own run of
# the plan ends. Tried again for about an hour in all.
RETRIED = (Unavailable, RepositoryLocked, PlanBusy)
RETRIES, FIRST_WAIT = 7, 30.0

Act = Callable[[Service, JobContext, Cancel], JsonValue]


def workflow(service: Service) -> Workflow:
    """The steps of a run."""
    acts: dict[str, Act] = {
        "announce": _announce,
        **{name: _of_run(act) for name, act in in_order.STEPS.items()},
        "conclude": _conclude,
    }
    return Workflow(BACKUP, tuple(_step(service, name, act) for name, act in acts.items()))


def patient(name: str, act: Callable[[JobContext, Mapping[str, JsonValue]], JsonValue]) -> Step:
    """A step that is tried again for about an hour while the storage or a lock is in its way."""
    return Step(name, act, retries=RETRIES, wait=FIRST_WAIT, retry_on=RETRIED)


def tried_again(context: JobContext, error: BaseException) -> bool:
    """Whether such a step is done again by itself after this error."""
    if isinstance(error, Cancelled):
        # The worker stops; the next one goes on.
        return context.cancel.is_set()
    return isinstance(error, RETRIED) and not context.last_attempt


def jobs_caller() -> Caller:
    """The program itself, at work on what was asked for before."""
    return Caller(authentication.jobs())


def _step(service: Service, name: str, act: Act) -> Step:
    def do(context: JobContext, _results: Mapping[str, JsonValue]) -> JsonValue:
        with _part_of_run(service, context, name) as (started, stop):
            # Another node may have ended it before this one was found to be alive.
            return None if started.state == "done" else act(service, context, stop)

    return patient(name, do)


@contextmanager
def _part_of_run(service: Service, context: JobContext, name: str) -> Iterator[tuple[Run, Cancel]]:
    """Signs of life while a step works; its failure on the run's row and in the audit log."""
    engine, caller, operation = service.backups, jobs_caller(), _operation(context)

    def again(error: BaseException) -> bool:
        return tried_again(context, error)

    decision = service.spine.decide(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        try:
            started = run.begin(engine, context.plan, context.job, context.requested_by)
            with (
                engine.at_work(
                    tables.backup_run, context.job, "the backup", context.cancel, again=again
                ) as stop,
                step(engine, context.job, name, again=again),
            ):
                yield started, stop
        except BaseException as error:
            if not again(error):
                backup_endings.run_failed(service, context.plan, context.job, error)
            raise


def _announce(service: Service, context: JobContext, _stop: Cancel) -> JsonValue:
    service.spine.announce(jobs_caller(), _operation(context))
    return None


def _of_run(act: in_order.Act) -> Act:
    def do(service: Service, context: JobContext, stop: Cancel) -> JsonValue:
        act(service.backups.for_plan(context.plan), context.job, unseen, stop)
        return None

    return do


def _conclude(service: Service, context: JobContext, _stop: Cancel) -> JsonValue:
    staging.clear_staging(service.backups, context.plan)

    # In one transaction with its audit entry, so that a kill leaves both or none.
    def end(connection: Connection) -> Outcome[Run]:
        done = run.finish(service.backups, connection, context.job)
        return Outcome(done, detail=backups.run_detail(done))

    ended = service.spine.change(jobs_caller(), _operation(context), end)
    in_order.ended(service.backups, context.job)
    return ended.snapshot


def _operation(context: JobContext) -> Operation:
    return Operation("backup.run", "it", context.plan, f"it/backups/{context.plan}")


def unseen(_progress: Progress) -> None:
    """A worker has no terminal; the row tells how far it is."""
