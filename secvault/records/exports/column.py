"""The columns of a field in exported files, and the cells that its values become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged
from secvault.records.collection import Field
from secvault.records.currency import CURRENCY_DECIMALS
from secvault.records.value import FieldType, Limits
from secvault.tabular.column import Cell, Column, Kind

ENGLISH = "en"
CURRENCY, SHA256 = "_currency", "_sha256"
_USUAL_DECIMALS = 6
"""What a decimal field allows that states no number of its own; see `value`."""

SUFFIXES: Mapping[str, Mapping[str, str]] = {
    CURRENCY: {"en": "currency", "vi": "tiền tệ"},
    SHA256: {"en": "SHA-256", "vi": "SHA-256"},
    "_masked": {"en": "masked", "vi": "đã che"},
    "_pseudonym": {"en": "pseudonym", "vi": "bí danh"},
    "_year": {"en": "year", "vi": "năm"},
    "_month": {"en": "month", "vi": "tháng"},
    "_from": {"en": "from", "vi": "từ"},
}
"""What is behind the name of a field in that of a column, and the words for it in titles."""


_KINDS: Mapping[FieldType, Kind] = {
    FieldType.INTEGER: Kind.INTEGER,
    FieldType.DECIMAL: Kind.DECIMAL,
    FieldType.MONEY: Kind.DECIMAL,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.DATE: Kind.DATE,
    FieldType.DATETIME: Kind.DATETIME,
}


def titled(title: Mapping[str, str], language: str, suffix: str = "") -> str:
    """The title in the language, else in English, with the words for a suffix."""
    words = title.get(language) or title[ENGLISH]
    if not suffix:
        return words
    more = SUFFIXES[suffix]
    return f"{words} ({more.get(language) or more[ENGLISH]})"


def columns_of(field: Field, language: str) -> tuple[Column, ...]:
    """The columns of a field's values in clear: amounts have their currency beside them."""
    first = Column(
        field.name,
        titled(field.title, language),
        _KINDS.get(field.type, Kind.TEXT),
        scale_of(field.type, field.limits),
    )
    beside = {FieldType.MONEY: CURRENCY, FieldType.ATTACHMENT: SHA256}.get(field.type)
    return (first, text_column(field, language, beside)) if beside else (first,)


def text_column(field: Field, language: str, suffix: str) -> Column:
    """A column of text about a field: `suffix` of `SUFFIXES` says what."""
    return Column(f"{field.name}{suffix}", titled(field.title, language, suffix), Kind.TEXT)


def cells_of(field: Field, value: JsonValue) -> tuple[Cell, ...]:
    """The cells of `columns_of` for one stored value; None for no value.

    Raises Damaged when the value is not of the field's type.
    """
    width = 2 if field.type in (FieldType.MONEY, FieldType.ATTACHMENT) else 1
    if value is None:
        return (None,) * width
    try:
        return _cells(field.type, value)
    except (ValueError, KeyError, TypeError, InvalidOperation):
        raise Damaged(f"a value of {field.name} is not of the type {field.type}") from None


def scale_of(type_: FieldType, limits: Limits) -> int:
    """How many digits after the point the values of a field can have."""
    if type_ is FieldType.DECIMAL:
        return _USUAL_DECIMALS if limits.decimals is None else limits.decimals
    if type_ is FieldType.MONEY:
        allowed = limits.currencies or tuple(CURRENCY_DECIMALS)
        return max(limits.decimals or 0, *(CURRENCY_DECIMALS[one] for one in allowed), 0)
    return 0


def distinct(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns, none of which has the name or the title of one before it."""
    names: set[str] = set()
    titles: set[str] = set()
    made: list[Column] = []
    for column in columns:
        name, title = column.name, column.title
        while name in names:
            name += "_"
        if title.casefold() in titles:
            title = f"{title} [{name}]"
        names.add(name)
        titles.add(title.casefold())
        made.append(replace(column, name=name, title=title))
    return tuple(made)


def _cells(type_: FieldType, value: JsonValue) -> tuple[Cell, ...]:
    if type_ is FieldType.MONEY:
        told = _parts(value)
        return Decimal(str(told["amount"])), str(told["currency"])
    if type_ is FieldType.ATTACHMENT:
        told = _parts(value)
        return str(told["name"]), str(told["sha256"])
    kind = _KINDS.get(type_, Kind.TEXT)
    if kind in (Kind.INTEGER, Kind.BOOLEAN):
        if isinstance(value, bool) is (kind is Kind.BOOLEAN) and isinstance(value, int):
            return (value,)
        raise ValueError
    if not isinstance(value, str):
        raise TypeError
    return (_READ[kind](value),)


def _parts(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError
    return value


_READ: Mapping[Kind, Callable[[str], Cell]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: Decimal,
    Kind.DATE: date.fromisoformat,
    Kind.DATETIME: datetime.fromisoformat,
}
