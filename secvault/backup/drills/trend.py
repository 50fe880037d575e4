"""Where a figure goes from drill to drill: how much a month, and whether that is more than chance.

The slope is the median of the slopes between every two drills (Theil and Sen), which one odd drill
does not bend. It is called a rise or a fall only where Kendall's test says so: exactly, from the
number of pairs that rise, whatever the distribution of the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations
from statistics import median
from typing import Literal

Direction = Literal["too few", "steady", "rising", "falling"]

FEWEST = 5
"""Of fewer drills no order is rarer than one in twenty, so that nothing could be said."""
MOST = 60
"""The newest drills that are looked at."""
MONTH = 30 * 86_400 * 1_000_000
"""Micros."""
_SURPRISING = Fraction(1, 20)
_DAYS_OF_A_MONTH = 30
_FARTHEST_DAYS = 3650


@dataclass(frozen=True)
class Point:
    """A figure of one drill. at: micros."""

    at: int
    value: float


@dataclass(frozen=True)
class Trend:
    """What a figure did over `points` drills from `since` to `until` (micros).

    middle: the median. per_month: the slope for 30 days; None where direction is "too few".
    target_in_days: when the figure, which rises, meets its target if it goes on so; 0 where it is
    above by now, None where it will not within ten years.
    """

    points: int
    since: int
    until: int
    first: float
    newest: float
    middle: float
    direction: Direction
    per_month: float | None = None
    target_in_days: int | None = None


def trend(points: Sequence[Point], target: float | None = None) -> Trend | None:
    """The trend over the newest drills; None where there is no drill.

    target: what the figure must not be above.
    """
    found = sorted(points, key=lambda point: point.at)[-MOST:]
    if not found:
        return None
    newest = found[-1].value
    slopes = sorted(
        (later.value - earlier.value) / (later.at - earlier.at)
        for earlier, later in combinations(found, 2)
        if later.at > earlier.at
    )
    direction = _direction(found) if slopes else "too few"
    slope = median(slopes) * MONTH if direction != "too few" else None
    rising = slope if direction == "rising" else None
    return Trend(
        points=len(found),
        since=found[0].at,
        until=found[-1].at,
        first=found[0].value,
        newest=newest,
        middle=median(point.value for point in found),
        direction=direction,
        per_month=slope,
        target_in_days=None if target is None else _days_to(target, newest, rising),
    )


def in_words(found: Trend, language: Literal["en", "vi"]) -> str:
    """Where the figure goes, without its unit: for pages beside the numbers."""
    words = _WORDS[language]
    told = words[found.direction].format(drills=found.points)
    if found.direction == "rising" and found.target_in_days:
        told += words["target"].format(days=found.target_in_days)
    return told


def _direction(points: Sequence[Point]) -> Direction:
    if len(points) < FEWEST:
        return "too few"
    pairs = [(one.value, other.value) for one, other in combinations(points, 2)]
    rises = sum(later > earlier for earlier, later in pairs)
    falls = sum(later < earlier for earlier, later in pairs)
    # What is equal speaks for neither: it counts against both.
    if rises > falls and _chance(len(points), len(pairs) - rises) <= _SURPRISING:
        return "rising"
    if falls > rises and _chance(len(points), len(pairs) - falls) <= _SURPRISING:
        return "falling"
    return "steady"


def _chance(count: int, inversions: int) -> Fraction:
    """That figures in an order by chance have so few inversions, or fewer, in either direction."""
    ways, orders = _orders(count)
    return Fraction(2 * sum(ways[: inversions + 1]), orders)


@cache
def _orders(count: int) -> tuple[tuple[int, ...], int]:
    """How many orders of so many things have 0, 1, 2, ... inversions; and how many there are."""
    ways, orders = [1], 1
    for things in range(2, count + 1):
        longer = [0] * (len(ways) + things - 1)
        for inversions, number in enumerate(ways):
            for more in range(things):
                longer[inversions + more] += number
        ways, orders = longer, orders * things
    return tuple(ways), orders


def _days_to(target: float, newest: float, per_month: float | None) -> int | None:
    if newest > target:
        return 0
    if per_month is None or per_month <= 0:
        return None
    days = (target - newest) / per_month * _DAYS_OF_A_MONTH
    return int(days) + 1 if days < _FARTHEST_DAYS else None


_WORDS = {
    "en": {
        "too few": "{drills} drills: too few to tell a trend",
        "steady": "steady over {drills} drills: no rise or fall beyond chance",
        "rising": "rising over {drills} drills",
        "falling": "falling over {drills} drills",
        "target": "; if it goes on so, it is above its target in {days} days",
    },
    "vi": {
        "too few": "mới có {drills} lần diễn tập: chưa đủ để nói về xu hướng",
        "steady": "ổn định qua {drills} lần diễn tập: không tăng hay giảm ngoài mức ngẫu nhiên",
        "rising": "tăng dần qua {drills} lần diễn tập",
        "falling": "giảm dần qua {drills} lần diễn tập",
        "target": "; nếu cứ tiếp tục như vậy thì sau {days} ngày sẽ vượt chỉ tiêu",
    },
}
