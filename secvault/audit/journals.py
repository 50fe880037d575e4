"""The journals of one database: the one that this process writes, and those of others.

Anyone may take from any journal: up to where it was taken is committed in the same transaction as
the events themselves, so each enters the log once. The lock on a file only tells whether its
process lives; what a dead one left is taken and deleted by whoever comes first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from secvault.audit.journal import (
    HALF_BYTES,
    SUFFIX,
    UNFINISHED,
    Journal,
    Reading,
    Sync,
    Write,
    sync_folder,
    try_lock,
)
from secvault.audit.leaf import Draft, draft_of, event_id
from secvault.clock import Clock
from secvault.errors import AuditUnavailable
from secvault.store.straight import straight

EVENTS_AT_ONCE = 4_096
"""About how many events one transaction takes."""

RESERVE_HALF_BYTES = 128 * 1024
"""Of the reserve: room for some hundred events, on disk before it is needed."""

RESERVE = "-reserve"
"""How the name of a reserve ends. What it holds may have entered the log by the other way."""

_AGAIN_SECONDS = 1.0
_RESERVE_AGAIN_SECONDS = 30.0

_TAKEN = "SELECT taken FROM audit_journal WHERE name = ?"
_EVERY_NAME = "SELECT name FROM audit_journal"
_SET_TAKEN = (
    "INSERT INTO audit_journal (name, taken) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET taken = excluded.taken"
)
_IS_THERE = "SELECT 1 FROM audit_event WHERE id = ?"
_FORGET = "DELETE FROM audit_journal WHERE name = ?"


@dataclass(slots=True)
class Taking:
    """What one transaction takes. more: whether something is left for the next.

    ends: up to where each journal is taken then. dead: handles of the files whose processes are
    gone. finished: those of them that are empty after it.
    """

    drafts: list[Draft] = field(default_factory=list)
    more: bool = False
    ends: dict[str, int] = field(default_factory=dict)
    dead: dict[Path, int] = field(default_factory=dict)
    finished: list[Path] = field(default_factory=list)


class Journals:
    """Everything in one folder. `keep` may be called from any thread, the rest from one."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        half_bytes: int = HALF_BYTES,
        write: Write = os.pwrite,
        sync: Sync = os.fdatasync,
        reserve: bool = False,
    ) -> None:
        """folder: of this database alone; made, with mode 0700, when it is first needed.

        reserve: make one at once, which `keep_in_reserve` writes.
        """
        self._folder = folder
        self._clock = clock
        self._half_bytes = half_bytes
        self._write = write
        self._sync = sync
        self._lock = Lock()
        self._own: Journal | None = None
        self._reserve: Journal | None = None
        self._reserve_wanted = reserve
        self._reserve_from = float("-inf")
        self._retired: list[Journal] = []
        self._lost = 0
        self._wanted = False
        self._wanted_from = float("-inf")
        self._closed = False
        self.trouble: str | None = None

    @property
    def quick(self) -> bool:
        """Whether `keep` will not hold up an event loop."""
        own = self._own
        return own is None or own.quick

    def keep(self, bodies: Sequence[bytes]) -> bool:
        """Put the bodies of drafts on disk; True once they are.

        False, with nothing done, when there is no journal or no room; `prepare` makes one. Raises
        AuditUnavailable when the disk fails; they are counted as lost.
        """
        own = self._own
        if own is None or own.broken:
            self._wanted = True
            return False
        try:
            return own.append(bodies)
        except AuditUnavailable as error:
            self.trouble = error.detail
            with self._lock:
                self._lost += len(bodies)
            raise

    def keep_in_reserve(self, bodies: Sequence[bytes]) -> bool:
        """Put the bodies of drafts on a disk that may be full; True once they are there.

        For what must be possible when the log itself cannot be written: to read it. False, with
        nothing done, when there is no reserve, or no room left in it.
        """
        reserve = self._reserve
        if reserve is None or reserve.broken:
            return False
        try:
            return reserve.append(bodies)
        except AuditUnavailable as error:
            self.trouble = error.detail
            return False

    def prepare(self) -> None:
        """Make this process's journal where one is wanted; what hinders it is in `trouble`."""
        if self._reserve_wanted and not self._closed:
            self._make_reserve()
        if self._own is not None and self._own.broken:
            self._retired.append(self._own)
            self._own = None
        now = self._clock.monotonic()
        if not self._wanted or self._closed or self._own is not None or now < self._wanted_from:
            return
        self._wanted = False
        self._wanted_from = now + _AGAIN_SECONDS
        try:
            self._own = self._made(self._half_bytes)
        except OSError as error:
            self.trouble = f"no audit journal can be made in {self._folder}: {error.strerror}"
        else:
            self.trouble = None

    def _make_reserve(self) -> None:
        now = self._clock.monotonic()
        if self._reserve is not None or now < self._reserve_from:
            return
        self._reserve_from = now + _RESERVE_AGAIN_SECONDS
        # Where it cannot be made, the disk is full already, and other things tell.
        with suppress(OSError):
            self._reserve = self._made(RESERVE_HALF_BYTES, RESERVE)

    def _made(self, half_bytes: int, ending: str = "") -> Journal:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return Journal(
            self._folder,
            f"{event_id(self._clock.micros())}{ending}",
            self._clock,
            half_bytes=half_bytes,
            write=self._write,
            sync=self._sync,
        )

    def lost(self) -> int:
        """How many events could not be kept since the last call."""
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost

    @property
    def pressing(self) -> bool:
        """Whether the log should have on disk soon what is in them: room is short, or one ends."""
        return bool(self._retired) or any(journal.filling for journal in self._mine())

    def take(self, connection: Connection, *, others: bool) -> Taking:
        """What is next to enter the log, in this write transaction.

        Of this process's journals only what was acknowledged; others: also what is in those of
        other processes. Call `taken` after a commit that is on disk, else `abandon`. Raises
        Damaged.
        """
        taking = Taking()
        try:
            for journal in self._mine():
                _take(connection, taking, journal.reading(), until=journal.durable)
                if journal.taken < taking.ends[journal.name]:
                    # Written even if it stands there already, by a commit that did not wait for
                    # the disk: one that writes nothing would not wait for it either.
                    straight(connection, _SET_TAKEN, (journal.name, taking.ends[journal.name]))
            if others:
                self._take_others(connection, taking)
        except BaseException:
            self.abandon(taking)
            raise
        return taking

    def taken(self, taking: Taking) -> None:
        """The transaction is on disk: make room, and delete what is empty and dead."""
        for journal in self._mine():
            journal.taken = taking.ends.get(journal.name, journal.taken)
        for journal in [each for each in self._retired if each.taken == each.durable]:
            self._retired.remove(journal)
            self._delete(journal)
        for file in taking.finished:
            # What cannot be deleted now is empty, and found empty by the next.
            with suppress(OSError):
                file.unlink()
                sync_folder(self._folder)
        self.abandon(taking)

    def abandon(self, taking: Taking) -> None:
        """Let go of what was held for the transaction."""
        while taking.dead:
            os.close(taking.dead.popitem()[1])

    def stop(self) -> None:
        """Keep nothing more."""
        self._closed = True
        for journal in (self._own, self._reserve):
            if journal is not None:
                journal.retire()
                self._retired.append(journal)
        self._own = self._reserve = None

    def close(self) -> None:
        """After `stop`: let go of what could not be taken; the next process takes it."""
        for journal in self._retired:
            journal.let_go()
        self._retired.clear()

    def _mine(self) -> list[Journal]:
        writing = (self._own, self._reserve)
        return [*self._retired, *(journal for journal in writing if journal is not None)]

    def _delete(self, journal: Journal) -> None:
        try:
            journal.remove()
        except OSError:
            journal.let_go()

    def _take_others(self, connection: Connection, taking: Taking) -> None:
        if not self._folder.exists():
            return
        mine = {journal.file for journal in self._mine()}
        files = sorted(self._folder.iterdir())
        for file in files:
            if file.suffix in (SUFFIX, UNFINISHED) and file not in mine:
                self._take_other(connection, taking, file)
        # The list is of now: rows are made under this lock only, and later than their journals.
        there = {file.stem for file in files}
        for (name,) in straight(connection, _EVERY_NAME):
            if name not in there:
                straight(connection, _FORGET, (name,))

    def _take_other(self, connection: Connection, taking: Taking, file: Path) -> None:
        try:
            handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            # Finished, or deleted as empty, since the folder was listed.
            return
        if try_lock(handle):
            taking.dead[file] = handle
            if file.suffix == UNFINISHED or _take(
                connection, taking, Reading(handle, file.stem), settled=True
            ):
                taking.finished.append(file)
            return
        try:
            if file.suffix == SUFFIX:
                _take(connection, taking, Reading(handle, file.stem))
        finally:
            os.close(handle)


def _take(
    connection: Connection,
    taking: Taking,
    reading: Reading,
    *,
    until: int | None = None,
    settled: bool = False,
) -> bool:
    """Put into `taking` what the log does not have yet, but for one transaction; whether all."""
    rows = straight(connection, _TAKEN, (reading.name,))
    start = end = rows[0][0] if rows else 0
    whole = True
    for frame in reading.frames(start, until, settled=settled):
        if len(taking.drafts) >= EVENTS_AT_ONCE:
            taking.more, whole = True, False
            break
        drafts = [draft_of(body) for body in frame.bodies]
        if reading.name.endswith(RESERVE):
            # The log may have it all the same: its commit had failed, or had only seemed to.
            drafts = [one for one in drafts if not straight(connection, _IS_THERE, (one.id,))]
        taking.drafts += drafts
        end = frame.end
    if end != start:
        straight(connection, _SET_TAKEN, (reading.name, end))
    taking.ends[reading.name] = end
    return whole
