"""The long work that the worker does: what each kind of job runs, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from secvault.backup import run
from secvault.backup.restic import Progress
from secvault.crypto.canonical import JsonValue
from secvault.errors import SecvaultError
from secvault.jobs import JobContext, Schedule, Step, Workflow
from secvault.service import authentication, backups, drills
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables

BACKUP = "backup"
DRILL = "drill"


def schedules(service: Service) -> tuple[Schedule, ...]:
    """When each plan is backed up and drilled, as declared."""
    return tuple(
        Schedule(kind=kind, plan=name, cron=cron, time_zone=plan.time_zone, missed=plan.missed)
        for name, plan in service.settings.backup.plans.items()
        for kind, cron in ((BACKUP, plan.schedule), (DRILL, plan.drill_schedule))
    )


def workflows(service: Service) -> tuple[Workflow, ...]:
    """The kinds of jobs. A step may be repeated after a kill; each one allows it."""
    return (
        Workflow(
            BACKUP,
            (
                Step("announce", _in(service, _announce_backup)),
                Step("stage", _in(service, _stage), retries=2),
                Step("save", _in(service, _save), retries=5, wait=30.0),
                Step("retain", _in(service, _retain), retries=5, wait=30.0),
                Step("conclude", _in(service, _conclude_backup)),
            ),
        ),
        Workflow(DRILL, (Step("drill", _in(service, _drill), retries=2, wait=60.0),)),
    )


Act = Callable[[Service, JobContext], JsonValue]


def _in(service: Service, act: Act) -> Callable[[JobContext, Mapping[str, JsonValue]], JsonValue]:
    return lambda context, _results: act(service, context)


def _jobs_caller() -> Caller:
    return Caller(authentication.jobs())


def _backup_operation(context: JobContext) -> Operation:
    return Operation("backup.run", "it", context.plan, f"it/backups/{context.plan}")


@contextmanager
def _part_of_run(service: Service, context: JobContext) -> Iterator[None]:
    """Signs of life while a step works; its failure on the run's row and in the audit log."""
    engine, table = service.backups, tables.backup_run
    caller, operation = _jobs_caller(), _backup_operation(context)
    decision = service.spine.decide(caller, operation)
    engine.mark(table, context.job, state="running", error=None, finished_at=None)
    try:
        with (
            engine.beating(table, context.job),
            service.spine.concerning(caller, operation, decision),
        ):
            yield
    except SecvaultError as error:
        run.fail(engine, context.job, error)
        raise


def _announce_backup(service: Service, context: JobContext) -> JsonValue:
    service.spine.announce(_jobs_caller(), _backup_operation(context))
    run.begin(service.backups, context.plan, context.job, context.requested_by)
    return None


def _stage(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context):
        run.stage(service.backups, context.job)
    return None


def _save(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context):
        run.save(service.backups, context.job, _unseen, context.cancel)
    return None


def _retain(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context):
        run.retain(service.backups, context.job)
    return None


def _conclude_backup(service: Service, context: JobContext) -> JsonValue:
    caller, operation = _jobs_caller(), _backup_operation(context)
    done = run.finish(service.backups, context.job)
    decision = service.spine.decide(caller, operation)
    outcome = Outcome(done, detail=backups.run_detail(done))
    service.spine.conclude(caller, operation, decision, outcome)
    return done.snapshot


def _drill(service: Service, context: JobContext) -> JsonValue:
    finding = drills.run_drill(
        service,
        _jobs_caller(),
        context.plan,
        _unseen,
        context.cancel,
        drill_id=context.job,
        requested_by=context.requested_by,
    )
    return finding.passed


def _unseen(_progress: Progress) -> None:
    """A worker has no terminal; the row's phase tells how far it is."""
