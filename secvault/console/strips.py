"""A plan's days as a strip of marks, drawn here: a shape for each word, so colours are not needed.

A strip is one path for each word, which is a third of what a mark for each day would take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from secvault.service.backup_calendar import Day, Word

WIDTH = 10
HEIGHT = 18
"""Of a day, in the units of the drawing."""

# From the upper left corner of the day, in relative steps; a day is eight wide, with a gap of two.
_MARKS: dict[Word, str] = {
    # The whole field.
    "good": "v18h8v-18z",
    # Its lower half.
    "mixed": "m0 9v9h8v-9z",
    # A cross.
    "failed": "l3 9-3 9h2l2-6 2 6h2l-3-9 3-9h-2l-2 6-2-6z",
    # A frame.
    "missed": "v18h8v-18zm2 2h4v14h-4z",
    # A bar across.
    "cancelled": "m0 7v4h8v-4z",
    # An arrow onwards.
    "running": "v18l8-9z",
    # A dot on the ground.
    "none": "m3 16v2h2v-2z",
    "before": "",
}


@dataclass(frozen=True)
class Stretch:
    """Days one after the other that are alike. runs: how many came to what, of all of them."""

    first: date
    last: date
    word: Word
    days: int
    runs: Counter[Word]


@dataclass(frozen=True)
class Strip:
    """A plan's days, drawn. first, last: the days at its ends. width, height: of the drawing.

    paths: (word, SVG path data).

    stretches: the same in words, the newest first; what was before the plan is left out.
    """

    plan: str
    first: date
    last: date
    width: int
    height: int
    paths: tuple[tuple[Word, str], ...]
    stretches: tuple[Stretch, ...]

    @property
    def wrong(self) -> int:
        """How many days there are on which something went wrong."""
        bad = ("failed", "missed", "mixed")
        return sum(one.days for one in self.stretches if one.word in bad)


def strip(plan: str, days: Sequence[Day]) -> Strip:
    """Draw these days, the oldest first, at least one."""
    found: dict[Word, list[str]] = {}
    for place, day in enumerate(days):
        if mark := _MARKS[day.word]:
            found.setdefault(day.word, []).append(f"M{place * WIDTH} 0{mark}")
    return Strip(
        plan,
        days[0].date,
        days[-1].date,
        len(days) * WIDTH,
        HEIGHT,
        tuple((word, "".join(marks)) for word, marks in found.items()),
        tuple(_stretches(days))[::-1],
    )


def _stretches(days: Iterable[Day]) -> Iterable[Stretch]:
    for word, same in groupby(days, key=lambda day: day.word):
        if word == "before":
            continue
        alike = list(same)
        runs: Counter[Word] = Counter()
        for day in alike:
            runs.update(day.counts)
        yield Stretch(alike[0].date, alike[-1].date, word, len(alike), runs)
