"""`secvault serve`: one line when it is ready, and a clean end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.program import Program


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_one_line_when_it_is_ready_and_ends_with_0(
    vault: Program, number: signal.Signals
) -> None:
    port = free_port()
    log = vault.folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "secvault.cli", "serve", "--port", str(port)],
            env=vault.environment,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"http://127.0.0.1:{port}" in line
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/health/ready", timeout=20) as answer:
            assert json.load(answer)["ready"] is True
    finally:
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, (said, log.read_text())
    assert said == ""
    assert "Traceback" not in log.read_text()


def test_a_port_in_use_is_refused_early_and_named(vault: Program) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        said = vault.in_a_process()("serve", "--port", port)
    assert said.code == 1
    assert port in said.err
    assert "--port" in said.err


def test_an_address_that_others_reach_without_tls_is_refused(vault: Program) -> None:
    said = vault.in_a_process()("serve", "--address", "0.0.0.0")
    assert said.code == 2
    assert "tls_certificate" in said.err


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_a_port_that_cannot_be_is_wrong_usage(vault: Program, port: str) -> None:
    assert vault("serve", "--port", port).code == 2


def test_a_sealed_vault_is_refused_early_with_4(vault: Program) -> None:
    Path(f"{vault.data}.key").unlink()
    said = vault.in_a_process()("serve", "--port", str(free_port()))
    assert said.code == 4
    assert "sealed" in said.err
