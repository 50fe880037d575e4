"""Ending the scratch servers that a killed drill left behind, and nobody else's process."""

from __future__ import annotations

import os
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from secvault.backup.drills.databases.processes import RECORD, Record, boot, started
from secvault.backup.drills.databases.sockets import PREFIX, remove_dangling

_SECONDS = 10.0
_DEPTH = 2


def end_left(folder: Path) -> int:
    """End what the records in this scratch folder name, where it is still that very process.

    folder: the `scratch` of a drill's ground; never one with restored files, which may hold records
    that somebody has made up. A number is given to other processes in time, so the moment of its
    start must be the same, of the same boot. Returns how many were ended. Only for drills that are
    not under way.
    """
    ended = 0
    for file in _records(folder):
        try:
            record = msgspec.json.decode(file.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            # Killed while it was written, which is before anything else is done with the server.
            continue
        if record.boot == boot():
            ended += _end(record)
        for link in map(Path, record.links):
            if link.name.startswith(PREFIX) and not link.is_symlink():
                shutil.rmtree(link, ignore_errors=True)
    remove_dangling()
    return ended


def _records(folder: Path) -> Iterator[Path]:
    waiting = [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        with suppress(OSError), os.scandir(place) as found:
            for one in found:
                # What a server has made is not ours.
                if one.stat(follow_symlinks=False).st_uid != os.geteuid():
                    continue
                if one.is_file(follow_symlinks=False) and one.name.endswith(RECORD):
                    yield Path(one.path)
                elif depth < _DEPTH and one.is_dir(follow_symlinks=False):
                    waiting.append((Path(one.path), depth + 1))


def _end(record: Record) -> bool:
    try:
        # From here on the handle means this process, whatever becomes of its number.
        handle = os.pidfd_open(record.pid)
    except OSError:
        return False
    try:
        if started(record.pid) != record.started:
            return False
        for number in (signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if poll.poll(_SECONDS * 1000):
                return True
        return False
    finally:
        os.close(handle)
