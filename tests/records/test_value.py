"""Types of fields: the stored form of what may come in, and what may not."""

from __future__ import annotations

import time
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.records.currency import CURRENCY_DECIMALS
from secvault.records.value import FieldType, Limits, parse_value

PLAIN = Limits(choices=("draft", "paid"))
VND = Limits(currency="VND")
LINES = Limits(multi_line=True)

STORED: list[tuple[FieldType, Limits, Any, Any]] = [
    (FieldType.TEXT, PLAIN, "Nguyễn Văn An", "Nguyễn Văn An"),
    (FieldType.TEXT, PLAIN, unicodedata.normalize("NFD", "Nguyễn"), "Nguyễn"),
    (FieldType.TEXT, LINES, "một\r\nhai\tba", "một\nhai\tba"),
    (FieldType.TEXT, PLAIN, "x" * 500, "x" * 500),
    (FieldType.TEXT, PLAIN, "👩\u200d🔬 \u200f", "👩\u200d🔬 \u200f"),
    (FieldType.INTEGER, PLAIN, -(2**53) + 1, -(2**53) + 1),
    (FieldType.DECIMAL, PLAIN, "007.500", "7.5"),
    (FieldType.DECIMAL, PLAIN, "-0.00", "0"),
    (FieldType.DECIMAL, PLAIN, -12, "-12"),
    (FieldType.DECIMAL, PLAIN, "999999999999999999.999999", "999999999999999999.999999"),
    (FieldType.MONEY, VND, "12500000", {"amount": "12500000", "currency": "VND"}),
    (FieldType.MONEY, VND, 12500000, {"amount": "12500000", "currency": "VND"}),
    (FieldType.MONEY, VND, "12.00", {"amount": "12", "currency": "VND"}),
    (FieldType.MONEY, VND, {"amount": "7"}, {"amount": "7", "currency": "VND"}),
    (
        FieldType.MONEY,
        VND,
        {"amount": "7.5", "currency": "USD"},
        {"amount": "7.50", "currency": "USD"},
    ),
    (
        FieldType.MONEY,
        PLAIN,
        {"amount": 1, "currency": "KWD"},
        {"amount": "1.000", "currency": "KWD"},
    ),
    (
        FieldType.MONEY,
        Limits(decimals=4),
        {"amount": "-0.0125", "currency": "USD"},
        {"amount": "-0.0125", "currency": "USD"},
    ),
    (FieldType.BOOLEAN, PLAIN, False, False),
    (FieldType.DATE, PLAIN, "2024-02-29", "2024-02-29"),
    (FieldType.DATETIME, PLAIN, "2026-05-31T14:30:00+07:00", "2026-05-31T07:30:00.000000Z"),
    (FieldType.DATETIME, PLAIN, "2026-05-31t00:30:00.25z", "2026-05-31T00:30:00.250000Z"),
    (FieldType.DATETIME, PLAIN, "0001-01-02T00:00:00-00:00", "0001-01-02T00:00:00.000000Z"),
    (FieldType.EMAIL, PLAIN, "An.Nguyen+x@Example.VN", "An.Nguyen+x@example.vn"),
    (FieldType.PHONE, PLAIN, "0912 345 678", "+84912345678"),
    (FieldType.PHONE, PLAIN, "(024) 3825-1234", "+842438251234"),
    (FieldType.PHONE, PLAIN, "+84.912.345.678", "+84912345678"),
    (FieldType.PHONE, PLAIN, "0044 7700 900123", "+447700900123"),
    (FieldType.ACCOUNT, PLAIN, "0123 4567-89", "0123456789"),
    # The example of ISO 13616 as the United Kingdom registered it.
    (FieldType.ACCOUNT, PLAIN, "gb82 west 1234 5698 7654 32", "GB82WEST12345698765432"),
    (FieldType.ACCOUNT, PLAIN, "DE89370400440532013000", "DE89370400440532013000"),
    (FieldType.IDENTITY_NUMBER, PLAIN, "001 087 123 456", "001087123456"),
    (FieldType.IDENTITY_NUMBER, PLAIN, "012345678", "012345678"),
    # The worked example of the circular on tax registration, and published codes.
    (FieldType.TAX_CODE, PLAIN, "0100047516", "0100047516"),
    (FieldType.TAX_CODE, PLAIN, "01.00.112.437", "0100112437"),
    (FieldType.TAX_CODE, PLAIN, "0314409058002", "0314409058-002"),
    (FieldType.TAX_CODE, PLAIN, "0312 68 78 78 - 001", "0312687878-001"),
    (FieldType.CHOICE, PLAIN, "paid", "paid"),
]


