"""Sealing the running service: nothing with data leaves afterwards, and unsealing brings all back.

Several web workers, real processes, real sockets.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from secvault.audit.journal import SUFFIX
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    SEED,
    Installation,
    alive,
    children,
    code_of,
    new_installation,
    part,
    payslip,
    system_token,
)
from tests.acceptance.sealed import status

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "Kiều Oanh"
READERS = 6
PAUSE_SECONDS = 0.01
SOON_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """One answer as a client saw it. asked, came: monotonic seconds."""

    asked: float
    came: float
    status: int
    has_data: bool


@dataclass
class Reader:
    """Asks for one record again and again, on connections that stay open, and notes each answer."""

    url: str
    token: str
    stopping: threading.Event
    answers: list[Answer] = field(default_factory=list)

    def work(self) -> None:
        """Read until told to stop; an answer that breaks off is no answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx2.Client(timeout=120, headers=headers, trust_env=False) as client:
            while not self.stopping.wait(PAUSE_SECONDS):
                asked = time.monotonic()
                try:
                    answer = client.get(f"{self.url}/api/v1/records/payroll/pay-1")
                except httpx2.TransportError:
                    continue
                came = time.monotonic()
                self.answers.append(Answer(asked, came, answer.status_code, NAME in answer.text))


@dataclass
class Lateness:
    """How late the threads of this process are woken. worst: seconds, of all that it saw."""

    stopping: threading.Event
    worst: float = 0.0

    def work(self) -> None:
        """Sleep again and again, and note when that took longer."""
        while not self.stopping.is_set():
            began = time.monotonic()
            time.sleep(PAUSE_SECONDS)
            self.worst = max(self.worst, time.monotonic() - began - PAUSE_SECONDS)


@dataclass(frozen=True)
class Served:
    """The service with two web workers and one payslip, and a token that reads it."""

    installation: Installation
    token: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests that leave it running: starting takes longer than most of them."""
    running, token = furnished(new_installation(tmp_path_factory.mktemp("sealing")))
    with running.serving() as process:
        new = {"id": "pay-1", "fields": payslip()}
        assert running.call("POST", "/api/v1/records/payroll", token, new).status_code == 201
        yield Served(running, token, process)


@pytest.fixture
def served(one_service: Served) -> Iterator[Served]:
    """The running service, open before and after the test."""
    yield one_service
    if status(one_service.installation)["sealed"]:
        one_service.installation.ok("unseal")


def furnished(installation: Installation) -> tuple[Installation, str]:
    """The installation with one payslip and two web workers, and a token that reads it."""
    with installation.opened() as service:
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
    return installation.with_(SECVAULT_SERVER__WORKERS="2"), token


def operator_token(installation: Installation) -> str:
    """The session of the administrator."""
    body = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
    answer = installation.call("POST", "/api/v1/sessions", "", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def test_after_the_seal_call_nothing_with_data_leaves_and_unsealing_brings_all_back(
    served: Served,
) -> None:
    running, token = served.installation, served.token
    stopping = threading.Event()
    readers = [Reader(running.address, token, stopping) for _ in range(READERS)]
    lateness = Lateness(stopping)
    sealed_at, until, opened_at = [], [], []
    recorded = outcomes(running)
    before = set(web_workers(served.process.pid))
    with working(stopping, lateness.work, *(reader.work for reader in readers)):
        session = operator_token(running)
        for _ in range(3):
            wait_for_data(running, readers)
            began = time.monotonic()
            answer = running.call("PUT", "/v1/sys/seal", session)
            sealed_at.append(time.monotonic())
            assert (answer.status_code, answer.content) == (204, b"")
            assert sealed_at[-1] - began < 8 + lateness.worst
            # Longer than what was under way could take.
            time.sleep(0.7)
            wait_for_answers(running, readers, 24, sealed_at[-1])
            assert running.json("seal", "status")["sealed"] is True
            until.append(time.monotonic())
            running.ok("unseal")
            opened_at.append(wait_for_data(running, readers))
        wait_for_answers(running, readers, 24, opened_at[-1])
    assert set(web_workers(served.process.pid)) == before, "they opened again without a restart"
    assert running.json("audit", "verify")["ok"] is True
    recorded = outcomes(running) - recorded
    answers = [answer for reader in readers for answer in reader.answers]
    assert {answer.status for answer in answers} == {200, 503}
    assert all(answer.has_data == (answer.status == 200) for answer in answers)
    for sealed, end in zip(sealed_at, until, strict=True):
        within = [one for one in answers if one.asked > sealed and one.came < end]
        assert len(within) > 20
        assert not [one for one in within if one.has_data]
        # And of those that were under way: what the client itself had not read yet at most.
        read_by = sealed + 0.25 + 2 * lateness.worst
        assert not [one for one in answers if one.has_data and read_by < one.came < end]
    after = [one for one in answers if one.asked > opened_at[-1]]
    assert len(after) > 20
    assert {one.status for one in after} == {200}
    assert recorded == {("vault.seal", "intent"): 3, ("vault.unseal", "ok"): 3}


@contextmanager
def working(stopping: threading.Event, *works: Callable[[], None]) -> Iterator[None]:
    """Threads that do these while the block runs."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(SOON_SECONDS)
    assert not [thread for thread in threads if thread.is_alive()]


