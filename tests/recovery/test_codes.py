"""The lines of the printed codes give the kit's file back, or say what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.recovery.codes import drawn, joined, lines
from tests.recovery.a_kit import made_kit

KIT = made_kit(3, 5)
LINES = lines(KIT.file)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_in_any_order_twice_and_among_other_text_they_give_the_kit(data: st.DataObject) -> None:
    order = data.draw(st.permutations([*LINES, *LINES]))
    noise = data.draw(st.lists(st.sampled_from(["", "  ", "scanned 12:04", "https://example.com"])))
    text = "\r\n".join(data.draw(st.permutations([*order, *noise])))
    assert joined(text) == KIT.file


@given(st.binary(max_size=5_000))
def test_whatever_the_file_is_it_comes_back(file: bytes) -> None:
    assert joined("\n".join(lines(file))) == file


def test_missing_ones_are_named() -> None:
    with pytest.raises(InvalidInput, match=rf"of {len(LINES)} lines these are missing: 2, 3"):
        joined("\n".join((LINES[0], *LINES[3:])))


def test_lines_of_two_kits_are_not_mixed() -> None:
    other = lines(made_kit(2, 3).file)
    with pytest.raises(InvalidInput, match="of more than one kit"):
        joined("\n".join((*LINES, other[0])))


def test_a_misread_one_is_told() -> None:
    line = LINES[0]
    changed = line[:-1] + ("A" if line[-1] != "A" else "B")
    with pytest.raises(InvalidInput, match="misread"):
        joined("\n".join((changed, *LINES[1:])))


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_other_text_is_no_kit(text: str) -> None:
    with pytest.raises(InvalidInput, match="none of them is a line of a kit"):
        joined(text)


def test_each_is_drawn_as_a_code_that_is_read_from_paper() -> None:
    for line in LINES:
        svg = drawn(line)
        assert svg.startswith("<svg ")
        side = int(svg.partition('width="')[2].partition('"')[0])
        # Squares with the quiet zone; printed 76 mm wide, each is 0.7 mm at least.
        assert 76 / side >= 0.7
