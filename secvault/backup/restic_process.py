"""One run of the restic program: started safely, read while it works, ended when asked.

What restic gets of ours: a short environment made by allow list, the repository's password
through a pipe, and nothing else. It never outlives us: Linux sends it SIGINT when the thread that
started it ends (PR_SET_PDEATHSIG). That is set by util-linux's `setpriv` between fork and exec and
not by a `preexec_fn`, which would run Python in a forked child of a program with threads. Should
that fail (a restic with file capabilities loses the setting), its next line of output meets a
closed pipe and ends it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol

from secvault.backup.late_words import Late, LatePipe
from secvault.backup.restic_messages import go_duration, plain_words
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, Cancelled, ConfigurationError

# Long enough for restic to finish a request to S3 and remove its lock.
GENTLE_SECONDS = 20.0
FIRM_SECONDS = 5.0
_HEED_SECONDS = 0.3
"""From SIGINT until what it waits for is closed, for which newer restic would wait for ever."""
LONGEST_LINE = 256 << 20
KEPT_LINES = 1000
LONGEST_KEPT = 2000
_POLL_SECONDS = 0.1
_OPENING_RETRY = re.compile(r"<(?:config|key)/.* retrying after ([0-9hmsµ.]+)")
_CHUNK = 1 << 16

Launch = Callable[..., "subprocess.Popen[bytes]"]


class Cancel(Protocol):
    """Says whether the work is no longer wanted; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""


@dataclass(frozen=True)
class NeverCancelled:
    """For work that nobody can stop."""

    def is_set(self) -> bool:
        """No."""
        return False


@dataclass(frozen=True)
class UntilFailed:
    """Also says to stop where what is done beside the work has failed."""

    cancel: Cancel
    failed: Cancel

    def is_set(self) -> bool:
        """Whether to stop."""
        return self.failed.is_set() or self.cancel.is_set()