def wait_for_answers(
    installation: Installation, readers: list[Reader], count: int, since: float
) -> None:
    """Return when the readers have got so many answers to what they asked after a moment."""
    deadline = time.monotonic() + SOON_SECONDS
    while sum(one.asked > since for it in readers for one in list(it.answers)) < count:
        assert time.monotonic() < deadline, installation.log()[-3000:]
        time.sleep(PAUSE_SECONDS)


def wait_for_data(installation: Installation, readers: list[Reader]) -> float:
    """Return when each reader got data after the call; the moment."""
    began = time.monotonic()
    deadline = began + SOON_SECONDS
    while not all(
        any(one.has_data and one.asked > began for one in list(it.answers)) for it in readers
    ):
        assert time.monotonic() < deadline, installation.log()[-3000:]
        time.sleep(PAUSE_SECONDS)
    return time.monotonic()


def test_a_worker_that_does_not_let_go_is_ended(served: Served) -> None:
    running, token = served.installation, served.token
    stuck = wait_for_one_that_is_open(served.process.pid)
    with turn_to_write(running):
        # While it writes nothing itself: see the next test.
        os.kill(stuck, signal.SIGSTOP)
    began = time.monotonic()
    running.ok("seal", "now")
    assert time.monotonic() - began < 20
    assert not alive(stuck)
    for _ in range(20):
        assert not read(running, token)
    running.ok("unseal")
    wait_until_read(running, token)


def test_a_process_that_holds_the_database_does_not_hinder_sealing(served: Served) -> None:
    running, token = served.installation, served.token
    with turn_to_write(running):
        refused = running.run("seal", "now")
        assert refused.returncode != 0
        assert "seal now --without-record" in refused.stderr
        assert status(running)["sealed"] is False
        running.ok("seal", "now", "--without-record")
        assert not read(running, token)
    running.ok("unseal")
    wait_until_read(running, token)
    last = running.json("audit", "events", "--kind", "vault.unseal", "--limit", "1")["events"][0]
    assert last["detail"]["reason"] == "sealed-without-record"


@contextmanager
def turn_to_write(installation: Installation) -> Iterator[None]:
    """Be the one that writes the database, so that nobody else does."""
    with (installation.data / "secvault.db-turn").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_killed_sealer_seals_the_workers_and_its_successor_opens_them_again(
    served: Served,
) -> None:
    running, token, process = served.installation, served.token, served.process
    workers = web_workers(process.pid)
    os.kill(child(process.pid, "sealer"), signal.SIGKILL)
    wait_for_sealer(running)
    wait_until_read(running, token)
    assert web_workers(process.pid) == workers
    # One that was sealed by hand stays so, whatever happens to its sealer.
    running.ok("seal", "now")
    os.kill(child(process.pid, "sealer"), signal.SIGKILL)
    assert not read(running, token)
    assert wait_for_sealer(running)["sealed"] is True
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert not read(running, token)
        time.sleep(0.1)
    running.ok("unseal")
    wait_until_read(running, token)


def test_while_sealed_only_health_and_unsealing_answer_and_local_commands_end_with_4(
    served: Served,
) -> None:
    running, token = served.installation, served.token
    running.ok("seal", "now")
    for path, form in (
        ("/api/v1/people", "application/problem+json"),
        ("/nowhere", "application/problem+json"),
        ("/v1/transit/keys/x", "application/json"),
        ("/v1/sys/mounts", "application/json"),
    ):
        answer = running.call("GET", path, token)
        assert answer.status_code == 503, path
        assert answer.headers["content-type"].startswith(form)
        assert "sealed" in answer.text
    assert running.call("GET", "/health/live", "").status_code == 200
    ready = running.call("GET", "/health/ready", "")
    assert (ready.status_code, ready.json()["unsealed"]) == (503, False)
    health = running.call("GET", "/v1/sys/health", "")
    assert (health.status_code, health.json()["sealed"]) == (503, True)
    other = running.call("GET", "/v1/sys/health?sealedcode=299", "")
    assert other.status_code == 299
    assert running.call("HEAD", "/v1/sys/health", "").status_code == 503
    assert running.call("GET", "/v1/sys/init", "").json() == {"initialized": True}
    assert running.call("GET", "/v1/sys/leader", "").status_code == 200
    assert running.call("PUT", "/v1/sys/seal", token).status_code == 503
    refused = running.call("PUT", "/v1/sys/unseal", "", {"key": "anything"})
    assert refused.status_code == 400
    assert "secvault unseal" in refused.text
    for command in (("people", "list"), ("audit", "verify"), ("keys", "rotate-root")):
        ended = running.run(*command)
        assert ended.returncode == 4, ended
        assert "sealed" in ended.stderr
    # The seal's key is there, and still nothing opens: the sealer's word counts.
    assert running.seal_key.exists()


