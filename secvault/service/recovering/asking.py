"""Starting the recovered service as its owner would, and asking it over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from secvault.clock import Clock
from secvault.errors import Damaged, Unavailable
from secvault.service.recovering.place import Place

READY_SECONDS = 180.0
STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 20.0
_PROGRAM = (sys.executable, "-m", "secvault.cli")
# Neither credentials nor settings of the caller reach it: it has its own file.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")


@dataclass(frozen=True)
class Answers:
    """How many questions were asked, and how long the service took to answer the first."""

    asked: int
    ready_seconds: float


@dataclass(frozen=True)
class Serving:
    """The service while it runs on the loopback. ready_seconds: until it was ready."""

    port: int
    ready_seconds: float


@contextmanager
def serving(
    place: Place, port: int, clock: Clock, environment: Mapping[str, str]
) -> Iterator[Serving]:
    """The recovered service in processes of its own; ended when the block ends, or with us.

    Its arguments name the folder, so that the sweep after a killed drill finds it. Raises
    Unavailable where it does not become ready; what it said is in `service.log`.
    """
    log = place.folder / "service.log"
    passed = {name: environment[name] for name in _PASSED_ON if name in environment}
    began = clock.monotonic()
    with log.open("ab") as said:
        log.chmod(0o600)
        process = subprocess.Popen(
            # The folder by an argument, so that the sweep of drills finds it when we are killed.
            [*_ending_with_us(passed), *_PROGRAM, "--config", str(place.settings), "serve"],
            env=passed,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # With all that it starts, so that nothing of it is left.
            process_group=0,
        )
    try:
        _wait(process, port, clock)
        yield Serving(port, clock.monotonic() - began)
    finally:
        _stop(process)


def ask(running: Serving, token: str) -> Answers:
    """Ask what every installation must answer, the wrong questions among them.

    token: of a system without any role. Raises Damaged where an answer is not as it must be.
    """
    questions = (
        ("GET", "/health/live", "", 200),
        ("GET", "/health/ready", "", 200),
        # Nobody comes in without a credential, or with one that is none.
        ("GET", "/api/v1/collections", "", 401),
        ("GET", "/api/v1/collections", "svt_nobody", 401),
        # Who has no role sees no collection and no people.
        ("GET", "/api/v1/people", token, 403),
        ("GET", "/api/v1/sessions/self", "", 401),
    )
    for method, path, shown, wanted in questions:
        status, _ = request(running.port, method, path, shown)
        if status != wanted:
            raise Damaged(f"the service answered {path} with {status} in place of {wanted}")
    return Answers(len(questions), running.ready_seconds)


def request(
    port: int, method: str, path: str, token: str = "", body: object = None
) -> tuple[int, bytes]:
    """One request to the service on the loopback: the status, and the content.

    Raises Unavailable.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sent = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        sent = json.dumps(body)
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        made.request(method, path, body=sent, headers=headers)
        answer = made.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"the recovered service does not answer: {type(error).__name__}"
        ) from None
    finally:
        made.close()


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _ending_with_us(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What a program is started by that is told to end when we are killed (PR_SET_PDEATHSIG)."""
    setpriv = shutil.which("setpriv", path=environment.get("PATH", os.defpath))
    return () if setpriv is None else (setpriv, "--pdeathsig", "TERM", "--")


def _wait(process: subprocess.Popen[bytes], port: int, clock: Clock) -> None:
    deadline = clock.monotonic() + READY_SECONDS
    while clock.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(
                f"the recovered service ended with {process.returncode} at its start; see "
                "service.log in the folder"
            )
        try:
            if request(port, "GET", "/health/ready")[0] == http.HTTPStatus.OK:
                return
        except Unavailable:
            pass
        clock.sleep(_LOOK_SECONDS)
    raise Unavailable(
        f"the recovered service was not ready after {READY_SECONDS:.0f} seconds; see service.log "
        "in the folder"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
