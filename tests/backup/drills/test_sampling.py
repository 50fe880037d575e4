"""Sizes of samples and what their findings say, beside every case counted one by one."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills.sampling import (
    EXACT,
    chance_of_finding,
    least_damaged,
    most_damaged,
    sample_figures,
    sample_size,
)

ALMOST_ONE = 1 - 2**-53
RATES = (5e-324, 1e-9, 0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 0.999999, ALMOST_ONE)
CONFIDENCES = (5e-324, 1e-9, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999999, ALMOST_ONE)

populations = st.integers(0, 3_000)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)


def _written(value: float) -> Fraction:
    return Fraction(repr(value))


def _missed(population: int, damaged: int, size: int) -> Fraction:
    """Of all samples of this size, the share without any of the damaged files."""
    return Fraction(math.comb(population - damaged, size), math.comb(population, size))


def _so_few(population: int, damaged: int, size: int, found: int) -> Fraction:
    ways = (
        math.comb(damaged, count) * math.comb(population - damaged, size - count)
        for count in range(min(found, size) + 1)
    )
    return Fraction(sum(ways), math.comb(population, size))


def test_the_size_is_the_least_that_finds_the_damage_for_every_small_population() -> None:
    for population in (*range(31), 100):
        for rate in RATES:
            damaged = max(1, math.ceil(_written(rate) * population))
            for confidence in CONFIDENCES:
                fitting = (
                    size
                    for size in range(population + 1)
                    if not population
                    or _missed(population, damaged, size) <= 1 - _written(confidence)
                )
                case = (population, rate, confidence)
                assert sample_size(*case) == next(fitting), case


def test_the_bound_is_the_largest_number_that_is_not_ruled_out_for_every_small_sample() -> None:
    for population in range(15):
        for size in range(population + 1):
            for found in range(size + 1):
                possible = range(found, population - size + found + 1)
                for confidence in CONFIDENCES:
                    unlikely = 1 - _written(confidence)
                    most = max(
                        damaged
                        for damaged in possible
                        # What was found is possible, however unlikely.
                        if damaged == found or _so_few(population, damaged, size, found) > unlikely
                    )
                    case = (population, size, found, confidence)
                    assert most_damaged(*case) == most, case


@given(population=populations, rate=shares, confidence=shares)
def test_a_sample_with_nothing_found_states_less_than_the_rate_it_was_made_for(
    population: int, rate: float, confidence: float
) -> None:
    size = sample_size(population, rate, confidence)
    figures = sample_figures(population, size, 0, rate, confidence)
    assert 0 <= size <= population
    assert most_damaged(population, size, 0, confidence) < max(1, least_damaged(population, rate))
    assert figures.upper_rate < rate or figures.upper_rate == 0


@given(population=populations, rate=shares, confidence=shares)
def test_the_stated_confidence_is_reached_and_not_with_one_file_less(
    population: int, rate: float, confidence: float
) -> None:
    size, damaged = sample_size(population, rate, confidence), least_damaged(population, rate)
    if not population:
        return
    assert 1 - _missed(population, damaged, size) >= _written(confidence)
    assert 1 - _missed(population, damaged, size - 1) < _written(confidence)


@given(
    population=st.integers(1, 400),
    taken=st.floats(0, 1),
    damaged=st.floats(0, 1),
    confidence=st.sampled_from([0.5, 0.9, 0.99]),
)
def test_the_bound_holds_with_the_confidence_whatever_the_damage(
    population: int, taken: float, damaged: float, confidence: float
) -> None:
    size, hurt = round(taken * population), round(damaged * population)
    wrong = Fraction()
    for found in range(max(0, size - (population - hurt)), min(size, hurt) + 1):
        if most_damaged(population, size, found, confidence) < hurt:
            ways = math.comb(hurt, found) * math.comb(population - hurt, size - found)
            wrong += Fraction(ways, math.comb(population, size))
    assert wrong <= 1 - _written(confidence)


def test_well_known_samples() -> None:
    # 59 for one in twenty, 299 for one in a hundred, as auditors' tables have it for many.
    assert sample_size(10**9, 0.05, 0.95) == 59
    assert sample_size(10**9, 0.01, 0.95) == 299
    assert sample_size(1000, 0.01, 0.95) == 258
    # A decimal is what was written: 0.07 of 100 are 7 files, though the float is a little more.
    assert least_damaged(100, 0.07) == 7
    assert least_damaged(10, 0.1) == 1


def test_a_whole_population_states_exactly_what_it_holds() -> None:
    assert sample_size(0, 0.01, 0.95) == 0
    assert sample_size(1, 0.01, 0.95) == 1
    assert sample_size(20, 0.01, ALMOST_ONE) == 20
    for found in (0, 1, 7, 20):
        assert most_damaged(20, 20, found, ALMOST_ONE) == found
    assert sample_figures(0, 0, 0, 0.01, 0.95).upper_rate == 0


def test_nothing_drawn_states_nothing() -> None:
    assert most_damaged(20, 0, 0, 0.95) == 20
    assert sample_figures(20, 0, 0, 0.01, 0.95).upper_rate == 1


def test_the_wider_bound_for_very_many_joins_the_exact_one() -> None:
    exact = most_damaged(50_000, 20_000, EXACT, 0.95)
    wider = most_damaged(50_000, 20_000, EXACT + 1, 0.95)
    assert exact < wider < exact * 1.2
    assert most_damaged(2_000, 1_999, 1_500, 0.95) <= 1_501


@pytest.mark.parametrize(
    ("population", "rate", "confidence"),
    [(10**6, 0.001, 0.99), (10**8, 1e-4, 0.95), (10**9, 1e-6, 0.95), (10**9, 1e-9, 0.95)],
)
def test_hundreds_of_millions_of_files_are_counted_exactly_and_at_once(
    population: int, rate: float, confidence: float
) -> None:
    began = time.process_time()
    size, damaged = sample_size(population, rate, confidence), least_damaged(population, rate)
    assert chance_of_finding(population, damaged, size) >= confidence
    assert most_damaged(population, size, 0, confidence) < damaged
    assert time.process_time() - began < 5


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1, math.nan, math.inf])
def test_shares_lie_between_nothing_and_all(share: float) -> None:
    with pytest.raises(ValueError, match="rate must be above 0"):
        sample_size(10, share, 0.95)
    with pytest.raises(ValueError, match="confidence must be above 0"):
        sample_size(10, 0.01, share)


@pytest.mark.parametrize(("population", "size", "found"), [(5, 6, 0), (5, 2, 3), (5, 2, -1)])
def test_no_more_is_found_than_drawn(population: int, size: int, found: int) -> None:
    with pytest.raises(ValueError, match="more was found than drawn"):
        most_damaged(population, size, found, 0.95)
