"""The journal: a file where events of one process are on disk before the log itself has them.

A ring of two halves, filled with zeros when it is made: to overwrite blocks costs half of what a
file that grows costs. Positions count the bytes ever written; position `p` lies at byte
`p mod size`. Frames follow each other, none across the end of a half:

    "svj1" || u64be position || u32be length || u32be CRC-32 || payload[length]

The checksum is of the journal's name, the position, the length and the payload. The payload is the
bodies of drafts (see `leaf`), each behind its u32be length. A frame without payload ends its half
early. A half is written anew only when all of it was taken into the log.

One frame is on disk before the next is begun. So a frame that is not whole, with none after it,
was never acknowledged; a whole frame behind one that is not means that the file was damaged.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from secvault.clock import Clock
from secvault.errors import AuditUnavailable, Damaged

HALF_BYTES = 4 * 1024 * 1024
SUFFIX = ".journal"
UNFINISHED = ".new"
"""Of a file that is being made; whoever makes it renames it at the end."""

QUICK_SECONDS = 0.01
"""A disk that usually takes longer for one write is waited for in a thread, not in an event loop.

Far above what a solid-state disk takes: where processors are short, a write seems slow when its
process waits for one, and more threads would only make that worse.
"""

_PROBE_SECONDS = 1.0
_MAGIC = b"svj1"
_HEAD = struct.Struct(">4sQII")
_SUMMED = struct.Struct(">QI")
_LENGTH = struct.Struct(">I")

Write = Callable[[int, bytes, int], int]
Sync = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Frame:
    """Bodies that were written together, from position `start` to before `end`."""

    start: int
    end: int
    bodies: tuple[bytes, ...]


class Journal:
    """The journal that this process writes. Safe to use from many threads.

    durable: up to where it is on disk. taken: up to where the log has it on disk.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        clock: Clock,
        *,
        half_bytes: int = HALF_BYTES,
        write: Write = os.pwrite,
        sync: Sync = os.fdatasync,
    ) -> None:
        """Make the file `name`, mode 0600, and lock it for as long as this process lives.

        folder: must be there. Raises OSError; nothing is left then.
        """
        self.name = name
        self.file = folder / f"{name}{SUFFIX}"
        self.durable = 0
        self.taken = 0
        self.broken = False
        self._clock = clock
        self._half = half_bytes
        self._write = write
        self._sync = sync
        self._lock = Lock()
        self._usual = 0.0
        self._probe_at = float("-inf")
        self._handle = _made(self.file, 2 * half_bytes)

    @property
    def quick(self) -> bool:
        """Whether the disk is quick as a rule, or was last tried so long ago that it may be now."""
        return self._usual <= QUICK_SECONDS or self._clock.monotonic() >= self._probe_at

    def append(self, bodies: Sequence[bytes]) -> bool:
        """Write them as one frame; True once it is on disk.

        False, with nothing written, while there is no room. Raises AuditUnavailable when the disk
        fails: nobody knows then what it holds, and this journal takes nothing more (`broken`).
        """
        payload = b"".join([part for body in bodies for part in (_length(body), body)])
        with self._lock:
            if self.broken:
                return False
            place = self.durable
            size = _HEAD.size + len(payload)
            boundary = _boundary(place, self._half)
            start = boundary if place % self._half and place + size > boundary else place
            # A half is begun also where the last frame ended together with the one before.
            begun = start % self._half == 0
            if size > self._half or (begun and self.taken < start - self._half):
                return False
            if start - place >= _HEAD.size:
                self._put(place, b"")
            self._put(start, payload)
            self.durable = start + size
            return True

    @property
    def filling(self) -> bool:
        """Whether so much was not taken yet that room may become short."""
        return self.durable - self.taken > self._half // 2

    def reading(self) -> Reading:
        """The file, for reading by the thread that will `remove` it or `let_go`. Raises Damaged."""
        return Reading(self._handle, self.name)

    def retire(self) -> None:
        """Take nothing more; what is being written at this moment is done when this returns."""
        with self._lock:
            self.broken = True

    def remove(self) -> None:
        """Delete the file, of which the log has everything. Raises OSError."""
        self.retire()
        self.file.unlink()
        sync_folder(self.file.parent)
        self.let_go()

    def let_go(self) -> None:
        """Write nothing more, and leave the file to whoever comes next."""
        with self._lock:
            self.broken = True
            handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _put(self, start: int, payload: bytes) -> None:
        data = _frame(self.name, start, payload)
        began = self._clock.monotonic()
        try:
            _write_all(self._write, self._handle, data, start % (2 * self._half))
            self._sync(self._handle)
        except OSError as error:
            # The kernel may have dropped what it could not write, and say "done" the next time.
            self.broken = True
            reason = error.strerror or error
            raise AuditUnavailable(
                f"the audit entry could not be written: the journal {self.file}: {reason}"
            ) from None
        ended = self._clock.monotonic()
        took = ended - began
        # A probe counts for itself; else one slow write in a busy moment says little.
        probed = self._usual > QUICK_SECONDS
        self._usual = took if probed else self._usual + (took - self._usual) / 16
        self._probe_at = ended + _PROBE_SECONDS


