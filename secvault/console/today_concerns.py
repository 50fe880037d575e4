"""What a concern is, and how many of one kind become one: the worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Weight = Literal["bad", "warn"]

FEW = 3
"""So many of one kind stand apart; more are one line with their number."""
NAMED = 3
"""How many of those are named."""
DAY = 86_400 * 1_000_000
"""Micros."""


@dataclass(frozen=True)
class Concern:
    """Something that wants a person. kind: of which `today/words.html` has the words.

    name: what it is about. path: the page where it is mended; empty where there is none for the
    visitor. whole: the page of all of the kind. since, until: micros, None where not known. times:
    how often, or how many.
    """

    weight: Weight
    kind: str
    name: str = ""
    path: str = ""
    whole: str = ""
    since: int | None = None
    until: int | None = None
    times: int = 0


@dataclass(frozen=True)
class Line:
    """A concern as it is shown, or many of one kind together. first: the worst of them.

    named: some of them, where there are many. path: where it is mended. since, until: the earliest.
    """

    first: Concern
    count: int
    named: tuple[Concern, ...]
    path: str
    since: int | None
    until: int | None


def lines_of(concerns: Iterable[Concern]) -> tuple[Line, ...]:
    """All of them, the worst first; else in the order in which they come."""
    lines: list[Line] = []
    order: dict[str, int] = {}
    for one in (found := list(concerns)):
        order.setdefault(one.kind, len(order))
    found.sort(key=lambda one: (one.weight != "bad", order[one.kind]))
    for _, alike in groupby(found, key=lambda one: (one.weight, one.kind)):
        same = sorted(alike, key=_urgency)
        if len(same) > FEW:
            lines.append(_folded(same))
        else:
            lines += [Line(one, 1, (), one.path, one.since, one.until) for one in same]
    return tuple(lines)


def _urgency(one: Concern) -> tuple[int, int, str]:
    """What lasts the longest, and what ends the soonest, comes first."""
    ends = one.until if one.until is not None else 0
    return (ends, one.since if one.since is not None else 0, one.name)


def _folded(same: list[Concern]) -> Line:
    return Line(
        same[0],
        len(same),
        tuple(same[:NAMED]),
        same[0].whole,
        min((one.since for one in same if one.since is not None), default=None),
        min((one.until for one in same if one.until is not None), default=None),
    )
