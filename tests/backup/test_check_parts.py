"""Rotating checks: all of the data is read within the days, whatever checks are left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.backup.check_parts import (
    MOST_PARTS,
    Part,
    how_many,
    parts_of,
    to_read,
    were_read,
)
from secvault.clock import micros_of
from secvault.store import Store

DAY = 86_400_000_000
BEGIN = micros_of(datetime(2026, 1, 3, 3, tzinfo=UTC))


def play(days: int, between: float, checks: int, left_out: set[int]) -> list[list[Part]]:
    """So many checks, so many days apart, some left out; the parts after each that was made."""
    step = int(between * DAY)
    count = how_many(days, step)
    parts = [Part(number, BEGIN, None) for number in range(1, count + 1)]
    history = []
    for number in range(checks):
        now = BEGIN + number * step
        coming = [now + n * step for n in range(1, days * DAY // step + 1)]
        if number not in left_out:
            read = to_read(parts, coming, days)
            parts = [replace(one, read_at=now) if one.number in read else one for one in parts]
        history.append(parts)
    return history


@given(
    st.integers(1, 100),
    st.sampled_from([0.5, 1.0, 7.0, 7.5, 30.0, 31.0]),
)
@settings(max_examples=20, deadline=None)
def test_everything_is_read_within_the_days(days: int, between: float) -> None:
    checks = int(3 * days / between) + 3
    for number, parts in enumerate(play(days, between, checks, set())):
        now = BEGIN + int(number * between * DAY)
        for part in parts:
            # Where checks come more seldom than the days, each of them reads everything.
            most = max(days, between) * DAY
            assert now - (part.read_at if part.read_at is not None else BEGIN) <= most


@given(st.sets(st.integers(0, 25), max_size=20))
@settings(max_examples=20, deadline=None)
def test_checks_that_were_left_out_are_made_up_for_by_the_next(left_out: set[int]) -> None:
    days = 30
    history = play(days, 1.0, 80, left_out)
    overdue = {
        number
        for number, parts in enumerate(history)
        for part in parts
        if BEGIN + number * DAY > part.due(days)
    }
    # Overdue only while no check is made: the first that is made reads what is overdue.
    assert overdue <= left_out | {max(left_out, default=-1)}


def test_a_check_reads_no_more_than_it_must() -> None:
    history = play(90, 7.0, 40, set())
    for before, after in pairwise(history):
        assert sum(a.read_at != b.read_at for a, b in zip(before, after, strict=True)) == 1
    assert len(history[0]) == 12


@pytest.mark.parametrize(
    ("days", "between", "parts"),
    [(90, timedelta(days=7), 12), (90, timedelta(days=31), 2), (30, timedelta(days=60), 1)],
)
def test_there_are_as_many_parts_as_there_are_checks_within_the_days(
    days: int, between: timedelta, parts: int
) -> None:
    assert how_many(days, between // timedelta(microseconds=1)) == parts


def test_there_are_never_more_parts_than_restic_knows() -> None:
    assert how_many(3650, DAY // 24) == MOST_PARTS
    assert len(to_read([Part(n, 0, None) for n in range(1, 257)], [], 1)) == MOST_PARTS


def test_what_was_read_is_kept_for_each_repository_and_number_of_parts(any_store: Store) -> None:
    with any_store.write() as connection:
        assert [one.read_at for one in parts_of(connection, "local", 3, 5)] == [None] * 3
        were_read(connection, "local", 3, [2], 7)
        assert [(one.since, one.read_at) for one in parts_of(connection, "local", 3, 9)] == [
            (5, None),
            (5, 7),
            (5, None),
        ]
        assert [one.read_at for one in parts_of(connection, "far", 3, 9)] == [None] * 3
        assert [one.since for one in parts_of(connection, "local", 2, 9)] == [9, 9]
