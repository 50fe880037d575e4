"""What lies in a restored tree at the places of a manifest, read by two threads, in its order.

While one hashes, which lets other threads go on, the other finds out what comes next; a large file
keeps nobody waiting but those behind it. In memory are a few thousand entries at most.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.file_entry import FileEntry

READERS = 2
_LOT_BYTES, _LOT_ENTRIES = 4 << 20, 64
_LOTS_AHEAD = 16


@dataclass(frozen=True)
class Seen:
    """An entry and what is at its place now. path: there.

    found: None where there is nothing, or it cannot be looked at, as behind a link in the place of
    a folder: what lies there is of this machine, and did not come back. readable: whether it could
    be, and its content where it is a file. same: it is a file, as the entry is, with its content.
    """

    entry: FileEntry
    path: str
    found: os.stat_result | None
    readable: bool = True
    same: bool = False


def seen_below(restored: Path, listed: Iterable[FileEntry]) -> Iterator[Seen]:
    """What is there of each entry, in their order. Raises what going through the list raises."""
    pool = ThreadPoolExecutor(READERS, "reading")
    ahead: deque[Future[list[Seen]]] = deque()
    try:
        for lot in _lots(listed):
            ahead.append(pool.submit(_read, lot, restored))
            if len(ahead) > _LOTS_AHEAD:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _lots(listed: Iterable[FileEntry]) -> Iterator[list[FileEntry]]:
    lot: list[FileEntry] = []
    size = 0
    for entry in listed:
        lot.append(entry)
        size += entry.size
        if size >= _LOT_BYTES or len(lot) >= _LOT_ENTRIES:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _read(lot: list[FileEntry], restored: Path) -> list[Seen]:
    # In texts: a Path of each entry takes longer than all else but its content.
    root = str(restored).rstrip("/")
    # Whether no folder on the way to it is a link.
    folders = {root: True}
    return [_seen(entry, f"{root}/{entry.text().lstrip('/')}", folders) for entry in lot]


def _is_within(folder: str, folders: dict[str, bool]) -> bool:
    way = []
    while (known := folders.get(folder)) is None:
        way.append(folder)
        folder = folder.rpartition("/")[0]
    for one in reversed(way):
        # No error where it may not be looked at: whoever opens it has that.
        known = known and not os.path.islink(one)  # noqa: PTH114
        folders[one] = known
    return known


def _seen(entry: FileEntry, path: str, folders: dict[str, bool]) -> Seen:
    if not _is_within(path.rpartition("/")[0], folders):
        return Seen(entry, path, None, readable=False)
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Seen(entry, path, None)
    except OSError:
        return Seen(entry, path, None, readable=False)
    # What is no file is never opened: a pipe would keep us waiting.
    if not entry.is_file() or not stat.S_ISREG(found.st_mode):
        return Seen(entry, path, found)
    try:
        with open(path, "rb", buffering=0) as content:  # noqa: PTH123 - as above
            same = entry.has_content(content)
    except OSError:
        return Seen(entry, path, found, readable=False)
    return Seen(entry, path, found, same=same)
