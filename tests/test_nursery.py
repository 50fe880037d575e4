"""The nursery: each process that it makes has what it is given, and outlives nobody."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from secvault.nursery import Nursery, pair

# It tells what it finds, and then ends as it is told.
ATTENDING = """
import json, os, random, socket, sys
from secvault.nursery import attend
from secvault.process import die_with_parent

def newborn(control, listening, parent):
    die_with_parent(parent)
    control.sendall(json.dumps({
        "environment": sorted(os.environ), "files": sorted(map(int, os.listdir("/proc/self/fd"))),
        "mine": [control.fileno(), listening.fileno()], "port": listening.getsockname()[1],
        "drawn": random.random(), "prepared": prepared, "out": os.readlink("/proc/self/fd/1"),
    }).encode())
    return int(control.recv(10) or 0)

def prepare():
    if refused:
        raise OSError(refused.pop())
    prepared.append(1)

prepared, refused = [], json.loads(sys.argv[3])
die_with_parent(int(sys.argv[2]))
sys.exit(attend(socket.socket(fileno=int(sys.argv[1])), prepare, newborn))
"""


class Attended:
    """A nursery in a process of its own, whose environment holds a secret."""

    def __init__(self, *refused: str) -> None:
        ours, its = pair()
        handed = str(its.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-c", ATTENDING, handed, str(os.getpid()), json.dumps(refused)],
            pass_fds=[its.fileno()],
            env={**os.environ, "SECVAULT_STORE__URL": "postgresql://u:hidden@host/d"},
        )
        its.close()
        self.nursery = Nursery(ours)

    def ask(self) -> tuple[int, socket.socket, dict[str, Any]]:
        """A new process: its descriptor, the way to it, and what it tells."""
        control, its = socket.socketpair()
        with its, socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            process = self.nursery.born(its, listening)
            port = listening.getsockname()[1]
        told = json.loads(control.recv(10_000))
        assert told["port"] == port
        return process, control, told


@pytest.fixture
def attended() -> Iterator[Attended]:
    made = Attended()
    yield made
    made.nursery.channel.close()
    made.process.wait(60)


def ended(process: int, seconds: float) -> bool:
    watching = select.poll()
    watching.register(process, select.POLLIN)
    return bool(watching.poll(seconds * 1000))


def test_a_process_has_its_sockets_and_nothing_of_our_environment_or_output(
    attended: Attended,
) -> None:
    process, control, told = attended.ask()
    assert "SECVAULT_STORE__URL" not in told["environment"]
    assert "PATH" in told["environment"]
    assert told["out"] == os.devnull
    # The listing's own, beside the standard streams.
    assert len(told["files"]) == 3 + 2 + 1
    assert set(told["mine"]) < set(told["files"])
    assert not ended(process, 0)
    control.close()
    assert ended(process, 60)
    os.close(process)


def test_many_at_once_are_different_processes_that_draw_other_numbers(attended: Attended) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: attended.ask(), range(16)))
    assert len({told["drawn"] for _, _, told in made}) == 16
    # None has a descriptor of another: each has as many as the first.
    assert {len(told["files"]) for _, _, told in made} == {6}
    for process, control, _ in made:
        control.close()
        assert ended(process, 60)
        os.close(process)
    _wait_until_childless(attended.process.pid)


def test_what_is_prepared_is_prepared_before_and_kept(attended: Attended) -> None:
    tolds = []
    for _ in range(2):
        process, control, told = attended.ask()
        tolds.append(told["prepared"])
        control.close()
        os.close(process)
    assert tolds == [[1], [1, 1]]


def test_where_one_cannot_be_made_the_others_live_on_and_the_next_is_made() -> None:
    made = Attended()
    first, control, _ = made.ask()
    with socket.socketpair()[0] as alone, pytest.raises(ConnectionError):
        # Its own side cannot take what is no pair of sockets.
        made.nursery.born(alone, _file())
    assert not ended(first, 0)
    second, other, told = made.ask()
    assert told["prepared"] == [1, 1]
    for process, way in ((first, control), (second, other)):
        way.close()
        assert ended(process, 60)
        os.close(process)
    made.nursery.channel.close()
    assert made.process.wait(60) == 0


def test_a_refusal_of_the_machine_is_told_and_forgotten() -> None:
    made = Attended("no process")
    with pytest.raises(ConnectionError, match="no process"):
        made.ask()
    process, control, told = made.ask()
    assert told["prepared"] == [1]
    control.close()
    os.close(process)
    made.nursery.channel.close()
    assert made.process.wait(60) == 0


def test_behind_an_answer_that_did_not_come_nothing_is_asked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("secvault.nursery.SECONDS", 0.05)
    ours, its = pair()
    with ours, its, socket.socket() as one:
        silent = Nursery(ours)
        with pytest.raises(TimeoutError):
            silent.born(one, one)
        its.send(b"+")
        with pytest.raises(ConnectionError, match="not to be understood"):
            silent.born(one, one)


def _file() -> socket.socket:
    """What has a descriptor that is no socket's."""

    class File:
        def fileno(self) -> int:
            return os.open(os.devnull, os.O_RDONLY)

    return File()  # type: ignore[return-value]


def test_a_nursery_ends_with_its_channel_and_whoever_asks_then_is_told(attended: Attended) -> None:
    attended.process.kill()
    attended.process.wait()
    with pytest.raises(OSError):
        attended.ask()


def test_a_closed_channel_ends_it_well() -> None:
    made = Attended()
    process, control, _ = made.ask()
    made.nursery.channel.close()
    assert made.process.wait(60) == 0
    # What it made ends with it.
    assert ended(process, 60)
    control.close()
    os.close(process)


def test_its_processes_end_when_it_is_killed(attended: Attended) -> None:
    process, control, _ = attended.ask()
    attended.process.send_signal(signal.SIGKILL)
    assert ended(process, 60)
    control.close()
    os.close(process)


def _wait_until_childless(process: int) -> None:
    children = Path(f"/proc/{process}/task/{process}/children")
    deadline = time.monotonic() + 60
    while children.read_text().strip():
        assert time.monotonic() < deadline, "it leaves zombies"
        time.sleep(0.02)
