"""A drill followed from the command line, while another process does it and when it has ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from secvault.cli import progress
from tests.cli.program import Program
from tests.cli.test_backup_runs_commands import planned

__all__ = ["planned"]

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@contextmanager
def drilling(planned: Program) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Another process at work on a drill, and the drill's id."""
    planned.ok("backup", "run")
    with subprocess.Popen(
        [sys.executable, "-m", "secvault.cli", "drill", "run"],
        env=planned.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        while not (rows := planned.ok("drill", "list", "--json").json["drills"]):
            assert other.poll() is None
            time.sleep(0.05)
        yield other, rows[0]["id"]


def test_a_drill_of_another_process_is_followed_to_its_end(planned: Program) -> None:
    with drilling(planned) as (other, drill):
        watched = planned.ok("drill", "watch", drill, "--json")
        lines = [json.loads(line) for line in watched.out.splitlines()]
        assert other.wait() == 0
    assert len(lines) > 1
    assert {one["state"] for one in lines[:-1]} == {"running"}
    assert (lines[-1]["state"], lines[-1]["passed"]) == ("done", True)
    again = planned.ok("drill", "watch", drill)
    assert again.err == "done\n"
    assert "verdict" in again.out


def test_a_watching_that_is_broken_off_proves_nothing(
    planned: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    with drilling(planned) as (other, drill):
        monkeypatch.setattr(progress, "cancellable", _broken_off)
        assert planned("drill", "watch", drill).code == 1
        assert other.wait() == 0, "the drill itself goes on"


@contextmanager
def _broken_off(_: str) -> Iterator[threading.Event]:
    left = threading.Event()
    left.set()
    yield left


def test_a_drill_that_failed_or_is_not_there_has_its_exit_code(planned: Program) -> None:
    planned.ok("backup", "run")
    packs = [*planned.folder.glob("**/data/??/*")]
    largest = max(packs, key=lambda file: file.stat().st_size)
    largest.chmod(0o600)
    largest.write_bytes(bytes(largest.stat().st_size))
    assert planned("drill", "run").code == 5
    (row,) = planned.ok("drill", "list", "--json").json["drills"]
    assert planned("drill", "watch", row["id"]).code == 5
    assert planned("drill", "watch", "nothing").code == 1
