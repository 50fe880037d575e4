"""The intake: where threads leave events for the one thread that appends them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from secvault.audit.leaf import Draft
from secvault.errors import AuditUnavailable

BATCH_EVENTS = 1_024
BATCH_BYTES = 2 * 1024 * 1024
LINGER_SECONDS = 0.1
"""How long the log may lag behind the journal."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """Events that go into one transaction, or a request to empty the outbox (no drafts), and
    whoever waits for it.

    reserve: they may be kept in the reserve when the log cannot be written.
    outcome: the sequence number of the first event; or how many events of outbox and journals were
    appended, below zero when there are more.
    """

    drafts: tuple[Draft, ...] = ()
    reserve: bool = False
    outcome: Future[int] = field(default_factory=Future)


class Intake:
    """A bounded queue for many threads on one side and one on the other."""

    def __init__(self, limit: int) -> None:
        """limit: how many may wait before `put` blocks."""
        self._limit = limit
        self._queue: deque[Waiting] = deque()
        self._changed = Condition()
        self._woken = False
        self._lingering = False
        self._closed = False

    def put(self, waiting: Sequence[Waiting], seconds: float) -> None:
        """Queue them in order, each as soon as there is room.

        Raises AuditUnavailable after close, or if no room comes within `seconds`; those that are
        queued by then are cancelled.
        """
        done = 0
        with self._changed:
            while done < len(waiting):
                if not self._changed.wait_for(self._admits, seconds) or self._closed:
                    break
                room = self._limit - len(self._queue)
                self._queue.extend(waiting[done : done + room])
                done += room
                self._changed.notify_all()
            closed = self._closed
        if done >= len(waiting):
            return
        for queued in waiting[:done]:
            queued.outcome.cancel()
        raise AuditUnavailable(
            "the audit log is closed: the program is stopping"
            if closed
            else "the audit log cannot keep up; try again later"
        )

    def wake(self) -> None:
        """Have `take` return soon, if only with nothing. Never blocks."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def linger(self) -> None:
        """Have `take` return, if only with nothing, after `LINGER_SECONDS`. Never blocks."""
        # Most calls find it set: the look saves them the lock. `take` clears it before it returns.
        if not self._lingering:
            with self._changed:
                self._lingering = True
                self._changed.notify_all()

    def close(self) -> None:
        """Take in nothing more; what is queued is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, seconds: float | None) -> list[Waiting] | None:
        """The next batch, oldest first: about 1,024 events or 2 MiB; None when closed and empty.

        Waits for the first, at most `seconds` (None: for ever), but never for more to come: while
        a batch is being written the next one gathers by itself. Empty after `wake`, `linger` or
        the time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._lingering or self._wanted(), seconds)
            if self._lingering:
                self._changed.wait_for(self._wanted, LINGER_SECONDS)
            if self._closed and not self._queue and not self._woken:
                return None
            self._woken = self._lingering = False
            batch: list[Waiting] = []
            events = size = 0
            while self._queue and events < BATCH_EVENTS and size < BATCH_BYTES:
                waiting = self._queue.popleft()
                events += len(waiting.drafts) or 1
                size += sum(len(each.body) for each in waiting.drafts)
                batch.append(waiting)
            self._changed.notify_all()
            return batch

    def _wanted(self) -> bool:
        return bool(self._queue) or self._woken or self._closed

    def _admits(self) -> bool:
        return self._closed or len(self._queue) < self._limit
