"""The long work that the worker does: what each kind of job runs, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from secvault.config.drills import ScenarioName
from secvault.crypto.canonical import JsonValue
from secvault.jobs import JobContext, Schedule, Step, Workflow
from secvault.service import (
    audit_monthly,
    backup_checks,
    backup_restore_work,
    backup_runs,
    backup_steps,
    drill_scenarios,
    drills,
    notice_delivery,
    plan_schedules,
    recovery_kit_watch,
    separation_review,
    stream_delivery,
)
from secvault.service.audit_archives import archive_log
from secvault.service.backup_runs import FORGET
from secvault.service.backup_steps import jobs_caller, patient, tried_again, unseen
from secvault.service.backup_watch import CATALOGUE, follow_repositories
from secvault.service.drill_scenarios import SCENARIOS
from secvault.service.erasing import retention_runs
from secvault.service.erasing.retention_runs import PROPOSAL, RETENTION
from secvault.service.plan_schedules import BACKUP, CHECK, DRILL, SCENARIO, SCENARIO_KINDS
from secvault.service.record_imports.requests import IMPORT
from secvault.service.record_imports.running import do_import
from secvault.service.reviews import starting
from secvault.service.rewrap_runs import REWRAP, do_requested_rewrapping
from secvault.service.schema_migration_runs import MIGRATE, do_requested_migration
from secvault.service.service import Service

BACKUP_KINDS = frozenset({BACKUP, CHECK, DRILL, FORGET, *SCENARIO_KINDS})
"""What `backup.at_once` counts."""
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
        backup_steps.workflow(service),
        backup_checks.workflow(service),
        Workflow(FORGET, (patient("forget", _in(service, _forget)),)),
        Workflow(CATALOGUE, (patient("ask", _in(service, _follow_repositories)),)),
        drills.workflow(service),
        *(
            Workflow(f"{SCENARIO}{name}", (patient("play", _in(service, partial(_play, name))),))
            for name in SCENARIOS
        ),
        # What cannot be written is on its place's row, and tried again within the hour.
        Workflow(recovery_kit_watch.KIT, (Step("issue", _in(service, _issue_kit), retries=3),)),
        # What is restored is fetched anew after a kill; what is in place by then is the same.
        Workflow(backup_restore_work.RESTORE, (patient("restore", _in(service, _restore)),)),
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


Results = Mapping[str, JsonValue]
Act = Callable[[Service, JobContext], JsonValue]


def _in(service: Service, act: Act) -> Callable[[JobContext, Results], JsonValue]:
    return lambda context, _results: act(service, context)


def _forget(service: Service, context: JobContext) -> JsonValue:
    done = backup_runs.forget(service, jobs_caller(), context.plan, context.cancel)
    return {"kept": len(done.forgotten.kept), "removed": len(done.forgotten.removed)}


def _follow_repositories(service: Service, context: JobContext) -> JsonValue:
    return {"snapshots": follow_repositories(service, context.plan, context.cancel)}


def _play(scenario: ScenarioName, service: Service, context: JobContext) -> JsonValue:
    return drill_scenarios.do_requested_scenario(
        service,
        jobs_caller(),
        scenario,
        context.plan,
        context.job,
        context.requested_by,
        unseen,
        context.cancel,
        lambda error: tried_again(context, error),
    )


def _restore(service: Service, context: JobContext) -> JsonValue:
    done = backup_restore_work.do_requested_restore(service, context.job, context.cancel)
    return {"state": done.state, "files": done.files_done}


def _issue_kit(service: Service, _context: JobContext) -> JsonValue:
    return recovery_kit_watch.do_work(service)


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
        service, jobs_caller(), context.plan, context.job, context.cancel
    )
    return {"version": done.version, "rewrapped": done.rewrapped, "damaged": done.damaged}


def _import(service: Service, context: JobContext) -> JsonValue:
    done = do_import(service, context.plan, context.cancel)
    return {"state": done.state, "records": done.created + done.updated}


def _migrate(service: Service, context: JobContext) -> JsonValue:
    done = do_requested_migration(service, jobs_caller(), context.plan, context.job, context.cancel)
    return {"version": done.version, "migrated": done.migrated, "damaged": done.damaged}


def _archive_log(service: Service, context: JobContext) -> JsonValue:
    done = archive_log(service, jobs_caller(), stopped=context.cancel.is_set)
    return {"archives": len(done.archives), "entries": done.entries}


def _start_review(service: Service, context: JobContext) -> JsonValue:
    begun = starting.start_declared(service, jobs_caller(), context.plan, context.job)
    return {"campaign": begun.campaign.id, "items": sum(begun.counts.values())}


def _report(service: Service, context: JobContext) -> JsonValue:
    month, files = audit_monthly.report_month(service, jobs_caller(), context.job)
    return {"month": month, "files": [*files]}


def _propose_retention(service: Service, context: JobContext) -> JsonValue:
    view = retention_runs.propose(service, jobs_caller(), None, context.job)
    return retention_runs.job_result(view)


def _retain_records(service: Service, context: JobContext) -> JsonValue:
    # The plan of the job is the run that was approved.
    view = retention_runs.work(
        service, jobs_caller(), context.plan, lambda _done, _of: None, context.cancel
    )
    return retention_runs.job_result(view)
