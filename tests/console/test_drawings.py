"""The drawings of backups: strips of days, and how old data was; what they show is right."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from secvault.console.ages import HEIGHT, HOUR, WIDTH, Good, ages
from secvault.console.backup_plan import Timing, timing
from secvault.console.bars import Amount, bars
from secvault.console.lives import MOST, lives
from secvault.console.strips import strip
from secvault.keyring.key_usage import Use
from secvault.service.backup_calendar import WORDS, Day, Word

FIRST = date(2026, 9, 1)
NOW = 1_790_000_000_000_000


def days(*words: Word) -> list[Day]:
    """Days one after the other."""
    return [Day(FIRST + timedelta(days=at), word, {word: 1}) for at, word in enumerate(words)]


def test_a_strip_has_a_shape_for_each_word_and_the_same_in_stretches() -> None:
    drawn = strip("nightly", days("before", "good", "good", "failed", "none", "good", "missed"))
    paths = dict(drawn.paths)
    assert set(paths) == {"good", "failed", "none", "missed"}
    assert len({path.partition("v")[2] for path in paths.values()}) == 4
    assert paths["good"].count("M") == 3
    assert drawn.width == 70
    told = [(one.word, one.days) for one in drawn.stretches]
    assert told == [("missed", 1), ("good", 1), ("none", 1), ("failed", 1), ("good", 2)]
    assert drawn.stretches[-1].runs["good"] == 2
    assert drawn.wrong == 2


def test_every_word_of_a_day_but_the_time_before_the_plan_leaves_a_mark() -> None:
    for word in WORDS:
        assert bool(strip("p", days(word)).paths) == (word != "before")


def test_the_age_rises_until_a_good_run_ends_and_falls_to_what_its_data_shows() -> None:
    since = NOW - 10 * HOUR
    runs = [Good(NOW - 2 * HOUR, NOW - 3 * HOUR), Good(NOW - 8 * HOUR, NOW - 9 * HOUR)]
    drawn = ages(runs, 5 * HOUR, since, NOW)
    assert drawn is not None
    assert (drawn.highest, drawn.highest_at) == (7 * HOUR, NOW - 2 * HOUR)
    assert drawn.over == 2 * HOUR
    assert drawn.since == NOW - 8 * HOUR
    assert drawn.line.startswith("M0 ")
    assert f"L{WIDTH} " in drawn.line
    assert max(age for _, age in drawn.days) == 7 * HOUR
    assert 0 < drawn.promise_y < HEIGHT


def test_what_was_saved_before_the_drawing_counts_from_its_edge() -> None:
    drawn = ages([Good(NOW - 20 * HOUR, NOW - 20 * HOUR)], 5 * HOUR, NOW - 10 * HOUR, NOW)
    assert drawn is not None
    assert (drawn.highest, drawn.over) == (20 * HOUR, 10 * HOUR)


def test_days_on_which_nothing_ended_are_in_the_table_too() -> None:
    drawn = ages([Good(NOW - 96 * HOUR, NOW - 96 * HOUR)], HOUR, NOW - 2000 * HOUR, NOW)
    assert drawn is not None
    assert len(drawn.days) == 5
    assert [age for _, age in drawn.days] == sorted((age for _, age in drawn.days), reverse=True)


def test_without_a_good_run_there_is_nothing_to_draw() -> None:
    assert ages([], HOUR, NOW - HOUR, NOW) is None


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=30),
    st.integers(1, 100),
)
def test_whatever_ran_the_line_stays_in_the_drawing(
    runs: list[tuple[int, int]], promised: int
) -> None:
    good = [Good(NOW - ended * HOUR, NOW - (ended + lag) * HOUR) for ended, lag in runs]
    drawn = ages(good, promised * HOUR, NOW - 90 * 24 * HOUR, NOW)
    assert drawn is not None
    for place in drawn.line[1:].split("L"):
        x, y = map(int, place.split())
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert drawn.over <= NOW - drawn.since


def test_plain_schedules_are_said_in_words_and_others_as_they_are_written() -> None:
    assert timing("") == Timing("never")
    assert timing("30 1 * * *") == Timing("daily", "01:30", cron="30 1 * * *")
    assert timing("0 4 * * 0") == Timing("weekly", "04:00", 6, "0 4 * * 0")
    assert timing("0 3 * * 6") == Timing("weekly", "03:00", 5, "0 3 * * 6")
    assert timing("*/5 * * * *") == Timing("cron", cron="*/5 * * * *")


def test_bars_are_as_tall_as_their_amounts_and_what_went_wrong_is_a_frame() -> None:
    assert bars([]) is None
    drawn = bars([Amount(50), Amount(100, good=False), Amount(0)], 100)
    assert drawn is not None
    paths = dict(drawn.paths)
    assert paths["good"] == "M0 100v-45h8v45zM20 100v-2h8v2z"
    assert paths["missed"] == "M10 100v-90h8v90zm2-1v-88h4v88z"
    assert (drawn.width, drawn.top, drawn.limit_y) == (300, 110, 10)


def used(version: int, first: int, last: int) -> Use:
    """What somebody did with a version of a key."""
    return Use(version, "svc:a", "encrypt", 1, 1, first, last)


def test_a_line_for_each_version_of_a_key_from_its_first_use_to_its_last() -> None:
    made = {1: NOW - 100 * HOUR, 2: NOW - 50 * HOUR, 3: NOW - HOUR}
    uses = [
        used(1, NOW - 90 * HOUR, NOW - 60 * HOUR),
        used(1, NOW - 80 * HOUR, NOW),
        used(2, NOW - 50 * HOUR, NOW - 50 * HOUR),
    ]
    drawn = lives(made, uses, NOW)
    assert drawn is not None
    assert (drawn.first, drawn.last) == (NOW - 100 * HOUR, NOW)
    newest, second, oldest = drawn.rows
    assert [one.version for one in drawn.rows] == [3, 2, 1]
    assert (newest.since, newest.width) == (None, 0)
    # One use is seen, too.
    assert (second.x, second.since, second.width) == (360, 360, 4)
    assert (oldest.x, oldest.since, oldest.width) == (0, 72, 648)


def test_of_a_key_that_nobody_has_used_nothing_is_drawn_and_of_many_versions_the_newest() -> None:
    assert lives({1: NOW}, [], NOW) is None
    drawn = lives(dict.fromkeys(range(1, 101), NOW), [used(1, NOW, NOW)], NOW)
    assert drawn is not None
    assert len(drawn.rows) == MOST