@pytest.mark.parametrize(
    ("type_", "limits", "given_", "stored"),
    STORED,
    ids=[f"{row[0]}-{n}" for n, row in enumerate(STORED)],
)
def test_what_means_the_same_is_stored_alike(
    type_: FieldType, limits: Limits, given_: Any, stored: Any
) -> None:
    assert parse_value(type_, limits, given_, "field") == stored
    assert parse_value(type_, limits, stored, "field") == stored


REFUSED: list[tuple[FieldType, Limits, Any, str]] = [
    (FieldType.TEXT, PLAIN, 5, "must be a text, not a number"),
    (FieldType.TEXT, PLAIN, None, "not null"),
    (FieldType.TEXT, PLAIN, "", "blank"),
    (FieldType.TEXT, PLAIN, " \u3000", "blank"),
    (FieldType.TEXT, PLAIN, "\u200b\u00ad ", "blank"),
    (FieldType.TEXT, PLAIN, "x" * 501, "longer than 500"),
    (FieldType.TEXT, PLAIN, "a\x00b", r"U\+0000; remove it"),
    (FieldType.TEXT, PLAIN, "a\nb", r"U\+000A; write it on one line"),
    (FieldType.TEXT, PLAIN, "a\u2028b", r"U\+2028"),
    (FieldType.TEXT, LINES, "a\rb", r"U\+000D"),
    (FieldType.TEXT, LINES, "a\x1bb", r"U\+001B"),
    (FieldType.TEXT, LINES, "a\x85b", r"U\+0085"),
    (FieldType.TEXT, LINES, "a\ud800b", r"U\+D800"),
    (FieldType.TEXT, LINES, "a\u202eb", r"U\+202E"),
    (FieldType.TEXT, LINES, "a\u2066b", r"U\+2066"),
    (FieldType.TEXT, LINES, "a" + "\u0301" * 31, "combining marks"),
    (FieldType.INTEGER, PLAIN, True, "true or false"),
    (FieldType.INTEGER, PLAIN, 5.0, "whole number"),
    (FieldType.INTEGER, PLAIN, "5", "whole number, not a text"),
    (FieldType.INTEGER, PLAIN, 2**53, "must lie between"),
    (FieldType.INTEGER, PLAIN, 10**5000, "must lie between"),
    (FieldType.INTEGER, Limits(minimum=Decimal(0)), -1, "must be 0 or more"),
    (FieldType.INTEGER, Limits(maximum=Decimal(31)), 32, "must be 31 or less"),
    (FieldType.DECIMAL, PLAIN, 1.5, "must be sent as text"),
    (FieldType.DECIMAL, PLAIN, float("nan"), "must be sent as text"),
    (FieldType.DECIMAL, PLAIN, True, "not true or false"),
    (FieldType.DECIMAL, PLAIN, 10**5000, "send it as text"),
    (FieldType.DECIMAL, PLAIN, "1,5", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "1e5", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "NaN", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "+1", "is not a number"),
    (FieldType.DECIMAL, PLAIN, ".5", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "1\n", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "١٢", "is not a number"),
    (FieldType.DECIMAL, PLAIN, "9" * 5000, "is not a number"),
    (FieldType.DECIMAL, PLAIN, "1" * 19, "18 digits before"),
    (FieldType.DECIMAL, PLAIN, "0.1234567", "6 digits after"),
    (FieldType.DECIMAL, Limits(decimals=0), "0.5", "0 digits after"),
    (FieldType.DECIMAL, Limits(maximum=Decimal(100)), "100.01", "100 or less"),
    (FieldType.MONEY, PLAIN, "5", "must name its currency"),
    (FieldType.MONEY, VND, 5.5, "must be sent as text"),
    (FieldType.MONEY, VND, {"amount": 5.5}, "field.amount: must be sent as text"),
    (FieldType.MONEY, VND, {"currency": "VND"}, "must have"),
    (FieldType.MONEY, VND, {"amount": "5", "tip": "1"}, "nothing else"),
    (FieldType.MONEY, VND, {"amount": "5", "currency": "vnd"}, "field.currency: is not a"),
    (FieldType.MONEY, VND, {"amount": "5", "currency": ["VND"]}, "field.currency: is not a"),
    (FieldType.MONEY, VND, {"amount": "5", "currency": None}, "must name its currency"),
    (FieldType.MONEY, VND, "5.5", "0 digits after"),
    (FieldType.MONEY, VND, ["5"], "not a list"),
    (FieldType.MONEY, Limits(currencies=("USD",)), {"amount": "5", "currency": "VND"}, "of USD"),
    (FieldType.MONEY, Limits(currency="VND", minimum=Decimal(0)), "-1", "0 or more"),
    (FieldType.BOOLEAN, PLAIN, 1, "must be true or false"),
    (FieldType.BOOLEAN, PLAIN, "true", "must be true or false"),
    (FieldType.DATE, PLAIN, "2026-02-29", "not a day of the calendar"),
    (FieldType.DATE, PLAIN, "31/05/2026", "write it like 2026-05-31"),
    (FieldType.DATE, PLAIN, "20260531", "is not a date"),
    (FieldType.DATE, PLAIN, "2026-05-31\n", "is not a date"),
    (FieldType.DATE, PLAIN, "٢٠٢٦-05-31", "is not a date"),
    (FieldType.DATETIME, PLAIN, "2026-04-30T14:30:00", "is not a moment"),
    (FieldType.DATETIME, PLAIN, "2026-05-31 14:30:00Z", "is not a moment"),
    (FieldType.DATETIME, PLAIN, "2026-05-31T14:30:60Z", "calendar"),
    (FieldType.DATETIME, PLAIN, "2026-05-31T14:30:00+24:00", "calendar"),
    (FieldType.DATETIME, PLAIN, "0001-01-01T00:00:00+07:00", "calendar"),
    (FieldType.DATETIME, PLAIN, "9999-12-31T23:00:00-07:00", "calendar"),
    (FieldType.DATETIME, PLAIN, "2026-05-31T14:30:00.1234567Z", "is not a moment"),
    (FieldType.EMAIL, PLAIN, "an.example.vn", "is not an e-mail"),
    (FieldType.EMAIL, PLAIN, "an@b@example.vn", "is not an e-mail"),
    (FieldType.EMAIL, PLAIN, "an @example.vn", "is not an e-mail"),
    (FieldType.EMAIL, PLAIN, "a..n@example.vn", "is not an e-mail"),
    (FieldType.EMAIL, PLAIN, "an@localhost", "no valid domain"),
    (FieldType.EMAIL, PLAIN, "an@-example.vn", "no valid domain"),
    (FieldType.EMAIL, PLAIN, "an@example.vn\n", "no valid domain"),
    (FieldType.EMAIL, PLAIN, "an@ví-dụ.vn", "xn--"),
    (FieldType.EMAIL, PLAIN, "a" * 65 + "@example.vn", "is not an e-mail"),
    (FieldType.EMAIL, PLAIN, "a@" + "b" * 300 + ".vn", "longer than 254"),
    (FieldType.PHONE, PLAIN, "912345678", "is not a telephone"),
    (FieldType.PHONE, PLAIN, "+84 0912 345 678", "without a 0 after"),
    (FieldType.PHONE, PLAIN, "0112 345 678", "Vietnamese"),
    (FieldType.PHONE, PLAIN, "+1234567890123456", "is not a telephone"),
    (FieldType.PHONE, PLAIN, "０９１２３４５６７８", "is not a telephone"),
    (FieldType.PHONE, PLAIN, " " * 100_000 + "0912345678", "is not a telephone"),
    (FieldType.ACCOUNT, PLAIN, "12345", "6 to 34"),
    (FieldType.ACCOUNT, PLAIN, "1" * 35, "6 to 34"),
    (FieldType.ACCOUNT, PLAIN, "12345ß", "6 to 34"),
    (FieldType.ACCOUNT, PLAIN, "12_3456", "6 to 34"),
    (FieldType.ACCOUNT, PLAIN, "GB82WEST12345698765423", "looks like an IBAN"),
    (FieldType.ACCOUNT, PLAIN, "GB82WEST", "looks like an IBAN"),
    (FieldType.IDENTITY_NUMBER, PLAIN, "0010871234", "12 digits"),
    (FieldType.IDENTITY_NUMBER, PLAIN, 1087123456, "must be a text"),
    (FieldType.TAX_CODE, PLAIN, "0100047517", "tenth digit"),
    (FieldType.TAX_CODE, PLAIN, "0100233480", "tenth digit"),
    (FieldType.TAX_CODE, PLAIN, "0100000007", "tenth digit"),
    (FieldType.TAX_CODE, PLAIN, "0100047516000", "from 001"),
    (FieldType.TAX_CODE, PLAIN, "01000475160", "10 digits"),
    (FieldType.CHOICE, PLAIN, "gone", "must be one of draft, paid"),
    (FieldType.CHOICE, PLAIN, ["paid"], "must be one of draft, paid"),
]


