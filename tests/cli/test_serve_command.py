"""`secvault serve`: one line when it is ready, and a clean end."""

from __future__ import annotations

import json
import os
import shutil
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


def ended(process: subprocess.Popen[str]) -> str:
    """What the service said until it ended, as it was asked to; killed when it does not end."""
    try:
        return process.communicate(timeout=150)[1]
    except subprocess.TimeoutExpired:
        # Its parts end when it is gone.
        process.kill()
        process.wait(30)
        raise


@pytest.mark.slow
def test_it_says_one_line_when_it_is_ready_and_ends_with_0_by_ctrl_c(vault: Program) -> None:
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
        with direct.open(f"http://127.0.0.1:{port}/health/ready", timeout=100) as answer:
            assert json.load(answer)["ready"] is True
    finally:
        process.send_signal(signal.SIGINT)
        said = ended(process)
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


def test_a_log_that_was_put_back_is_not_served_until_somebody_says_why(
    vault: Program, tmp_path: Path
) -> None:
    place = tmp_path / "published"
    place.mkdir()
    shown = vault.with_(SECVAULT_AUDIT__PUBLICATIONS__SECOND__LOCATION=str(place))
    copy = tmp_path / "copy.db"
    shutil.copy(vault.data / "secvault.db", copy)
    assert "events are published" in shown.ok("audit", "publish").err
    assert shown.ok("audit", "publications", "--json").json["publications"][0]["fault"] == ""
    for file in vault.data.glob("secvault.db*"):
        if file.is_file():
            file.unlink()
    shutil.copy(copy, vault.data / "secvault.db")

    said = shown.in_a_process()("serve", "--port", str(free_port()))
    assert said.code == 5
    assert "the publication second" in said.err
    assert "--accept-rollback" in said.err
    said = shown("audit", "publish", "second")
    assert said.code == 5
    assert shown("preflight", "--accept-rollback", " ").code == 2
    assert shown("audit", "verify").code == 5

    shown.ok("preflight", "--accept-rollback", "restored on purpose")
    shown.ok("preflight")
    keys = shown.ok("audit", "keys", "--json").json["audit_keys"]
    assert [key["reason"] for key in keys] == ["restored on purpose", ""]
    shown.ok("audit", "publish")
    assert "restored on purpose" in shown.ok("audit", "keys").out
    assert shown.ok("audit", "verify", "--json").json["unread"] == []
    assert sorted(each.name for each in (place.glob("*/audit/*"))) != []


LOADED = """
import json, os
from pathlib import Path
before = len(os.listdir("/proc/self/fd"))
from secvault.cli import serve
serve.load_program()
import nacl.utils, random, secrets, ssl, sys, uuid_utils
from secvault.cli.keeper import fork

def draw():
    print(json.dumps([
        uuid_utils.uuid7().hex[-12:], uuid_utils.uuid4().hex, random.random(), secrets.token_hex(),
        ssl.RAND_bytes(16).hex(), nacl.utils.random(16).hex(),
    ]))
    return 0

tasks, files = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")) - before
print(json.dumps({"tasks": tasks, "files": files, "web": "secvault.api.web_worker" in sys.modules}))
for number in range(3):
    fork(f"child {number}", draw).join()
"""


def test_what_is_loaded_before_the_forks_starts_no_thread_and_children_draw_other_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=150, check=True
    )
    first, *drawn = [json.loads(line) for line in done.stdout.splitlines()]
    assert first == {"tasks": 1, "files": 0, "web": True}
    assert len(drawn) == 3
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 3, "children of one keeper draw the same"


CLOSED = """
import os
for number in (0, 2):
    os.close(number)
from secvault.cli import serve
serve._have_standard_streams()
print([os.readlink(f"/proc/self/fd/{number}") for number in (0, 2)])
"""


def test_closed_standard_streams_are_nothing_and_no_file_that_is_opened_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], capture_output=True, text=True, timeout=150, check=True
    )
    assert done.stdout.strip() == str([os.devnull, os.devnull])
