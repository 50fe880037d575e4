"""Operations on checks of repositories: run, request, list; and their work by the worker."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from statistics import median_high

import uuid_utils
from sqlalchemy import Connection

from secvault.backup import check_parts, checks, run
from secvault.backup.checks import Check, OnCount, Reading
from secvault.backup.claims import Again
from secvault.backup.restic import Cancel
from secvault.clock import micros_of
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.jobs import JobContext, Workflow, queue
from secvault.jobs.occurrences import next_after
from secvault.service import backup_endings
from secvault.service.backup_steps import jobs_caller, patient, tried_again
from secvault.service.plan_schedules import CHECK, of_plan
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables

_MICROSECOND = timedelta(microseconds=1)
_GAPS = 24
"""So many times between checks are looked at: of monthly ones, two years."""


def run_check(
    service: Service, caller: Caller, plan: str, what: str, on_count: OnCount, cancel: Cancel
) -> Check:
    """Check the plan's repositories now, in this process. what: see `checks.Reading`.

    on_count: told how many of how many repositories were looked at.
    Raises RepositoryDamaged where one is damaged; what was found is kept then too.
    """
    reading = reading_of(service, plan, what)
    check_id = uuid_utils.uuid7().hex

    def act() -> Outcome[Check]:
        subject = caller.principal.subject
        try:
            done = _checked(
                service, plan, check_id, subject, reading, cancel, lambda _: False, on_count
            )
        except BaseException as error:
            backup_endings.check_failed(service, check_id, error)
            raise
        return Outcome(done, detail=_detail(done))

    return service.spine.work(caller, _operation(plan), act)


def request_check(service: Service, caller: Caller, plan: str) -> str:
    """Ask the worker for a check; the id of the job, which is the id of the check."""
    service.backups.plan(plan)

    def act(connection: Connection) -> Outcome[str]:
        job = queue.request(
            connection,
            kind=CHECK,
            plan=plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
        )
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation(plan), act)


def list_checks(
    service: Service, caller: Caller, limit: int, plan: str | None = None
) -> tuple[Check, ...]:
    """The newest checks with what they came to, newest first."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    return service.spine.read(
        caller,
        Operation("backup.read", "it", plan or "*", f"it/backups/{plan or '*'}"),
        lambda _: Outcome(checks.newest_checks(service.backups, limit, plan=plan)),
    )


def workflow(service: Service) -> Workflow:
    """A check as durable work: one step, which goes on with what was not looked at yet."""
    return Workflow(CHECK, (patient("check", lambda context, _: _do_requested(service, context)),))


def reading_of(service: Service, plan: str, what: str) -> Reading:
    """What a check of this plan reads now."""
    settings, now = service.backups.plan(plan), service.clock.now()
    days = settings.check_days
    timing = next((one.timing for one in of_plan(plan, settings) if one.kind == CHECK), None)
    if timing is None or not days:
        return Reading(what, days)
    due, coming = [now], []
    while len(due) <= max(_GAPS, check_parts.MOST_PARTS):
        due.append(next_after(timing, due[-1]))
        if due[-1] <= now + timedelta(days=days):
            coming.append(micros_of(due[-1]))
        elif len(due) > _GAPS + 1:
            break
    # By the usual time between checks and not by how many are to come, so that the parts stay the
    # same from check to check.
    gaps = [(after - before) // _MICROSECOND for before, after in pairwise(due[1:])]
    parts = check_parts.how_many(days, median_high(gaps[:_GAPS]))
    return Reading(what, days, parts, tuple(coming))


def _do_requested(service: Service, context: JobContext) -> JsonValue:
    def again(error: BaseException) -> bool:
        return tried_again(context, error)

    def act() -> Outcome[Check | None]:
        engine = service.backups
        if not run.newest_runs(engine, 1, plan=context.plan, state="done"):
            # A schedule comes round before the first backup; there is nothing to check.
            return Outcome(None, detail={"plan": context.plan, "reason": "nothing saved yet"})
        try:
            reading = reading_of(service, context.plan, "")
            done = _checked(
                service,
                context.plan,
                context.job,
                context.requested_by,
                reading,
                context.cancel,
                again,
            )
        except BaseException as error:
            if not again(error):
                backup_endings.check_failed(service, context.job, error)
            raise
        return Outcome(done, detail=_detail(done))

    done = service.spine.work(jobs_caller(), _operation(context.plan), act)
    return None if done is None else {one.repository: one.read for one in done.repositories}


def _checked(
    service: Service,
    plan: str,
    check_id: str,
    requested_by: str,
    reading: Reading,
    cancel: Cancel,
    again: Again,
    on_count: OnCount = lambda _done, _total: None,
) -> Check:
    engine = service.backups.for_plan(plan)
    begun = checks.begin(engine, plan, check_id, requested_by)
    if begun.state == "done":
        return begun
    with engine.at_work(tables.backup_check, check_id, "the check", cancel, again=again) as stop:
        checks.check_all(engine, plan, check_id, reading, stop, on_count)
        with engine.store.write() as connection:
            checks.finish(engine, connection, check_id)
    return checks.read_check(engine, check_id)


def _detail(done: Check) -> dict[str, str | int | bool]:
    return {"plan": done.plan, "run": done.id, "passed": done.passed is True}


def _operation(plan: str) -> Operation:
    return Operation("backup.check", "it", plan, f"it/backups/{plan}")
