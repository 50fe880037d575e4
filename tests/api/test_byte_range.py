"""Ranges and tags, read as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.api.byte_range import expected_before, is_known, wanted_part
from secvault.errors import InvalidInput, PreconditionRequired, RangeNotSatisfiable

TAG = "a" * 32


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, None),
        ("bytes=0-0", range(1)),
        ("bytes=0-99", range(100)),
        ("bytes=0-1000", range(100)),
        ("bytes=10-", range(10, 100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-1000", range(100)),
        ("Bytes= 5-6 ", range(5, 7)),
        # Ignored: several, other units, what is no range at all.
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=6-5", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0x1-2", None),
        ("bytes=" + "9" * 40 + "-", None),
        ("bytes=٠-١", None),
    ],
)
def test_one_range_is_served_and_what_cannot_be_read_is_ignored(
    asked: str | None, part: range | None
) -> None:
    assert wanted_part(asked, None, TAG, 100) == part


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_of_the_content_is_refused_with_its_size(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        wanted_part(asked, None, TAG, 100)
    assert refused.value.size == 100


@pytest.mark.parametrize("said", ['"b"', 'W/"' + TAG + '"', "Wed, 21 Oct 2015 07:28:00 GMT", ""])
def test_another_content_than_that_of_if_range_comes_whole(said: str) -> None:
    assert wanted_part("bytes=1-2", said, TAG, 100) is None
    assert wanted_part("bytes=1-2", f'"{TAG}"', TAG, 100) == range(1, 3)


@given(st.text(max_size=40), st.integers(1, 10**10))
def test_no_header_makes_a_part_outside_of_the_content(asked: str, size: int) -> None:
    for text in (asked, f"bytes={asked}"):
        try:
            part = wanted_part(text, None, TAG, size)
        except RangeNotSatisfiable:
            continue
        assert part is None or (0 <= part.start < part.stop <= size)


def test_what_is_known_already_is_told_by_its_tag() -> None:
    assert not is_known(None, TAG)
    assert is_known("*", TAG)
    assert is_known(f'"x", W/"{TAG}"', TAG)
    assert not is_known('"x", "*"', TAG)


def test_a_change_says_what_it_expects() -> None:
    assert expected_before(None, "*") == ""
    assert expected_before("*", None) == "*"
    assert expected_before(f'"{TAG}"', None) == TAG
    # A tag of this name is none of ours, and not the same as the word.
    assert expected_before('"*"', None) not in ("", "*")
    with pytest.raises(PreconditionRequired):
        expected_before(None, None)
    for if_match, if_none_match in (
        (None, f'"{TAG}"'),
        ("*", "*"),
        ("x", None),
        (f'W/"{TAG}"', None),
        ('"a", "b"', None),
        ("", None),
    ):
        with pytest.raises(InvalidInput):
            expected_before(if_match, if_none_match)
