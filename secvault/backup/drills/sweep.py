"""The scratch folder of a drill, and the removal of what killed drills have left.

A folder is held by a lock that ends with its process, whatever ends that; so what nobody holds is
known at once, and by no clock. Its name is drawn anew for each attempt: a process that was stopped
for long and goes on works in a folder of its own. What runs in a folder that nobody holds (restic,
a scratch server) is found by the folder's path in its arguments, and ended before the folder goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from secvault.backup.database import drop_leftovers, scratch_database
from secvault.backup.drills.room import used
from secvault.backup.engine import BackupEngine
from secvault.errors import BackupFailed, Conflict
from secvault.store import tables

PREFIX = "drill-"
"""How the names of drills' scratch folders begin."""
EndServers = Callable[[Path], None]
"""Ends the scratch servers that were started in a folder by a process that is gone."""
_ATTEMPTS = 3
_SOON = 1.0
_PROCESSES = Path("/proc")


@dataclass
class Held:
    """A folder of ours. Use `remove` at the end, whatever happened; it may be used twice."""

    engine: BackupEngine
    path: Path
    lock: int

    def remove(self) -> None:
        """Remove the folder with all that is in it. Raises BackupFailed."""
        self.engine.clear(self.path)
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def no_servers(_folder: Path) -> None:
    """Where no level starts any."""


def hold(engine: BackupEngine, drill_id: str) -> Held:
    """A new, empty, private folder for this attempt at the drill. Raises BackupFailed, OSError."""
    for _ in range(_ATTEMPTS):
        path = engine.fresh_folder(f"{_place(drill_id)}-{engine.random(4).hex()}")
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:
                return Held(engine, path, lock)
        # Another process swept it away before it was held.
        os.close(lock)
    raise Conflict("other processes took the drill's folder away as it began; try again")


def sweep(engine: BackupEngine, end_servers: EndServers = no_servers) -> tuple[str, ...]:
    """Remove what drills left whose process is gone; the names of the folders that went.

    Raises BackupFailed where something cannot be removed, when all had their turn.
    """
    gone: list[str] = []
    failed: BackupFailed | None = None
    for folder in sorted(engine.scratch.glob(f"{PREFIX}*")):
        lock = _free(folder)
        if lock is None:
            continue
        try:
            _remove(engine, folder, end_servers)
            gone.append(folder.name)
        except BackupFailed as error:
            failed = failed or error
        finally:
            os.close(lock)
    drop_leftovers(engine.store, lambda: _databases_in_use(engine))
    if failed is not None:
        raise failed
    return tuple(gone)


def promised(engine: BackupEngine, drill_id: str) -> int:
    """The scratch space that other drills on this machine announced and have not taken yet."""
    table = tables.drill
    with engine.store.read() as connection:
        rows = connection.execute(
            select(table.c.id, table.c.node, table.c.scratch_announced).where(
                table.c.state == "running",
                table.c.id != drill_id,
                table.c.scratch_announced.is_not(None),
                ~engine.silent(table),
            )
        ).all()
    here = engine.node.partition(":")[0]
    return sum(
        max(0, row.scratch_announced - sum(map(used, engine.scratch.glob(f"{_place(row.id)}-*"))))
        for row in rows
        if row.node.partition(":")[0] == here
    )


def _place(drill_id: str) -> str:
    # Ids of scheduled drills hold colons and are long; a folder's name should be neither.
    return f"{PREFIX}{hashlib.sha256(drill_id.encode()).hexdigest()[:32]}"


def _free(folder: Path) -> int | None:
    """A lock on a folder that nobody holds; None where somebody does, or it is gone."""
    try:
        seen = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        # Its own process has just removed it.
        return None
    try:
        fcntl.flock(seen, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(seen)
        return None
    return seen


def _remove(engine: BackupEngine, folder: Path, end_servers: EndServers) -> None:
    end_servers(folder)
    for attempt in range(1, _ATTEMPTS + 1):
        _end_programs(engine, folder)
        try:
            engine.clear(folder)
        except BackupFailed:
            # A program that is being ended may have written once more.
            if attempt == _ATTEMPTS:
                raise
            engine.clock.sleep(_SOON)
        else:
            return


def _end_programs(engine: BackupEngine, folder: Path) -> None:
    """End what still runs with the folder's path in its arguments."""
    path = os.fsencode(folder)
    waiting = False
    for number in _numbers():
        try:
            handle = os.pidfd_open(number)
        except OSError:
            continue
        try:
            # Looked at when the number can mean no other process any more.
            if _names(number, path):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                waiting = True
        except OSError:
            # It has ended by itself, or is not ours to end.
            pass
        finally:
            os.close(handle)
    if waiting:
        engine.clock.sleep(_SOON / 10)


def _numbers() -> Iterator[int]:
    own = os.getpid()
    with suppress(OSError):
        for entry in _PROCESSES.iterdir():
            if entry.name.isdecimal() and int(entry.name) != own:
                yield int(entry.name)


def _names(number: int, path: bytes) -> bool:
    arguments = (_PROCESSES / str(number) / "cmdline").read_bytes().split(b"\0")
    inside = path + b"/"
    return any(
        word == path or inside in word or word.endswith(b"=" + path) for word in arguments if word
    )


def _held(engine: BackupEngine) -> Iterator[str]:
    """The names of the folders that somebody holds."""
    for folder in engine.scratch.glob(f"{PREFIX}*"):
        lock = _free(folder)
        if lock is None:
            yield folder.name
        else:
            os.close(lock)


def _databases_in_use(engine: BackupEngine) -> frozenset[str]:
    """The scratch databases of drills that may be at work: here by their folder, else by rows.

    A drill holds its folder before it makes its database.
    """
    folders = {name.rpartition("-")[0] for name in _held(engine)}
    with engine.store.read() as connection:
        rows = [
            row
            for table in (tables.drill, tables.drill_scenario)
            for row in connection.execute(
                select(table.c.id, table.c.node).where(
                    table.c.state == "running", ~engine.silent(table)
                )
            )
        ]
    here = engine.node.partition(":")[0]
    return frozenset(
        scratch_database(engine.store, row.id)
        for row in rows
        if row.node.partition(":")[0] != here or _place(row.id) in folders
    )
