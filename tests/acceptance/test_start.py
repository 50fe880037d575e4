"""Starting and ending the service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.installation import (
    Installation,
    family,
    free_port,
    payslip,
    stop,
    system_token,
)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_second_service_over_the_same_folder_is_refused_and_the_first_goes_on(
    installation: Installation,
) -> None:
    with installation.serving():
        second = installation.run("serve", "--port", str(free_port()))
        assert second.returncode == 1
        assert "a service runs already over" in second.stderr
        assert installation.is_ready()


def test_a_port_that_is_taken_is_refused_with_the_mend(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        other.listen()
        refused = installation.run("serve")
    assert refused.returncode == 1
    assert f"port {installation.port} cannot be listened on" in refused.stderr
    assert "--port" in refused.stderr


def test_started_again_it_continues_with_the_same_vault(installation: Installation) -> None:
    with installation.opened() as service:
        vault = service.keyring.vault_id
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
    new = {"id": "pay-1", "fields": payslip()}
    with installation.serving():
        answer = installation.call("POST", "/api/v1/records/payroll", token, new)
        assert answer.status_code == 201, answer.text
    said = installation.run("init")
    assert (said.returncode, "left as it is" in said.stdout) == (0, True)
    with installation.serving():
        read = installation.call("GET", "/api/v1/records/payroll/pay-1", token).json()
        health = installation.call("GET", "/v1/sys/health", token).json()
    assert read["fields"]["full_name"] == new["fields"]["full_name"]  # type: ignore[index]
    assert health["cluster_id"] == vault


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_seconds_when_asked_and_leaves_nothing_running(
    installation: Installation, number: signal.Signals
) -> None:
    process = installation.start()
    try:
        installation.wait_until_ready(process)
        everybody = family(process.pid)
        assert len(everybody) >= 4  # the keeper, the web server and its worker, the job worker
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(45) == 0
        assert time.monotonic() - began < 20
    finally:
        stop(process)
    assert [pid for pid in everybody if Path(f"/proc/{pid}").exists()] == []
    assert installation.json("audit", "verify")["ok"]
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", installation.port))


def test_scripts_up_serves_a_vault_and_ends_with_its_service(tmp_path: Path) -> None:
    port = free_port()
    script = Path(__file__).parents[2] / "scripts" / "up"
    passed = {name: it for name, it in os.environ.items() if not name.startswith("SECVAULT_")}
    unattended = {"SECVAULT_ADMIN_NAME": "admin", "SECVAULT_ADMIN_PASSWORD": "battery staple 77"}
    with (tmp_path / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [str(script), "--data", "here", "--port", str(port)],
            cwd=tmp_path,
            env={**passed, **unattended},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Installation(tmp_path, port)
    try:
        running.wait_until_ready(process)
        everybody = family(process.pid)
        os.kill(everybody[1], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not (running.is_ready() and everybody[1] not in family(process.pid)):
            assert time.monotonic() < deadline, running.log()[-2000:]
            time.sleep(0.1)
        everybody += family(process.pid)
    finally:
        code = stop(process)
    assert code == 0, running.log()[-2000:]
    assert (tmp_path / "here" / "secvault.db").exists()
    assert [pid for pid in everybody if Path(f"/proc/{pid}").exists()] == []
