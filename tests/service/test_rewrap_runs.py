"""Re-wrapping by the worker: it is seen, it can be stopped, and no kill keeps it from its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import insert, select, update

from secvault.audit.query import Question, page
from secvault.crypto import datakey
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Conflict, NotFound, Refused
from secvault.jobs import queue
from secvault.records.rewrap_run import RewrapRun
from secvault.service import Service, authentication, rewrap_runs, rewrapping
from secvault.service.rewrap_runs import do_requested_rewrapping, request_rewrapping
from secvault.service.spine import Caller
from secvault.store.tables import data_key
from tests.running_service import House, system_token

PAYROLL = "payroll"
KEY = Secret(b"k" * 32)


@pytest.fixture
def operator(service: Service) -> Caller:
    """Whoever has the machine."""
    return Caller(authentication.local_operator(service))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run has many transactions."""
    monkeypatch.setattr(rewrapping, "BATCH", 10)


def _fill(service: Service, count: int, collection: str = PAYROLL) -> None:
    with service.store.write() as connection:
        wrapping = service.keyring.material(connection, "records", collection, 1)
        rows = [
            {
                "collection": collection,
                "subject": subject,
                "wrapped": datakey.wrap_data_key(KEY, wrapping, 1, collection, subject),
                "created_at": 1,
            }
            for subject in (f"s-{number:07d}" for number in range(count))
        ]
        connection.execute(insert(data_key), rows)


def _versions(service: Service, collection: str = PAYROLL) -> set[int]:
    question = select(data_key.c.wrapped).where(data_key.c.collection == collection)
    with service.store.read() as connection:
        found = connection.execute(question).scalars()
        return {datakey.wrapping_version(wrapped) for wrapped in found}


def _read(service: Service, caller: Caller, run: str) -> RewrapRun:
    return rewrap_runs.read_run(service, caller, run)


def _work(service: Service, run: RewrapRun, cancel: Event | None = None) -> None:
    """What the worker does with it, without the worker."""
    with service.store.write() as connection:
        queue.claim(connection, 100, now=service.clock.micros())
    jobs = Caller(authentication.jobs())
    do_requested_rewrapping(service, jobs, run.collection, run.id, cancel or Event())
    with service.store.write() as connection:
        queue.finish(connection, run.id, "done", now=service.clock.micros())


def test_what_is_asked_for_is_done_and_its_progress_seen(
    service: Service, operator: Caller
) -> None:
    _fill(service, 45)
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)
    assert (run.state, run.version, run.rewrapped, run.remaining) == ("requested", None, 0, None)
    _work(service, run)
    done = _read(service, operator, run.id)
    # The payslip of the house has a data key too.
    assert (done.state, done.version, done.rewrapped, done.remaining) == ("done", 2, 46, 0)
    assert _versions(service) == {2}
    service.audit.drain()
    found = page(service.store, Question(kind="key.rewrap"), limit=10).events
    told = [(each.event.actor.subject, each.event.outcome) for each in reversed(found)]
    assert told == [("local:operator", "ok"), ("system:jobs", "intent"), ("system:jobs", "ok")]
    assert found[0].event.count == 46
    assert found[0].event.detail == {"run": run.id, "version": 2, "problems": 0}


def test_all_collections_can_be_asked_for_at_once(service: Service, operator: Caller) -> None:
    _fill(service, 12, "contracts")
    runs = request_rewrapping(service, operator, None, rotate=True)
    assert [each.collection for each in runs] == sorted(service.collections)
    for run in runs:
        _work(service, run)
    listed = rewrap_runs.list_runs(service, operator, 100)
    assert {each.state for each in listed} == {"done"}
    assert _versions(service) == _versions(service, "contracts") == {2}


def test_a_run_that_is_stopped_keeps_what_it_did_and_the_next_one_does_the_rest(
    service: Service, operator: Caller
) -> None:
    _fill(service, 60)
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)
    rows = iter(range(3))
    took = service.store.write

    class Stopping:
        """Stops the run while its third batch is being done."""

        def __getattr__(self, name: str) -> object:
            return getattr(service.store, name)

        def write(self) -> object:
            if next(rows, None) == 2:
                rewrap_runs.stop_run(service, operator, run.id)
                assert _read(service, operator, run.id).state in ("requested", "stopping")
            return took()

    jobs = Caller(authentication.jobs())
    with service.store.write() as connection:
        queue.claim(connection, 100, now=service.clock.micros())
    watched = replace(service, store=Stopping())  # type: ignore[arg-type]
    do_requested_rewrapping(watched, jobs, PAYROLL, run.id, Event())
    with service.store.write() as connection:
        queue.finish(connection, run.id, "done", now=1)
    stopped = _read(service, operator, run.id)
    assert (stopped.state, stopped.rewrapped, stopped.remaining) == ("stopped", 20, 41)
    assert _versions(service) == {1, 2}
    with pytest.raises(Conflict):
        rewrap_runs.stop_run(service, operator, run.id)

    (again,) = request_rewrapping(service, operator, [PAYROLL])
    _work(service, again)
    assert _read(service, operator, again.id).rewrapped == 41
    assert _versions(service) == {2}


