"""A site: the folder of one server, what runs in it, and the ports that it was given."""

from __future__ import annotations

import errno
import os
import pwd
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from throwaway.process import Process, end, note, noted

LOOK_EVERY_SECONDS = 0.02
LOG_LINES_SHOWN = 15
REGISTER = "processes"


class NotStarted(Exception):
    """A server did not come up; the text says which, why, and what its log said last."""


class Cancelled(NotStarted):
    """Nobody waits for the server any more."""


class Site:
    """Where one server is put up.

    Everything that it runs is entered in its register before anything else happens, so that
    `end` finds it, in this process or in a later one.
    """

    def __init__(
        self,
        folder: Path,
        cancelled: threading.Event,
        pick_ports: Callable[[int], list[int]],
    ) -> None:
        self.folder = folder
        self._cancelled = cancelled
        self._pick_ports = pick_ports
        self._ports: list[int] = []
        new_folder(folder)
        self._register.touch(mode=0o600)

    def ports(self, count: int) -> list[int]:
        """Ports of 127.0.0.1 that were free a moment ago; see `lost_a_port`."""
        self._ports = self._pick_ports(count)
        return self._ports

    def lost_a_port(self) -> bool:
        """Whether somebody else listens on a port of ours; ask after `end`."""
        return not all(_is_free(port) for port in self._ports)

    def account(self, name: str) -> str | None:
        """The account to run a server under that refuses to be root; None: the present one."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name for entry in pwd.getpwall()}
        return name if name in known else "nobody"

    def folder_of(self, account: str | None, name: str) -> Path:
        """A new folder for this account alone. Raises NotStarted if it cannot get there."""
        made = self.folder / name
        made.mkdir(mode=0o700)
        if account is not None:
            _give(made, account)
            try:
                self.run(["test", "-x", str(made)], account=account)
            except NotStarted as error:
                raise NotStarted(
                    f"the account {account} cannot reach {made}: choose a folder whose parents "
                    "everybody may pass through (chmod o+x), such as one in /tmp"
                ) from error
        return made

    def file_of(self, account: str | None, name: str, text: str) -> Path:
        """A new file with this text, that only this account can read."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        if account is not None:
            _give(file, account)
        return file

    def spawn(
        self,
        argv: Sequence[str],
        *,
        account: str | None = None,
        env: Mapping[str, str] | None = None,
        ending: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Start a program in the background; its output goes to `folder/<program>.log`."""
        self._refuse_when_cancelled()
        with _private(self.log(argv[0])) as log:
            return note(self._register, self._popen(argv, log, account, env).pid, ending)

    def run(
        self,
        argv: Sequence[str],
        *,
        account: str | None = None,
        env: Mapping[str, str] | None = None,
        seconds: float = 60,
    ) -> str:
        """Run a program to its end and return what it printed. Raises NotStarted if it failed."""
        self._refuse_when_cancelled()
        output = self.folder / f"{Path(argv[0]).name}.out"
        output.unlink(missing_ok=True)
        with _private(self.log(argv[0])) as log, _private(output) as printed:
            child = self._popen(argv, log, account, env, printed)
            process = note(self._register, child.pid, signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while child.poll() is None:
                if self._cancelled.is_set() or time.monotonic() > deadline:
                    end([process])
                    self._refuse_when_cancelled()
                    raise self._failure(argv[0], f"did not finish in {seconds:.0f} s")
                self._cancelled.wait(LOOK_EVERY_SECONDS)
        if child.returncode:
            raise self._failure(argv[0], f"ended with {child.returncode}")
        return output.read_text(encoding="utf-8")

    def wait(
        self, ready: Callable[[], bool], *processes: tuple[Process, str], seconds: float = 90
    ) -> None:
        """Return when `ready()`; raise NotStarted when one of the processes ends, or too late.

        processes: each with the name of its program, for the message.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self._refuse_when_cancelled()
            for process, program in processes:
                if not process.alive:
                    raise self._failure(program, "ended at once")
            if time.monotonic() > deadline:
                names = ", ".join(program for _, program in processes)
                raise self._failure(processes[-1][1], f"not ready in {seconds:.0f} s ({names})")
            self._cancelled.wait(LOOK_EVERY_SECONDS)

    def log(self, program: str) -> Path:
        """The file that holds what a program printed."""
        return self.folder / f"{Path(program).name}.log"

    def end(self) -> None:
        """End everything that was started here."""
        end_all([self.folder])

    @property
    def _register(self) -> Path:
        return self.folder / REGISTER

    def _popen(
        self,
        argv: Sequence[str],
        log: IO[bytes],
        account: str | None,
        env: Mapping[str, str] | None,
        printed: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        entry = pwd.getpwnam(account) if account else None
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=printed or log,
            stderr=log,
            cwd=self.folder,
            # Not ours: settings of databases and clients in it would change what is started.
            env={
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C.UTF-8",
                "HOME": str(self.folder),
                "TMPDIR": "/tmp",
                **(env or {}),
            },
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
            umask=0o077,
            # Ctrl-C is for the command; it must find its servers alive while it ends.
            start_new_session=True,
        )

    def _refuse_when_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled(f"{self.folder.name}: no longer wanted")

    def _failure(self, program: str, what: str) -> NotStarted:
        lines = self.log(program).read_text(encoding="utf-8", errors="replace").splitlines()
        last = "".join(f"\n    {line}" for line in lines[-LOG_LINES_SHOWN:])
        return NotStarted(f"{Path(program).name}: {what}; its log ends with:{last or ' nothing'}")


def end_all(folders: Sequence[Path]) -> None:
    """End everything that was started at these sites, all at the same time."""
    end([process for folder in folders for process in noted(folder / REGISTER)])


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens at the moment."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def new_folder(folder: Path) -> None:
    """A folder that accounts of servers may pass through, and not list."""
    folder.mkdir()
    folder.chmod(0o711)


def _private(file: Path) -> IO[bytes]:
    """Open for appending; what programs print can hold keys, so only we may read it."""
    file.touch(mode=0o600)
    return file.open("ab")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def _give(path: Path, account: str) -> None:
    entry = pwd.getpwnam(account)
    os.chown(path, entry.pw_uid, entry.pw_gid)