@dataclass(frozen=True)
class Order:
    """What to start. password goes through a pipe; secrets are cut from all that restic prints.

    second_password: of the repository that is copied from; through a pipe of its own. patience:
    seconds that restic may go on retrying to open the repository. gentle_seconds: from SIGINT to
    SIGTERM when it is stopped; firm_seconds: from there to SIGKILL. late: what it reads at
    LATE_FILE, and waits for; where that fails, it is stopped.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    password: Secret | None
    secrets: tuple[Secret, ...] = ()
    second_password: Secret | None = None
    patience: float = 0.0
    gentle_seconds: float = GENTLE_SECONDS
    firm_seconds: float = FIRM_SECONDS
    late: Late | None = None


@dataclass
class Complaints:
    """What restic printed on stderr, scrubbed: the first and the last lines, bounded.

    hopeless: restic has retried to open the repository for longer than `patience` seconds.
    """

    secrets: tuple[Secret, ...]
    patience: float
    clock: Clock
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    hopeless: bool = False
    retrying_since: float | None = None

    def add(self, raw: bytes) -> None:
        """Take a line of stderr."""
        for words in plain_words(raw.decode(errors="replace")):
            line = words
            for secret in self.secrets:
                line = line.replace(secret.text(), "***")
            line = line[:LONGEST_KEPT]
            retry = _OPENING_RETRY.search(line)
            if retry is not None:
                self._judge(go_duration(retry[1]))
            if len(self.first) < KEPT_LINES:
                self.first.append(line)
            else:
                self.last.append(line)
                del self.last[:-KEPT_LINES]

    def _judge(self, pause: float) -> None:
        # Judged when restic announces a pause, and not by the time that passes: a later attempt
        # may have gone well, and restic does not tell that.
        now = self.clock.monotonic()
        if self.retrying_since is None:
            self.retrying_since = now
        self.hopeless = now + pause - self.retrying_since > self.patience

    def lines(self) -> tuple[str, ...]:
        """All that was kept, oldest first."""
        return (*self.first, *self.last)


class ResticProcess:
    """A running restic. Use with `with`; leaving the block early stops restic and waits for it."""

    def __init__(self, order: Order, launch: Launch, clock: Clock, cancel: Cancel) -> None:
        self.stopped = False
        self._order = order
        self._launch = launch
        self._clock = clock
        self._cancel = cancel
        self._complaints = Complaints(order.secrets, order.patience, clock)
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._late: LatePipe | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # The parent-death signal comes when the *thread* that forked ends. So restic is forked by
        # a thread that lives exactly as long as it does, and whoever reads may be any thread.
        self._keeper = threading.Thread(target=self._keep, name="restic", daemon=True)

    def __enter__(self) -> ResticProcess:
        if self._cancel.is_set():
            raise Cancelled("stopped before restic was started")
        self._keeper.start()
        self._started.wait()
        if self._failure is not None:
            self._keeper.join()
            raise ConfigurationError(f"restic cannot be started: {self._failure}") from None
        if self._late is not None and self._order.late is not None:
            self._order.late.add_done_callback(self._late.tell)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._keeper.is_alive():
            self._stop()
        self._keeper.join()
        if self._late is not None:
            self._late.close()
        self._out().close()

    def lines(self) -> Iterator[bytes]:
        """The lines of stdout as they come, without line ends, the last also when cut short.

        Raises Cancelled as soon as cancelling has stopped restic, what kept us from knowing what it
        waits for, and BackupFailed for a line longer than LONGEST_LINE bytes.
        """
        out = self._out()
        rest = bytearray()
        poll = select.poll()
        poll.register(out, select.POLLIN)
        while True:
            self._heed_cancel()
            if self._complaints.hopeless:
                self._stop()
                return
            if not poll.poll(_POLL_SECONDS * 1000):
                continue
            chunk = os.read(out.fileno(), _CHUNK)
            if not chunk:
                break
            *whole, tail = chunk.split(b"\n")
            for part in whole:
                yield bytes(rest + part)
                rest.clear()
            rest += tail
            if len(rest) > LONGEST_LINE:
                raise BackupFailed("restic printed a line that is too long to be an answer")
        if rest:
            yield bytes(rest)

    def ending(self) -> tuple[int, tuple[str, ...]]:
        """Wait for the end: exit status (minus the signal's number if one ended it), complaints."""
        process = self._running()
        while self._keeper.is_alive():
            self._heed_cancel()
            self._keeper.join(_POLL_SECONDS)
        return process.returncode, self._complaints.lines()

    def _keep(self) -> None:
        try:
            self._process = self._launched()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._failure = error
            return
        finally:
            self._started.set()
        with _piped(self._process.stderr) as stderr:
            while line := stderr.readline(_CHUNK):
                self._complaints.add(line)
        self._process.wait()

    def _launched(self) -> subprocess.Popen[bytes]:
        passwords = {
            PASSWORD_FILE: self._order.password,
            SECOND_PASSWORD_FILE: self._order.second_password,
        }
        readers: dict[str, int] = {}
        try:
            for name, password in passwords.items():
                if password is not None:
                    readers[name] = _pipe_of(password)
            if self._order.late is not None:
                readers[LATE_FILE], writer = os.pipe()
                self._late = LatePipe(writer)
            argv = tuple(_with_pipes(word, readers) for word in self._order.argv)
            return self._popen(argv, tuple(readers.values()))
        except BaseException:
            if self._late is not None:
                self._late.close()
            raise
        finally:
            for reader in readers.values():
                os.close(reader)

    def _popen(self, argv: Sequence[str], keep_open: Sequence[int]) -> subprocess.Popen[bytes]:
        return self._launch(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=keep_open,
            env=dict(self._order.environment),
            cwd="/",
            # Ctrl-C in a terminal is for us; restic is stopped by us. In our session, since its low
            # priority counts only there on kernels that share processors out by session.
            process_group=0,
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("restic was not started")
        return self._process

    def _out(self) -> IO[bytes]:
        return _piped(self._running().stdout)

    def _heed_cancel(self) -> None:
        if self._cancel.is_set():
            self._stop()
            raise Cancelled("stopped on request; what was saved before is kept")
        late = self._order.late
        if late is not None and late.done() and (error := late.exception()) is not None:
            self._stop()
            raise error

    def _stop(self) -> None:
        process = self._running()
        self.stopped = True
        # 0.14 removes its lock on SIGINT only; 0.17 and later also on SIGTERM.
        for number, seconds in (
            (signal.SIGINT, self._order.gentle_seconds),
            (signal.SIGTERM, self._order.firm_seconds),
            (signal.SIGKILL, None),
        ):
            with suppress(ProcessLookupError):
                process.send_signal(number)
            if self._late is not None:
                # Only when it has heard that it is to stop: a list that ends is one to go on with.
                if self._drained(_HEED_SECONDS):
                    return
                self._late.close()
            if self._drained(seconds):
                return

    def _drained(self, seconds: float | None) -> bool:
        """Read and drop what restic still prints, so that it can end; whether it ended in time."""
        out = self._out()
        poll = select.poll()
        poll.register(out, select.POLLIN)
        until = None if seconds is None else self._clock.monotonic() + seconds
        open_still = True
        while self._keeper.is_alive():
            if until is not None and self._clock.monotonic() > until:
                return False
            if not open_still:
                self._keeper.join(_POLL_SECONDS)
            elif poll.poll(_POLL_SECONDS * 1000):
                open_still = bool(os.read(out.fileno(), _CHUNK))
        return True


# Stand in an argument list for the paths of the pipes, whose numbers are known only at the start.
PASSWORD_FILE = "\0password-file"  # noqa: S105 - the path, not the password
SECOND_PASSWORD_FILE = "\0second-password-file"  # noqa: S105
LATE_FILE = "\0late-file"


def _pipe_of(password: Secret) -> int:
    reader, writer = os.pipe()
    try:
        # A pipe holds at least 4096 bytes, and a password is shorter.
        os.write(writer, password.expose() + b"\n")
    finally:
        os.close(writer)
    return reader


def _with_pipes(word: str, readers: Mapping[str, int]) -> str:
    for name, reader in readers.items():
        word = word.replace(name, f"/dev/fd/{reader}")
    return word


def _piped(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("restic was started without pipes")
    return stream


def guarded(setpriv: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The argument list by which a program gets SIGINT when the thread that started it ends."""
    return (setpriv, "--pdeathsig", "INT", "--", *argv)
