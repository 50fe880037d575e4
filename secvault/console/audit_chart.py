"""The timeline of the log: which parts a time is cut into, and the bars of its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from secvault.console.zone import local, midnight
from secvault.service.audit_standing import Timeline

WIDTH, HEIGHT = 720, 90
USUAL_DAYS = 30

_MINUTE = 60 * 1_000_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_STEPS = (5 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
_MOST_BARS = 48
_GAP = 2


@dataclass(frozen=True)
class Bar:
    """A bar of the picture, and what it stands for. since, until: micros."""

    x: int
    y: int
    width: int
    height: int
    since: int
    until: int
    count: int


def edges_of(since: int | None, until: int | None, now: int, zone: str) -> tuple[int, ...]:
    """Where the parts of a time begin and end, on the hour or the day by the clocks of a zone; 49
    moments at most.

    Without a beginning it is the 30 days before the end, without an end it ends now.
    """
    end = min(until or now + 1, now + 1)
    if since is None or since >= end:
        since = max(0, end - USUAL_DAYS * _DAY)
    step = next((one for one in _STEPS if (end - since) // one < _MOST_BARS - 1), _STEPS[-1])
    if step >= _DAY:
        return _days(since, end, step // _DAY, zone)
    # So that an hour is a whole one where clocks are half an hour apart from others.
    apart = (local(end, zone).utcoffset() or timedelta()) // timedelta(microseconds=1)
    since, end = since + apart, end + apart
    first = max(since - since % step, end - end % step - step * (_MOST_BARS - 2))
    return tuple(max(0, at - apart) for at in range(first, end + step, step))


def _days(since: int, end: int, step: int, zone: str) -> tuple[int, ...]:
    """Every so many days from a day's beginning on: of 23 or 25 hours where clocks are changed."""
    last = local(end, zone).toordinal()
    last += step - last % step
    first = local(since, zone).toordinal()
    first = max(first - first % step, last - step * (_MOST_BARS - 1))
    return tuple(max(0, midnight(day, zone)) for day in range(first, last + 1, step))


def bars(timeline: Timeline) -> Sequence[Bar]:
    """The bars, from left to right; what is not nothing is seen."""
    most = max(timeline.counts, default=0) or 1
    parts = len(timeline.counts)
    made = []
    for at, count in enumerate(timeline.counts):
        left, right = at * WIDTH // parts, (at + 1) * WIDTH // parts
        height = max(2, count * HEIGHT // most) if count else 0
        since, until = timeline.edges[at], timeline.edges[at + 1]
        width = max(1, right - left - _GAP)
        made.append(Bar(left, HEIGHT - height, width, height, since, until, count))
    return made
