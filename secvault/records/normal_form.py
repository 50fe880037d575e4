"""The one form of a value that searching compares: what is spelt differently and means the same.

Both sides of every search go through here, so a search by an index finds exactly what comparing
these forms would find. The forms are part of a stored format (they are what a blind index is made
of): a change of one needs a new version of the indexes of its type.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records.schema_index import POWER_10
from secvault.records.value import FieldType

MOST_BUCKETS = 1_000
"""The most buckets that one search of a range may look into."""

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY})
_DAYS = frozenset({FieldType.DATE, FieldType.DATETIME})
_CODES = frozenset(
    {
        FieldType.PHONE,
        FieldType.ACCOUNT,
        FieldType.IDENTITY_NUMBER,
        FieldType.TAX_CODE,
        FieldType.SOCIAL_INSURANCE_NUMBER,
        FieldType.IBAN,
        FieldType.CARD,
    }
)
"""Numbers that people write with spaces, points and hyphens, all of which say nothing."""
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def normal_form(type_: FieldType, value: JsonValue) -> str:
    """The form of a stored value that equality looks at.

    text, e-mail: Unicode's compatibility caseless form (D146) in NFKC, without format characters,
    every run of white space one space. Numbers that somebody gives out: letters and digits only,
    capitals. money: amount, space, currency. Everything else: its stored form.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{value['amount']} {value['currency']}"
    text = str(value)
    if type_ in _CODES:
        return _code(text)
    if type_ in (FieldType.TEXT, FieldType.EMAIL):
        return _folded(text)
    return text


def part_form(type_: FieldType, text: str, *, ending: bool = False) -> str:
    """The same of the beginning of a value, or its end, as somebody typed it.

    A Vietnamese telephone number may begin with 0 or 00.
    """
    if type_ is FieldType.PHONE:
        code = _code(text)
        if ending or text.lstrip().startswith("+"):
            return code
        if code.startswith("00"):
            return code[2:]
        return f"84{code[1:]}" if code.startswith("0") else code
    return normal_form(type_, text)


def in_range(type_: FieldType, value: JsonValue, low: JsonValue, high: JsonValue) -> bool:
    """Whether a stored value lies between two others, both included. None: no end on that side.

    Amounts of different currencies are never in each other's range.
    """
    ends = [end for end in (low, high) if end is not None]
    if type_ is FieldType.MONEY and any(_currency(end) != _currency(value) for end in ends):
        return False
    return not (
        (low is not None and _is_before(type_, value, low))
        or (high is not None and _is_before(type_, high, value))
    )


def order_of(type_: FieldType, value: JsonValue) -> Decimal | str:
    """What the values of a type are put in order by; of money the amount alone."""
    if type_ is FieldType.MONEY and isinstance(value, Mapping):
        return Decimal(str(value["amount"]))
    if type_ in _NUMBERS:
        return Decimal(str(value))
    return normal_form(type_, value)


def _is_before(type_: FieldType, one: JsonValue, other: JsonValue) -> bool:
    # Values of one type are all put in order by numbers, or all by texts.
    return order_of(type_, one) < order_of(type_, other)  # type: ignore[operator]


def bucket_of(type_: FieldType, by: str, value: JsonValue) -> str:
    """The name of the bucket that a stored value falls into.

    by: day, month, quarter or year (of moments: in UTC); for numbers a step, or `power10`: how many
    digits stand before the point. The buckets of money begin with its currency.
    """
    if type_ in _DAYS:
        return _days(by, str(value)[:10])
    name = _numbered(by, Decimal(str(order_of(type_, value))))
    return f"{_currency(value)} {name}" if type_ is FieldType.MONEY else name


