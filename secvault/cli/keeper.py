"""Keeps the processes of the service running: the web server, and the worker of long jobs.

The keeper holds no state and opens nothing. It has loaded the program, once, and its children are
forked from it: they begin at once and share the program's memory, and nothing else, since there is
nothing else. A child that dies is started again; when the keeper dies, the kernel ends its
children, so that nothing is left that holds the port or the store.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from types import FrameType

from setproctitle import setproctitle

from secvault.process import die_with_parent

PATIENCE_SECONDS = 40
LONGEST_PAUSE_SECONDS = 30

Program = Callable[[], int]
"""What a child does; returns its exit code."""

_FORKING = multiprocessing.get_context("fork")
_TOLD_TO_STOP = (signal.SIGTERM, signal.SIGINT)


@dataclass
class Child:
    """One process that is kept running.

    starts: how often it was begun. quick_deaths: how often it died at once, in a row.
    """

    name: str
    program: Program
    process: ForkProcess | None = None
    started_at: float = 0.0
    starts: int = 0
    quick_deaths: int = 0
    next_start: float = 0.0


def keep(
    programs: Mapping[str, Program],
    say: Callable[[str], None],
    *,
    each_turn: Callable[[], None] = lambda: None,
) -> int:
    """Run the named programs until SIGTERM or SIGINT; return the exit code.

    each_turn: called again and again while they run, so that nothing here needs a thread; must be
    quick.
    A child that ends by a usage, refusal or sealed error (exit codes 2, 3, 4) right after its
    first start would end so again: the keeper stops with that code. One that was running before
    is started again and again: what it lacks, such as the database, may come back.
    """
    children = [Child(name, program) for name, program in programs.items()]
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in _TOLD_TO_STOP:
        signal.signal(number, stop)
    code = 0
    try:
        while not stopping and code == 0:
            for child in children:
                code = code or _tend(child, say)
            each_turn()
            time.sleep(0.1)
    finally:
        _stop_all(children)
    return code


def fork(name: str, program: Program, *, daemon: bool = False) -> ForkProcess:
    """Start the program in a process of its own, which ends with this one.

    It takes SIGTERM and SIGINT as a new process does. There must be no threads here: a child could
    wait for ever for what one of them held. daemon: it is ended also when this process ends by
    itself, and has no process group of its own.
    """
    process = _FORKING.Process(
        target=_begin, args=(name, program, os.getpid(), daemon), name=name, daemon=daemon
    )
    # One that comes meanwhile is for the keeper; or for the child, once it takes them itself.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD_TO_STOP)
    # Whoever ignores it, which is inherited, is not told how a child ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    if not daemon:
        # Here, too, so that it has its group before anybody ends that; unless it has ended itself.
        with contextlib.suppress(ProcessLookupError):
            os.setpgid(_id(process), 0)
    return process


def _begin(name: str, program: Program, keeper: int, daemon: bool) -> None:
    die_with_parent(keeper)
    if not daemon:
        # In one session: where the kernel shares processors out by session (autogroup),
        # priorities count only within it.
        os.setpgid(0, 0)
    setproctitle(f"secvault {name}")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A Ctrl-C that came meanwhile is forgotten by this: the keeper has it, and ends the child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD_TO_STOP)
    sys.exit(program())


def _tend(child: Child, say: Callable[[str], None]) -> int:
    now = time.monotonic()
    if child.process is None:
        if now >= child.next_start:
            child.process = fork(child.name, child.program)
            child.started_at = now
            child.starts += 1
        return 0
    ended = child.process.exitcode
    if ended is None:
        return 0
    _end_group(child.process, signal.SIGKILL)
    child.process = None
    quick = now - child.started_at < 10
    if quick and child.starts == 1 and ended in (2, 3, 4):
        return ended
    child.quick_deaths = child.quick_deaths + 1 if quick else 0
    pause = min(LONGEST_PAUSE_SECONDS, 2 ** max(0, child.quick_deaths - 2)) if quick else 0
    child.next_start = now + pause
    say(f"{child.name} ended with {ended}; starting it again")
    return 0


def _stop_all(children: list[Child]) -> None:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in running:
        process.join(max(0.1, deadline - time.monotonic()))
        _end_group(process, signal.SIGKILL)
        process.join()


def _end_group(process: ForkProcess, number: signal.Signals) -> None:
    # What a child started (restic, hashes) shares its group and must not outlive it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(_id(process), number)


def _id(process: ForkProcess) -> int:
    assert process.pid  # noqa: S101 - narrows: it was started
    return process.pid
