"""What searching takes for the same: tables by type, and buckets against the order of values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records.normal_form import (
    bucket_of,
    buckets_between,
    in_range,
    normal_form,
    part_form,
)
from secvault.records.value import FieldType

VND: JsonValue = {"amount": "12500000", "currency": "VND"}


@pytest.mark.parametrize(
    ("type_", "value", "form"),
    [
        ("text", "Nguyễn Thị Hoa", "nguyễn thị hoa"),
        ("text", "NGUYÊ\u0303N  THỊ\u00a0HOA ", "nguyễn thị hoa"),
        ("text", "Straße ﬁn Ｋｇ", "strasse fin kg"),
        ("text", "a\u200db\u00adc", "abc"),
        ("text", "Ι\u0399ς\u03a3", "ιισσ"),
        ("text", "x\n\ty", "x y"),
        ("email", "Hoa.Nguyen@example.vn", "hoa.nguyen@example.vn"),
        ("phone", "+84912345678", "84912345678"),
        ("account", "0011002233445", "0011002233445"),
        ("identity_number", "001099012345", "001099012345"),
        ("tax_code", "0100109106-001", "0100109106001"),
        ("money", VND, "12500000 VND"),
        ("decimal", "-12.5", "-12.5"),
        ("integer", 12, "12"),
        ("boolean", True, "true"),
        ("date", "2026-05-31", "2026-05-31"),
        ("choice", "Paid", "Paid"),
    ],
)
def test_a_value_has_one_form_whatever_its_spelling(
    type_: str, value: JsonValue, form: str
) -> None:
    assert normal_form(FieldType(type_), value) == form


@pytest.mark.parametrize(
    ("type_", "typed", "ending", "form"),
    [
        ("phone", "0912", False, "84912"),
        ("phone", "+84 912", False, "84912"),
        ("phone", "0084-912", False, "84912"),
        ("phone", "912", False, "912"),
        ("phone", "0345", True, "0345"),
        ("account", "vn 12-3", False, "VN123"),
        ("identity_number", "001 099", False, "001099"),
        ("text", "NGUY", False, "nguy"),
    ],
)
def test_a_part_is_read_as_people_type_it(type_: str, typed: str, ending: bool, form: str) -> None:
    assert part_form(FieldType(type_), typed, ending=ending) == form


@given(st.text())
def test_the_form_of_a_text_is_its_own_form(text: str) -> None:
    once = normal_form(FieldType.TEXT, text)
    assert normal_form(FieldType.TEXT, once) == once


@pytest.mark.parametrize(
    ("type_", "by", "value", "bucket"),
    [
        ("date", "day", "2026-05-31", "2026-05-31"),
        ("date", "month", "2026-05-31", "2026-05"),
        ("date", "quarter", "2026-05-31", "2026-Q2"),
        ("date", "year", "0001-01-01", "0001"),
        ("datetime", "month", "2026-05-31T23:00:00.000000Z", "2026-05"),
        ("integer", "10", -1, "-1"),
        ("integer", "10", 9, "0"),
        ("decimal", "0.5", "-0.5", "-1"),
        ("decimal", "0.3", "0.9", "3"),
        ("decimal", "power10", "0.001", "0"),
        ("decimal", "power10", "-9.99", "-1"),
        ("money", "1000000", VND, "VND 12"),
        ("money", "power10", VND, "VND +8"),
    ],
)
def test_a_bucket_is_named_by_what_is_in_it(
    type_: str, by: str, value: JsonValue, bucket: str
) -> None:
    assert bucket_of(FieldType(type_), by, value) == bucket


DECIMALS = st.builds(
    lambda units, places: format(Decimal(units).scaleb(-places), "f"),
    st.integers(-(10**27) + 1, 10**27 - 1),
    st.just(9),
)


@given(
    st.sampled_from(["power10", "1000000", "0.25", "999999999999999999.999999999"]),
    *(3 * [DECIMALS]),
)
def test_whatever_lies_in_a_range_of_numbers_lies_in_one_of_its_buckets(
    by: str, low: str, high: str, value: str
) -> None:
    try:
        buckets = buckets_between(FieldType.DECIMAL, by, low, high, "f")
    except InvalidInput:
        return
    if in_range(FieldType.DECIMAL, value, low, high):
        assert bucket_of(FieldType.DECIMAL, by, value) in buckets


DAYS = st.dates().map(date.isoformat)


@given(st.sampled_from(["day", "month", "quarter", "year"]), DAYS, DAYS, DAYS)
def test_whatever_lies_in_a_range_of_days_lies_in_one_of_its_buckets(
    by: str, low: str, high: str, value: str
) -> None:
    try:
        buckets = buckets_between(FieldType.DATE, by, low, high, "f")
    except InvalidInput:
        return
    assert list(buckets) == sorted(set(buckets))
    if in_range(FieldType.DATE, value, low, high):
        assert bucket_of(FieldType.DATE, by, value) in buckets


@given(DECIMALS, st.booleans())
def test_buckets_by_powers_of_ten_have_open_ranges(value: str, upward: bool) -> None:
    low, high = (value, None) if upward else (None, value)
    buckets = buckets_between(FieldType.DECIMAL, "power10", low, high, "f")
    assert bucket_of(FieldType.DECIMAL, "power10", value) in buckets
    assert ("+18" if upward else "-18") in buckets


def test_a_range_that_cannot_be_listed_says_why() -> None:
    with pytest.raises(InvalidInput, match="both ends"):
        buckets_between(FieldType.DATE, "day", "2026-01-01", None, "f")
    with pytest.raises(InvalidInput, match="too wide"):
        buckets_between(FieldType.DECIMAL, "0.01", "0", "999999999999999999", "f")
    with pytest.raises(InvalidInput, match="too wide"):
        buckets_between(FieldType.DATE, "day", "2000-01-01", "2026-01-01", "f")
    with pytest.raises(InvalidInput, match="one currency"):
        buckets_between(FieldType.MONEY, "power10", VND, {"amount": "1.00", "currency": "EUR"}, "f")


def test_amounts_of_another_currency_are_in_no_range() -> None:
    euro: JsonValue = {"amount": "12500000.00", "currency": "EUR"}
    assert in_range(FieldType.MONEY, VND, VND, None)
    assert not in_range(FieldType.MONEY, euro, VND, None)
