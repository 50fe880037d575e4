"""The programs of sources and hooks, tried with small shell programs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic_process import Cancel, NeverCancelled
from secvault.backup.sources.child import KEPT_LINES, LONGEST_LINE, Task, run
from secvault.backup.sources.faults import OutOfTime, ProgramFailed
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, ConfigurationError
from tests.backup.sources.turns import files, program, small_disk

ENVIRONMENT = {"PATH": os.environ["PATH"]}
LONG = 60.0


def shell(script: str, seconds: float = LONG, **more: object) -> Task:
    argv = ("/bin/sh", "-c", script)
    return Task(argv, ENVIRONMENT, "testing", seconds, **more)  # type: ignore[arg-type]


def done(task: Task, cancel: Cancel | None = None) -> tuple[str, ...]:
    return run(task, system_clock(), cancel or NeverCancelled())


def is_gone(pid: int) -> bool:
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_what_it_writes_becomes_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "out"
    assert done(shell("echo one; echo warned >&2", stdout=file)) == ("warned",)
    assert file.read_bytes() == b"one\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert files(tmp_path) == ["out"]


def test_it_reads_a_file(tmp_path: Path) -> None:
    source, file = tmp_path / "in", tmp_path / "out"
    source.write_text("Lương\n")
    done(shell("cat", stdin=source, stdout=file))
    assert file.read_text() == "Lương\n"


@pytest.mark.parametrize("ending", ["exit 3", "kill -9 $$", "kill -15 $$"])
def test_half_of_an_output_is_no_file(tmp_path: Path, ending: str) -> None:
    with pytest.raises(ProgramFailed, match=r"testing: sh .*: no such table") as caught:
        done(shell(f"echo half; echo no such table >&2; {ending}", stdout=tmp_path / "out"))
    assert caught.value.exit_status in {3, -9, -15}
    assert files(tmp_path) == []


def test_no_environment_but_its_own_and_no_file_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with (tmp_path / "private").open("w") as private:
        os.set_inheritable(private.fileno(), True)
        done(shell("env; ls -l /proc/$$/fd; pwd", stdout=file))
    said = file.read_text()
    assert "private" not in said
    assert "HOME=" not in said
    assert said.endswith("\n/\n")


def test_secrets_are_cut_from_what_it_says() -> None:
    secret = Secret.of("mật khẩu; of mine")
    with pytest.raises(ProgramFailed) as caught:
        done(shell("echo 'refused: mật khẩu; of mine' >&2; exit 1", secrets=(secret,)))
    assert caught.value.said == ("refused: ***",)
    assert "mine" not in caught.value.detail


def test_a_flood_of_complaints_is_bounded_and_blocks_nothing() -> None:
    script = """i=0; while [ $i -lt 3000 ]; do echo "complaint $i" >&2; i=$((i+1)); done
        head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2"""
    said = done(shell(script))
    assert said[-1] == "last"
    assert len(said) <= KEPT_LINES
    assert max(map(len, said)) <= LONGEST_LINE


def test_it_is_ended_when_its_time_is_over_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; (trap '' TERM; echo $$ >{pids}; sleep 100) & sleep 100; sleep 100"
    with pytest.raises(OutOfTime, match="after 1 seconds"):
        done(shell(script, 0.6, stdout=tmp_path / "out", gentle_seconds=0.2))
    assert is_gone(int(pids.read_text()))
    assert files(tmp_path) == ["pids"]


def test_cancelling_ends_it_gently(tmp_path: Path) -> None:
    cancel = threading.Event()
    mark = tmp_path / "cleaned"
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(Cancelled):
        done(shell(f"trap 'echo >{mark}; exit 1' TERM; while :; do sleep 0.05; done"), cancel)
    assert mark.exists()


def test_what_is_cancelled_already_is_not_started(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        done(shell(f"touch {tmp_path / 'mark'}"), cancel)
    assert files(tmp_path) == []


def test_what_it_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    done(shell(f"sleep 100 >&2 & echo $! >{pid}"))
    assert is_gone(int(pid.read_text()))
    assert time.monotonic() - began < 30


def test_a_program_that_leaves_its_group_and_keeps_stderr_is_not_waited_for(
    tmp_path: Path,
) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    done(shell(f"setsid sleep 60 & echo $! >{pid}; sleep 0.2"))
    assert time.monotonic() - began < 30
    os.kill(int(pid.read_text()), 9)


def test_a_program_that_closes_stderr_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "out"
    done(shell("exec 2>&-; sleep 0.3; echo late", stdout=file))
    assert file.read_text() == "late\n"


def test_a_program_that_is_not_there_or_not_named_in_full_is_told(tmp_path: Path) -> None:
    for name in ("no-such-program", "/nowhere/program", "./program"):
        program(tmp_path, "program", "exit 0")
        with pytest.raises(ConfigurationError, match=name):
            done(Task((name,), ENVIRONMENT, "testing", LONG))
    assert files(tmp_path) == ["program"]


@pytest.mark.real
def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "64k"):
        with pytest.raises(StorageFull, match="no space left"):
            done(shell("head -c 1000000 /dev/zero", stdout=disk / "out"))
        assert files(disk) == []


@pytest.mark.real
def test_it_ends_when_we_are_killed() -> None:
    ours_program = """
import sys
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.sources.child import Task, run
from secvault.clock import system_clock
script = f"echo $$ > {sys.argv[2]}; while :; do sleep 0.05; done"
run(Task(("/bin/sh", "-c", script), {"PATH": sys.argv[1]}, "testing", 60.0),
    system_clock(), NeverCancelled())
"""
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", ours_program, os.environ["PATH"], f"/proc/{os.getpid()}/fd/{writer}"]
    ) as ours:
        pid = int(os.read(reader, 100))
        ours.kill()
    os.close(reader)
    os.close(writer)
    assert is_gone(pid)
