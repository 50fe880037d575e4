"""Processes of scratch servers: started confined, written down, ended.

Confined: as `nobody` where secvault is root; no new rights; no network and no shared memory of
others where the machine lets us make such a room (`unshare`). They end with the thread that started
them (PR_SET_PDEATHSIG), should secvault be killed; and what is written down of them lets the next
sweep end them where that failed (`left`).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import msgspec

from secvault.backup.drills.databases.programs import ServerMissing
from secvault.backup.restic_messages import one_line
from secvault.backup.restic_process import Cancel, Launch
from secvault.backup.sources import child
from secvault.clock import Clock
from secvault.errors import BackupFailed, Cancelled, ConfigurationError

RECORD = ".server.json"
"""How the names of the files end that say which process a scratch server is."""
NOBODY = "nobody"
# A folder that every Linux has, and that no server needs.
_MOUNTED = "/mnt"
_MOUNT = f'mount --bind -- "$1" {_MOUNTED} && shift && exec "$@"'
_GENTLE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_NICE = 10
_LONGEST_REASON = 400


class Record(msgspec.Struct, frozen=True):
    """A process as it can be found again. started: clock ticks from the boot to its start.

    boot: which boot that was. links: folders outside of the scratch space to remove with it.
    """

    pid: int
    started: int
    boot: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """A folder that a server may have to itself, and how it gets there.

    A server that is not us may not pass the folders above. It goes by a handle that it inherits;
    or, where it asks for real paths (`mounted`), by a place where the folder is mounted for it
    alone. `inside` is the folder's path for it, `folder` for us.
    """

    folder: Path
    handle: int
    clock: Clock
    cancel: Cancel
    environment: Mapping[str, str]
    gentle: bool = True
    mounted: bool = False
    _links: list[str] = field(default_factory=list)

    @property
    def inside(self) -> str:
        """The folder, for the server."""
        if os.geteuid() != 0:
            return str(self.folder)
        return _MOUNTED if self.mounted else f"/proc/self/fd/{self.handle}"

    def socket_folder(self, name: str, short: Path) -> str:
        """The folder of that name in it, for the server to put a socket into.

        short: a path of it for us, of which a socket's name can be told.
        """
        return str(short) if os.geteuid() != 0 else f"{self.inside}/{name}"

    def give(self, *names: str) -> None:
        """Make folders in it, private, that belong to whom the server runs as."""
        for name in names:
            place = self.folder / name
            place.mkdir(mode=0o700, exist_ok=True)
            self.hand_over(place)

    def hand_over(self, place: Path) -> None:
        """Let a file or folder belong to whom the server runs as."""
        if os.geteuid() == 0:
            them = pwd.getpwnam(NOBODY)
            os.chown(place, them.pw_uid, them.pw_gid)

    def run(
        self, work: str, argv: Sequence[str], seconds: float, stdin: Path | None = None
    ) -> None:
        """Run a program of the server, confined, to its end. Raises as `child.run`."""
        task = child.Task(
            (*self._confined(), *argv), self._environment(), work, seconds, stdin=stdin
        )
        launch = cast("Launch", partial(subprocess.Popen, pass_fds=(self.handle,)))
        child.run(task, self.clock, self.cancel, launch)

    @contextmanager
    def serving(self, name: str, argv: Sequence[str], end: signal.Signals) -> Iterator[Server]:
        """The server's own process, while the block runs. end: how it is told to end at once."""
        confined = self._confined()
        log = self.folder / f"{name}.log"
        record = self.folder.parent / f"{self.folder.name}-{name}{RECORD}"
        with log.open("wb") as output:
            try:
                # The last who changes who it is, so that the signal stays set.
                process = subprocess.Popen(
                    (*confined, _setpriv(), "--pdeathsig", end.name[3:], "--", *argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    cwd="/",
                    process_group=0,
                    pass_fds=(self.handle,),
                )
            except OSError as error:
                raise ConfigurationError(f"{argv[0]} cannot be started: {error}") from None
        try:
            _write(record, process.pid, tuple(self._links))
            if self.gentle:
                with suppress(PermissionError, ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            alone = "--net" in confined
            yield Server(name, process, log, self.clock, self.cancel, alone)
        finally:
            _end(process, end)
            record.unlink(missing_ok=True)

    def also_remove(self, link: Path) -> None:
        """Write down a folder outside of this one that goes with the next server."""
        self._links.append(str(link))

    def _environment(self) -> dict[str, str]:
        kept = child.environment_of(self.environment)
        return {**kept, "HOME": self.inside, "LC_ALL": "C", "LANG": "C"}

    def _confined(self) -> tuple[str, ...]:
        argv = _apart(self.environment, mounted=self.mounted and os.geteuid() == 0)
        if self.mounted and os.geteuid() == 0:
            argv += ("/bin/sh", "-c", _MOUNT, "sh", str(self.folder))
        argv += (_setpriv(), "--no-new-privs")
        if os.geteuid() == 0:
            them = pwd.getpwnam(NOBODY)
            argv += (f"--reuid={them.pw_uid}", f"--regid={them.pw_gid}", "--clear-groups")
            argv += ("--inh-caps=-all", "--bounding-set=-all")
        return (*argv, "--")


@dataclass(frozen=True)
class Server:
    """A server's process that was started. alone: with a network in which nobody else is."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    clock: Clock
    cancel: Cancel
    alone: bool = False

    def heed(self, until: float) -> None:
        """Wait a moment for it to answer.

        until: of the monotonic clock. Raises Cancelled, and BackupFailed where it ended or time is
        up.
        """
        if self.cancel.is_set():
            raise Cancelled("the drill was stopped on request; nothing is proven")
        if self.process.poll() is not None:
            raise BackupFailed(f"the scratch {self.name} ended by itself: {self._reason()}")
        if self.clock.monotonic() > until:
            raise BackupFailed(f"the scratch {self.name} does not answer: {self._reason()}")
        self.clock.sleep(_POLL_SECONDS)

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self.process.poll() is not None

    def _reason(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return one_line("; ".join(lines[-3:]))[-_LONGEST_REASON:] or "it did not say why"


@contextmanager
def room(
    folder: Path,
    clock: Clock,
    cancel: Cancel,
    environment: Mapping[str, str],
    *,
    gentle: bool,
    mounted: bool = False,
) -> Iterator[Room]:
    """Make the folder, which is not there yet, a room for servers.

    mounted: whether they want the real paths of what is in it.
    """
    folder.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made = Room(folder, handle, clock, cancel, environment, gentle, mounted)
        made.hand_over(folder)
        yield made
    finally:
        os.close(handle)


def boot() -> str:
    """Which boot of the machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def started(pid: int) -> int | None:
    """When the process with this number started, in clock ticks from the boot; None: there is
    none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Behind the name, which may hold anything.
    words = told[told.rindex(b")") + 2 :].split()
    return None if words[0] in {b"Z", b"X"} else int(words[19])


def _write(record: Path, pid: int, links: tuple[str, ...]) -> None:
    began = started(pid)
    if began is not None:
        record.write_bytes(msgspec.json.encode(Record(pid, began, boot(), links)))


def _end(process: subprocess.Popen[bytes], end: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(end)
    try:
        process.wait(_GENTLE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _setpriv() -> str:
    found = shutil.which("setpriv")
    if found is None:
        raise ConfigurationError("there is no program setpriv; install the package util-linux")
    return found


def _apart(environment: Mapping[str, str], *, mounted: bool) -> tuple[str, ...]:
    """How a program gets a network of its own with nobody in it; nothing where that cannot be.

    mounted: it gets mounts of its own, too. Raises ServerMissing where that cannot be.
    """
    unshare = shutil.which("unshare")
    ways = [("--net", "--ipc"), ("--user", "--map-current-user", "--net", "--ipc")]
    if mounted:
        ways = [("--mount", "--net", "--ipc"), ("--mount",)]
    for way in ways if unshare else []:
        argv = (str(unshare), *way)
        tried = subprocess.run(
            (*argv, "--", "true"),
            env=child.environment_of(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if tried.returncode == 0:
            return (*argv, "--")
    if mounted:
        raise ServerMissing(
            "secvault runs as root and may not make mounts for a scratch server alone (unshare); "
            "run it as a user of its own, or give it CAP_SYS_ADMIN"
        )
    return ()
