"""Amounts one after the other as bars, drawn here; what did not go well is a frame, not a bar.

The table that stands beside each drawing has the same in numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEP = 10
FEWEST = 30
"""There is room for so many at least: one alone is no wall."""
HEIGHT = 100
"""Of the drawing, in its units; a bar is eight wide, with a gap of two."""
_HEADROOM = 1.1


@dataclass(frozen=True)
class Amount:
    """An amount, in whatever unit. good: whether it counts as one that went well."""

    value: int
    good: bool = True


@dataclass(frozen=True)
class Bars:
    """The drawing. paths: (word, SVG path data), of the words good and missed. limit_y: of the line
    that the amounts are to stay below; None without one. top: what the drawing reaches to.
    """

    width: int
    height: int
    paths: tuple[tuple[str, str], ...]
    limit_y: int | None
    top: int


def bars(amounts: Sequence[Amount], limit: int | None = None) -> Bars | None:
    """Draw these amounts, the oldest first; None where there are none. limit: in the same unit."""
    if not amounts:
        return None
    highest = max(*(one.value for one in amounts), limit or 0)
    top = max(int(highest * _HEADROOM), 1)
    found: dict[str, list[str]] = {}
    for place, one in enumerate(amounts):
        # What is not nothing is seen.
        tall = max(one.value * HEIGHT // top, 2)
        outer = f"M{place * STEP} {HEIGHT}v-{tall}h8v{tall}z"
        inner = f"m2-1v-{tall - 2}h4v{tall - 2}z" if tall > 2 else ""
        found.setdefault("good" if one.good else "missed", []).append(
            outer if one.good else outer + inner
        )
    return Bars(
        max(len(amounts), FEWEST) * STEP,
        HEIGHT,
        tuple((word, "".join(marks)) for word, marks in found.items()),
        None if limit is None else HEIGHT - limit * HEIGHT // top,
        top,
    )
