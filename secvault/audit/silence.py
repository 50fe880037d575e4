"""Heartbeats: the log says at an interval that it is alive, so that silence is a gap.

A worker records `log.heartbeat` with its interval in seconds. Where a worker runs, by the log's own
words, and more than two intervals pass without a heartbeat, something kept it from recording. Times
without a worker are told apart by `audit.stopped` and `audit.started`; a worker that was killed
left no `audit.stopped`, and its start anew ends a stop that nobody announced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from secvault.audit.leaf import StoredEvent
from secvault.clock import timestamp

HEARTBEAT, STARTED, STOPPED = "log.heartbeat", "audit.started", "audit.stopped"
SIGNS_OF_LIFE = frozenset({HEARTBEAT, STARTED, STOPPED})
WORKER = "worker"

MAX_STOPS = 100
"""How many stops are told; the newest ones."""

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Stop:
    """A time without a worker. start, end: microseconds UTC. announced: it was stopped, not killed.

    seq: the event that ended it.
    """

    start: int
    end: int
    seq: int
    announced: bool


@dataclass(slots=True)
class Silences:
    """What the signs of life have said so far, in the order of the log.

    interval: of the newest heartbeat in microseconds, 0 before the first. last: time of the newest
    sign of a worker. running: the workers that run, by node and start.
    """

    interval: int = 0
    last: int = 0
    running: set[tuple[str, str]] = field(default_factory=set)
    stops: list[Stop] = field(default_factory=list)

    def take(self, stored: StoredEvent) -> Iterator[str]:
        """Follow one of `SIGNS_OF_LIFE`; the silence that it ends, as a sentence, if it is one."""
        event, number = stored.event, stored.number
        if event.kind == HEARTBEAT:
            yield from self._gap(stored.t)
            seconds = event.detail.get("seconds", 0)
            self.interval = seconds * _SECOND if isinstance(seconds, int) else 0
            self.running.add((number.node, number.start))
        elif event.detail.get("program") != WORKER:
            return
        elif event.kind == STARTED:
            self._start(stored)
        else:
            yield from self._gap(stored.t)
            self.running.discard((number.node, number.start))
        self.last = stored.t

    def forget(self) -> None:
        """Begin anew with what was there until now; the stops stay."""
        self.interval = self.last = 0
        self.running.clear()

    def end(self, last_t: int) -> Iterator[str]:
        """The silence that goes on at the end of the log. last_t: the time of its newest event."""
        yield from self._gap(last_t)

    def _start(self, stored: StoredEvent) -> None:
        """A worker's start: whatever ran on its machine before has ended."""
        machine = stored.number.node.partition(":")[0]
        ended = {each for each in self.running if each[0].partition(":")[0] == machine}
        silent = bool(self.interval) and stored.t - self.last > 2 * self.interval
        if self.last and self.running == ended and (silent or not ended):
            self.stops.append(Stop(self.last, stored.t, stored.seq, announced=not ended))
            del self.stops[:-MAX_STOPS]
        self.running -= ended
        self.running.add((stored.number.node, stored.number.start))

    def _gap(self, t: int) -> Iterator[str]:
        if self.running and self.interval and t - self.last > 2 * self.interval:
            yield (
                f"no heartbeat from {timestamp(self.last)} to {timestamp(t)}, while a worker ran: "
                f"one is due every {self.interval // _SECOND} s"
            )
