"""Masks show what they state, for any text, and nothing more."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.records.mask import HIDDEN, MASK_TYPES, Mask, masked
from secvault.records.value import FieldType, Limits, parse_value

SHOWN: list[tuple[Mask, Any, str]] = [
    (Mask.HIDDEN, "Nguyễn Văn An", "•••"),
    (Mask.HIDDEN, {"amount": "12500000", "currency": "VND"}, "•••"),
    (Mask.HIDDEN, True, "•••"),
    (Mask.LAST4, "9990158581228", "•••1228"),
    (Mask.LAST4, "+84912345678", "•••5678"),
    (Mask.LAST4, "0314409058-002", "•••8002"),
    (Mask.LAST4, "12345678", "•••5678"),
    (Mask.LAST4, "1234567", "•••"),
    (Mask.LAST4, "1234", "•••"),
    (Mask.LAST4, "", "•••"),
    (Mask.LAST4, "----12345", "•••"),
    (Mask.LAST4, 12345678, "•••"),
    (Mask.FIRST2, "Công ty TNHH", "Cô•••"),
    (Mask.FIRST2, "abc", "•••"),
    (Mask.INITIALS, "Nguyễn Văn An", "N. V. A."),
    (Mask.INITIALS, "đặng thị ánh", "Đ. T. Á."),
    (Mask.INITIALS, "  O'Connor   (Mary) ", "O. M."),
    (Mask.INITIALS, "ßen lange", "ß. L."),
    (Mask.INITIALS, "Y An", "•••"),
    (Mask.INITIALS, "N. V. A.", "•••"),
    (Mask.INITIALS, "—", "•••"),
    (Mask.INITIALS, "one two three four five six seven", "O. T. T. F. F."),
    (Mask.YEAR, "1988-05-03", "1988-••-••"),
    (Mask.YEAR, "1988-05-03T07:30:00.000000Z", "1988-••-••"),
    (Mask.YEAR, "1988", "•••"),
    (Mask.YEAR, "1988-05-03 and more", "•••"),
    (Mask.EMAIL_DOMAIN, "an.nguyen@example.vn", "•••@example.vn"),
    (Mask.EMAIL_DOMAIN, "not an address", "•••"),
    (Mask.EMAIL_DOMAIN, "a@b@example.vn", "•••"),
]


@pytest.mark.parametrize(("mask", "value", "shown"), SHOWN)
def test_a_mask_shows_what_its_name_states(mask: Mask, value: Any, shown: str) -> None:
    assert masked(mask, value) == shown


def bare(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


# Dense in what goes wrong: short words, marks, capitals of two letters, digits of other scripts.
TEXTS = st.text() | st.text(st.sampled_from("aB1ß٤ǆ é\u0301-•.@\u202e\u200d한"), max_size=14)


@given(TEXTS)
def test_last4_shows_at_most_the_last_four_and_at_most_half(text: str) -> None:
    shown = masked(Mask.LAST4, text)
    assert shown.startswith(HIDDEN)
    rest = shown.removeprefix(HIDDEN)
    assert bare(text).endswith(rest)
    assert len(rest) in {0, 4}
    assert len(rest) * 2 <= len(bare(text))


@given(TEXTS)
def test_first2_shows_at_most_the_first_two_and_at_most_half(text: str) -> None:
    shown = masked(Mask.FIRST2, text)
    assert shown.endswith(HIDDEN)
    rest = shown.removesuffix(HIDDEN)
    assert bare(text).startswith(rest)
    assert len(rest) in {0, 2}
    assert len(rest) * 2 <= len(bare(text))


@given(TEXTS)
def test_initials_show_one_letter_of_each_word_and_at_most_half(text: str) -> None:
    shown = masked(Mask.INITIALS, text)
    if shown == HIDDEN:
        return
    letters = [part.removesuffix(".") for part in shown.split(" ")]
    firsts = [bare(word)[0] for word in text.split() if bare(word)][:5]
    assert [letter.casefold() for letter in letters] == [first.casefold() for first in firsts]
    assert all(len(letter) == 1 for letter in letters)
    assert len(letters) * 2 <= len(bare(text))


@given(TEXTS, st.sampled_from(Mask))
def test_no_mask_returns_the_value_or_anything_invisible(text: str, mask: Mask) -> None:
    shown = masked(mask, text)
    assert shown != text or text == HIDDEN
    assert all(char.isalnum() or char in "•.@- " for char in shown)
    fresh = Counter(bare(shown).casefold()) - Counter(bare(text).casefold())
    assert not fresh


@given(st.text("0123456789", min_size=8), st.text("0123456789", min_size=8))
def test_two_values_with_the_same_end_cannot_be_told_apart(one: str, other: str) -> None:
    assert masked(Mask.LAST4, one[:-4] + "1228") == masked(Mask.LAST4, other[:-4] + "1228")
    assert masked(Mask.HIDDEN, one) == masked(Mask.HIDDEN, other)


@given(st.dates())
def test_a_date_shows_its_year_only(date: Any) -> None:
    stored = parse_value(FieldType.DATE, Limits(), date.isoformat(), "field")
    assert masked(Mask.YEAR, stored) == f"{date.year:04d}-••-••"


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text()),
    st.sampled_from(Mask),
)
def test_what_is_no_text_is_hidden_whole(value: Any, mask: Mask) -> None:
    assert masked(mask, value) == HIDDEN


def test_every_type_has_a_mask_and_every_mask_a_type() -> None:
    assert set(MASK_TYPES) == set(Mask)
    assert set().union(*MASK_TYPES.values()) == set(FieldType)
    assert all(MASK_TYPES[mask] for mask in Mask)