@pytest.mark.parametrize(
    ("type_", "limits", "given_", "said"),
    REFUSED,
    # Not the values: some are megabytes, some no text that a terminal can show.
    ids=[f"{row[0]}-{n}" for n, row in enumerate(REFUSED)],
)
def test_what_does_not_fit_is_refused_at_its_field_and_not_repeated(
    type_: FieldType, limits: Limits, given_: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        parse_value(type_, limits, given_, "field")
    assert len(refused.value.fields) == 1
    if isinstance(given_, str) and len(given_) > 6:
        assert given_ not in refused.value.detail


def test_every_single_wrong_digit_of_a_tax_code_or_iban_is_found() -> None:
    for type_, good in (
        (FieldType.TAX_CODE, "0100047516"),
        (FieldType.ACCOUNT, "DE" + "89370400440532013000"),
    ):
        for place in [n for n, char in enumerate(good) if char.isdigit()]:
            for digit in set("0123456789") - {good[place]}:
                with pytest.raises(InvalidInput):
                    parse_value(type_, PLAIN, f"{good[:place]}{digit}{good[place + 1 :]}", "field")


def test_the_limit_of_a_text_counts_code_points_after_normalisation() -> None:
    decomposed = "e\u0302\u0301" * 5
    assert parse_value(FieldType.TEXT, Limits(max_length=5), decomposed, "field") == "ế" * 5
    with pytest.raises(InvalidInput):
        parse_value(FieldType.TEXT, Limits(max_length=4), decomposed, "field")


def test_no_precomposed_character_is_longer_decomposed_than_the_early_check_assumes() -> None:
    longest = max(
        len(unicodedata.normalize("NFD", chr(code)))
        for code in range(0x110000)
        if unicodedata.normalize("NFC", chr(code)) == chr(code)
    )
    assert longest == 4


def test_a_flood_of_combining_marks_is_refused_before_it_is_sorted() -> None:
    # In proportion to reading the text: sorting these marks takes a thousand times as long.
    flood = "a" + "\u0301\u0323" * 39_999
    start = time.process_time()
    for _ in flood:
        pass
    reading = time.process_time() - start
    start = time.process_time()
    with pytest.raises(InvalidInput, match="combining marks"):
        parse_value(FieldType.TEXT, Limits(max_length=20_000), flood, "field")
    assert time.process_time() - start < reading * 100


@given(st.text(max_size=600), st.booleans())
def test_a_stored_text_is_normalised_harmless_and_within_its_limit(text: str, lines: bool) -> None:
    try:
        stored = parse_value(FieldType.TEXT, Limits(max_length=300, multi_line=lines), text, "f")
    except InvalidInput:
        return
    assert isinstance(stored, str)
    assert unicodedata.is_normalized("NFC", stored)
    assert len(stored) <= 300
    assert stored.encode()
    assert not any(
        unicodedata.category(char) in {"Cc", "Cs"} for char in stored if char not in "\n\t"
    )
    assert lines or len(stored.splitlines()) == 1
    assert unicodedata.normalize("NFC", text.replace("\r\n", "\n" if lines else "\r\n")) == stored


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**17), max_value=10**17
    )
)
def test_a_decimal_keeps_its_value_to_the_last_digit(number: Decimal) -> None:
    stored = parse_value(FieldType.DECIMAL, PLAIN, f"{number:f}", "field")
    assert isinstance(stored, str)
    assert Decimal(stored) == number


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(CURRENCY_DECIMALS)))
def test_money_has_just_the_decimals_of_its_currency(units: int, currency: str) -> None:
    stored = parse_value(FieldType.MONEY, PLAIN, {"amount": units, "currency": currency}, "field")
    assert isinstance(stored, dict)
    amount = stored["amount"]
    assert isinstance(amount, str)
    assert Decimal(amount) == units
    assert len(amount.partition(".")[2]) == CURRENCY_DECIMALS[currency]


@given(st.datetimes(min_value=datetime(2, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_a_moment_is_stored_in_utc_to_the_microsecond(moment: datetime) -> None:
    text = moment.isoformat()
    if len(text) - text.rfind(":") != 3 or text.count(":") != 3 or moment.year > 9998:
        return  # time zones before railways have offsets with seconds, which RFC 3339 lacks
    stored = parse_value(FieldType.DATETIME, PLAIN, text, "field")
    assert isinstance(stored, str)
    # In UTC: two zones are never equal in an hour that the clock repeats (PEP 495).
    assert datetime.fromisoformat(stored) == moment.astimezone(UTC)
    assert stored.endswith("Z")
    assert len(stored) == 27


def test_the_table_of_currencies_knows_the_odd_ones() -> None:
    assert {code: CURRENCY_DECIMALS[code] for code in ("VND", "JPY", "USD", "EUR", "BHD")} == {
        "VND": 0,
        "JPY": 0,
        "USD": 2,
        "EUR": 2,
        "BHD": 3,
    }
    assert all(len(code) == 3 and code.isupper() for code in CURRENCY_DECIMALS)
