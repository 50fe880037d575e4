"""Windows: the times of day between which runs may begin, in a time zone, across clock changes.

A window is `22:00-05:30`; one that ends before it begins goes over midnight. There is one on each
day. As RFC 5545 (3.3.5) has it, a time of day that the spring change skips is as much later as the
clock is put forward, and of one that the autumn change repeats the first counts. Where a window
would be empty by that, it is as long as the clock says that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Opening:
    """One time during which runs may begin: from `begins`, before `ends`; both in UTC."""

    begins: datetime
    ends: datetime


def opening(windows: Iterable[str], zone: ZoneInfo, at: datetime) -> Opening:
    """The opening that `at` lies in, the one that is open longest; else the next one.

    windows: at least one. at: aware.
    """
    coming = [one for one in _around(windows, zone, at) if one.ends > at]
    begun = [one for one in coming if one.begins <= at]
    if begun:
        return max(begun, key=lambda one: one.ends)
    first = min(one.begins for one in coming)
    return max((one for one in coming if one.begins == first), key=lambda one: one.ends)


def closed_since(windows: Iterable[str], zone: ZoneInfo, at: datetime) -> datetime:
    """When the last opening before `at` ended; `at` itself while one is open."""
    around = [*_around(windows, zone, at)]
    if any(one.begins <= at < one.ends for one in around):
        return at
    return max(one.ends for one in around if one.ends <= at)


def _around(windows: Iterable[str], zone: ZoneInfo, at: datetime) -> Iterator[Opening]:
    today = at.astimezone(zone).date()
    for window in windows:
        for days in (-2, -1, 0, 1, 2):
            yield _on(window, zone, today + days * _DAY)


def _on(window: str, zone: ZoneInfo, day: date) -> Opening:
    begin, end = (time.fromisoformat(text) for text in window.split("-"))
    last = day if begin < end else day + _DAY
    begins, ends = _utc(day, begin, zone), _utc(last, end, zone)
    if ends <= begins:
        ends = begins + (datetime.combine(last, end) - datetime.combine(day, begin))
    return Opening(begins, ends)


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
