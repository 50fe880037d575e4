"""How fast somebody decided, counted as one would by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secvault.service.reviews.pace import MINUTE, Pace, most_in_a_minute, pace, seconds_to_wait

moments = st.lists(st.integers(0, 10 * MINUTE), max_size=40).map(sorted)


@given(moments)
def test_the_most_in_a_minute_is_that_of_the_fullest_minute(made: list[int]) -> None:
    by_hand = max((sum(at <= one < at + MINUTE for one in made) for at in made), default=0)
    assert most_in_a_minute(made) == by_hand


@given(moments, st.integers(1, 10), st.integers(0, MINUTE))
def test_whoever_waits_as_long_as_told_is_let_go_on_and_not_sooner(
    made: list[int], limit: int, later: int
) -> None:
    now = (made[-1] if made else 0) + later
    wait = seconds_to_wait(made, now, limit)
    recent = sum(now - at < MINUTE for at in made)
    assert (wait > 0) == (recent >= limit)
    assert seconds_to_wait(made, now + wait * 1_000_000, limit) == 0
    if wait > 1:
        assert seconds_to_wait(made, now + (wait - 1) * 1_000_000, limit) > 0


def test_the_pace_of_a_reviewer() -> None:
    second = 1_000_000
    made = [(0, True), (4 * second, True), (10 * second, False), (200 * second, True)]
    assert pace("an", made) == Pace("an", 4, 3, 3, 6)
    assert pace("an", []) == Pace("an", 0, 0, 0, None)
