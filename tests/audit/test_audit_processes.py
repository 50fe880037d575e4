"""Several processes write to one log, and are killed while they do.

SVTEST_KILLS: how many are killed, at random moments, while four of them write.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from sqlalchemy import select

from secvault.audit import AuditLog
from secvault.audit.event import Personal
from secvault.audit.journals import Journals
from secvault.audit.leaf import StoredEvent
from secvault.audit.personal import Kept, read_personal
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.query import page
from secvault.audit.verify import verify
from secvault.clock import system_clock
from secvault.store import Store
from secvault.store.tables import schedule
from tests.audit.writing_process import WRAPPING
from tests.killed import wait_until_settled

PROGRAM = Path(__file__).with_name("writing_process.py")
FOR_EVER = 1_000_000
KILLS = int(os.environ.get("SVTEST_KILLS", "8"))
AT_ONCE = 4
MODES = ("record", "change", "keep")


@contextmanager
def _writer(url: str, mode: str, name: str, count: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(PROGRAM), url, mode, name, str(count)]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _killed_after(url: str, mode: str, name: str, lines: int) -> list[str]:
    """What a writer had acknowledged when SIGKILL met it, shortly after so many lines."""
    with _writer(url, mode, name, FOR_EVER) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    return [line.decode().strip() for line in acknowledged + rest if line.endswith(b"\n")]


def _every(store: Store) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    after = None
    while True:
        part = page(store, after=after, limit=1_000, newest_first=False)
        events += part.events
        if part.next is None:
            return events
        after = part.next


def _check(store: Store) -> list[str]:
    """The log is whole; the requests in it."""
    report = verify(store, (), origin="any")
    assert report.problems == ()
    assert report.pending == 0
    events = _every(store)
    assert [event.seq for event in events] == list(range(report.size))
    keys = SubjectKeys(store, system_clock(), WRAPPING)
    found = read_personal(store, keys, events)
    assert all(
        found[event.id] == Kept("here", Personal("192.0.2.7", name=event.event.request))
        for event in events
        if event.event.request
    )
    return [event.event.request for event in events]


@pytest.mark.parametrize(
    "count", [250, pytest.param(2_000, marks=[pytest.mark.real, pytest.mark.slow])]
)
def test_four_processes_leave_no_gap_and_no_duplicate(
    any_url: str, any_store: Store, count: int
) -> None:
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_writer(any_url, "record", f"w{at}", count)) for at in range(4)
        ]
        acknowledged = [w.communicate(timeout=300)[0].decode().split() for w in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    expected = {f"w{at}-{number}" for at in range(4) for number in range(count)}
    assert {name for names in acknowledged for name in names} == expected
    requests = _check(any_store)
    assert len(requests) == 4 * count
    assert set(requests) == expected


def test_what_was_acknowledged_before_a_kill_is_in_the_log_once(
    any_url: str, any_store: Store
) -> None:
    random = Random(7)
    acknowledged = [
        name
        for at in range(4)
        for name in _killed_after(any_url, "record", f"w{at}", random.randrange(1, 200))
    ]
    wait_until_settled(any_store)
    requests = _check(any_store)
    assert len(requests) == len(set(requests))
    assert set(acknowledged) <= set(requests)
    assert len(acknowledged) >= 4


def test_a_change_and_its_event_survive_a_kill_together_or_not_at_all(
    any_url: str, any_store: Store
) -> None:
    random = Random(8)
    acknowledged = [
        name
        for at in range(4)
        for name in _killed_after(any_url, "change", f"w{at}", random.randrange(1, 100))
    ]
    wait_until_settled(any_store)
    log = AuditLog(any_store, system_clock(), node="after")
    log.drain()
    log.close()
    with any_store.read() as connection:
        changed = [row.id for row in connection.execute(select(schedule.c.id))]
    requests = _check(any_store)
    assert sorted(requests) == sorted(changed)
    assert set(acknowledged) <= set(changed)


@pytest.mark.real
def test_processes_that_are_killed_do_not_disturb_those_that_live(
    any_url: str, any_store: Store
) -> None:
    with _writer(any_url, "record", "survivor", 500) as survivor:
        killed = [
            name
            for at in range(3)
            for name in _killed_after(any_url, "change", f"w{at}", 10 + 20 * at)
        ]
        lived = survivor.communicate(timeout=300)[0].decode().split()
    assert survivor.returncode == 0
    wait_until_settled(any_store)
    log = AuditLog(any_store, system_clock(), node="after")
    log.drain()
    log.close()
    requests = _check(any_store)
    assert len(requests) == len(set(requests))
    assert {*killed, *lived} <= set(requests)
    assert len(lived) == 500


@dataclass
class _Running:
    """A writer, and what it has acknowledged: read beside it, so that it waits for no reader."""

    process: subprocess.Popen[bytes]
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.acknowledged.append(line.decode().strip())

    def kill(self) -> list[str]:
        self.process.kill()
        self.process.wait(60)
        self._reader.join(60)
        assert not self._reader.is_alive()
        return self.acknowledged


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
def test_kills_at_random_moments_leave_each_acknowledged_event_in_the_log_once(
    any_url: str, any_store: Store
) -> None:
    random = Random(int(os.environ.get("SVTEST_SEED", "1")))
    modes = ["record", "change"] if any_store.dialect == "postgresql" else [*MODES]
    acknowledged: list[str] = []
    with ExitStack() as stack:

        def start(number: int) -> _Running:
            mode = random.choice(modes)
            return _Running(
                stack.enter_context(_writer(any_url, mode, f"{mode}{number}", FOR_EVER))
            )

        running = [start(number) for number in range(AT_ONCE)]
        for number in range(AT_ONCE, AT_ONCE + KILLS):
            victim = random.choice(running)
            _wait_until(lambda: all(each.acknowledged for each in running))
            time.sleep(random.uniform(0, 0.3))
            acknowledged += victim.kill()
            running.remove(victim)
            running.append(start(number))
        for each in running:
            acknowledged += each.kill()
    wait_until_settled(any_store)
    folder = Path(f"{any_store.writer.url.database}-audit")
    journals = Journals(folder, system_clock()) if any_store.dialect == "sqlite" else None
    log = AuditLog(any_store, system_clock(), node="after", journals=journals)
    log.drain()
    log.close()
    requests = _check(any_store)
    assert len(requests) == len(set(requests))
    assert set(acknowledged) <= set(requests)
    assert len(acknowledged) >= KILLS
    with any_store.read() as connection:
        changed = {row.id for row in connection.execute(select(schedule.c.id))}
    assert changed == {name for name in requests if name.startswith("change")}


def _wait_until(fulfilled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.01)
