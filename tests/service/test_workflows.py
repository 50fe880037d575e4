"""Backups and drills as jobs: at their due time, through kills, and with the proofs of a vault."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Event

import pytest

from secvault.audit.query import Question, page
from secvault.backup.drills.stored import find_drill, newest_drills
from secvault.backup.repository import KEYS
from secvault.backup.run import find_run, newest_runs
from secvault.clock import Clock, system_clock
from secvault.config import Settings, load
from secvault.crypto.evidence import verify_evidence
from secvault.jobs import Place, Worker
from secvault.service import Service, authentication, backups, drill_endings, drills, opening
from secvault.service.spine import Caller
from secvault.service.workflows import schedules, workflows
from tests import quick_repository
from tests.running_service import PAYSLIP, House
from tests.service import forked_part

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("quick_repositories"),
]

PLAN = "nightly"
PATIENCE = 300.0
HOUR = 3600
FOUR_YEARS = 1461 * 24 * HOUR
FEW, MANY = 2, 24
"""Megabytes to save; many where a kill has to come in the midst."""
# A service that is started goes by the machine's own clock, and takes its time.
UNSERVED = f'[backup.plans.{PLAN}.drill]\nlevels = ["repository", "files", "databases", "vault"]\n'


@dataclass(frozen=True)
class Planned:
    """A vault with a plan that saves a folder."""

    house: House
    settings: Settings
    config: Path

    def open(self, clock: Clock | None = None) -> AbstractContextManager[Service]:
        return opening.opened(self.settings, clock or system_clock(), program="test")


@pytest.fixture
def planned(house: House) -> Planned:
    documents = house.folder / "documents"
    documents.mkdir()
    fill(documents, FEW)
    return plan(house, documents)


def fill(documents: Path, megabytes: int) -> None:
    for number in range(megabytes):
        (documents / f"{number}.bin").write_bytes(os.urandom(1 << 20))


def plan(house: House, documents: Path, url: str = "", more: str = UNSERVED) -> Planned:
    config = house.folder / "secvault.toml"
    store = f'[store]\nurl = "{url}"\n' if url else ""
    config.write_text(
        f'data = "{house.settings.data_folder}"\n{store}'
        "[identity]\nargon2_memory_mib = 19\nargon2_passes = 2\n"
        f'[backup.plans.{PLAN}]\nfolders = ["{documents}"]\n'
        'schedule = "30 1 * * *"\ndrill_schedule = "0 4 * * *"\ntime_zone = "UTC"\n'
        f"{more}"
    )
    return Planned(house, load(config, {}), config)


def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


def eventually(holds: Callable[[], object], tell: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.02)


def audited(service: Service, kind: str) -> Counter[str]:
    """How often the log has each outcome of an operation."""
    found = page(service.store, Question(kind=kind), limit=500)
    return Counter(one.event.outcome for one in found.events)


def seen(_progress: object) -> None:
    """Nobody watches."""


@contextmanager
def at_work(service: Service, clock: Clock) -> Iterator[None]:
    log: list[tuple[str, Mapping[str, object]]] = []
    data = service.settings.data_folder
    worker = Worker(
        service.store,
        clock,
        workflows(service),
        Place(data / "jobs.db", data / "worker.lock"),
        lambda event, **fields: log.append((event, fields)),
        schedules=schedules(service),
    )
    worker.start()
    try:
        yield
    finally:
        assert worker.stop(finish=1000.0, cancel=1000.0) == ()


def test_backup_and_drill_are_done_when_they_are_due_and_not_before(planned: Planned) -> None:
    hands = planned.house.hands
    # Later than the machine's own time, which restic gives to its snapshots.
    hands.seconds += FOUR_YEARS
    clock = Clock(
        wall=hands.clock().wall,
        monotonic=lambda: time.monotonic() * 20,
        sleep=lambda seconds: time.sleep(seconds / 20),
    )
    with planned.open(clock) as service, at_work(service, clock):
        engine = service.backups
        time.sleep(0.5)
        assert newest_runs(engine, 9) == ()

        # From 14:13:30 to 01:30:10 of the next day.
        hands.seconds += 11 * HOUR + 16 * 60 + 40
        eventually(
            lambda: [one.state for one in newest_runs(engine, 9)] == ["done"],
            lambda: newest_runs(engine, 9),
        )
        (run,) = newest_runs(engine, 9)
        assert (run.id, run.requested_by) == ("backup:nightly:2030-09-22T01:30:00Z", "schedule")
        assert newest_drills(engine, 9) == ()

        hands.seconds += 2 * HOUR + 30 * 60
        eventually(
            lambda: [one.state for one in newest_drills(engine, 9)] == ["done"],
            lambda: newest_drills(engine, 9),
        )
        eventually(lambda: audited(service, "drill.run")["ok"], lambda: "no outcome")
        (drill,) = newest_drills(engine, 9)
        assert (drill.id, drill.faults) == ("drill:nightly:2030-09-22T04:00:00Z", ())
        assert drill.passed is True
        assert drill.rpo_seconds == 2 * HOUR + 30 * 60
        document, note, english, vietnamese = drill_endings.evidence_files(service, drill.id)
        told = verify_evidence(
            document.read_bytes(), note.read_bytes(), service.signing.evidence.verifier()
        )
        assert told["id"] == drill.id
        assert "Diễn tập" in vietnamese.read_text()
        assert "Restore drill" in english.read_text()
        assert audited(service, "backup.run") == {"intent": 1, "ok": 1}
        assert audited(service, "drill.run") == {"intent": 1, "ok": 1}


def test_a_field_that_does_not_open_fails_the_drill_by_name(planned: Planned) -> None:
    database = planned.settings.data_folder / "secvault.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        where = "WHERE record = ? AND field = 'bank_account'"
        (envelope,) = connection.execute(
            f"SELECT envelope FROM record_field {where}", (PAYSLIP,)
        ).fetchone()
        flipped = envelope[:-1] + bytes([envelope[-1] ^ 1])
        connection.execute(f"UPDATE record_field SET envelope = ? {where}", (flipped, PAYSLIP))
    with planned.open() as service:
        backups.run_backup(service, operator(service), PLAN, seen, Event())
        done = drills.run_drill(service, operator(service), PLAN, seen, Event())
        told = audited(service, "drill.failed")

    (fault,) = done.faults
    assert (done.passed, fault.level, fault.code) == (False, "vault", "field-unreadable")
    assert PAYSLIP in fault.where or "bank_account" in fault.where
    assert told == {"error": 1}


def test_an_altered_audit_log_fails_the_drill(planned: Planned) -> None:
    with planned.open() as service:
        with closing(sqlite3.connect(planned.settings.data_folder / "secvault.db")) as connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (trigger,) in triggers.fetchall():
                connection.execute(f'DROP TRIGGER "{trigger}"')
            connection.execute(
                "UPDATE audit_event SET body = replace(body, 'auth.', 'auto.') WHERE seq = 2"
            )
            connection.execute("UPDATE audit_event SET leaf_hash = zeroblob(32) WHERE seq = 3")
            connection.commit()
        backups.run_backup(service, operator(service), PLAN, seen, Event())
        done = drills.run_drill(service, operator(service), PLAN, seen, Event())

    assert done.passed is False
    assert "audit-log-damaged" in {fault.code for fault in done.faults}


def test_a_vault_on_postgresql_is_backed_up_and_drilled(
    house: House, tmp_path: Path, postgresql_url: str
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    planned = plan(house, documents, postgresql_url, "")
    opening.create_vault(planned.settings, system_clock())
    with planned.open() as service:
        backups.run_backup(service, operator(service), PLAN, seen, Event())
        done = drills.run_drill(service, operator(service), PLAN, seen, Event())

    assert (done.passed, done.faults) == (True, ())
    assert (done.levels["vault"], done.levels["service"]) == ("passed", "passed")


class Workers:
    """Worker processes of the real program, one after the other, and the sealer beside them.

    Only the worker is killed: what `serve` runs else is not what is tried here.
    """

    def __init__(self, planned: Planned) -> None:
        self._planned = planned
        self.log = planned.house.folder / "worker.log"
        self.child: ForkServerProcess | None = None
        self._sealer = self._part("sealer")

    def start(self) -> None:
        self.child = self._part("worker")

    def kill(self) -> None:
        if self.child is not None:
            forked_part.end(self.child)

    def kill_when(self, holds: Callable[[], bool], then: float) -> None:
        """Start one, and kill it so many seconds after this holds."""
        self.start()
        eventually(holds, self.told)
        time.sleep(then)
        self.kill()

    def end(self) -> None:
        """Leave no process behind."""
        self.kill()
        forked_part.end(self._sealer)

    def told(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:]

    def _part(self, name: str) -> ForkServerProcess:
        return forked_part.start(name, self._planned.config, self.log)


@pytest.fixture
def workers(planned: Planned) -> Iterator[Workers]:
    made = Workers(planned)
    yield made
    made.end()


def test_a_backup_and_a_drill_outlive_a_worker_that_is_killed_again_and_again(
    planned: Planned, workers: Workers
) -> None:
    with planned.open() as service:
        engine = service.backups
        fill(engine.plan(PLAN).folders[0], MANY)
        for name in ("local", f"local{KEYS}"):
            quick_repository.make(engine.repository(name))
        run_id = backups.request_backup(service, operator(service), PLAN)

        def run_in(*phases: str) -> Callable[[], bool]:
            def holds() -> bool:
                found = find_run(engine, run_id)
                return found is not None and (found.phase in phases or found.state == "done")

            return holds

        workers.kill_when(run_in("copying the database", "hashing files"), 0.0)
        workers.kill_when(run_in("saving"), random.uniform(0.0, 0.6))
        workers.kill_when(run_in("saving", "applying retention"), random.uniform(0.0, 1.5))
        workers.start()
        eventually(run_in("done"), workers.told)
        run = find_run(engine, run_id)
        assert run is not None
        assert (run.state, run.error) == ("done", None)
        repository = engine.repository("local")
        tagged = engine.restic.snapshots(repository, tags=(f"run={run_id}",))
        assert [one.id for one in tagged] == [run.snapshot]
        assert engine.restic.locks(repository) == ()

        drill_id = drills.request_drill(service, operator(service), PLAN)

        def drill_in(*phases: str) -> Callable[[], bool]:
            def holds() -> bool:
                found = find_drill(engine, drill_id)
                return found is not None and (found.phase in phases or found.state == "done")

            return holds

        eventually(drill_in("restoring", "level files"), workers.told)
        time.sleep(random.uniform(0.0, 0.5))
        workers.kill()
        workers.start()
        eventually(drill_in("done"), workers.told)
        # One for asking, one for the outcome.
        eventually(lambda: audited(service, "drill.run")["ok"] == 2, workers.told)
        drill = find_drill(engine, drill_id)
        assert drill is not None
        assert (drill.state, drill.passed, drill.error) == ("done", True, None)
        assert [one.name for one in engine.scratch.iterdir() if one.is_dir()] == []
        assert audited(service, "backup.run")["ok"] == 2
        assert min(audited(service, kind)["intent"] for kind in ("backup.run", "drill.run")) >= 1
