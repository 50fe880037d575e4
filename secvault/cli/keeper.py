"""Keeps the processes of the service running: the web server, and the worker of long jobs.

The keeper holds no state and opens nothing. A child that dies is started again; when the keeper
dies, the kernel ends its children, so that nothing is left that holds the port or the store.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType

from secvault.process import die_with_parent

PATIENCE_SECONDS = 40
LONGEST_PAUSE_SECONDS = 30


@dataclass
class Child:
    """One process that is kept running.

    starts: how often it was begun. quick_deaths: how often it died at once, in a row.
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    starts: int = 0
    quick_deaths: int = 0
    next_start: float = field(default=0.0)


def keep(
    commands: Mapping[str, Sequence[str]],
    say: Callable[[str], None],
    *,
    environment: Mapping[str, str] | None = None,
    each_turn: Callable[[], None] = lambda: None,
) -> int:
    """Run the named commands until SIGTERM or SIGINT; return the exit code.

    environment: of the children; this process's own if None. each_turn: called again and again
    while they run, so that nothing here needs a thread; must be quick.
    A child that ends by a usage, refusal or sealed error (exit codes 2, 3, 4) right after its
    first start would end so again: the keeper stops with that code. One that was running before
    is started again and again: what it lacks, such as the database, may come back.
    """
    children = [Child(name, command) for name, command in commands.items()]
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = 0
    try:
        while not stopping and code == 0:
            for child in children:
                code = code or _tend(child, say, environment)
            each_turn()
            time.sleep(0.1)
    finally:
        _stop_all(children)
    return code


def _tend(child: Child, say: Callable[[str], None], environment: Mapping[str, str] | None) -> int:
    now = time.monotonic()
    if child.process is None:
        if now >= child.next_start:
            child.process = subprocess.Popen(
                child.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                # In one session: where the kernel shares processors out by session (autogroup),
                # priorities count only within it.
                process_group=0,
                preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - no threads here
            )
            child.started_at = now
            child.starts += 1
        return 0
    ended = child.process.poll()
    if ended is None:
        return 0
    _end_group(child.process.pid, signal.SIGKILL)
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
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        _end_group(process.pid, signal.SIGKILL)
        process.wait()


def _end_group(group: int, number: signal.Signals) -> None:
    # What a child started (web workers, restic) shares its group and must not outlive it.
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
