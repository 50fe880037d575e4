"""Where a figure goes: said only where it is more than chance, and never bent by one odd drill."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills.trend import FEWEST, MONTH, MOST, Point, Trend, in_words, trend

WEEK = 7 * 86_400 * 1_000_000


def weekly(values: Iterable[float], target: float | None = None) -> Trend:
    found = trend([Point(n * WEEK, value) for n, value in enumerate(values)], target)
    assert found is not None
    return found


def test_there_is_no_trend_without_drills() -> None:
    assert trend([]) is None


def test_one_drill_is_all_that_is_known_of_it() -> None:
    found = weekly([90])
    assert (found.first, found.newest, found.middle, found.direction) == (90, 90, 90, "too few")
    assert found.per_month is None


def test_a_steady_rise_has_its_slope_for_a_month_and_the_day_of_its_target() -> None:
    found = weekly([100, 107, 114, 121, 128, 135], target=180)
    assert found.direction == "rising"
    assert found.per_month == pytest.approx(30)
    # 45 more at one a day; the day on which it is above.
    assert found.target_in_days == 46
    assert weekly([100, 107, 114, 121, 128, 135], target=130).target_in_days == 0
    assert weekly([100, 107, 114, 121, 128, 135], target=1e9).target_in_days is None
    assert weekly([135, 128, 121, 114, 107, 100], target=180).target_in_days is None


def test_one_odd_drill_bends_nothing() -> None:
    usual = weekly([100, 107, 114, 121, 128, 135, 142, 149])
    odd = weekly([100, 107, 114, 9000, 128, 135, 142, 149])
    assert odd.direction == "rising"
    assert odd.per_month == pytest.approx(usual.per_month, rel=0.1)


def test_figures_that_stay_as_they_are_are_steady() -> None:
    found = weekly([100] * 9, target=100)
    assert (found.direction, found.per_month, found.target_in_days) == ("steady", 0, None)


def test_chance_is_called_a_trend_no_more_often_than_once_in_twenty_exactly() -> None:
    for count in range(1, 8):
        called = orders = 0
        for order in permutations(range(count)):
            orders += 1
            called += weekly(order).direction in ("rising", "falling")
        assert called / orders <= 0.05
        assert (called > 0) == (count >= FEWEST)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_a_trend_is_the_same_in_any_unit_and_the_other_way_round_backwards(
    values: list[float],
) -> None:
    found = weekly(values)
    opposite = {"rising": "falling", "falling": "rising"}
    assert weekly(reversed(values)).direction == opposite.get(found.direction, found.direction)
    assert found.until - found.since == (len(values) - 1) * WEEK
    if found.per_month is not None:
        scaled = weekly(value * 2 for value in values).per_month
        assert scaled == pytest.approx(found.per_month * 2, rel=1e-6, abs=1e-6)


def test_drills_of_one_moment_have_no_slope() -> None:
    found = trend([Point(5, float(n)) for n in range(9)])
    assert found is not None
    assert (found.direction, found.per_month) == ("too few", None)


def test_only_the_newest_drills_count() -> None:
    shuffled = [Point(n * WEEK, float(n)) for n in range(MOST + 40)]
    random.Random(1).shuffle(shuffled)
    found = trend(shuffled)
    assert found is not None
    assert (found.points, found.first, found.newest) == (MOST, 40, MOST + 39)
    assert found.per_month == pytest.approx(MONTH / WEEK)


def test_it_is_said_in_both_languages() -> None:
    rising = weekly([100, 107, 114, 121, 128, 135], target=180)
    assert in_words(rising, "en") == (
        "rising over 6 drills; if it goes on so, it is above its target in 46 days"
    )
    assert in_words(rising, "vi") == (
        "tăng dần qua 6 lần diễn tập; nếu cứ tiếp tục như vậy thì sau 46 ngày sẽ vượt chỉ tiêu"
    )
    assert in_words(weekly([1, 2]), "en") == "2 drills: too few to tell a trend"
    assert in_words(weekly([5, 4, 3, 2, 1]), "vi") == "giảm dần qua 5 lần diễn tập"
    assert "ổn định" in in_words(weekly([1] * 6), "vi")
