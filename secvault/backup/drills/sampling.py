"""How many files a sample needs, and what its findings say of all: exact, without replacement.

The number of damaged files in a sample is hypergeometric. Everything here is decided in whole
numbers: `rate` and `confidence` are the decimals that were written (0.01 is one in a hundred, not
the float beside it), so that a file more or less never hangs on a rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from secvault.backup.drills.result import SampleFigures

EXACT = 1000
"""Damaged files of a sample up to which their bound is exact; above, Serfling's is near enough."""


def sample_size(population: int, rate: float, confidence: float) -> int:
    """How many files to draw so that damage to `rate` of them is found with `confidence`.

    The least number: with one less the chance that none of the damaged is drawn is too large.
    Damage to a share is damage to at least one file. Raises ValueError outside of 0 and 1.
    """
    damaged = least_damaged(population, rate)
    missed = 1 - _share("confidence", confidence)
    if not population:
        return 0
    # Freund: the damaged as if they were drawn with the middle of the chances on the way.
    guess = (1 - float(missed) ** (1 / damaged)) * (population - (damaged - 1) / 2)
    return _least(
        lambda size: _at_most(_missing(population, damaged, size), missed),
        1,
        population - damaged + 1,
        guess,
    )


def least_damaged(population: int, rate: float) -> int:
    """How many files are damaged at least when `rate` of them are; 0 only where there is none."""
    if population < 0:
        raise ValueError("a population is not less than nothing")
    share = _share("rate", rate)
    return max(1, math.ceil(share * population)) if population else 0


def chance_of_finding(population: int, damaged: int, size: int) -> float:
    """The chance that a sample of this size holds at least one of the damaged files."""
    part, whole = _missing(population, damaged, size)
    return float(1 - Fraction(part, whole))


def most_damaged(population: int, size: int, found: int, confidence: float) -> int:
    """How many of all files are damaged at most, with `confidence`, when the sample held `found`.

    The largest number with which so few, or fewer, would still be found with a chance of more than
    1 - confidence (Clopper and Pearson's bound, for draws without replacement).
    """
    if not 0 <= found <= size <= population:
        raise ValueError("more was found than drawn, or more drawn than there is")
    unlikely = 1 - _share("confidence", confidence)
    # What was drawn and is whole, is whole.
    most = population - (size - found)
    if found in (most, size):
        return most
    if found > EXACT:
        return min(most, _serfling(population, size, found, unlikely))
    guess = _poisson_bound(found, float(unlikely)) * population / size
    return (
        _least(
            lambda damaged: _at_most(_so_few(population, damaged, size, found), unlikely),
            found + 1,
            most + 1,
            guess,
        )
        - 1
    )


def sample_figures(
    population: int, size: int, found: int, rate: float, confidence: float
) -> SampleFigures:
    """What a sample of this size states in which so many files were damaged."""
    upper = most_damaged(population, size, found, confidence)
    return SampleFigures(
        population=population,
        size=size,
        found=found,
        rate=rate,
        confidence=confidence,
        upper_rate=upper / population if population else 0.0,
    )


Chance = tuple[int, int]
"""A probability as part and whole, not reduced: that would take longer than to compare it."""


def _share(name: str, value: float) -> Fraction:
    if not 0 < value < 1:
        raise ValueError(f"{name} must be above 0 and below 1")
    return Fraction(repr(float(value)))


def _at_most(chance: Chance, limit: Fraction) -> bool:
    part, whole = chance
    return part * limit.denominator <= limit.numerator * whole


def _missing(population: int, damaged: int, size: int) -> Chance:
    """The chance that none of the damaged is drawn."""
    # Drawing and damaging change places: it is the same whether the drawn miss the damaged.
    few, many = sorted((damaged, size))
    return math.perm(population - many, few), math.perm(population, few)


def _so_few(population: int, damaged: int, size: int, found: int) -> Chance:
    """The chance that at most `found` of the damaged are drawn."""
    few, many = sorted((damaged, size))
    rest = population - many
    count = max(0, few - rest)
    if count > found:
        return 0, 1
    ways = math.comb(many, count) * math.comb(rest, few - count)
    total = ways
    while count < min(found, few):
        # The ways to draw one more damaged and one less whole.
        ways = ways * (many - count) * (few - count) // ((count + 1) * (rest - few + count + 1))
        count += 1
        total += ways
    return total, math.comb(population, few)


def _poisson_bound(found: int, unlikely: float) -> float:
    """The mean with which so few happen, or fewer, with this chance: near enough for a guess."""
    low, high = float(found), 2 * found - 3 * math.log(unlikely) + 10
    for _ in range(40):
        mean = (low + high) / 2
        logs = (n * math.log(mean) - mean - math.lgamma(n + 1) for n in range(found + 1))
        low, high = (mean, high) if sum(map(math.exp, logs)) > unlikely else (low, mean)
    return high


def _serfling(population: int, size: int, found: int, unlikely: Fraction) -> int:
    """A bound that holds with the confidence, and is a little wider than the exact one.

    R. J. Serfling, Probability Inequalities for the Sum in Sampling without Replacement, 1974.
    """
    spread = -math.log(float(unlikely)) * (1 - (size - 1) / population) / (2 * size)
    return math.ceil(population * (found / size + math.sqrt(spread)))


def _least(holds: Callable[[int], bool], low: int, high: int, guess: float) -> int:
    """The least number from low to high for which it holds, as it does for all above; else high.

    Looks near the guess first: the numbers that are compared grow with the distance from it.
    """
    near = min(max(low, round(guess)), high)
    step = 1
    if near == high or holds(near):
        high = near
        while high > low and holds(max(low, high - step)):
            high, step = max(low, high - step), step * 2
        low = max(low, high - step)
    else:
        low = near + 1
        while low < high and not holds(min(high, low + step)):
            low, step = min(high, low + step) + 1, step * 2
        high = min(high, low + step)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return min(low, high)