def test_one_that_is_stopped_before_it_began_does_nothing(
    service: Service, operator: Caller
) -> None:
    _fill(service, 5)
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)
    assert rewrap_runs.stop_run(service, operator, run.id).state == "stopping"
    _work(service, run)
    assert _read(service, operator, run.id).state == "stopped"
    assert _versions(service) == {1}


def test_a_worker_that_must_stop_leaves_off_between_two_batches(
    service: Service, operator: Caller
) -> None:
    _fill(service, 30)
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        _work(service, run, cancel)
    assert not _read(service, operator, run.id).ended
    _work(service, run)
    assert _read(service, operator, run.id).state == "done"


def test_a_damaged_data_key_is_counted_and_the_others_are_done(
    service: Service, operator: Caller
) -> None:
    _fill(service, 20)
    with service.store.write() as connection:
        broken = update(data_key).where(data_key.c.subject == "s-0000004")
        connection.execute(broken.values(wrapped=b"\1\0\0\0\1" + bytes(60)))
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)
    _work(service, run)
    done = _read(service, operator, run.id)
    assert (done.state, done.damaged, done.remaining, done.rewrapped) == ("done", 1, 1, 20)


def test_only_who_may_re_wrap_each_one_may_ask_and_others_do_not_see_it(
    service: Service, operator: Caller
) -> None:
    text = system_token(service, "hr-admin", "hr", "role:it.admin")
    in_hr = Caller(authentication.authenticate(service, text))
    (mine,) = request_rewrapping(service, in_hr, [PAYROLL])
    (other,) = request_rewrapping(service, operator, ["payments"])
    with pytest.raises(Refused):
        request_rewrapping(service, in_hr, None)
    with pytest.raises(Refused):
        rewrap_runs.read_run(service, in_hr, other.id)
    with pytest.raises(Refused):
        rewrap_runs.stop_run(service, in_hr, other.id)
    with pytest.raises(NotFound):
        rewrap_runs.read_run(service, in_hr, "rewrap:payroll:none")
    assert rewrap_runs.list_runs(service, in_hr, 10) == (mine,)
    assert {each.id for each in rewrap_runs.list_runs(service, operator, 10)} == {mine.id, other.id}


# The worker of the program over this vault, with ever smaller steps; it is killed.
WORK = """
import sys, time
from secvault.clock import system_clock
from secvault.config import load
from secvault.jobs import Place, Worker
from secvault.service import opening, rewrapping
from secvault.service.workflows import workflows
settings = load(None, {"SECVAULT_DATA": sys.argv[1]})
rewrapping.BATCH = 20
with opening.opened(settings, system_clock(), program="worker", environment={}) as service:
    data = settings.data_folder
    place = Place(data / "jobs.db", data / "worker.lock")
    worker = Worker(service.store, system_clock(), workflows(service), place, lambda *_, **__: None)
    worker.start()
    while True:
        time.sleep(1)
"""


def _started(house: House) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORK, str(house.folder / "vault")]
    return subprocess.Popen(command, env={"PATH": os.environ["PATH"]})


def _eventually(holds: Callable[[], bool], tell: Callable[[], object]) -> None:
    end = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.005)


@pytest.mark.slow
def test_a_run_outlives_a_worker_that_is_killed_again_and_again(
    service: Service, operator: Caller, house: House
) -> None:
    count = 2_500
    _fill(service, count)
    (run,) = request_rewrapping(service, operator, [PAYROLL], rotate=True)

    def seen() -> RewrapRun:
        with service.store.read() as connection:
            return rewrap_runs.rewrap_run.read_run(connection, run.id)

    kills = 0
    process = None
    try:
        while not seen().ended:
            process = _started(house)
            goal = seen().rewrapped + 1_000
            _eventually(lambda: seen().rewrapped >= goal or seen().ended, seen)  # noqa: B023
            if not seen().ended:
                kills += 1
            process.kill()
            process.wait(300)
            if seen().remaining == 0:
                process = _started(house)
                _eventually(lambda: seen().ended, seen)
    finally:
        if process is not None:
            process.kill()
            process.wait(300)
    assert kills >= 2
    done = seen()
    # Each data key was re-wrapped once, and counted once, whatever was killed when.
    assert (done.state, done.rewrapped, done.remaining) == ("done", count + 1, 0)
    assert _versions(service) == {2}
