"""Time that is passed in, and how it is written."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from secvault.clock import Clock, moment, system_clock, timestamp

LAST = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(micros: int) -> Clock:
    return Clock(wall=lambda: micros, monotonic=lambda: 0.0, sleep=lambda _: None)


def test_a_moment_is_written_in_utc_with_all_six_digits() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1_793_700_000_000_000) == "2026-11-03T10:00:00.000000Z"
    assert timestamp(LAST) == "9999-12-31T23:59:59.999999Z"


@given(st.integers(0, LAST))
def test_no_microsecond_is_lost_on_the_way_to_text_and_back(micros: int) -> None:
    read = datetime.fromisoformat(timestamp(micros))
    assert read == moment(micros)
    assert (read - EPOCH) // timedelta(microseconds=1) == micros


@given(st.integers(0, LAST), st.integers(0, LAST))
def test_the_texts_stand_in_the_order_of_the_moments(one: int, other: int) -> None:
    assert (timestamp(one) < timestamp(other)) == (one < other)


def test_a_clock_tells_the_same_moment_in_three_ways() -> None:
    clock = at(1_793_700_000_999_999)
    assert clock.micros() == 1_793_700_000_999_999
    assert clock.seconds() == 1_793_700_000
    assert clock.now() == datetime(2026, 11, 3, 10, 0, 0, 999_999, tzinfo=UTC)


def test_the_clock_of_the_machine_goes_on_and_waits() -> None:
    clock = system_clock()
    wall, monotonic = clock.micros(), clock.monotonic()
    clock.sleep(0.002)
    assert clock.micros() > wall
    assert clock.monotonic() >= monotonic + 0.002
    assert abs(clock.micros() - time.time() * 1e6) < 60e6
