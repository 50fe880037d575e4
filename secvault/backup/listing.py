"""Listing what a run saves: every path of its places, with the SHA-256 of each file.

What is unchanged since the listing before is taken over from there and not read again. restic
decides the same way and by the same facts (size, times of modification and change, inode), so that
a run in which nothing changed reads nothing twice. A file that changed within two seconds of the
listing before is read again all the same: its times may not tell of a second change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from secvault.backup.file_entry import FileEntry, describe, is_unchanged
from secvault.backup.manifest import Listed
from secvault.backup.walking import Place, Walk, opened, order_of

READERS = 2
"""Files that are read at one time, as many as restic reads."""
_WAITING = 64
_SMALL = 64 << 10
_CHUNK = 1 << 20
_SETTLED_NS = 2_000_000_000
_DECODER = msgspec.json.Decoder(FileEntry)

Heed = Callable[[], None]
"""Called again and again, also in other threads; raises where the work is to stop."""


def list_places(
    places: Sequence[Place], walk: Walk, earlier: Path, target: Path, heed: Heed
) -> Listed:
    """Write the lines of the places to `target`, and read no more of them than is needed.

    walk: takes note of what is left out or cannot be read. earlier: the lines of the listing
    before, written by `keep`, or no file. Raises OSError where `target` cannot be written, what
    `heed` raises, and ConfigurationError where a place holds secvault's own files.
    """
    with (
        target.open("wb") as file,
        _known(earlier) as known,
        ThreadPoolExecutor(READERS) as readers,
    ):
        began_ns = os.fstat(file.fileno()).st_mtime_ns
        lines = _Lines(file, walk)
        for place in sorted(places, key=lambda one: order_of(str(one.path))):
            for path, there in walk.over(place):
                heed()
                taken_over = known.line_of(path, there)
                if taken_over is not None:
                    lines.add(taken_over, there)
                elif stat.S_ISREG(there.st_mode) and there.st_size > _SMALL:
                    lines.add(readers.submit(_line, path, there, heed), there)
                else:
                    lines.add(_at_once(path, there, heed), there)
        lines.put(0)
        file.flush()
        os.fsync(file.fileno())
        # From when on a change may have been missed, for the listing after this one.
        os.utime(file.fileno(), ns=(began_ns, began_ns))
    return Listed(lines.count, lines.total, lines.digest.hexdigest())


def keep(target: Path, earlier: Path) -> None:
    """Remember the lines for the next listing. Raises OSError."""
    earlier.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = earlier.with_name(f".{earlier.name}.new")
    # With the time that it has.
    shutil.copy2(target, beside)
    beside.replace(earlier)


@dataclass
class _Lines:
    """The lines in their order, some of which are still being read."""

    file: IO[bytes]
    walk: Walk
    count: int = 0
    total: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _waiting: deque[tuple[bytes | Future[bytes], int]] = field(default_factory=deque)

    def add(self, line: bytes | Future[bytes], there: os.stat_result) -> None:
        self._waiting.append((line, there.st_size if stat.S_ISREG(there.st_mode) else 0))
        if len(self._waiting) > _WAITING:
            self.put(_WAITING)

    def put(self, least: int) -> None:
        """Write the first ones, until no more than so many wait."""
        while len(self._waiting) > least:
            line, size = self._waiting.popleft()
            if isinstance(line, Future):
                try:
                    line = line.result()
                except OSError as error:
                    self.walk.trouble(error)
                    continue
            if line:
                self.file.write(line)
                self.digest.update(line)
                self.count += 1
                self.total += size


class _Known:
    """The lines of the listing before, read in step with this one: both are in the same order."""

    def __init__(self, source: IO[bytes] | None) -> None:
        self._source = source
        self._line = b""
        self._entry: FileEntry | None = None
        self._at = b""
        self._settled_ns = 0
        if source is not None:
            self._settled_ns = os.fstat(source.fileno()).st_mtime_ns - _SETTLED_NS
            self._next(source)

    def line_of(self, path: str, there: os.stat_result) -> bytes | None:
        """The line of what is unchanged, or None."""
        if self._source is None:
            return None
        order = order_of(path)
        while self._entry is not None and self._at < order:
            self._next(self._source)
        entry = self._entry
        if entry is None or self._at != order or entry.changed_ns > self._settled_ns:
            return None
        return self._line if is_unchanged(entry, there) else None

    def _next(self, source: IO[bytes]) -> None:
        self._line = source.readline()
        try:
            self._entry = _DECODER.decode(self._line) if self._line else None
        except (msgspec.DecodeError, ValueError):
            # Cut short by a machine that went down: the rest is read anew.
            self._entry = None
        if self._entry is not None:
            self._at = order_of(str(self._entry.place()))


@contextmanager
def _known(earlier: Path) -> Iterator[_Known]:
    try:
        source = earlier.open("rb")
    except FileNotFoundError:
        yield _Known(None)
        return
    with source:
        yield _Known(source)


def _at_once(path: str, there: os.stat_result, heed: Heed) -> bytes | Future[bytes]:
    """The line, or the error where it belongs in the order."""
    try:
        return _line(path, there, heed)
    except OSError as error:
        failed: Future[bytes] = Future()
        failed.set_exception(error)
        return failed


def _line(path: str, there: os.stat_result, heed: Heed) -> bytes:
    """The line of a path, of which a regular file is read; empty where it is gone. Raises OSError.

    there: from before the reading: a write in between shows as a newer time on what restic saved.
    """
    try:
        digest = _digest(path, heed) if stat.S_ISREG(there.st_mode) else ""
        return msgspec.json.encode(describe(path, there, digest)) + b"\n"
    except FileNotFoundError:
        return b""
    except OSError as error:
        # What fails while it is read does not name the file.
        error.filename = error.filename or path
        raise


def _digest(path: str, heed: Heed) -> str:
    digest = hashlib.sha256()
    with opened(path) as source:
        while part := source.read(_CHUNK):
            digest.update(part)
            heed()
    return digest.hexdigest()
