"""Starting and ending the service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import (
    NO_SIGN_INS,
    STOP_SECONDS,
    Installation,
    alive,
    family,
    free_port,
    new_installation,
    payslip,
    stop,
    system_token,
)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Life:
    """What was seen of a service from its start to its end by a signal.

    family: its processes. code: its exit code. end_seconds: how long it took to end. left: the
    processes that outlived it. port_free: whether another could listen on its port then.
    """

    family: list[int]
    code: int
    end_seconds: float
    left: list[int]
    port_free: bool


@dataclass(frozen=True)
class TwoLives:
    """A vault whose service was ended by SIGTERM, started again, and ended by SIGINT."""

    installation: Installation
    vault: str
    second: subprocess.CompletedProcess[str]
    ready_beside_second: bool
    initialised_again: subprocess.CompletedProcess[str]
    read: dict[str, Any]
    health: dict[str, Any]
    lives: Mapping[signal.Signals, Life]


@pytest.fixture(scope="module")
def two_lives(tmp_path_factory: pytest.TempPathFactory) -> TwoLives:
    """Lived once, for all tests that look at them."""
    made = new_installation(tmp_path_factory.mktemp("lives"), **NO_SIGN_INS)
    with made.opened() as service:
        vault = service.keyring.vault_id
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
    lives = {}
    with living(made, signal.SIGTERM, lives):
        new = {"id": "pay-1", "fields": payslip()}
        answer = made.call("POST", "/api/v1/records/payroll", token, new)
        assert answer.status_code == 201, answer.text
        second = made.run("serve", "--port", str(free_port()))
        ready = made.is_ready()
    again = made.run("init")
    with living(made, signal.SIGINT, lives):
        read = made.call("GET", "/api/v1/records/payroll/pay-1", token).json()
        health = made.call("GET", "/v1/sys/health", token).json()
    return TwoLives(made, vault, second, ready, again, read, health, lives)


@contextmanager
def living(
    made: Installation, number: signal.Signals, lives: dict[signal.Signals, Life]
) -> Iterator[None]:
    """The service while the block runs; then it is sent this signal, and watched."""
    process = made.start()
    try:
        made.wait_until_ready(process)
        yield
        everybody = family(process.pid)
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait(STOP_SECONDS)
        lives[number] = Life(
            everybody,
            code,
            time.monotonic() - began,
            [pid for pid in everybody if alive(pid)],
            can_be_listened_on(made.port),
        )
    finally:
        stop(process)


def can_be_listened_on(port: int) -> bool:
    """Whether nothing holds the port."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_a_second_service_over_the_same_folder_is_refused_and_the_first_goes_on(
    two_lives: TwoLives,
) -> None:
    assert two_lives.second.returncode == 1
    assert "a service runs already over" in two_lives.second.stderr
    assert two_lives.ready_beside_second


def test_started_again_it_continues_with_the_same_vault(two_lives: TwoLives) -> None:
    again = two_lives.initialised_again
    assert (again.returncode, "left as it is" in again.stdout) == (0, True)
    assert two_lives.read["fields"]["full_name"] == payslip()["full_name"]
    assert two_lives.health["cluster_id"] == two_lives.vault


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_seconds_when_asked_and_leaves_nothing_running(
    two_lives: TwoLives, number: signal.Signals
) -> None:
    life = two_lives.lives[number]
    # The keeper, the sealer, the web server, the job worker.
    assert len(life.family) >= 4
    assert life.code == 0
    assert life.end_seconds < 20
    assert life.left == []
    assert life.port_free
    assert two_lives.installation.json("audit", "verify")["ok"]


def test_a_port_that_is_taken_is_refused_with_the_mend(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        other.listen()
        refused = installation.run("serve")
    assert refused.returncode == 1
    assert f"port {installation.port} cannot be listened on" in refused.stderr
    assert "--port" in refused.stderr


def test_without_the_seal_key_nothing_starts_and_the_sentence_names_the_file(
    installation: Installation,
) -> None:
    installation.seal_key.rename(installation.folder / "elsewhere.key")
    for command in (("serve",), ("people", "list"), ("audit", "verify")):
        ended = installation.run(*command)
        assert ended.returncode == 4, ended
        assert f"the seal key {installation.seal_key} cannot be read" in ended.stderr


def test_without_a_vault_it_says_how_to_make_one(installation: Installation) -> None:
    ended = installation.run("serve", SECVAULT_DATA=str(installation.folder / "nothing"))
    assert ended.returncode == 4
    assert "secvault init" in ended.stderr
    assert not (installation.folder / "nothing").exists()


def test_scripts_up_serves_a_vault_and_ends_with_its_service(tmp_path: Path) -> None:
    port = free_port()
    script = Path(__file__).parents[2] / "scripts" / "up"
    passed = {name: it for name, it in os.environ.items() if not name.startswith("SECVAULT_")}
    unattended = {"SECVAULT_ADMIN_NAME": "admin", "SECVAULT_ADMIN_PASSWORD": "battery staple 77"}
    with (tmp_path / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [str(script), "--data", "here", "--port", str(port)],
            cwd=tmp_path,
            env={**passed, **unattended, **NO_SIGN_INS},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Installation(tmp_path, port)
    try:
        running.wait_until_ready(process)
        everybody = family(process.pid)
        os.kill(everybody[1], signal.SIGKILL)
        deadline = time.monotonic() + 180
        while not (running.is_ready() and everybody[1] not in family(process.pid)):
            assert time.monotonic() < deadline, running.log()[-2000:]
            time.sleep(0.1)
        everybody += family(process.pid)
    finally:
        code = stop(process)
    assert code == 0, running.log()[-2000:]
    assert (tmp_path / "here" / "secvault.db").exists()
    assert [pid for pid in everybody if alive(pid)] == []
