from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from secvault.jobs import cron
from secvault.jobs.occurrences import Timing, due_runs, next_after, open_at, share_of
from secvault.jobs.windows import opening

CRONS = ["30 1 * * *", "0 * * * *", "*/20 * * * *", "0 22 * * 1", "15 3 1 * *", "@hourly"]
ZONES = ["Europe/Berlin", "Asia/Ho_Chi_Minh", "America/New_York"]
WINDOWS = st.lists(
    st.sampled_from(["22:00-05:30", "01:00-04:00", "12:00-13:00", "02:10-02:40"]),
    max_size=2,
    unique=True,
).map(tuple)
TIMINGS = st.builds(
    Timing,
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    WINDOWS,
    st.integers(0, 720).map(lambda minutes: timedelta(minutes=minutes)),
    st.floats(0, 1, exclude_max=True),
)
# Nights of clock changes among them.
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 1, 2), datetime(2026, 12, 20)),  # noqa: DTZ001 - given a zone
    st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30)),  # noqa: DTZ001
    st.datetimes(datetime(2026, 10, 24), datetime(2026, 11, 2)),  # noqa: DTZ001
).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


def by_looking_at_all(timing: Timing, since: datetime, until: datetime) -> list[datetime]:
    """The same, worked out the slow way: every due moment from long before, moved one by one."""
    found = set()
    for due in cron.after(timing.cron, timing.time_zone, since - timedelta(days=40)):
        if due > until:
            break
        begins, most = due, timing.jitter
        if timing.windows:
            one = opening(timing.windows, ZoneInfo(timing.time_zone), due)
            begins = max(due, one.begins)
            most = min(most, one.ends - begins)
        minutes = int(timing.share * (most / timedelta(minutes=1)))
        found.add(begins + timedelta(minutes=minutes))
    return sorted(one for one in found if since < one <= until)


@given(TIMINGS, MOMENTS)
def test_the_runs_are_those_that_looking_at_every_due_moment_finds(
    timing: Timing, at: datetime
) -> None:
    until = at + timedelta(days=3)
    expected = by_looking_at_all(timing, at, until)
    first = next_after(timing, at)
    if not expected:
        assert first > until
        return
    assert first == expected[0]
    assert [*due_runs(timing, first, until)] == expected
    for one, following in pairwise(expected):
        assert next_after(timing, one) == following


@given(TIMINGS, MOMENTS)
def test_every_run_begins_in_a_window_and_in_good_time(timing: Timing, at: datetime) -> None:
    run = next_after(timing, at)
    assert run > at
    open_then = open_at(timing, run)
    assert open_then is None or open_then.begins <= run < open_then.ends
    # As if nobody had looked: the same moment from anywhere before it.
    assert next_after(timing, run - timedelta(seconds=1)) == run


@given(st.sampled_from(CRONS), st.sampled_from(ZONES), MOMENTS)
def test_without_windows_and_jitter_it_is_the_cron_alone(
    expression: str, zone: str, at: datetime
) -> None:
    timing = Timing(expression, zone, share=0.9)
    assert next_after(timing, at) == cron.next_after(expression, zone, at)


def test_many_plans_of_one_window_are_spread_over_it_each_by_its_own_share() -> None:
    one = Timing("0 12 * * *", "UTC", ("22:00-23:00",), timedelta(hours=12))
    begun = [
        next_after(
            replace(one, share=share_of(f"backup:plan-{number}")), datetime(2026, 5, 5, tzinfo=UTC)
        )
        for number in range(500)
    ]
    assert {run.hour for run in begun} == {22}
    by_minute = [run.minute for run in begun]
    assert set(by_minute) == set(range(60))
    assert max(by_minute.count(minute) for minute in range(60)) < 25


def test_the_share_of_a_schedule_never_changes() -> None:
    # Golden: another one would move every plan's runs with an upgrade.
    assert round(share_of("backup:nightly"), 6) == 0.329055