class Reading:
    """A journal's file, for reading: this process's own, a living neighbour's, or a dead one's."""

    def __init__(self, handle: int, name: str) -> None:
        """handle: of the open file, which is not closed here. Raises Damaged."""
        self.name = name
        self._handle = handle
        self._half = os.fstat(handle).st_size // 2
        if self._half < 2 * _HEAD.size:
            raise Damaged(f"the audit journal {name} was cut off; {_MEND}")

    def frames(self, start: int, until: int | None, *, settled: bool) -> Iterator[Frame]:
        """The frames from position `start` on, in order.

        until: up to there all must be whole. Without it they end before the first that is not;
        settled: nobody writes the file any more, so that a whole one behind that shows damage.
        Raises Damaged.

        Where the ring has come round since `start`, the database is an older one, put back: then
        they begin with the oldest frame that is there.
        """
        while until is None or start < until:
            if _boundary(start, self._half) - start < _HEAD.size:
                start = _boundary(start, self._half)
                continue
            found = self._frame(start) or self._after_a_lap(start)
            if found is None:
                if until is not None or (settled and self._is_more_after(start)):
                    raise Damaged(
                        f"the audit journal {self.name} is damaged at position {start}: entries "
                        f"that were acknowledged cannot be read; {_MEND}"
                    )
                return
            if found.bodies:
                yield found
            start = found.end

    def _frame(self, start: int) -> Frame | None:
        """The frame at this position, if a whole one of this lap is there."""
        place = start % (2 * self._half)
        head = os.pread(self._handle, _HEAD.size, place)
        if len(head) < _HEAD.size:
            return None
        magic, position, length, checksum = _HEAD.unpack(head)
        boundary = _boundary(start, self._half)
        if magic != _MAGIC or position != start or start + _HEAD.size + length > boundary:
            return None
        payload = os.pread(self._handle, length, place + _HEAD.size)
        if len(payload) < length or _checksum(self.name, start, payload) != checksum:
            return None
        if not payload:
            return Frame(start, boundary, ())
        return Frame(start, start + _HEAD.size + length, tuple(self._bodies(start, payload)))

    def _bodies(self, start: int, payload: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(payload):
            (length,) = _LENGTH.unpack_from(payload, at)
            at += _LENGTH.size + length
            if at > len(payload):
                raise Damaged(f"the audit journal {self.name} is wrong at {start}; {_MEND}")
            yield payload[at - length : at]

    def _after_a_lap(self, start: int) -> Frame | None:
        """The oldest frame of a later lap, if one has begun in the half of this position."""
        own = start // self._half % 2
        begins = [self._first_of(half) for half in (own, 1 - own)]
        if begins[0] is None or begins[0].start <= start:
            return None
        later = [first for first in begins if first is not None and first.start > start]
        return min(later, key=lambda first: first.start)

    def _first_of(self, half: int) -> Frame | None:
        head = os.pread(self._handle, _HEAD.size, half * self._half)
        position = _HEAD.unpack(head)[1]
        if position % (2 * self._half) != half * self._half:
            return None
        return self._frame(position)

    def _is_more_after(self, start: int) -> bool:
        """Whether any whole frame has a position after this one."""
        content = os.pread(self._handle, 2 * self._half, 0)
        place = content.find(_MAGIC)
        while 0 <= place <= len(content) - _HEAD.size:
            position = _HEAD.unpack_from(content, place)[1]
            fits = position > start and position % (2 * self._half) == place
            if fits and self._frame(position) is not None:
                return True
            place = content.find(_MAGIC, place + 1)
        return False


_MEND = "keep a copy of it for the auditor, then move it away and start again"


def try_lock(handle: int) -> bool:
    """Whether nobody held the open journal; it is held now, until it is closed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Return when the folder's entries are on disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _made(file: Path, size: int) -> int:
    """The open, locked, empty journal."""
    beside = file.with_suffix(UNFINISHED)
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Locked before it has its name: a journal that nobody holds is a dead process's.
        if not try_lock(handle):
            raise BlockingIOError(f"{beside} is held by another process")
        zeros = bytes(64 * 1024)
        for at in range(0, size, len(zeros)):
            _write_all(os.pwrite, handle, zeros[: size - at], at)
        os.fsync(handle)
        beside.rename(file)
        sync_folder(file.parent)
    except OSError:
        os.close(handle)
        for left in (beside, file):
            with suppress(OSError):
                left.unlink()
        raise
    return handle


def _write_all(write: Write, handle: int, data: bytes, place: int) -> None:
    if write(handle, data, place) != len(data):
        raise OSError(errno.ENOSPC, "it was written in part")


def _boundary(position: int, half: int) -> int:
    """Where the half of this position ends."""
    return (position // half + 1) * half


def _length(body: bytes) -> bytes:
    return _LENGTH.pack(len(body))


def _frame(name: str, start: int, payload: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, start, len(payload), _checksum(name, start, payload)) + payload


def _checksum(name: str, start: int, payload: bytes) -> int:
    before = zlib.crc32(_SUMMED.pack(start, len(payload)), zlib.crc32(name.encode()))
    return zlib.crc32(payload, before)
