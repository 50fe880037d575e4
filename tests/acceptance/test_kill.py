"""Whatever is killed, nothing that was answered is lost, and nothing is recorded twice.

SVTEST_KILLED_PARTS: how many processes of the service are killed, of each kind at least one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.acceptance.installation import (
    READY_SECONDS,
    Installation,
    family,
    part,
    payslip,
    stop,
    system_token,
)

KILLED_PARTS = int(os.environ.get("SVTEST_KILLED_PARTS", "7"))
# Of twenty. The keeper takes everything with it and starts slowest, so it is not killed as often.
OF_TWENTY = {"keeper": 3, "web": 8, "worker": 7, "entrance": 2}
KILLS = {role: max(1, round(of * KILLED_PARTS / 20)) for role, of in OF_TWENTY.items()}
WRITERS = 4


@dataclass
class Clerk:
    """Writes records until told to stop, and remembers what was answered."""

    name: str
    installation: Installation
    token: str
    stopping: threading.Event
    answered: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def work(self) -> None:
        """Post one record after the other; one that got no answer may or may not be there."""
        while not self.stopping.is_set():
            record = f"{self.name}-{len(self.tried)}"
            self.tried.append(record)
            body = {"id": record, "fields": payslip()}
            try:
                answer = self.installation.call("POST", "/api/v1/records/payroll", self.token, body)
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                self.answered.append(record)
            elif answer.status_code != 503:
                self.unexpected.append(f"{record}: {answer.status_code} {answer.text[:200]}")


@dataclass
class Systemd:
    """Starts the service again when its main process has ended, and does nothing else."""

    installation: Installation
    stopping: threading.Event
    process: subprocess.Popen[bytes] = field(init=False)
    ended: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = self.installation.start()

    def watch(self) -> None:
        """Keep it running until told to stop."""
        while not self.stopping.is_set():
            code = self.process.poll()
            if code is not None:
                self.ended.append(code)
                self.process = self.installation.start()
            time.sleep(0.05)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_whatever_is_killed_every_answered_record_is_there_and_audited_once(
    installation: Installation,
) -> None:
    with installation.opened() as service:
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
    stopping, no_more_starts = threading.Event(), threading.Event()
    systemd = Systemd(installation, no_more_starts)
    clerks = [Clerk(f"w{n}", installation, token, stopping) for n in range(WRITERS)]
    threads = [threading.Thread(target=systemd.watch)]
    threads += [threading.Thread(target=clerk.work) for clerk in clerks]
    everybody: set[int] = set()
    killed: Counter[str] = Counter()
    chance = random.Random(20)
    try:
        installation.wait_until_ready(systemd.process)
        for thread in threads:
            thread.start()
        order = [role for role, times in KILLS.items() for _ in range(times)]
        chance.shuffle(order)
        for wanted in order:
            _wait_for_some_writing(installation, clerks)
            time.sleep(chance.uniform(0, 0.5))
            alive = _roles_with(wanted, systemd)
            everybody |= set(alive)
            victim = chance.choice([pid for pid, role in alive.items() if role == wanted])
            killed[wanted] += 1
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        _wait_for_some_writing(installation, clerks)
    finally:
        stopping.set()
        for thread in threads[1:]:
            if thread.ident is not None:
                thread.join(150)
        no_more_starts.set()
        if threads[0].ident is not None:
            threads[0].join(150)
        everybody |= set(family(systemd.process.pid))
        code = stop(systemd.process)
    assert code == 0, installation.log()[-2000:]
    assert set(killed) == set(KILLS), killed
    assert killed.total() == sum(KILLS.values())
    assert set(systemd.ended) <= {-signal.SIGKILL}, (systemd.ended, installation.log()[-3000:])
    assert [one for clerk in clerks for one in clerk.unexpected] == []
    answered = {record for clerk in clerks for record in clerk.answered}
    tried = {record for clerk in clerks for record in clerk.tried}
    assert answered
    report = installation.json("audit", "verify")
    assert report["ok"], report
    assert report["pending"] == 0
    with installation.sql() as database:
        stored = {row[0] for row in database.execute("SELECT id FROM record")}
        events = Counter(
            row[0]
            for row in database.execute(
                "SELECT resource FROM audit_event WHERE kind = 'record.create' AND outcome = 'ok'"
            )
        )
    assert answered <= stored <= tried
    assert events == Counter(f"hr/payroll/{record}" for record in stored)
    assert _all_readable(installation, token, stored)
    assert [pid for pid in everybody if _runs_secvault(pid)] == []


def _wait_for_some_writing(installation: Installation, clerks: list[Clerk]) -> None:
    before = sum(len(clerk.answered) for clerk in clerks)
    deadline = time.monotonic() + READY_SECONDS
    while sum(len(clerk.answered) for clerk in clerks) < before + 8:
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing is written any more: {installation.log()[-3000:]}")
        time.sleep(0.01)


def _roles_with(wanted: str, systemd: Systemd) -> dict[int, str]:
    """What each process of the service is, once one is there that is wanted."""
    deadline = time.monotonic() + READY_SECONDS
    while wanted not in (roles := _roles(systemd.process.pid)).values():
        assert time.monotonic() < deadline, systemd.installation.log()[-3000:]
        time.sleep(0.05)
    return roles


def _roles(keeper: int) -> dict[int, str]:
    """What each process of the service is, found by its place under the keeper."""
    roles = {keeper: "keeper"}
    for pid in family(keeper)[1:]:
        if _parent(pid) == keeper and part(pid) in ("web", "worker", "entrance"):
            roles[pid] = part(pid)
    return roles


def _command(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return [word.decode() for word in file.read().split(b"\0") if word]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _runs_secvault(pid: int) -> bool:
    return any("secvault" in word for word in _command(pid))


def _all_readable(installation: Installation, token: str, stored: set[str]) -> bool:
    # One command that opens every record, and fails with exit code 5 for one that is damaged.
    read: set[str] = set()
    after = ""
    while True:
        page = installation.json(
            "records", "list", "payroll", "--limit", "500", "--after", after, SECVAULT_TOKEN=token
        )
        read |= {record["id"] for record in page["records"]}
        after = page["next_after"]
        if not after:
            return read == stored
