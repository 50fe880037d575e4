"""Processes that we started: written down at once, told apart from others, ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    """A process that we started.

    born: clock ticks from boot to its start (field 22 of /proc/PID/stat, see proc(5)); a later
    process with the same number has another value, so it is never ended in place of ours.
    ending: the signal that asks it to end.
    """

    pid: int
    born: int
    ending: signal.Signals

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that has ended but was not collected does not."""
        found = _look(self.pid)
        return found is not None and found == (self.born, True)


def note(register: Path, pid: int, ending: signal.Signals) -> Process:
    """Write our child `pid` into the register (a text file) and return it."""
    found = _look(pid)
    process = Process(pid, found[0] if found else 0, ending)
    with register.open("a", encoding="ascii") as lines:
        lines.write(f"{process.pid} {process.born} {process.ending.value}\n")
    return process


def noted(register: Path) -> list[Process]:
    """All processes in the register, oldest first."""
    rows = (line.split() for line in register.read_text(encoding="ascii").splitlines())
    return [Process(int(pid), int(born), signal.Signals(int(sig))) for pid, born, sig in rows]


def end(processes: Iterable[Process], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Ask all to end, newest first, and wait; kill those that have not ended in time."""
    running = [process for process in processes if process.alive]
    for process in reversed(running):
        _send(process, process.ending)
    if _still_alive(running, patience_seconds):
        for process in running:
            _send(process, signal.SIGKILL)
        _still_alive(running, patience_seconds)
    for process in running:
        _collect(process)


def _still_alive(processes: list[Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def _send(process: Process, number: signal.Signals) -> None:
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return  # it ended by itself between the look and the signal


def _collect(process: Process) -> None:
    """Take the exit status, so that no empty entry stays behind in the process table."""
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return  # started by an earlier process than this one, or collected already


def _look(pid: int) -> tuple[int, bool] | None:
    """The start time of a process and whether it runs; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return int(fields[19]), fields[0] not in "ZX"
