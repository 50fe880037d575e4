"""The value of a plain field in SQL: to be compared and put in order by, on both engines.

The plain fields of a record are canonical JSON in one column. An index over one of these
expressions is used by the database when the expression is written the same, which it always is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, case, cast, func, literal_column, or_

from secvault.crypto.canonical import JsonValue
from secvault.records.search_terms import Condition, How
from secvault.records.value import FieldType
from secvault.store.tables import record

_FRACTION = 9  # see `value.MOST_DECIMALS`
_SQLITE = "sqlite"
_TEXTS_ONLY = frozenset(FieldType) - {
    *(FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY, FieldType.BOOLEAN),
    FieldType.ATTACHMENT,
}

Key = tuple[Any, ...]


class Plain(Protocol):
    """What SQL depends on of a plain field."""

    @property
    def name(self) -> str:
        """Of the field."""

    @property
    def type(self) -> FieldType:
        """Of its values."""


def missing(dialect: str, field: Plain) -> ColumnElement[bool]:
    """Whether a record has no plain value of the field."""
    return _said(dialect, field.name).is_(None)


def order(dialect: str, field: Plain) -> tuple[ColumnElement[Any], ...]:
    """What records are put in order by, most important first; exact, whatever the number."""
    if field.type is FieldType.MONEY:
        return (
            _ordered(dialect, _said(dialect, field.name, "currency")),
            *_number(dialect, _said(dialect, field.name, "amount")),
        )
    said = _said(dialect, field.name)
    if field.type is FieldType.DECIMAL:
        return _number(dialect, said)
    if dialect == _SQLITE:
        return (said,)
    if field.type is FieldType.INTEGER:
        return (cast(said, sa.BigInteger),)
    if field.type is FieldType.BOOLEAN:
        return (cast(cast(said, sa.Boolean), sa.Integer),)
    return (_ordered(dialect, said),)


def key_of(dialect: str, field: Plain, value: JsonValue) -> Key:
    """The same of a stored value."""
    if isinstance(value, Mapping):
        return (str(value["currency"]), *_number_of(dialect, str(value["amount"])))
    if field.type is FieldType.DECIMAL:
        return _number_of(dialect, str(value))
    return (int(value) if isinstance(value, bool | int) else str(value),)


def after(
    columns: Sequence[ColumnElement[Any]], key: Key, *, descending: bool = False, here: bool = False
) -> ColumnElement[bool]:
    """The rows whose columns come after the key in order. here: also those at the key."""
    column, value = columns[0], key[0]
    further = column < value if descending else column > value
    if len(columns) == 1:
        return or_(further, column == value) if here else further
    rest = after(columns[1:], key[1:], descending=descending, here=here)
    return or_(further, and_(column == value, rest))


def holds(dialect: str, condition: Condition) -> ColumnElement[bool]:
    """Whether the plain value of a record is what the condition asks for; no value is not."""
    field = condition.field
    said = _said(dialect, field.name)
    if condition.how is How.PREFIX:
        return func.substr(said, 1, len(condition.part)) == condition.part
    if condition.how is How.LAST:
        size = len(condition.part)
        # A start before the beginning means different things to the two engines.
        ending = func.substr(said, func.length(said) - (size - 1))
        return and_(func.length(said) >= size, ending == condition.part)
    columns = order(dialect, field)
    if condition.how is How.IS:
        keys = [key_of(dialect, field, value) for value in condition.values]
        if len(columns) == 1:
            return columns[0].in_([key[0] for key in keys])
        return or_(
            *(
                and_(*(column == part for column, part in zip(columns, key, strict=True)))
                for key in keys
            )
        )
    ends = []
    if condition.low is not None:
        low = key_of(dialect, field, condition.low)
        ends.append(after(columns, low, here=True))
    if condition.high is not None:
        high = key_of(dialect, field, condition.high)
        ends.append(after(columns, high, descending=True, here=True))
    if field.type is FieldType.MONEY:
        given = condition.low if condition.low is not None else condition.high
        ends.append(columns[0] == key_of(dialect, field, given)[0])
    return and_(*ends)


def _said(dialect: str, *path: str) -> ColumnElement[Any]:
    """The value at a path as the engine gives it: on PostgreSQL always text.

    The names of fields are letters, digits and underscores (`declared.NAME`).
    """
    if dialect == _SQLITE:
        at: ColumnElement[str] = literal_column(f"'$.{'.'.join(path)}'")
        return func.json_extract(cast(record.c.plain, sa.Text), at)
    found: ColumnElement[Any] = cast(
        func.convert_from(record.c.plain, literal_column("'UTF8'")), sa.JSON
    )
    for name in path[:-1]:
        found = found.op("->")(literal_column(f"'{name}'"))
    return found.op("->>", return_type=sa.Text())(literal_column(f"'{path[-1]}'"))


def _ordered(dialect: str, said: ColumnElement[Any]) -> ColumnElement[Any]:
    """In the order of the UTF-8 bytes, whatever the database's locale."""
    return said if dialect == _SQLITE else sa.collate(said, "C")


def _number(dialect: str, said: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """A decimal in text. SQLite has no exact decimals: the whole part and billionths, both signed.

    The text is canonical (`value`): at most 18 digits before the point and nine after it.
    """
    if dialect != _SQLITE:
        return (cast(said, sa.Numeric),)
    digits = func.ltrim(said, "-")
    point = func.instr(digits.op("||")("."), ".")
    whole = cast(func.substr(digits, 1, point - 1), sa.BigInteger)
    fraction = cast(
        func.substr(func.substr(digits, point + 1).op("||")("0" * _FRACTION), 1, _FRACTION),
        sa.BigInteger,
    )
    negative = func.substr(said, 1, 1) == "-"
    return (
        case((said.is_(None), None), (negative, -whole), else_=whole),
        case((said.is_(None), None), (negative, -fraction), else_=fraction),
    )


def _number_of(dialect: str, text: str) -> Key:
    number = Decimal(text)
    if dialect != _SQLITE:
        return (number,)
    whole = int(number)
    return (whole, int((number - whole).scaleb(_FRACTION)))
