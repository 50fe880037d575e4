"""How long a whole restore would take, by what parts of different size took, with bounds.

The time of a restore is taken as so much for each start of restic, for each file and for each byte,
none of them negative. Measured times vary by a share of themselves, so that residuals are taken as
shares. The bounds are those of a prediction, for one more restore, not for the mean of many.
What the model does not know of is not in the bounds: a network that is slower by day, and that a
longer restore keeps more connections busy than a short one, so that the whole rather takes less.
The parts have to be files that lie beside each other: of a pack, a file alone costs almost all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

from secvault.backup.drills.result import RtoEstimate

Vector = tuple[Fraction, ...]
_SHORTEST = 1_000
"""Micros; less is not told apart by a clock beside the start of a program."""


@dataclass(frozen=True)
class Timed:
    """What a restore brought back, each file once, and what it took. starts: of restic."""

    files: int
    bytes: int
    seconds: float
    starts: int = 1

    def plus(self, seconds: float) -> Timed:
        """The same with what followed for the same files, such as comparing them."""
        return replace(self, seconds=self.seconds + seconds)


def estimate(
    observed: Sequence[Timed], files: int, size: int, confidence: float, known: float = 0.0
) -> RtoEstimate | None:
    """How long it would take to restore so many files of `size` bytes in one go.

    observed: batches of different size; known: seconds that are measured as a whole already, and
    are added. low and high hold with `confidence`. None where the batches tell no error: there must
    be two more of them than costs to be told apart, and what is wanted must be of their kind (from
    files of one size nothing follows for those of another).
    """
    rows = [_row(one.starts, one.files, one.bytes) for one in observed]
    taken = [
        Fraction(max(round(one.seconds * 1_000_000), _SHORTEST), 1_000_000) for one in observed
    ]
    wanted = _row(1, files, size)
    # Each row as a share of what it took.
    shares = [tuple(value / time for value in row) for row, time in zip(rows, taken, strict=True)]
    columns = _independent(shares)
    freedom = len(observed) - len(columns)
    if freedom < 2 or _independent([*rows, wanted]) != columns:
        return None
    full = _fitted(shares, columns)
    best = min(
        (
            fit
            for count in range(1, len(columns) + 1)
            for chosen in combinations(columns, count)
            if min((fit := _fitted(shares, chosen)).costs) >= 0
        ),
        key=lambda fit: fit.squares,
    )
    likely, middle = float(best.at(wanted)), full.at(wanted)
    deviation = math.sqrt(full.squares / freedom)
    apart = math.sqrt(middle**2 + full.leverage(wanted))
    spread = student((1 + confidence) / 2, freedom) * deviation * apart
    # What never can be negative may be better known than its bounds are.
    low = max(0.0, min(likely, float(middle) - spread))
    high = max(likely, float(middle) + spread)
    return RtoEstimate(known + likely, known + low, known + high)


def student(probability: float, freedom: int) -> float:
    """The quantile of Student's distribution, for a probability of a half or more."""
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability and high < 1e12:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if _below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def _below(value: float, freedom: int) -> float:
    """Student's distribution. Source: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for at in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (at - 1) / at
        total += term
    total *= math.sin(angle)
    within = 2 / math.pi * (angle + total) if odd else total
    return (1 + within) / 2


@dataclass(frozen=True)
class _Fit:
    """columns: those of a row that have a cost, in order. squares: of the residuals, as shares."""

    columns: tuple[int, ...]
    costs: Vector
    squares: Fraction
    inverse: tuple[Vector, ...]

    def at(self, row: Vector) -> Fraction:
        return _dot(self.costs, self._of(row))

    def leverage(self, row: Vector) -> Fraction:
        own = self._of(row)
        return _dot(own, tuple(_dot(line, own) for line in self.inverse))

    def _of(self, row: Vector) -> Vector:
        return tuple(row[column] for column in self.columns)


def _fitted(shares: Sequence[Vector], columns: tuple[int, ...]) -> _Fit:
    """Least squares; in fractions, as bytes and starts are ten powers of ten apart."""
    rows = [tuple(share[column] for column in columns) for share in shares]
    inverse = _inverse(_normal(shares, columns))
    if inverse is None:
        raise ArithmeticError("the costs cannot be told apart")
    sums = tuple(sum((row[i] for row in rows), Fraction()) for i in range(len(columns)))
    costs = tuple(_dot(line, sums) for line in inverse)
    squares = sum(((1 - _dot(costs, row)) ** 2 for row in rows), Fraction())
    return _Fit(columns, costs, squares, inverse)


def _row(starts: int, files: int, size: int) -> Vector:
    return (Fraction(starts), Fraction(files), Fraction(size))


def _independent(rows: Sequence[Vector]) -> tuple[int, ...]:
    """The columns whose costs can be told apart, as many as there are, the first ones first."""
    kept: tuple[int, ...] = ()
    for column in range(len(rows[0]) if rows else 0):
        if _inverse(_normal(rows, (*kept, column))) is not None:
            kept = (*kept, column)
    return kept


def _normal(rows: Sequence[Vector], columns: tuple[int, ...]) -> tuple[Vector, ...]:
    return tuple(
        tuple(sum((row[i] * row[j] for row in rows), Fraction()) for j in columns) for i in columns
    )


def _inverse(matrix: tuple[Vector, ...]) -> tuple[Vector, ...] | None:
    """By Gauss and Jordan; None where there is none."""
    size = len(matrix)
    rows = [
        [*line, *(Fraction(int(at == place)) for at in range(size))]
        for place, line in enumerate(matrix)
    ]
    for place in range(size):
        pivot = next((at for at in range(place, size) if rows[at][place]), None)
        if pivot is None:
            return None
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [value / rows[place][place] for value in rows[place]]
        for at in range(size):
            factor = rows[at][place]
            if at != place and factor:
                pairs = zip(rows[at], rows[place], strict=True)
                rows[at] = [value - factor * other for value, other in pairs]
    return tuple(tuple(row[size:]) for row in rows)


def _dot(left: Vector, right: Vector) -> Fraction:
    return sum((one * other for one, other in zip(left, right, strict=True)), Fraction())
