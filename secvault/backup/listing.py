"""Listing what a run saves: every path of its places, with the BLAKE3 of each file.

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
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
from blake3 import blake3

from secvault.backup.file_entry import EarlierEntry, describe
from secvault.backup.manifest import Listed
from secvault.backup.walking import Place, Walk, opened, order_of

READERS = 2
"""Lots that are read at one time where the disk is slow, as many as restic reads files."""
_LOTS_AHEAD = 16
_LOT_BYTES, _LOT_ENTRIES = 4 << 20, 64
_MOST_KNOWN = 512
_CHUNK = 1 << 18
_LARGE, _PART = 16 << 20, 2 << 20
_SETTLED_NS = 2_000_000_000
_DECODER = msgspec.json.Decoder(EarlierEntry)

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
        ThreadPoolExecutor(READERS, thread_name_prefix="reading ahead") as ahead,
        ThreadPoolExecutor(READERS, thread_name_prefix="hashing") as pool,
    ):
        began_ns = os.fstat(file.fileno()).st_mtime_ns
        readers = _Readers(lambda lot: _make(lot, heed, ahead), pool)
        lines = _Lines(file, walk, readers.submit)
        for place in sorted(places, key=lambda one: order_of(str(one.path))):
            for path, there in walk.over(place):
                heed()
                lines.add(path, there, known.line_of(path, there))
        lines.finish()
        # Not waited for until it is on the disk: who saves after a power cut lists anew.
        file.flush()
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
class _Item:
    """A path whose line is known, or is made by a reader. failed: why there is none."""

    path: str
    there: os.stat_result
    line: bytes | None
    failed: OSError | None = None


@dataclass
class _Lines:
    """The lines in their order, those that are to be made by readers in lots.

    A lot is enough for a reader to be at for a while: to hand over each file by itself would cost
    more than to hash it.
    """

    file: IO[bytes]
    walk: Walk
    make: Callable[[list[_Item]], Future[None]]
    count: int = 0
    total: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _lot: list[_Item] = field(default_factory=list)
    _to_read: int = 0
    _to_make: int = 0
    _waiting: deque[tuple[list[_Item], Future[None] | None]] = field(default_factory=deque)

    def add(self, path: str, there: os.stat_result, line: bytes | None) -> None:
        """Take the next path. line: its line where that is known."""
        self._lot.append(_Item(path, there, line))
        if line is None:
            self._to_make += 1
            self._to_read += _size(there)
        full = self._to_make >= _LOT_ENTRIES or self._to_read >= _LOT_BYTES
        if full or len(self._lot) >= _MOST_KNOWN:
            self._hand_over()
            while len(self._waiting) > _LOTS_AHEAD:
                self._write_first()

    def finish(self) -> None:
        """Write all that was taken."""
        self._hand_over()
        while self._waiting:
            self._write_first()

    def _hand_over(self) -> None:
        lot = self._lot
        making = self.make(lot) if self._to_make else None
        self._waiting.append((lot, making))
        self._lot, self._to_read, self._to_make = [], 0, 0

    def _write_first(self) -> None:
        lot, making = self._waiting.popleft()
        if making is not None:
            making.result()
        lines = []
        for item in lot:
            if item.failed is not None:
                self.walk.trouble(item.failed)
            elif item.line:
                lines.append(item.line)
                self.total += _size(item.there)
        together = b"".join(lines)
        self.file.write(together)
        self.digest.update(together)
        self.count += len(lines)


class _Known:
    """The lines of the listing before, read in step with this one: both are in the same order."""

    def __init__(self, source: IO[bytes] | None) -> None:
        self._source = source
        self._line = b""
        self._entry: EarlierEntry | None = None
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
        return self._line if entry.is_unchanged(there) else None

    def _next(self, source: IO[bytes]) -> None:
        self._line = source.readline()
        try:
            self._entry = _DECODER.decode(self._line) if self._line else None
        except (msgspec.DecodeError, ValueError):
            # Cut short by a machine that went down: the rest is read anew.
            self._entry = None
        if self._entry is not None:
            self._at = order_of(self._entry.text())


@contextmanager
def _known(earlier: Path) -> Iterator[_Known]:
    try:
        source = earlier.open("rb")
    except FileNotFoundError:
        yield _Known(None)
        return
    with source:
        yield _Known(source)


@dataclass
class _Readers:
    """Who makes the lines of lots: one thread, and all while one is kept waiting, as by a disk.

    Where what they read is in memory, several wait for each other at the interpreter, and take half
    as much again of a processor that restic wants. clocks: seconds that passed, and those in which
    this thread had a processor.
    """

    make: Callable[[list[_Item]], None]
    pool: ThreadPoolExecutor
    clocks: Callable[[], tuple[float, float]] = lambda: (time.perf_counter(), time.thread_time())
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _waited: bool = False

    def submit(self, lot: list[_Item]) -> Future[None]:
        """Make the lines of this lot."""
        return self.pool.submit(self._measured, lot)

    def _measured(self, lot: list[_Item]) -> None:
        with nullcontext() if self._waited else self._turn:
            began, busy_before = self.clocks()
            self.make(lot)
            over, busy = self.clocks()
            self._waited = 2 * (busy - busy_before) < over - began


def _make(lot: list[_Item], heed: Heed, ahead: ThreadPoolExecutor) -> None:
    hashing = _Hashing(memoryview(bytearray(_CHUNK)), heed, ahead)
    for item in lot:
        if item.line is None:
            try:
                item.line = _line(item.path, item.there, hashing)
            except OSError as error:
                item.failed = error


def _line(path: str, there: os.stat_result, hashing: _Hashing) -> bytes:
    """The line of a path, of which a regular file is read; empty where it is gone. Raises OSError.

    there: from before the reading: a write in between shows as a newer time on what restic saved.
    """
    try:
        digest = hashing.digest(path, there.st_size) if stat.S_ISREG(there.st_mode) else ""
        return msgspec.json.encode(describe(path, there, digest)) + b"\n"
    except FileNotFoundError:
        return b""
    except OSError as error:
        # What fails while it is read does not name the file.
        error.filename = error.filename or path
        raise


@dataclass(frozen=True)
class _Hashing:
    """What files are hashed with. ahead: reads parts of large ones while others are hashed."""

    buffer: memoryview
    heed: Heed
    ahead: ThreadPoolExecutor

    def digest(self, path: str, size: int) -> str:
        file = opened(path)
        try:
            digest = blake3()
            # Closed before the file is, of which a part may just be read.
            with closing(self._read_ahead(file) if size >= _LARGE else self._read(file)) as parts:
                for part in parts:
                    digest.update(part)
                    self.heed()
        finally:
            os.close(file)
        return digest.hexdigest()

    def _read(self, file: int) -> Generator[memoryview]:
        while read := os.readv(file, [self.buffer]):
            yield self.buffer[:read]

    def _read_ahead(self, file: int) -> Generator[memoryview]:
        now, then = memoryview(bytearray(_PART)), memoryview(bytearray(_PART))
        read = os.readv(file, [now])
        while read:
            coming = self.ahead.submit(os.readv, file, [then])
            try:
                yield now[:read]
            finally:
                wait([coming])
            read = coming.result()
            now, then = then, now


def _size(there: os.stat_result) -> int:
    return there.st_size if stat.S_ISREG(there.st_mode) else 0
