"""Backup runs under way: seen by who may, ended from anywhere, tried again by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from types import MappingProxyType

import pytest

from secvault.audit.query import Question, page
from secvault.backup import checks, run
from secvault.backup.checks import Reading
from secvault.backup.claims import PlanBusy
from secvault.backup.repository_faults import (
    RepositoryDenied,
    RepositoryLocked,
    RepositoryUnreachable,
    StorageFull,
)
from secvault.clock import Clock, system_clock
from secvault.config import PlanSettings
from secvault.config.backup import HookSettings
from secvault.errors import Cancelled, Conflict, InvalidInput, NotFound, Refused, SecvaultError
from secvault.jobs import JobContext, Place, Worker, queue
from secvault.service import (
    Service,
    authentication,
    backup_checks,
    backup_runs,
    backup_steps,
    backup_watching,
    backups,
    watching,
)
from secvault.service.backup_steps import tried_again
from secvault.service.spine import Caller
from secvault.service.workflows import workflows
from secvault.store import tables
from tests.running_service import House

PLAN = "nightly"


@pytest.fixture
def operator(service: Service) -> Caller:
    """Whoever has the machine."""
    return Caller(authentication.local_operator(service))


@pytest.fixture
def auditor(service: Service, house: House) -> Caller:
    """Who may look at backups, and do nothing to them."""
    return Caller(authentication.authenticate(service, house.tokens["auditor"]))


def claim(service: Service, run_id: str, plan: str = PLAN) -> None:
    run.begin(service.backups, plan, run_id, "schedule")


def state(service: Service, run_id: str) -> str:
    return run.read_run(service.backups, run_id).state


def audited(service: Service, kind: str) -> list[tuple[str, dict[str, object]]]:
    found = page(service.store, Question(kind=kind), limit=50).events
    return [(one.event.outcome, dict(one.event.detail)) for one in found]


def eventually(holds: Callable[[], object], tell: Callable[[], object] = lambda: "") -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.02)


def test_what_waits_for_the_worker_is_seen_and_can_be_taken_back(
    service: Service, operator: Caller, auditor: Caller
) -> None:
    asked = backups.request_backup(service, operator, PLAN)
    (seen,) = backup_runs.list_runs(service, auditor, 10, None, None)
    assert (seen.id, seen.state, seen.run, seen.ended) == (asked, "requested", None, False)
    with pytest.raises(Refused):
        backup_runs.cancel(service, auditor, asked)

    assert backup_runs.cancel(service, operator, asked) == "missed"

    found = backup_runs.look(service, auditor, asked)
    assert (found.state, found.ended) == ("missed", True)
    assert backup_runs.list_runs(service, auditor, 10, None, None) == ()
    assert [one.id for one in backup_runs.list_runs(service, auditor, 10, PLAN, "missed")] == [
        asked
    ]
    with pytest.raises(Conflict, match="ended already"):
        backup_runs.cancel(service, operator, asked)
    assert audited(service, "backup.cancel") == [
        ("error", {"reason": "conflict"}),
        ("ok", {"plan": PLAN, "run": asked}),
        ("denied", {}),
    ]


def test_a_run_at_work_is_told_and_one_that_waits_to_be_tried_again_ends_at_once(
    service: Service, operator: Caller
) -> None:
    claim(service, "run-1")
    assert backup_runs.cancel(service, operator, "run-1") == "running"
    assert run.read_run(service.backups, "run-1").cancel_by == operator.principal.subject
    assert service.backups.cancel_asked(tables.backup_run, "run-1") == operator.principal.subject

    asked = backups.request_backup(service, operator, PLAN)
    with service.store.write() as connection:
        queue.claim(connection, 5, now=service.clock.micros())
    service.backups.end(tables.backup_run, "run-1", "failed", "it was given up")
    claim(service, asked)
    service.backups.end(tables.backup_run, asked, "waiting", "no answer")
    assert backup_runs.cancel(service, operator, asked) == "cancelled"
    assert state(service, asked) == "cancelled"
    with service.store.read() as connection:
        job = queue.get(connection, asked)
    # The plan's next job need not wait until the attempt would have come.
    assert (job.state, "cancelled by" in (job.error or "")) == ("failed", True)
    with pytest.raises(Cancelled):
        claim(service, asked)


def test_what_is_no_run_is_not_found_whatever_else_has_that_id(
    service: Service, operator: Caller
) -> None:
    with service.store.write() as connection:
        other = queue.request(connection, kind="notices", plan="mail", requested_by="user:x", now=1)
    for what in (other, "nothing"):
        with pytest.raises(NotFound):
            backup_runs.cancel(service, operator, what)
        with pytest.raises(NotFound):
            backup_runs.look(service, operator, what)
    with pytest.raises(InvalidInput):
        backup_runs.list_runs(service, operator, 0, None, None)
    with pytest.raises(InvalidInput):
        backup_runs.list_runs(service, operator, 5, None, "odd")


def test_a_watch_is_recorded_once_and_ends_with_the_right_to_look(
    service: Service, auditor: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(service, "run-1")
    before = len(audited(service, "backup.read"))
    watch, seen = backup_runs.watch(service, auditor, "run-1")
    assert (seen.state, seen.plan) == ("running", PLAN)
    monkeypatch.setattr(watching, "RIGHTS_SECONDS", 0.0)
    for _ in range(5):
        assert watch.look().state == "running"
    assert len(audited(service, "backup.read")) == before + 1

    authentication.sign_out(service, auditor)
    with pytest.raises(SecvaultError) as ended:
        watch.look()
    assert ended.value.status in (401, 403)


def test_whoever_may_not_look_sees_nothing(service: Service, house: House) -> None:
    claim(service, "run-1")
    clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
    for act in (
        lambda: backup_runs.watch(service, clerk, "run-1"),
        lambda: backup_runs.list_runs(service, clerk, 5, None, None),
        lambda: backup_checks.list_checks(service, clerk, 5),
        lambda: backup_checks.request_check(service, clerk, PLAN),
        lambda: backup_runs.request_forget(service, clerk, PLAN),
        # Not even whether there is one.
        lambda: backup_runs.look(service, clerk, "nothing"),
    ):
        with pytest.raises(Refused):
            act()


def test_runs_whose_process_died_and_that_nobody_takes_up_again_are_ended(
    service: Service, house: House, operator: Caller
) -> None:
    claim(service, "left-alone")
    checks.begin(service.backups, PLAN, "left-check", "user:thu")
    house.hands.seconds += 50
    assert backup_watching.look_after(service) == 0
    house.hands.seconds += 20
    assert backup_watching.look_after(service) == 2
    assert state(service, "left-alone") == "failed"
    assert "died" in (checks.read_check(service.backups, "left-check").error or "")

    resumed = backups.request_backup(service, operator, PLAN)
    with service.store.write() as connection:
        queue.claim(connection, 5, now=service.clock.micros())
    claim(service, resumed)
    house.hands.seconds += 3600
    # The node that takes over the job goes on with it.
    assert backup_watching.look_after(service) == 0
    assert state(service, resumed) == "running"


def test_the_parts_of_checks_follow_from_the_schedule(service: Service) -> None:
    def reading(**changed: object) -> Reading:
        plan = PlanSettings(time_zone="Europe/Berlin", **changed)  # type: ignore[arg-type]
        declared = MappingProxyType({PLAN: plan})
        changed_service = replace(service, backups=replace(service.backups, declared=declared))
        return backup_checks.reading_of(changed_service, PLAN, "")

    weekly = reading(check_schedule="0 3 * * 6", check_days=90)
    # Thirteen come within the days of now, twelve within those of any check.
    assert (weekly.parts, len(weekly.coming), weekly.days) == (12, 13, 90)
    assert reading(check_schedule="0 3 * * *", check_days=90).parts == 90
    assert reading(check_schedule="0 3 1 * *", check_days=90).parts == 2
    assert reading(check_schedule="0 * * * *", check_days=90).parts == 256
    assert reading(check_schedule="0 3 * * 6", check_days=3).parts == 1
    assert reading(check_days=0) == Reading()


@contextmanager
def at_work(service: Service) -> Iterator[None]:
    data = service.settings.data_folder
    place = Place(data / "jobs.db", data / "worker.lock")
    real = system_clock()
    clock = Clock(real.wall, lambda: real.monotonic() * 20, lambda s: real.sleep(s / 20))
    worker = Worker(service.store, clock, workflows(service), place, lambda *_, **__: None)
    worker.start()
    try:
        yield
    finally:
        assert worker.stop(finish=600.0, cancel=600.0) == ()


def planned(service: Service, **changed: object) -> Service:
    plan = service.backups.plan(PLAN).model_copy(update={"vault": True, **changed})
    declared = MappingProxyType({PLAN: plan})
    return replace(service, backups=replace(service.backups, declared=declared))


@pytest.mark.real
def test_the_worker_ends_a_run_that_is_cancelled_and_goes_on_with_the_next(
    service: Service, operator: Caller
) -> None:
    slow = planned(service, hooks={"slow": HookSettings(when="before", command=("sleep", "90"))})
    first = backups.request_backup(slow, operator, PLAN)
    with at_work(slow):
        eventually(lambda: _begun(slow, first))
        second = backups.request_backup(slow, operator, PLAN)
        assert backup_runs.cancel(slow, operator, first) == "running"
        eventually(lambda: state(slow, first) == "cancelled", lambda: state(slow, first))
        eventually(lambda: _begun(slow, second))
        assert backup_runs.cancel(slow, operator, second) == "running"
        eventually(lambda: state(slow, second) == "cancelled")
    outcomes = [outcome for outcome, _ in audited(slow, "backup.run")]
    assert outcomes.count("error") == 2


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_the_worker_tries_again_while_another_run_of_the_plan_is_in_the_way(
    service: Service, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_steps, "FIRST_WAIT", 0.2)
    claim(service, "by-hand")
    asked = backups.request_backup(service, operator, PLAN)
    with at_work(service):
        time.sleep(1.0)
        assert backup_runs.look(service, operator, asked).state == "requested"
        with service.store.write() as connection:
            run.finish(service.backups, connection, "by-hand")
        eventually(
            lambda: backup_runs.look(service, operator, asked).state == "done",
            lambda: backup_runs.look(service, operator, asked),
        )
        done = backup_runs.look(service, operator, asked)
        assert [one.name for one in done.steps][:2] == ["announce", "before"]
        assert {one.state for one in done.steps} == {"done"}

        # And a check of what was saved, with its result.
        check = backup_checks.request_check(service, operator, PLAN)
        eventually(lambda: _job_state(service, check) == "done", lambda: _job_state(service, check))
        (found,) = backup_checks.list_checks(service, operator, 5)
        assert (found.id, found.state, found.passed) == (check, "done", True)
        forgotten = backup_runs.request_forget(service, operator, PLAN)
        eventually(lambda: _job_state(service, forgotten) == "done")
    assert [outcome for outcome, _ in audited(service, "backup.forget")] == ["ok", "intent", "ok"]
    assert audited(service, "backup.check")[0][1]["passed"] is True


def _begun(service: Service, run_id: str) -> bool:
    found = run.find_run(service.backups, run_id)
    return found is not None and found.phase == "hooks before"


def _job_state(service: Service, job_id: str) -> str:
    with service.store.read() as connection:
        return queue.get(connection, job_id).state


def test_only_what_passes_is_tried_again() -> None:
    context = JobContext("run-1", "backup", PLAN, "schedule", Event(), last_attempt=False)
    passing = (RepositoryUnreachable("x"), RepositoryLocked("x", holder=None), PlanBusy("x"))
    for error in passing:
        assert tried_again(context, error)
        assert not tried_again(replace(context, last_attempt=True), error)
    for lasting in (RepositoryDenied("x"), StorageFull("x"), Cancelled("x"), ValueError("x")):
        assert not tried_again(context, lasting)
    context.cancel.set()
    assert tried_again(replace(context, last_attempt=True), Cancelled("the worker stops"))
