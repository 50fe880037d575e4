"""Hours, networks and tickets: exact at their limits, right when clocks change, read strictly."""

from __future__ import annotations

import ipaddress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access.surroundings import (
    DAYS,
    Surroundings,
    read_blocks,
    read_form,
    read_hours,
)

SECOND = 1_000_000
OFFICE = "mon-fri@08:00-12:00+13:00-17:30@Asia/Ho_Chi_Minh"
NONE: frozenset[date] = frozenset()
ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
MOMENTS = st.integers(1_577_836_800, 2_051_222_400).map(lambda s: datetime.fromtimestamp(s, UTC))


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp() * SECOND)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-03T08:00:00", True),
        ("2026-11-03T07:59:59.999999", False),
        ("2026-11-03T11:59:59.999999", True),
        ("2026-11-03T12:00:00", False),
        ("2026-11-03T13:00:00", True),
        ("2026-11-03T17:30:00", False),
        ("2026-11-07T10:00:00", False),
    ],
)
def test_hours_begin_and_end_to_the_microsecond_by_the_clocks_there(
    moment: str, *, is_open: bool
) -> None:
    assert read_hours(OFFICE).open_at(at(moment, "Asia/Ho_Chi_Minh"), NONE) is is_open


def test_there_is_no_work_on_a_holiday_and_a_night_belongs_to_the_day_it_began_on() -> None:
    night = read_hours("mon@22:00-06:00@Europe/Berlin")
    monday = frozenset({date(2026, 11, 2)})
    for moment, is_open in (
        ("2026-11-02T21:59:59", False),
        ("2026-11-02T22:00:00", True),
        ("2026-11-03T05:59:59", True),
        ("2026-11-03T06:00:00", False),
        ("2026-11-03T22:30:00", False),
    ):
        assert night.open_at(at(moment, "Europe/Berlin"), NONE) is is_open
        assert not night.open_at(at(moment, "Europe/Berlin"), monday)


def test_an_hour_that_comes_twice_counts_twice_and_one_that_is_skipped_never() -> None:
    early = read_hours("sun@02:00-03:00@Europe/Berlin")
    for fold in (0, 1):
        assert early.open_at(at("2026-10-25T02:30:00", "Europe/Berlin", fold=fold), NONE)
    day = at("2026-03-29T00:00:00", "Europe/Berlin")
    every_minute = (day + minute * 60 * SECOND for minute in range(23 * 60))
    assert not any(early.open_at(moment, NONE) for moment in every_minute)


@given(
    MOMENTS,
    st.sampled_from(ZONES),
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 23),
    st.integers(1, 24),
    st.sets(st.integers(0, 20), max_size=4),
)
def test_hours_are_what_the_clock_on_the_wall_says(
    when: datetime, zone: str, days: set[str], start: int, end: int, holidays: set[int]
) -> None:
    if start == end:
        return
    hours = read_hours(f"{'+'.join(days)}@{start:02}:00-{end:02}:00@{zone}")
    off = frozenset(when.date() + timedelta(days=ahead) for ahead in holidays)
    wall = when.astimezone(ZoneInfo(zone))

    def works(day: date) -> bool:
        return DAYS[day.weekday()] in days and day not in off

    if start < end:
        expected = works(wall.date()) and start <= wall.hour < end
    else:
        expected = (works(wall.date()) and wall.hour >= start) or (
            works(wall.date() - timedelta(days=1)) and wall.hour < end
        )
    micros = int(when.timestamp()) * SECOND
    assert hours.open_at(micros, off) is expected
    opens = hours.next_opening(micros, off)
    assert opens is not None
    assert opens > when
    first = int(opens.timestamp()) * SECOND
    if opens.hour == start:
        assert hours.open_at(first, off)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mon-fri",
        "mon-fri@08:00-17:30",
        "mon-fri@08:00-17:30@",
        "mon-fri@08:00-17:30@Mars/Olympus",
        "mon-fri@08:00-17:30@UTC@UTC",
        "Mon@08:00-17:30@UTC",
        "mon-@08:00-17:30@UTC",
        "@08:00-17:30@UTC",
        "mon@8:00-17:30@UTC",
        "mon@08:00-24:30@UTC",
        "mon@08:00-08:00@UTC",
        "mon@08:00-12:00+11:00-13:00@UTC",
        "mon@22:00-06:00+05:00-07:00@UTC",
        "mon@٠٨:00-17:30@UTC",
    ],
)
def test_hours_that_are_not_well_written_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_hours(text)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_an_address_lies_in_its_own_block_also_when_it_comes_through_ipv6(
    number: int, prefix: int
) -> None:
    address = ipaddress.IPv4Address(number)
    block = ipaddress.ip_network((number >> (32 - prefix) << (32 - prefix), prefix))
    mapped_block = f"::ffff:{block.network_address}/{96 + prefix}"
    for written in (str(block), mapped_block):
        company = Surroundings(networks={"office": read_blocks([written])})
        assert company.lies_in(str(address), "office")
        assert company.lies_in(f"::ffff:{address}", "office")
        beyond = ipaddress.IPv4Address((number ^ 1 << (32 - prefix)) % 2**32) if prefix else address
        assert company.lies_in(str(beyond), "office") is (beyond in block)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_ipv6_is_compared_whole(number: int, other: int, prefix: int) -> None:
    block = ipaddress.IPv6Network((number >> (128 - prefix) << (128 - prefix), prefix))
    company = Surroundings(networks={"office": read_blocks([str(block)])})
    given_address = ipaddress.IPv6Address(other)
    if given_address.ipv4_mapped is None and block.network_address.ipv4_mapped is None:
        assert company.lies_in(str(given_address), "office") is (given_address in block)
        assert company.lies_in(f"{given_address}%eth0", "office") is (given_address in block)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "office", "10.0.0.0-10.1.0.0"])
def test_blocks_that_are_not_well_written_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_blocks([text])


def test_a_ticket_is_met_whole_by_one_of_the_forms() -> None:
    company = Surroundings(tickets=(read_form("OPS-#"), read_form("CHG#"), read_form("a.b")))
    for text in ("OPS-1", "OPS-123456789012", "CHG0030001", "a.b"):
        assert company.is_ticket(text)
    for text in (
        "",
        "OPS-",
        "ops-1",
        "OPS-1 ",
        "OPS-1\n",
        "xOPS-1",
        "OPS-٣",
        "axb",
        "OPS-" + "1" * 13,
    ):
        assert not company.is_ticket(text)


@pytest.mark.parametrize("text", ["", "##", "(a+)+", "OPS *", "#-##", "-#", "é#", "x" * 65])
def test_forms_of_tickets_that_are_not_well_written_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_form(text)
