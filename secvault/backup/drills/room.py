"""The scratch space of a drill: what it needs, told before anything is restored, and kept to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.file_entry import FileEntry
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic import Cancel

BLOCK = 4096
_MARGIN = 16 << 20
# Shares: of what is free, that stays free; of what is needed, for what was written meanwhile.
_LEFT_FREE, _GROWN = 10, 50
_GIB = 1 << 30
_FEWEST_SECONDS, _MOST_SECONDS = 0.2, 30.0


@dataclass
class Need:
    """Bytes of scratch space, added up."""

    bytes: int = _MARGIN
    _names: set[str] = field(default_factory=set)

    def add(self, entry: FileEntry) -> None:
        """Count a file, folder or link as it lies on disk: in whole blocks, and one for its name.

        Another name of the same file takes no more.
        """
        self.bytes += BLOCK
        if entry.linked:
            if entry.linked in self._names:
                return
            self._names.add(entry.linked)
        self.bytes += -(-entry.size // BLOCK) * BLOCK


def for_files(entries: Iterable[FileEntry]) -> int:
    """What restoring these takes at most."""
    need = Need()
    for entry in entries:
        need.add(entry)
    return need.bytes + need.bytes // _GROWN


def require(scratch: Path, needed: int, most_gib: int, promised: int = 0) -> None:
    """Return where there is room. most_gib: of the settings; 0: what is free, less a tenth.

    promised: bytes of what is free that others announced and have not taken yet. Raises
    StorageFull.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = os.statvfs(scratch)
    free = max(0, found.f_bavail * found.f_frsize - promised)
    allowed = min(free, most_gib * _GIB) if most_gib else free - free // _LEFT_FREE
    if needed > allowed:
        raise StorageFull(
            f"the drill needs {needed} bytes of scratch space in {scratch}, where {allowed} may be "
            f"used of {free} that are free; make room, allow more (drill.scratch_gib), or drill a "
            "sample; nothing was restored"
        )


def used(folder: Path) -> int:
    """The bytes that a folder takes on disk now. What is removed meanwhile is passed over."""
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += _size(entry, seen, waiting)
        except OSError:
            continue
    return total


class Watched:
    """Watches that a drill takes no more room than it announced; also says when it is to stop.

    Use with `with`. is_set: as for `Cancel`, on request or because of the room. most: bytes that it
    took at most, as far as was looked.
    """

    def __init__(
        self, folder: Path, announced: int, cancel: Cancel, monotonic: Callable[[], float]
    ) -> None:
        self.folder, self.announced = folder, announced
        self.most = 0
        self._cancel, self._monotonic = cancel, monotonic
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="room", daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def exceeded(self) -> bool:
        """Whether it took more than it announced."""
        return self.most > self.announced

    def is_set(self) -> bool:
        """Whether to stop."""
        return self.exceeded or self._cancel.is_set()

    def measure(self) -> int:
        """Look now; the bytes that are taken."""
        now = used(self.folder)
        self.most = max(self.most, now)
        return now

    def left(self) -> int:
        """Bytes that may still be taken."""
        return max(0, self.announced - self.measure())

    def _look(self) -> None:
        pause = _FEWEST_SECONDS
        while not self._over.wait(pause):
            began = self._monotonic()
            self.measure()
            # A twentieth of the time, however many files there are.
            took = self._monotonic() - began
            pause = min(_MOST_SECONDS, max(_FEWEST_SECONDS, 20 * took))


def _size(entry: os.DirEntry[str], seen: set[tuple[int, int]], waiting: list[str]) -> int:
    try:
        found = entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            waiting.append(entry.path)
    except OSError:
        return 0
    if found.st_nlink > 1:
        one = (found.st_dev, found.st_ino)
        if one in seen:
            return 0
        seen.add(one)
    return found.st_blocks * 512
