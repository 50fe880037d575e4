"""Servers that a killed drill left are ended, and no process of anybody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from secvault.backup.drills.databases.left import end_left
from secvault.backup.drills.databases.processes import RECORD, Record, boot, started

STARTING = """
import json, os, sys, time
from pathlib import Path
from secvault.backup.drills.databases import servers
from secvault.backup.sources.source import SourceEntry
from tests.backup.drills.databases.grounds import place
kind, folder = sys.argv[1:]
entry = SourceEntry("erp", kind, ("/x",), facts={"databases": {}})
with servers.running(entry, None, place(Path(folder))) as server:
    print(server.process.process.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def sleeping() -> Iterator[Callable[[], int]]:
    """Starts a process that is somebody's, and returns its number."""
    made: list[subprocess.Popen[bytes]] = []

    def start() -> int:
        made.append(subprocess.Popen(["sleep", "600"]))
        return made[-1].pid

    yield start
    for process in made:
        process.kill()
        process.wait()


def write(folder: Path, record: Record) -> None:
    (folder / f"erp{RECORD}").write_bytes(msgspec.json.encode(record))


def is_running(pid: int) -> bool:
    return started(pid) is not None


def test_a_process_that_is_written_down_is_ended(
    tmp_path: Path, sleeping: Callable[[], int]
) -> None:
    pid = sleeping()
    write(tmp_path, Record(pid, started(pid) or 0, boot()))
    assert end_left(tmp_path) == 1
    assert not is_running(pid)


def test_another_process_of_the_same_number_is_left_alone(
    tmp_path: Path, sleeping: Callable[[], int]
) -> None:
    pid = sleeping()
    write(tmp_path, Record(pid, (started(pid) or 0) - 1, boot()))
    assert end_left(tmp_path) == 0
    write(tmp_path, Record(pid, started(pid) or 0, "another boot"))
    assert end_left(tmp_path) == 0
    assert is_running(pid)


def test_a_record_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"erp{RECORD}").write_text('{"pid": 1, "sta')
    assert end_left(tmp_path) == 0
    assert end_left(tmp_path / "not there") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_record_that_is_not_ours_is_no_record(
    tmp_path: Path, sleeping: Callable[[], int]
) -> None:
    pid = sleeping()
    write(tmp_path, Record(pid, started(pid) or 0, boot()))
    os.chown(tmp_path / f"erp{RECORD}", 65534, 65534)
    assert end_left(tmp_path) == 0
    assert is_running(pid)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_ends_with_a_drill_that_is_killed_and_nothing_of_it_is_left(
    kind: str, tmp_path: Path
) -> None:
    # So that the socket has a path that is too long, and a link elsewhere.
    folder = tmp_path / ("long" * 25)
    drill = subprocess.Popen(
        [sys.executable, "-c", STARTING, kind, str(folder)], stdout=subprocess.PIPE
    )
    assert drill.stdout is not None
    pid = int(drill.stdout.readline())
    (record,) = folder.glob(f"*{RECORD}")
    (link,) = map(Path, json.loads(record.read_bytes())["links"])
    assert is_running(pid)
    assert link.is_dir()
    drill.send_signal(signal.SIGKILL)
    drill.wait()
    until = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(pid)
    assert end_left(folder) == 0
    assert not link.exists()
