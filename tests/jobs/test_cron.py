from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.jobs.cron import MACROS, MOST, due_runs, next_after

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Ho_Chi_Minh", "Australia/Lord_Howe", "UTC"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# The clock changes of 2026, from the IANA database: spring and autumn, and Vietnam's none.
# cron, zone, from (local, with its offset), the next due moments (local, with their offsets).
CLOCK_CHANGES = [
    pytest.param(
        "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00",
        ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        id="berlin: a skipped time of day is due when the clock jumps",
    ),
    pytest.param(
        "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00",
        ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        id="berlin: a repeated time of day is due once",
    ),
    pytest.param(
        "30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+01:00",
        ["2026-10-26T02:30+01:00"],
        id="berlin: asked in the second pass of the repeated hour",
    ),
    pytest.param(
        "0 * * * *", "Europe/Berlin", "2026-10-25T01:30+02:00",
        ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
        id="berlin: an hourly run is due in both passes",
    ),
    pytest.param(
        "0 */2 * * *", "Europe/Berlin", "2026-03-29T00:30+01:00",
        ["2026-03-29T04:00+02:00"],
        id="berlin: every second hour over the skipped one",
    ),
    pytest.param(
        "30 2 * * *", "America/New_York", "2026-03-07T12:00-05:00",
        ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
        id="new york: skipped",
    ),
    pytest.param(
        "30 1 * * *", "America/New_York", "2026-10-31T12:00-04:00",
        ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        id="new york: repeated",
    ),
    pytest.param(
        "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00+10:30",
        ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        id="lord howe: half an hour is skipped",
    ),
    pytest.param(
        "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00+11:00",
        ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
        id="lord howe: half an hour is repeated",
    ),
    pytest.param(
        "30 1 * * *", "Asia/Ho_Chi_Minh", "2026-03-28T12:00+07:00",
        ["2026-03-29T01:30+07:00", "2026-03-30T01:30+07:00"],
        id="ho chi minh city: never changes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("cron", "zone", "start", "expected"), CLOCK_CHANGES)
def test_clock_changes_neither_lose_nor_repeat_a_run(
    cron: str, zone: str, start: str, expected: list[str]
) -> None:
    found, moment = [], at(start)
    for _ in expected:
        moment = next_after(cron, zone, moment)
        found.append(moment)
    assert found == [at(text) for text in expected]


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_run_is_due_once_on_each_day_of_a_year(zone: str) -> None:
    for cron in ("30 2 * * *", "15 1 * * *", "45 1 * * *"):
        start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
        runs = due_runs(
            cron, zone, next_after(cron, zone, start), start + timedelta(days=365, minutes=-1)
        )
        days = [run.astimezone(ZoneInfo(zone)).date() for run in runs]
        assert len(days) == 365
        assert len(set(days)) == 365


@given(
    st.sampled_from(
        ["30 2 * * *", "0 * * * *", "*/7 * * * *", "*/30 1-3 * * *", "15 2 * * 0", "@daily"]
    ),
    st.sampled_from(ZONES),
    st.integers(0, 365 * 86_400_000_000).map(
        lambda micros: at("2026-01-01T00:00+00:00") + timedelta(microseconds=micros)
    ),
)
def test_the_next_moment_is_later_and_nothing_lies_between(
    cron: str, zone: str, moment: datetime
) -> None:
    due = next_after(cron, zone, moment)
    assert due > moment
    assert due.tzinfo is UTC
    assert next_after(cron, zone, due - timedelta(microseconds=1)) == due
    assert due_runs(cron, zone, due, due) == (due,)
    assert due_runs(cron, zone, due, due - timedelta(seconds=1)) == ()


@pytest.mark.parametrize(("name", "fields"), MACROS.items())
def test_a_name_means_its_five_fields(name: str, fields: str) -> None:
    moment = at("2026-05-05T05:05+00:00")
    for written in (name, name.upper(), f" {name} "):
        assert next_after(written, "Europe/Berlin", moment) == next_after(
            fields, "Europe/Berlin", moment
        )


@pytest.mark.parametrize(
    "cron",
    [
        "", "* * * *", "*/5 * * * * *", "61 * * * *", "* 24 * * *", "0 0 31 2 *", "@reboot",
        "@every 5m", "a b c d e", "0 0 * * 8", "*/0 * * * *", "5-1 * * * *", "٣ * * * *",
        "* * * * " + "1," * 200 + "1",
    ],
)  # fmt: skip
def test_a_bad_expression_is_refused_at_cron_with_its_mend(cron: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        next_after(cron, "UTC", at("2026-01-01T00:00+00:00"))
    [fault] = refused.value.fields
    assert fault.field == "cron"
    assert "write" in fault.detail or "use one of" in fault.detail


@given(st.lists(st.text("0123456789*/-,#LWMONJA?", min_size=1, max_size=7), min_size=5, max_size=5))
def test_any_five_words_are_read_or_refused(fields: list[str]) -> None:
    moment = at("2026-01-01T00:00+00:00")
    with suppress(InvalidInput):
        assert next_after(" ".join(fields), "Europe/Berlin", moment) > moment


@pytest.mark.parametrize(
    "zone", ["", "Mars/Base", "Europe", "../../etc/passwd", "/etc/passwd", "\0"]
)
def test_an_unknown_zone_is_refused_at_time_zone(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        next_after("@daily", zone, at("2026-01-01T00:00+00:00"))
    assert refused.value.fields[0].field == "time_zone"
    assert "Europe/Berlin" in refused.value.detail


def test_after_two_days_down_an_hourly_schedule_names_each_of_its_48_runs() -> None:
    first, now = at("2026-01-01T01:00+00:00"), at("2026-01-03T00:30+00:00")
    runs = due_runs("@hourly", "UTC", first, now)
    assert runs == tuple(first + timedelta(hours=n) for n in range(48))


def test_after_years_down_only_the_newest_runs_are_named() -> None:
    first, now = at("2020-01-01T00:00+00:00"), at("2026-01-01T00:00:30+00:00")
    runs = due_runs("* * * * *", "UTC", first, now)
    assert runs == tuple(
        at("2026-01-01T00:00+00:00") - timedelta(minutes=n) for n in reversed(range(MOST))
    )
    yearly = due_runs("@yearly", "UTC", first, now)
    assert [run.year for run in yearly] == [2020, 2021, 2022, 2023, 2024, 2025, 2026]
