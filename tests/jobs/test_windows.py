from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.jobs.windows import closed_since, opening

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Ho_Chi_Minh", "Australia/Lord_Howe", "UTC"]
# Clock changes of 2026 in these zones, from the IANA database: no other day of theirs is longer or
# shorter than 24 hours.
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
}
MINUTES = st.integers(0, 24 * 60 - 1)
WINDOWS = st.tuples(MINUTES, MINUTES).filter(lambda ends: ends[0] != ends[1])
MOMENTS = st.datetimes(datetime(2026, 1, 2), datetime(2026, 12, 30)).map(  # noqa: DTZ001 - given a zone
    lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC)
)


def written(window: tuple[int, int]) -> str:
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in window)


def inside(window: tuple[int, int], local: datetime) -> bool:
    """Whether a clock on the wall shows a time within the window."""
    begin, end = window
    minutes = local.hour * 60 + local.minute
    return begin <= minutes < end if begin < end else minutes >= begin or minutes < end


def ordinary(zone: str, at: datetime) -> bool:
    """Whether no clock change is near."""
    day = at.astimezone(ZoneInfo(zone)).date()
    return all(
        abs((day - datetime.fromisoformat(change).date()).days) > 2
        for change in CHANGES.get(zone, ())
    )


@given(st.lists(WINDOWS, min_size=1, max_size=3), st.sampled_from(ZONES), MOMENTS)
def test_on_ordinary_days_a_run_begins_when_the_clock_on_the_wall_shows_a_time_in_a_window(
    windows: list[tuple[int, int]], zone: str, at: datetime
) -> None:
    place = ZoneInfo(zone)
    found = opening([*map(written, windows)], place, at)
    begins = max(at, found.begins)
    if ordinary(zone, at):
        assert any(inside(one, begins.astimezone(place)) for one in windows)
        open_now = any(inside(one, at.astimezone(place)) for one in windows)
        assert open_now == (found.begins <= at)
        last = found.ends - timedelta(minutes=1)
        assert any(inside(one, last.astimezone(place)) for one in windows)


@given(WINDOWS, st.sampled_from(ZONES), MOMENTS)
def test_a_window_opens_on_each_day_of_the_year_whatever_the_clock_does(
    window: tuple[int, int], zone: str, at: datetime
) -> None:
    place, one = ZoneInfo(zone), written(window)
    found = opening([one], place, at)
    assert found.begins < found.ends
    assert found.ends > at
    assert found.begins - at < timedelta(hours=26)
    following = opening([one], place, found.ends)
    assert timedelta(hours=22) <= following.begins - found.begins <= timedelta(hours=26)
    assert closed_since([one], place, found.begins) == found.begins
    before = closed_since([one], place, found.begins - timedelta(minutes=1))
    assert before <= found.begins


@given(WINDOWS, st.sampled_from(ZONES), MOMENTS, st.integers(0, 3000))
def test_who_is_due_later_never_begins_sooner(
    window: tuple[int, int], zone: str, at: datetime, minutes: int
) -> None:
    place, one = ZoneInfo(zone), [written(window)]
    later = at + timedelta(minutes=minutes)
    first, second = opening(one, place, at), opening(one, place, later)
    assert max(at, first.begins) <= max(later, second.begins)


@pytest.mark.parametrize(
    ("window", "at", "begins", "ends"),
    [
        # Skipped in spring: an hour later by the new time, and as long as it says.
        ("02:10-02:40", "2026-03-29T00:00+01:00", "03:10+02:00", "03:40+02:00"),
        # It would end before it begins.
        ("02:30-03:15", "2026-03-29T00:00+01:00", "03:30+02:00", "04:15+02:00"),
        ("01:00-04:00", "2026-03-29T00:00+01:00", "01:00+01:00", "04:00+02:00"),
        # Repeated in autumn: the first pass.
        ("02:10-02:40", "2026-10-25T00:00+02:00", "02:10+02:00", "02:40+02:00"),
        ("01:00-04:00", "2026-10-25T00:00+02:00", "01:00+02:00", "04:00+01:00"),
    ],
)
def test_windows_over_a_clock_change_in_berlin(
    window: str, at: str, begins: str, ends: str
) -> None:
    found = opening([window], ZoneInfo("Europe/Berlin"), datetime.fromisoformat(at))
    day = at[:10]
    assert found.begins == datetime.fromisoformat(f"{day}T{begins}")
    assert found.ends == datetime.fromisoformat(f"{day}T{ends}")


def test_of_windows_that_overlap_the_one_that_is_open_longest_counts() -> None:
    at = datetime(2026, 5, 5, 23, tzinfo=UTC)
    found = opening(["22:00-23:30", "22:30-05:00", "06:00-07:00"], ZoneInfo("UTC"), at)
    assert found.ends == datetime(2026, 5, 6, 5, tzinfo=UTC)
