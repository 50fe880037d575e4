"""From a cell to the JSON that the field's type takes; the schema then decides about the value.

What could mean two things is refused with the mend, never guessed. No error repeats the cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records.imports.row import Bad, Cell, Number
from secvault.records.imports.spec import Dates, Numbers, Spec
from secvault.records.value import LARGEST_INTEGER, FieldType

_TRUE = frozenset({"true", "yes", "có", "đúng", "1"})
_FALSE = frozenset({"false", "no", "không", "sai", "0"})

_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
# 12.500 is twelve thousand five hundred to one reader and twelve and a half to another.
_AMBIGUOUS = re.compile(r"-?[1-9][0-9]{0,2}\.[0-9]{3}")
_GROUPED = {
    Numbers.DOT_THOUSANDS: re.compile(
        r"-?([0-9]{1,3}(\.[0-9]{3}){1,9}|[0-9]{1,30})(,[0-9]{1,30})?"
    ),
    Numbers.COMMA_THOUSANDS: re.compile(
        r"-?([0-9]{1,3}(,[0-9]{3}){1,9}|[0-9]{1,30})(\.[0-9]{1,30})?"
    ),
}
_WRITTEN = {
    Numbers.DOT_THOUSANDS: "12.500.000,50",
    Numbers.COMMA_THOUSANDS: "12,500,000.50",
}
_CURRENCY = re.compile(r"(.*[0-9])[ \u00a0]?([A-Z]{3})")
_SLASHED = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


def value_of(cell: Cell, type_: FieldType, spec: Spec, at: str) -> JsonValue:
    """The JSON of a cell that is not empty; None for one of blanks only.

    at: the field, for the error. Raises InvalidInput there.
    """
    if isinstance(cell, Bad):
        raise InvalidInput.at(at, cell.why)
    if isinstance(cell, str):
        return _of_text(cell, type_, spec, at)
    if isinstance(cell, bool):
        if type_ is not FieldType.BOOLEAN:
            raise InvalidInput.at(at, "holds true or false, which this field does not")
        return cell
    if isinstance(cell, Number):
        return _of_number(cell, type_, at)
    if isinstance(cell, date):
        return _of_date(cell, type_, spec, at)
    return None


def _of_text(cell: str, type_: FieldType, spec: Spec, at: str) -> JsonValue:
    if not cell or cell.isspace():
        return None
    if type_ is FieldType.TEXT:
        return cell
    return _TEXTS.get(type_, _as_it_is)(cell.strip(), spec, at)


def _as_it_is(text: str, _spec: Spec, _at: str) -> JsonValue:
    return text


def _integer(text: str, spec: Spec, at: str) -> JsonValue:
    digits = _plain(text, spec.numbers, at)
    whole, _, fraction = digits.partition(".")
    if fraction.strip("0") or len(whole) > 17 or abs(int(whole)) > LARGEST_INTEGER:
        raise InvalidInput.at(
            at, f"must be a whole number between -{LARGEST_INTEGER} and {LARGEST_INTEGER}"
        )
    return int(whole)


def _decimal(text: str, spec: Spec, at: str) -> JsonValue:
    return _plain(text, spec.numbers, at)


def _money(text: str, spec: Spec, at: str) -> JsonValue:
    named = _CURRENCY.fullmatch(text)
    if named is None:
        return _plain(text, spec.numbers, at)
    return {"amount": _plain(named[1].strip(), spec.numbers, at), "currency": named[2]}


def _plain(text: str, numbers: Numbers, at: str) -> str:
    """The number with a point and without separators."""
    grouped = _GROUPED.get(numbers)
    if grouped is not None:
        if not grouped.fullmatch(text):
            raise InvalidInput.at(
                at, f"is not a number as you said they are written, like {_WRITTEN[numbers]}"
            )
        mark = "." if numbers is Numbers.DOT_THOUSANDS else ","
        return text.replace(mark, "").replace(",", ".")
    if _AMBIGUOUS.fullmatch(text):
        raise InvalidInput.at(
            at,
            "could mean thousands or a fraction; say how numbers are written: dot-thousands or "
            "comma-thousands",
        )
    if not _PLAIN.fullmatch(text):
        raise InvalidInput.at(
            at,
            "is not a number in digits and a point; if it has separators, say how numbers are "
            "written: dot-thousands or comma-thousands",
        )
    return text


def _boolean(text: str, _spec: Spec, at: str) -> JsonValue:
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise InvalidInput.at(at, "must be true or false, yes or no, có or không, 1 or 0")


def _date(text: str, spec: Spec, at: str) -> JsonValue:
    slashed = _SLASHED.fullmatch(text)
    if slashed is None:
        return text
    if spec.dates is Dates.ISO:
        raise InvalidInput.at(
            at, "could be day or month first; say dates are day-first or month-first"
        )
    first, second = int(slashed[1]), int(slashed[3])
    day, month = (first, second) if spec.dates is Dates.DAY_FIRST else (second, first)
    try:
        return date(int(slashed[4]), month, day).isoformat()
    except ValueError:
        raise InvalidInput.at(at, f"is not a day of the calendar, read {spec.dates}") from None


def _datetime(text: str, spec: Spec, at: str) -> JsonValue:
    day, _, clock = text.partition(" ")
    if not _CLOCK.fullmatch(clock.strip()):
        return text
    found = _date(day, spec, at)
    hours = clock.strip().rjust(5, "0") if clock.count(":") == 1 else clock.strip().rjust(8, "0")
    try:
        moment = datetime.fromisoformat(f"{found}T{hours}")
    except ValueError:
        raise InvalidInput.at(at, "is not a day and time of the calendar") from None
    return _in_zone(moment, spec, at)


def _in_zone(moment: datetime, spec: Spec, at: str) -> str:
    if not spec.time_zone:
        raise InvalidInput.at(at, "names no time zone; say which one moments are in")
    zone = ZoneInfo(spec.time_zone)
    placed = moment.replace(tzinfo=zone)
    if placed.utcoffset() != moment.replace(tzinfo=zone, fold=1).utcoffset():
        raise InvalidInput.at(
            at, "is twice or not at all in its time zone, when its clocks change; add the offset"
        )
    return placed.isoformat()


def _of_number(cell: Number, type_: FieldType, at: str) -> JsonValue:
    if type_ in (FieldType.DECIMAL, FieldType.MONEY):
        return cell.digits
    if type_ is FieldType.INTEGER:
        if "." in cell.digits:
            raise InvalidInput.at(at, "must be a whole number")
        return int(cell.digits)
    if type_ in (FieldType.TEXT, FieldType.CHOICE) and cell.general and cell.digits.isdigit():
        return cell.digits
    if type_ in (FieldType.DATE, FieldType.DATETIME):
        raise InvalidInput.at(at, "holds a number, not a date; format the column as a date")
    if type_ is FieldType.BOOLEAN:
        raise InvalidInput.at(at, "holds a number, not true or false")
    raise InvalidInput.at(
        at, "holds a number, where zeros in front are lost; format the column as text, then type"
    )


def _of_date(cell: date, type_: FieldType, spec: Spec, at: str) -> JsonValue:
    if type_ is FieldType.DATE:
        if isinstance(cell, datetime):
            if cell.time() != time.min:
                raise InvalidInput.at(at, "holds a day with a time; this field takes a day alone")
            return cell.date().isoformat()
        return cell.isoformat()
    if type_ is FieldType.DATETIME:
        moment = cell if isinstance(cell, datetime) else datetime.combine(cell, time.min)
        return _in_zone(moment.replace(tzinfo=None), spec, at)
    raise InvalidInput.at(
        at, "holds a date, which this field does not; format the column as text, then type"
    )


_TEXTS: Mapping[FieldType, Callable[[str, Spec, str], JsonValue]] = {
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.MONEY: _money,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
}
