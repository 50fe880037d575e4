"""One run of a program that a source or a hook needs: started safely, watched, ended as a whole.

It gets no shell, an environment that is made for it, and a process group of its own, which is ended
with it: what it leaves running in its group does not outlive it. What it writes to stdout is a
file, whole or not at all. Should we be killed, the kernel ends it (PR_SET_PDEATHSIG by util-linux's
`setpriv`; see `restic_process`), though not what it has started itself.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic_messages import one_line
from secvault.backup.restic_process import Cancel, Launch
from secvault.backup.sources.faults import OutOfTime, ProgramFailed
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, Cancelled, ConfigurationError

# From SIGTERM to SIGKILL.
GENTLE_SECONDS = 5.0
KEPT_LINES = 20
LONGEST_LINE = 2000
LONGEST_REASON = 600
_POLL_MILLISECONDS = 100
_CHUNK = 1 << 16
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")
_FULL = ("No space left on device", "Got errno 28", "Errcode: 28")


@dataclass(frozen=True)
class Task:
    """What to run, and what for.

    argv: the program first, by its full path or its name on the environment's PATH. work: for the
    error, as in `dumping payroll`. seconds: how long it may take. stdin: a file to read. stdout:
    the file to make of what it writes; without it, that is dropped. secrets: cut from what it
    prints. accepted: the exit statuses of a success. shown: makes a line of stderr fit to be shown.
    install: what to do where the program is not there. cwd: the folder that it works in.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    work: str
    seconds: float
    stdin: Path | None = None
    stdout: Path | None = None
    secrets: tuple[Secret, ...] = ()
    accepted: frozenset[int] = frozenset({0})
    shown: Callable[[str], str] = str
    install: str = "install it, or write its full path"
    gentle_seconds: float = GENTLE_SECONDS
    cwd: Path = Path("/")


def run(
    task: Task, clock: Clock, cancel: Cancel, launch: Launch = subprocess.Popen
) -> tuple[str, ...]:
    """Run the program to its end, and return the last lines of its stderr, scrubbed.

    Raises ConfigurationError where it cannot be started, ProgramFailed where it fails, StorageFull
    where it found no space, OutOfTime, Cancelled, OSError; no file is made of its stdout then.
    """
    if cancel.is_set():
        raise Cancelled(f"{task.work}: stopped on request before it began")
    argv = (_program("setpriv", task), "--pdeathsig", "TERM", "--", *_resolved(task))
    with ExitStack() as open_files:
        stdin = open_files.enter_context(task.stdin.open("rb")) if task.stdin else None
        stdout = open_files.enter_context(whole(task.stdout)) if task.stdout else None
        try:
            process = launch(
                argv,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(task.environment),
                cwd=task.cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{task.argv[0]} cannot be started: {error}") from None
        said = _Said(task)
        _watch(process, task, said, clock, cancel)
        if process.returncode not in task.accepted:
            raise _failure(task, process.returncode, said.lines())
    return said.lines()


def environment_of(ours: Mapping[str, str], *more: str) -> dict[str, str]:
    """What a program sees of our own environment: where things are, the language, and `more`."""
    return {name: ours[name] for name in (*_PASSED_ON, *more) if name in ours}


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, private, that gets its name when it is complete and on disk, or never."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with open(beside, "xb", opener=_private) as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Said:
    """The last lines that a program wrote to stderr, bounded."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kept: list[str] = []
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        *whole_lines, rest = (self._rest + chunk).split(b"\n")
        for line in whole_lines:
            self._keep(line)
        # A line without end is cut; a secret at the cut would be shown in part, so none is kept.
        self._rest = rest if len(rest) <= _CHUNK else b""

    def end(self) -> None:
        self._keep(self._rest)
        self._rest = b""

    def lines(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def _keep(self, raw: bytes) -> None:
        line = raw.decode(errors="replace")
        for secret in self._task.secrets:
            line = line.replace(secret.text(), "***")
        line = one_line(self._task.shown(line))[:LONGEST_LINE]
        if line:
            self._kept.append(line)
            del self._kept[:-KEPT_LINES]


def _watch(
    process: subprocess.Popen[bytes], task: Task, said: _Said, clock: Clock, cancel: Cancel
) -> None:
    """Read stderr until the program has ended; its whole group has ended then, too."""
    if process.stderr is None:
        raise RuntimeError("the program was started without pipes")
    until = clock.monotonic() + task.seconds
    with process.stderr as stderr, _handle(process.pid) as handle:
        os.set_blocking(stderr.fileno(), False)
        watched = _Watched(process, stderr.fileno(), handle, said)
        try:
            while not watched.ended_within(_POLL_MILLISECONDS):
                if cancel.is_set():
                    raise Cancelled(f"{task.work}: stopped on request")
                if clock.monotonic() > until:
                    raise OutOfTime(
                        f"{task.work}: {_name(task)} was ended after {task.seconds:.0f} seconds, "
                        "which is as long as its setting allows"
                    )
        finally:
            watched.end(clock, task.gentle_seconds)
            said.end()


@dataclass(frozen=True)
class _Watched:
    process: subprocess.Popen[bytes]
    stderr: int
    handle: int
    said: _Said

    def ended_within(self, milliseconds: int) -> bool:
        """Whether the program has ended, without its being waited for: its id stays taken."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        poll.register(self.stderr, select.POLLIN)
        ready = {number for number, _ in poll.poll(milliseconds)}
        if self.stderr in ready and not self._read():
            # Closed before its end: there is only the end to wait for.
            alone = select.poll()
            alone.register(self.handle, select.POLLIN)
            return bool(alone.poll(milliseconds))
        return self.handle in ready

    def end(self, clock: Clock, gentle_seconds: float) -> None:
        """End the whole group, gently where it still works, and wait for the program."""
        if not self.ended_within(0):
            self._signal(signal.SIGTERM)
            until = clock.monotonic() + gentle_seconds
            while not self.ended_within(_POLL_MILLISECONDS) and clock.monotonic() < until:
                pass
        # The program's id is not given to another before it is waited for, nor is its group's.
        self._signal(signal.SIGKILL)
        self.process.wait()
        while self._read():
            pass

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _read(self) -> bool:
        try:
            chunk = os.read(self.stderr, _CHUNK)
        except BlockingIOError:
            return False
        self.said.add(chunk)
        return bool(chunk)


@contextmanager
def _handle(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _failure(task: Task, status: int, said: tuple[str, ...]) -> BackupFailed:
    reason = "; ".join(said[-5:])[-LONGEST_REASON:] or "it did not say why"
    if any(words in line for line in said for words in _FULL):
        return StorageFull(f"{task.work}: no space left: {reason}")
    how = f"ended with {status}" if status >= 0 else f"was ended by signal {-status}"
    detail = f"{task.work}: {_name(task)} {how}: {reason}"
    return ProgramFailed(detail, exit_status=status, said=said)


def _resolved(task: Task) -> tuple[str, ...]:
    program, *arguments = task.argv
    if "/" in program and not program.startswith("/"):
        raise ConfigurationError(f"{task.work}: {program} is neither a full path nor a plain name")
    return (_program(program, task), *arguments)


def _program(name: str, task: Task) -> str:
    found = shutil.which(name, path=task.environment.get("PATH", os.defpath))
    if found is None:
        mend = "install the package util-linux" if name == "setpriv" else task.install
        raise ConfigurationError(f"{task.work}: there is no program {name}; {mend}")
    return found


def _name(task: Task) -> str:
    return Path(task.argv[0]).name
