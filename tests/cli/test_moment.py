"""Moments as people write them on the command line."""

from __future__ import annotations

import pytest

from secvault.cli.moment import micros_of
from secvault.clock import timestamp
from secvault.errors import InvalidInput


def test_without_a_zone_it_is_utc_and_nothing_is_none() -> None:
    assert micros_of("", "--since") is None
    assert micros_of("1970-01-02", "--since") == 86_400_000_000
    assert micros_of("1969-12-31T23:59:59.5", "--since") == -500_000
    assert micros_of("1970-01-02T00:00:00.000001+07:00", "--since") == 61_200_000_001


@pytest.mark.parametrize(
    "text", ["yesterday", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2026-02-30"]
)
def test_what_is_no_moment_in_utc_is_refused_where_it_was_given(text: str) -> None:
    with pytest.raises(InvalidInput, match="--until: write a date or time"):
        micros_of(text, "--until")


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59.999999"])
def test_every_moment_that_is_taken_can_be_shown(text: str) -> None:
    moment = micros_of(text, "--since")
    assert moment is not None
    assert timestamp(moment).startswith(text[:10])