def buckets_between(
    type_: FieldType, by: str, low: JsonValue, high: JsonValue, at: str
) -> tuple[str, ...]:
    """The names of all buckets that hold values from `low` to `high`, both included.

    at: the field, for the error. Raises InvalidInput when they are more than `MOST_BUCKETS`, or
    cannot be listed because an end is missing.
    """
    if type_ is FieldType.MONEY:
        given = {_currency(end) for end in (low, high) if end is not None}
        if len(given) != 1:
            raise InvalidInput.at(at, "needs both ends of a range in one currency")
    if by == POWER_10:
        names = _powers(type_, low, high)
    elif low is None or high is None:
        raise InvalidInput.at(at, 'needs both ends, "from" and "to": its index has no open ranges')
    else:
        first, last = order_of(type_, low), order_of(type_, high)
        if first > last:  # type: ignore[operator] # both are of one type
            return ()
        names = (
            _days_between(by, str(first)[:10], str(last)[:10], at)
            if type_ in _DAYS
            else _steps_between(Decimal(by), Decimal(first), Decimal(last), at)
        )
    if type_ is FieldType.MONEY:
        currency = _currency(low if low is not None else high)
        return tuple(f"{currency} {name}" for name in names)
    return tuple(names)


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", folded).casefold())
    visible = "".join(one for one in folded if unicodedata.category(one) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).split())


def _code(text: str) -> str:
    wide = unicodedata.normalize("NFKC", text).upper()
    return "".join(one for one in wide if one.isascii() and one.isalnum())


def _currency(value: JsonValue) -> str:
    return str(value["currency"]) if isinstance(value, Mapping) else ""


def _days(by: str, day: str) -> str:
    if by == "quarter":
        return f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"
    return {"day": day, "month": day[:7], "year": day[:4]}[by]


def _days_between(by: str, first: str, last: str, at: str) -> tuple[str, ...]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    if by == "day":
        _require_few((end - begin).days + 1, at)
        days = range(begin.toordinal(), end.toordinal() + 1)
        return tuple(date.fromordinal(day).isoformat() for day in days)
    months = _MONTHS[by]
    numbers = range(
        (begin.year * 12 + begin.month - 1) // months, (end.year * 12 + end.month - 1) // months + 1
    )
    _require_few(len(numbers), at)
    found = ((number * months // 12, number * months % 12 + 1) for number in numbers)
    return tuple(_days(by, f"{year:04}-{month:02}-01") for year, month in found)


def _steps_between(step: Decimal, first: Decimal, last: Decimal, at: str) -> tuple[str, ...]:
    begin, end = _step(step, first), _step(step, last)
    # Not the length of the range: there may be more than a length can be.
    _require_few(end - begin + 1, at)
    return tuple(str(number) for number in range(begin, end + 1))


def _require_few(count: int, at: str) -> None:
    if count > MOST_BUCKETS:
        raise InvalidInput.at(
            at, f"is too wide a range for its index: {count} buckets, {MOST_BUCKETS} at most"
        )


def _numbered(by: str, number: Decimal) -> str:
    return _power(number) if by == POWER_10 else str(_step(Decimal(by), number))


def _step(step: Decimal, number: Decimal) -> int:
    # Whole numbers throughout: a quotient of decimals is rounded to 28 digits.
    scale = 10 ** max(0, -_exponent(step), -_exponent(number))
    return int(number * scale) // int(step * scale)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


_MOST_DIGITS = 18  # see `value`: no number has more before the point


def _power(number: Decimal) -> str:
    if abs(number) < 1:
        return "0"
    return f"{'-' if number < 0 else '+'}{number.adjusted() + 1}"


def _powers(type_: FieldType, low: JsonValue, high: JsonValue) -> tuple[str, ...]:
    every = (
        *(f"-{digits}" for digits in range(_MOST_DIGITS, 0, -1)),
        "0",
        *(f"+{digits}" for digits in range(1, _MOST_DIGITS + 1)),
    )
    first = 0 if low is None else every.index(_power(Decimal(str(order_of(type_, low)))))
    last = len(every) if high is None else every.index(_power(Decimal(str(order_of(type_, high)))))
    return every[first : last + 1]
