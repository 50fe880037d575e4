"""How old a plan's newest data was over time, drawn: it grows until a good run ends, then falls.

Only good runs are looked at: where none came, the line goes on rising.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from secvault.clock import moment

WIDTH = 900
HEIGHT = 200
"""Of the drawing, in its units."""
HOUR = 3_600_000_000
DAY = 24 * HOUR
_HEADROOM = 1.1


@dataclass(frozen=True)
class Good:
    """A good run. Micros: when it ended, and the moment that its data shows."""

    ended_at: int
    data_at: int


@dataclass(frozen=True)
class Ages:
    """The drawing and what it shows, in micros. line: SVG path data. promise_y: of the promise.

    highest: the oldest that the data got; top: what the drawing reaches to. over: for how long the
    data was older than promised. days: (day in UTC, the oldest that the data got), newest first.
    """

    line: str
    promise_y: int
    promised: int
    highest: int
    highest_at: int
    since: int
    until: int
    top: int
    over: int
    days: tuple[tuple[date, int], ...]


def ages(runs: Iterable[Good], promised: int, since: int, now: int) -> Ages | None:
    """Draw the ages from `since` on; None without a good run. promised: micros."""
    good = sorted(runs, key=lambda one: one.ended_at)
    if not good:
        return None
    points = _points(good, since, now)
    begin = points[0][0]
    highest_at, highest = max(points, key=lambda point: point[1])
    top = max(int(max(highest, promised) * _HEADROOM), HOUR)
    taken = max(now - begin, 1)

    def placed(at: int, age: int) -> str:
        return f"{(at - begin) * WIDTH // taken} {HEIGHT - age * HEIGHT // top}"

    oldest: dict[date, int] = {}
    for at, age in (*points, *_midnights(points)):
        day = moment(at).date()
        oldest[day] = max(age, oldest.get(day, 0))
    return Ages(
        line="M" + "L".join(placed(at, age) for at, age in points),
        promise_y=HEIGHT - promised * HEIGHT // top,
        promised=promised,
        highest=highest,
        highest_at=highest_at,
        since=begin,
        until=now,
        top=top,
        over=_over(points, promised),
        days=tuple(sorted(oldest.items(), reverse=True)),
    )


def _points(good: Sequence[Good], since: int, now: int) -> list[tuple[int, int]]:
    """(when, age), at each end of a rise."""
    points: list[tuple[int, int]] = []
    newest: int | None = None
    for one in good:
        if one.ended_at >= since:
            if newest is not None:
                if not points:
                    points.append((since, max(since - newest, 0)))
                points.append((one.ended_at, max(one.ended_at - newest, 0)))
            after = one.data_at if newest is None else max(newest, one.data_at)
            points.append((one.ended_at, max(one.ended_at - after, 0)))
        newest = one.data_at if newest is None else max(newest, one.data_at)
    last = newest if newest is not None else now
    if not points:
        points.append((since, max(since - last, 0)))
    points.append((now, max(now - last, 0)))
    return points


def _midnights(points: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """(when, age), at the end of each day on which the line was rising."""
    for (at, age), (later, rise) in pairwise(points):
        if rise > age:
            for midnight in range(at - at % DAY + DAY, later, DAY):
                yield midnight - 1, age + midnight - at


def _over(points: Sequence[tuple[int, int]], promised: int) -> int:
    """For how long the line was above the promise: it rises by a second in a second."""
    return sum(
        min(later - at, max(rise - promised, 0))
        for (at, age), (later, rise) in pairwise(points)
        if rise > age
    )
