"""Time, passed in. No other module reads the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Clock:
    """Where the time comes from.

    wall: microseconds since 1970-01-01T00:00:00Z. monotonic: seconds from an arbitrary start,
    never going back. sleep: waits for so many seconds.
    """

    wall: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Sleep

    def micros(self) -> int:
        """Microseconds since the epoch, UTC."""
        return self.wall()

    def seconds(self) -> int:
        """Whole seconds since the epoch, UTC."""
        return self.wall() // 1_000_000

    def now(self) -> datetime:
        """The moment as an aware datetime in UTC."""
        return moment(self.wall())


def moment(micros: int) -> datetime:
    """Microseconds since the epoch as an aware datetime in UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def micros_of(at: datetime) -> int:
    """An aware datetime as microseconds since the epoch; `moment` gives it back."""
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def timestamp(micros: int) -> str:
    """RFC 3339 text in UTC with microseconds, for instance 2026-11-03T10:00:00.000000Z."""
    # Not by strftime, which leaves out the zeros of early years.
    return f"{moment(micros).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def system_clock() -> Clock:
    """The clock of this machine."""
    return Clock(wall=lambda: time.time_ns() // 1_000, monotonic=time.monotonic, sleep=time.sleep)
