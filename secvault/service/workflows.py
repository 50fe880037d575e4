"""The long work that the worker does: what each kind of job runs, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection

from secvault.backup import run, staging
from secvault.backup.repository_faults import RepositoryLocked
from secvault.backup.restic import Progress
from secvault.backup.run import Run
from secvault.crypto.canonical import JsonValue
from secvault.errors import Unavailable
from secvault.jobs import JobContext, Schedule, Step, Workflow
from secvault.service import (
    audit_monthly,
    authentication,
    backup_restore_work,
    backups,
    drills,
    notice_delivery,
    plan_schedules,
    separation_review,
    stream_delivery,
)
from secvault.service.audit_archives import archive_log
from secvault.service.erasing import retention_runs
from secvault.service.erasing.retention_runs import PROPOSAL, RETENTION
from secvault.service.plan_schedules import BACKUP, DRILL
from secvault.service.record_imports.requests import IMPORT
from secvault.service.record_imports.running import do_import
from secvault.service.reviews import starting
from secvault.service.rewrap_runs import REWRAP, do_requested_rewrapping
from secvault.service.schema_migration_runs import MIGRATE, do_requested_migration
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables

SEPARATION, REVIEW, REPORT = "separation", "review", "report"
ARCHIVING = "audit-archiving"
NIGHTLY = Schedule(SEPARATION, "nightly", "10 2 * * *", "UTC")
"""Who breaks a rule of separation by now, also by what only time has brought."""


def schedules(service: Service) -> tuple[Schedule, ...]:
    """When plans of the settings are backed up, checked and drilled, access is reviewed, conflicts
    are looked for, what has been kept for long enough is listed, old entries of the log move to
    archives, and the log is reported on.
    """
    plans = (
        one
        for name, plan in service.settings.backup.plans.items()
        for one in plan_schedules.of_plan(name, plan)
    )
    reviews = (
        Schedule(REVIEW, name, chosen.schedule, chosen.time_zone, chosen.missed)
        for name, chosen in service.settings.reviews.campaigns.items()
    )
    due = service.settings.retention
    proposals = (
        (Schedule(PROPOSAL, "due", due.schedule, due.time_zone, due.missed),)
        if due.schedule
        else ()
    )
    report = service.settings.audit.reports
    reports = (
        (Schedule(REPORT, "monthly", report.schedule, report.time_zone, report.missed),)
        if report.schedule
        else ()
    )
    old = service.settings.audit.retention
    archiving = (
        (Schedule(ARCHIVING, "old-entries", old.schedule, old.time_zone, old.missed),)
        if old.place and old.schedule
        else ()
    )
    return (*plans, *reviews, NIGHTLY, *proposals, *archiving, *reports)


def workflows(service: Service) -> tuple[Workflow, ...]:
    """The kinds of jobs. A step may be repeated after a kill; each one allows it."""
    return (
        Workflow(
            BACKUP,
            (
                Step("announce", _in(service, _announce_backup)),
                Step("stage", _in(service, _stage), retries=2),
                _on_repository("save", _in(service, _save)),
                _on_repository("retain", _in(service, _retain)),
                Step("conclude", _in(service, _conclude_backup)),
            ),
        ),
        Workflow(DRILL, (_on_repository("drill", _in(service, _drill)),)),
        # What is restored is fetched anew after a kill; what is in place by then is the same.
        Workflow(backup_restore_work.RESTORE, (_on_repository("restore", _in(service, _restore)),)),
        Workflow(REVIEW, (Step("start", _in(service, _start_review), retries=2),)),
        # Tried again for about five minutes in all.
        Workflow(REWRAP, (Step("rewrap", _in(service, _rewrap), retries=6, wait=5.0),)),
        # What keeps an import from going on is on its row; only a store out of reach is waited for.
        Workflow(IMPORT, (Step("import", _in(service, _import), retries=6, wait=5.0),)),
        Workflow(MIGRATE, (Step("migrate", _in(service, _migrate), retries=6, wait=5.0),)),
        Workflow(REPORT, (Step("report", _in(service, _report), retries=4, wait=30.0),)),
        Workflow(SEPARATION, (Step("find", _in(service, _find_conflicts), retries=2, wait=30.0),)),
        Workflow(PROPOSAL, (Step("propose", _in(service, _propose_retention), retries=2),)),
        Workflow(RETENTION, (Step("erase", _in(service, _retain_records), retries=6, wait=5.0),)),
        # Tried again for about an hour in all: what was archived so far stays so.
        Workflow(ARCHIVING, (Step("archive", _in(service, _archive_log), retries=7, wait=30.0),)),
        # What fails stays in the outbox, where its next turn is written down.
        Workflow(notice_delivery.KIND, (Step("deliver", _in(service, _deliver_notices)),)),
        # As with notices: the stream's row knows when its next turn is.
        Workflow(stream_delivery.KIND, (Step("send", _in(service, _send_stream)),)),
    )


def _on_repository(name: str, act: Callable[[JobContext, Results], JsonValue]) -> Step:
    # Plans may share a repository, and retention needs it alone; a lock that a dead process left
    # on another host lapses after half an hour. Tried again for about an hour in all.
    return Step(name, act, retries=7, wait=30.0, retry_on=(Unavailable, RepositoryLocked))


Results = Mapping[str, JsonValue]
Act = Callable[[Service, JobContext], JsonValue]


def _in(service: Service, act: Act) -> Callable[[JobContext, Results], JsonValue]:
    return lambda context, _results: act(service, context)


def _jobs_caller() -> Caller:
    return Caller(authentication.jobs())


def _backup_operation(context: JobContext) -> Operation:
    return Operation("backup.run", "it", context.plan, f"it/backups/{context.plan}")


@contextmanager
def _part_of_run(service: Service, context: JobContext) -> Iterator[Run]:
    """Signs of life while a step works; its failure on the run's row and in the audit log."""
    engine, caller, operation = service.backups, _jobs_caller(), _backup_operation(context)
    decision = service.spine.decide(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        started = run.begin(engine, context.plan, context.job, context.requested_by)
        with engine.at_work(tables.backup_run, context.job, "the backup"):
            yield started


def _announce_backup(service: Service, context: JobContext) -> JsonValue:
    service.spine.announce(_jobs_caller(), _backup_operation(context))
    with _part_of_run(service, context):
        return None


def _stage(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context) as started:
        if started.state != "done":
            run.stage(service.backups, context.job, context.cancel)
    return None


def _save(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context) as started:
        if started.state != "done":
            run.save(service.backups, context.job, _unseen, context.cancel)
    return None


def _retain(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context) as started:
        if started.state != "done":
            run.retain(service.backups, context.job)
    return None


def _conclude_backup(service: Service, context: JobContext) -> JsonValue:
    with _part_of_run(service, context) as started:
        if started.state == "done":
            return started.snapshot
        staging.clear_staging(service.backups, context.plan)

        # In one transaction with its audit entry, so that a kill leaves both or none.
        def end(connection: Connection) -> Outcome[Run]:
            done = run.finish(service.backups, connection, context.job)
            return Outcome(done, detail=backups.run_detail(done))

        ended = service.spine.change(_jobs_caller(), _backup_operation(context), end)
    return ended.snapshot


def _drill(service: Service, context: JobContext) -> JsonValue:
    return drills.do_requested_drill(
        service,
        _jobs_caller(),
        context.plan,
        context.job,
        context.requested_by,
        _unseen,
        context.cancel,
    )


def _restore(service: Service, context: JobContext) -> JsonValue:
    done = backup_restore_work.do_requested_restore(service, context.job, context.cancel)
    return {"state": done.state, "files": done.files_done}


def _deliver_notices(service: Service, context: JobContext) -> JsonValue:
    done = notice_delivery.deliver(service, context.cancel.is_set)
    return {"delivered": done.delivered, "failed": done.failed, "given_up": done.given_up}


def _send_stream(service: Service, context: JobContext) -> JsonValue:
    done = stream_delivery.deliver(service, context.plan, context.cancel.is_set)
    return {"events": done.events, "batches": done.batches, "reason": done.reason}


def _find_conflicts(service: Service, _context: JobContext) -> JsonValue:
    return {"found": len(separation_review.find_new(service))}


def _rewrap(service: Service, context: JobContext) -> JsonValue:
    done = do_requested_rewrapping(
        service, _jobs_caller(), context.plan, context.job, context.cancel
    )
    return {"version": done.version, "rewrapped": done.rewrapped, "damaged": done.damaged}


def _import(service: Service, context: JobContext) -> JsonValue:
    done = do_import(service, context.plan, context.cancel)
    return {"state": done.state, "records": done.created + done.updated}


def _migrate(service: Service, context: JobContext) -> JsonValue:
    done = do_requested_migration(
        service, _jobs_caller(), context.plan, context.job, context.cancel
    )
    return {"version": done.version, "migrated": done.migrated, "damaged": done.damaged}


def _archive_log(service: Service, context: JobContext) -> JsonValue:
    done = archive_log(service, _jobs_caller(), stopped=context.cancel.is_set)
    return {"archives": len(done.archives), "entries": done.entries}


def _start_review(service: Service, context: JobContext) -> JsonValue:
    begun = starting.start_declared(service, _jobs_caller(), context.plan, context.job)
    return {"campaign": begun.campaign.id, "items": sum(begun.counts.values())}


def _report(service: Service, context: JobContext) -> JsonValue:
    month, files = audit_monthly.report_month(service, _jobs_caller(), context.job)
    return {"month": month, "files": [*files]}


def _propose_retention(service: Service, context: JobContext) -> JsonValue:
    view = retention_runs.propose(service, _jobs_caller(), None, context.job)
    return retention_runs.job_result(view)


def _retain_records(service: Service, context: JobContext) -> JsonValue:
    # The plan of the job is the run that was approved.
    view = retention_runs.work(
        service, _jobs_caller(), context.plan, lambda _done, _of: None, context.cancel
    )
    return retention_runs.job_result(view)


def _unseen(_progress: Progress) -> None:
    """A worker has no terminal; the row's phase tells how far it is."""
