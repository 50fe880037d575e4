"""When the runs of a schedule begin: the due moments of its cron, moved into its windows, spread.

Each schedule has a share of its jitter of its own, which never changes: it comes from its id. So
many schedules of the same cron do not meet, and one that was due at a moment always is. A run stays
within its window; those that wait for the same opening are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from secvault.jobs import cron
from secvault.jobs.windows import Opening, closed_since, opening


@dataclass(frozen=True)
class Timing:
    """When something is due. windows: see `windows`; none: at any time. share: 0 to below 1."""

    cron: str
    time_zone: str
    windows: tuple[str, ...] = ()
    jitter: timedelta = timedelta()
    share: float = 0.0


def share_of(id_: str) -> float:
    """The share of its jitter that the schedule of this id has, at least 0 and below 1."""
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:6], "big") / 2**48


def next_after(timing: Timing, moment: datetime) -> datetime:
    """The first moment strictly after `moment` at which a run begins, in UTC.

    Raises InvalidInput at `cron` or `time_zone`.
    """
    return next(_after(timing, moment))


def due_runs(timing: Timing, first: datetime, now: datetime) -> tuple[datetime, ...]:
    """The moments from `first` (known to be one) up to and including `now`; see `cron.due_runs`."""
    return cron.listed(lambda moment: _after(timing, moment), first, now)


def open_at(timing: Timing, moment: datetime) -> Opening | None:
    """When a run that is due may begin, seen from `moment`; None for at any time."""
    if not timing.windows:
        return None
    return opening(timing.windows, cron.zone_of(timing.time_zone), moment)


def _after(timing: Timing, moment: datetime) -> Iterator[datetime]:
    last = moment
    for due in cron.after(timing.cron, timing.time_zone, _from(timing, moment)):
        begins = _begins(timing, due)
        if begins > last:
            last = begins
            yield begins


def _from(timing: Timing, moment: datetime) -> datetime:
    """A moment after which lies every due moment whose run begins after `moment`."""
    earliest = moment - timing.jitter
    if timing.windows:
        earliest = closed_since(timing.windows, cron.zone_of(timing.time_zone), earliest)
    # What is due at that very moment belongs to it.
    return earliest - timedelta(seconds=1) if timing.windows or timing.jitter else moment


def _begins(timing: Timing, due: datetime) -> datetime:
    begins, most = due, timing.jitter
    at = open_at(timing, due)
    if at is not None:
        begins = max(due, at.begins)
        most = min(most, at.ends - begins)
    # Whole minutes, as the cron's.
    return begins + timedelta(minutes=int(timing.share * (most / timedelta(minutes=1))))
