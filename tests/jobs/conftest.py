"""A clock moved by hand, a store, and workers in this process or in one that can be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from secvault.clock import Clock, system_clock
from secvault.crypto.canonical import JsonValue
from secvault.jobs import Job, JobContext, Place, Step, Worker, Workflow, queue, request
from secvault.store import Store, open_store

RELAY = Path(__file__).with_name("relay_worker.py")
ROOT = Path(__file__).parents[2]
PATIENCE = 180.0

Act = Callable[[JobContext, Mapping[str, JsonValue]], JsonValue]


class HandClock:
    """Time that only moves when told; both clocks go on together unless the wall clock is set."""

    def __init__(self, now: str) -> None:
        self.at = datetime.fromisoformat(now)
        self.ticks = 0.0
        self.clock = Clock(
            wall=lambda: int(self.at.timestamp() * 1_000_000),
            monotonic=lambda: self.ticks,
            sleep=lambda seconds: self.go_on(seconds=seconds),
        )

    def go_on(self, **by: float) -> None:
        self.at += timedelta(**by)
        self.ticks += timedelta(**by).total_seconds()

    def set_wall(self, now: str) -> None:
        self.at = datetime.fromisoformat(now)


class Events:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, str | int | None]]] = []

    def __call__(self, event: str, **fields: str | int | None) -> None:
        self.all.append((event, fields))

    def named(self, event: str) -> list[dict[str, str | int | None]]:
        return [fields for name, fields in self.all if name == event]


@dataclass
class Process:
    """A worker process that can be stopped, frozen and killed."""

    child: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line.strip())

    def said(self, event: str) -> list[dict[str, object]]:
        told = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [one for one in told if one["event"] == event]

    def ready(self) -> Process:
        eventually(
            lambda: self.said("jobs.worker_started") or self.child.poll() is not None,
            lambda: f"the worker did not start: {self.lines}",
        )
        assert self.child.poll() is None, self.lines
        return self

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(60)

    def stop(self) -> int:
        assert self.child.stdin is not None
        with suppress(BrokenPipeError):
            self.child.stdin.close()
        code = self.child.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code


@dataclass
class Yard:
    """A folder with a store, the database of jobs, and a journal that the steps write."""

    folder: Path
    store_url: str
    jobs_url: str
    store: Store
    processes: list[Process] = field(default_factory=list)

    def worker(
        self,
        *,
        host: str = "a",
        step: float = 0.3,
        speed: float = 5.0,
        version: str = "jobs-1",
        schedules: int = 0,
    ) -> Process:
        arguments = [
            f"--folder={self.folder}",
            f"--store={self.store_url}",
            f"--jobs={self.jobs_url}",
            f"--host={host}",
            f"--step={step}",
            f"--speed={speed}",
            f"--version={version}",
            f"--schedules={schedules}",
        ]
        process = Process(
            subprocess.Popen(
                [sys.executable, str(RELAY), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        )
        self.processes.append(process)
        return process

    def ask(self, plan: str = "nightly") -> str:
        with self.store.write() as connection:
            return request(
                connection,
                kind="relay",
                plan=plan,
                requested_by="user:thu",
                now=time.time_ns() // 1_000,
            )

    def job(self, id_: str) -> Job:
        with self.store.read() as connection:
            return queue.get(connection, id_)

    def wait_done(self, *ids: str) -> None:
        def ended() -> bool:
            return all(self.job(id_).state in ("done", "failed") for id_ in ids)

        eventually(
            ended, lambda: f"{[self.job(i) for i in ids]} {[p.lines for p in self.processes]}"
        )
        assert [(id_, self.job(id_).state, self.job(id_).error) for id_ in ids] == [
            (id_, "done", None) for id_ in ids
        ]

    def begun(self, job: str) -> list[str]:
        """The steps of a job in the order in which they were begun, repeats included."""
        return [step for what, of, step in self.journal() if what == "begin" and of == job]

    def journal(self) -> list[list[str]]:
        file = self.folder / "journal"
        return [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []

    def wait_begun(self, job: str, step: str, times: int = 1) -> None:
        eventually(
            lambda: self.begun(job).count(step) >= times,
            lambda: f"{self.journal()} {[p.lines for p in self.processes]}",
        )

    def recorded(self) -> set[tuple[str, str]]:
        """The steps whose result is written down: (job, step)."""
        with closing(sqlite3.connect(self.folder / "jobs.db", timeout=30)) as connection:
            rows = connection.execute("SELECT workflow_uuid, function_name FROM operation_outputs")
            return set(rows)


def eventually(holds: Callable[[], object], tell: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.02)


def quick() -> Clock:
    """The machine's clock, with waits and beats twenty times as fast."""
    clock = system_clock()
    return Clock(
        clock.wall, lambda: clock.monotonic() * 20, lambda seconds: clock.sleep(seconds / 20)
    )


def step(act: Act, name: str = "only", **how: object) -> Step:
    return Step(name, act, **how)  # type: ignore[arg-type]


def of(**acts: Act) -> Workflow:
    return Workflow("backup", tuple(Step(name, act) for name, act in acts.items()))


@contextmanager
def at_work(
    store: Store, place: Place, events: Events, *workflows: Workflow, **more: object
) -> Iterator[Worker]:
    worker = Worker(store, quick(), workflows, place, events, **more)  # type: ignore[arg-type]
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(finish=0.0, cancel=60.0)


def ask(store: Store, plan: str = "nightly", kind: str = "backup") -> str:
    with store.write() as connection:
        return request(connection, kind=kind, plan=plan, requested_by="user:thu", now=1)


def job(store: Store, id_: str) -> Job:
    with store.read() as connection:
        return queue.get(connection, id_)


def ended(store: Store, id_: str) -> Job:
    eventually(
        lambda: job(store, id_).state not in ("requested", "started"), lambda: str(job(store, id_))
    )
    return job(store, id_)


@pytest.fixture
def store(tmp_path: Path, migrated_file: Path) -> Iterator[Store]:
    shutil.copy(migrated_file, tmp_path / "store.db")
    opened = open_store(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.close()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "jobs.db", tmp_path / "worker.lock")


@pytest.fixture
def new_year() -> HandClock:
    """Thursday 2026-01-01, 00:00 UTC."""
    return HandClock("2026-01-01T00:00:00+00:00")


@pytest.fixture
def yard(tmp_path: Path, store: Store) -> Iterator[Yard]:
    made = Yard(tmp_path, f"sqlite:///{tmp_path}/store.db", str(tmp_path / "jobs.db"), store)
    yield made
    _end(made)


@pytest.fixture
def postgresql_yard(tmp_path: Path, migrated_postgresql_url: str) -> Iterator[Yard]:
    opened = open_store(migrated_postgresql_url)
    made = Yard(tmp_path, migrated_postgresql_url, migrated_postgresql_url, opened)
    yield made
    _end(made)
    opened.close()


def _end(yard: Yard) -> None:
    for process in yard.processes:
        with suppress(ProcessLookupError):
            process.signal(signal.SIGCONT)
        process.kill()
