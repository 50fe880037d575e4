"""What was started is ended, and nothing else is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from throwaway.process import end, note, noted

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as child:
        yield child
        child.kill()


def test_a_register_gives_back_what_was_noted(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    register = tmp_path / "processes"
    process = note(register, sleeper.pid, signal.SIGQUIT)
    assert noted(register) == [process]
    assert process.alive


def test_a_later_process_with_the_same_number_is_not_ended(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    process = note(tmp_path / "processes", sleeper.pid, signal.SIGTERM)
    earlier = replace(process, born=process.born - 1)
    assert not earlier.alive
    end([earlier])
    assert sleeper.poll() is None
    end([process])
    assert not process.alive


def test_what_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        process = note(tmp_path / "processes", child.pid, signal.SIGTERM)
        end([process], patience_seconds=0.2)
        assert not process.alive