def test_who_may_not_seal_does_not(served: Served) -> None:
    running, token = served.installation, served.token
    assert running.call("PUT", "/v1/sys/seal", token).status_code == 403
    assert running.call("PUT", "/v1/sys/seal", "").status_code == 403
    assert status(running)["sealed"] is False


def outcomes(installation: Installation) -> Counter[tuple[str, str]]:
    """How often sealing and unsealing are in the audit log, by kind and outcome."""
    return Counter(
        (kind, one["outcome"])
        for kind in ("vault.seal", "vault.unseal")
        for one in installation.json("audit", "events", "--kind", kind)["events"]
    )


def read(installation: Installation, token: str) -> bool:
    """Whether the payslip is given out."""
    try:
        answer = installation.call("GET", "/api/v1/records/payroll/pay-1", token)
    except httpx2.TransportError:
        return False
    assert answer.status_code in (200, 503), answer.text
    return NAME in answer.text


def wait_until_read(installation: Installation, token: str) -> None:
    """Return when the payslip is given out ten times in a row."""
    deadline = time.monotonic() + SOON_SECONDS
    row = 0
    while row < 10:
        assert time.monotonic() < deadline, installation.log()[-3000:]
        row = row + 1 if read(installation, token) else 0
        if not row:
            time.sleep(0.1)


def wait_for_sealer(installation: Installation) -> dict[str, Any]:
    """Return the seal's state, as a sealer that runs says it."""
    deadline = time.monotonic() + SOON_SECONDS
    while True:
        said = installation.run("seal", "status", "--json")
        found: dict[str, Any] = json.loads(said.stdout) if said.returncode == 0 else {}
        if found.get("serving"):
            return found
        assert time.monotonic() < deadline, installation.log()[-3000:]
        time.sleep(0.1)


def child(keeper: int, name: str) -> int:
    """The keeper's child of this name, which has it a moment after it was started."""
    deadline = time.monotonic() + SOON_SECONDS
    while time.monotonic() < deadline:
        found = [pid for pid in children(keeper) if part(pid) == name]
        if found:
            return found[0]
        time.sleep(PAUSE_SECONDS)
    raise AssertionError(f"there is no {name}")


def web_workers(keeper: int) -> list[int]:
    """The processes that answer requests."""
    return [pid for pid in children(keeper) if part(pid) == "web"]


def wait_for_one_that_is_open(keeper: int) -> int:
    """A web worker that holds keys: one that has just been started again may hold none yet."""
    deadline = time.monotonic() + SOON_SECONDS
    while time.monotonic() < deadline:
        for pid in web_workers(keeper):
            with suppress(OSError):
                for one in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        if one.readlink().suffix == SUFFIX:
                            return pid
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("no web worker opens")


def test_the_root_is_rotated_under_load_and_no_request_is_lost(served: Served) -> None:
    running, token = served.installation, served.token
    with running.opened() as service:
        system = system_token(service, "billing", "it", "role:it.cryptor")
    stopping = threading.Event()
    readers = [Reader(running.address, token, stopping) for _ in range(3)]
    made: list[tuple[str, int, str]] = []

    def make_keys() -> None:
        while not stopping.is_set():
            name = f"key-{len(made)}"
            answer = running.call("POST", f"/v1/transit/keys/{name}", system, {})
            body = {"plaintext": "aGVsbG8="}
            used = running.call("POST", f"/v1/transit/encrypt/{name}", system, body)
            text = used.json()["data"]["ciphertext"] if used.status_code == 200 else used.text
            made.append((name, answer.status_code, text))

    with working(stopping, make_keys, *(it.work for it in readers)):
        generations = [running.json("keys", "rotate-root")["generation"] for _ in range(4)]
        deadline = time.monotonic() + SOON_SECONDS
        while len(made) <= 10 or sum(len(it.answers) for it in readers) <= 50:
            assert time.monotonic() < deadline, running.log()[-3000:]
            time.sleep(0.05)
    assert generations == list(range(generations[0], generations[0] + 4))
    answers = [answer for reader in readers for answer in reader.answers]
    assert len(answers) > 50
    assert {(one.status, one.has_data) for one in answers} == {(200, True)}
    assert len(made) > 10
    assert {status for _, status, _ in made} <= {200, 204}
    for name, _, text in made:
        body = {"ciphertext": text}
        opened = running.call("POST", f"/v1/transit/decrypt/{name}", system, body)
        assert opened.status_code == 200, opened.text
    with running.opened():
        pass
