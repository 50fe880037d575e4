"""De-identified rows: what the schema says of each field is done to its values, and no more shown.

Stricter than the schema in five ways, which no file can undo: free text (several lines) and
attachments are always left out; the number of the person whom a record is about is never kept, only
its pseudonym; a record's own id is left out, or its pseudonym shown where it is that number; texts,
addresses and numbers that somebody gives out (telephone, account, tax code...) are left out unless
the file itself says what to do with them; and what names somebody by itself is never kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Protocol

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.identity.names import compared
from secvault.records.collection import OWN_ID, Collection, Field, Sensitivity
from secvault.records.exports.column import (
    CURRENCY,
    cells_of,
    columns_of,
    distinct,
    scale_of,
    text_column,
    titled,
)
from secvault.records.exports.pseudonym import Pseudonyms
from secvault.records.mask import Mask, masked
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.value import FieldType
from secvault.tabular.column import Cell, Column, Kind

PEOPLE = "employee"
"""The domain of the numbers of people, where the schema names no other: the same person is the same
pseudonym in every collection of a project."""

_NEVER = frozenset({FieldType.ATTACHMENT})
_ONLY_IF_SAID = frozenset(FieldType) - {
    FieldType.INTEGER,
    FieldType.DECIMAL,
    FieldType.MONEY,
    FieldType.BOOLEAN,
    FieldType.DATE,
    FieldType.DATETIME,
    FieldType.CHOICE,
}
_DIRECT = frozenset(
    {
        FieldType.EMAIL,
        FieldType.PHONE,
        FieldType.ACCOUNT,
        FieldType.IDENTITY_NUMBER,
        FieldType.TAX_CODE,
        FieldType.SOCIAL_INSURANCE_NUMBER,
        FieldType.IBAN,
        FieldType.CARD,
    }
)
"""Types whose values are somebody's, wherever they stand."""
_ATTRIBUTES = frozenset(
    {
        Sensitivity.SALARY,
        Sensitivity.BANK,
        Sensitivity.HEALTH,
        Sensitivity.PRICE,
        Sensitivity.TRADE_SECRET,
    }
)
"""Classes that are what is studied; fields of the others may tell who somebody is."""


class Read(Protocol):
    """A record whose values can be read one by one."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that have a value."""
        ...

    def value(self, field: str) -> JsonValue:
        """The value of a field that has one."""
        ...


@dataclass(frozen=True)
class Treated:
    """One field of the result, at columns `at` to `at + width`. domain, step: see `Deidentify`."""

    field: Field
    how: How
    domain: str
    step: str
    at: int
    width: int


@dataclass(frozen=True)
class Treatment:
    """What is done to the records of a collection. quasi, sensitive: places among the columns."""

    collection: Collection
    columns: tuple[Column, ...]
    treated: tuple[Treated, ...]
    with_id: bool
    quasi: tuple[int, ...]
    sensitive: tuple[int, ...]

    def row(self, record: Read, pseudonyms: Pseudonyms) -> list[Cell]:
        """The cells of a record. Only values of fields that are shown are opened."""
        there = frozenset(record.field_names)
        cells: list[Cell] = [pseudonyms.of(PEOPLE, record.id)] if self.with_id else []
        for one in self.treated:
            name = one.field.name
            value = record.value(name) if name in there else None
            cells += (None,) * one.width if value is None else _treated(one, value, pseudonyms)
        return cells

    def subject(self, record: Read) -> str:
        """Whom the record is about, to count people by; the record itself where it does not say."""
        name = _person(self.collection)
        if name and name != OWN_ID and name in record.field_names:
            value = record.value(name)
            if isinstance(value, str) and (who := compared(value)):
                return who
        # Not among the numbers of people, unless it is one.
        return compared(record.id) if name == OWN_ID else f"\0{record.id}"


def how_of(collection: Collection, field: Field) -> Deidentify:
    """What is really done to a field: what the schema says, and the five rules of this file."""
    said = field.deidentified
    if field.type in _NEVER or field.limits.multi_line:
        return Deidentify(How.DROP)
    if field.name == _person(collection) and said.how is not How.DROP:
        return Deidentify(How.PSEUDONYM, said.domain or PEOPLE)
    if field.deidentify is None and field.type in _ONLY_IF_SAID:
        return Deidentify(How.DROP)
    if (said.how is How.MASK and field.mask is None) or (
        said.how is How.KEEP and _is_direct(field)
    ):
        return Deidentify(How.DROP)
    if said.how is How.PSEUDONYM and not said.domain:
        return Deidentify(How.PSEUDONYM, f"{collection.name}.{field.name}")
    return said


def treatment_of(collection: Collection, quasi: Sequence[str], language: str) -> Treatment:
    """What is done to the records of a collection.

    quasi: fields by which somebody might know a person again, beside the usual ones: all that are
    shown but pseudonyms and what is studied (salaries, health, prices...). Raises InvalidInput for
    one that is not shown.
    """
    with_id = _person(collection) == OWN_ID
    columns = [Column("id", "Id", Kind.TEXT)] if with_id else []
    treated: list[Treated] = []
    for field in collection.fields.values():
        told = how_of(collection, field)
        if told.how is not How.DROP:
            made = _columns(field, told.how, language)
            treated.append(
                Treated(field, told.how, told.domain, told.step, len(columns), len(made))
            )
            columns += made
    _require_shown(collection, treated, quasi)
    known = [one for one in treated if one.field.name in quasi or _tells_who(one)]
    studied = [one for one in treated if one not in known and one.how is not How.PSEUDONYM]
    return Treatment(
        collection,
        distinct(columns),
        tuple(treated),
        with_id,
        tuple(at for one in known for at in range(one.at, one.at + one.width)),
        tuple(one.at for one in studied),
    )


def hows(collection: Collection) -> Mapping[str, Deidentify]:
    """What is done to each field, by name."""
    return {name: how_of(collection, field) for name, field in collection.fields.items()}


def _require_shown(
    collection: Collection, treated: Sequence[Treated], quasi: Sequence[str]
) -> None:
    shown = {one.field.name for one in treated}
    for name in quasi:
        if name not in shown:
            told = name if name in collection.fields else "(another name)"
            raise InvalidInput.at("quasi", f"{told} is no field that this export shows")


def _tells_who(one: Treated) -> bool:
    """Whether somebody who knows a little of a person might find them by it."""
    if one.how is How.PSEUDONYM:
        return False
    # A mask leaves a part of the value.
    partly = one.how is How.MASK and one.field.mask is not Mask.HIDDEN
    return partly or one.field.sensitivity not in _ATTRIBUTES


def _is_direct(field: Field) -> bool:
    named = field.sensitivity in (Sensitivity.PERSONAL, Sensitivity.IDENTITY)
    return (
        field.type in _DIRECT
        or field.sensitivity is Sensitivity.IDENTITY
        or (named and field.type is FieldType.TEXT)
    )


def _person(collection: Collection) -> str:
    return collection.subject_field or collection.person_field


def _treated(one: Treated, value: JsonValue, pseudonyms: Pseudonyms) -> Sequence[Cell]:
    if one.how is How.PSEUDONYM:
        return (pseudonyms.of(one.domain, value),)
    if one.how is How.MASK:
        return (masked(one.field.mask, value) if one.field.mask else None,)
    cells = cells_of(one.field, value)
    first = cells[0]
    if one.how is How.YEAR and isinstance(first, date):
        return (first.year,)
    if one.how is How.MONTH and isinstance(first, date):
        return (f"{first.year:04}-{first.month:02}",)
    if one.how is How.BAND and isinstance(first, int | Decimal):
        return (_band(first, one.step), *cells[1:])
    return cells if one.how is How.KEEP else (None,) * one.width


def _columns(field: Field, how: How, language: str) -> tuple[Column, ...]:
    name = field.name
    if how in (How.PSEUDONYM, How.MASK):
        suffix = "_pseudonym" if how is How.PSEUDONYM else "_masked"
        # Joined on: the name stays that of the field.
        made = text_column(field, language, suffix)
        return (Column(name, made.title, made.kind),) if how is How.PSEUDONYM else (made,)
    if how in (How.YEAR, How.MONTH):
        suffix = f"_{how}"
        kind = Kind.INTEGER if how is How.YEAR else Kind.TEXT
        return (Column(f"{name}{suffix}", titled(field.title, language, suffix), kind),)
    if how is How.BAND:
        kind = Kind.INTEGER if field.type is FieldType.INTEGER else Kind.DECIMAL
        title = titled(field.title, language, "_from")
        first = Column(f"{name}_from", title, kind, scale_of(field.type, field.limits))
        beside = field.type is FieldType.MONEY
        return (first, text_column(field, language, CURRENCY)) if beside else (first,)
    return columns_of(field, language)


def _band(amount: int | Decimal, step: str) -> int | Decimal:
    """The largest multiple of the step that is not above the amount."""
    width = Decimal(step)
    found = (Decimal(amount) / width).to_integral_value(ROUND_FLOOR) * width
    return int(found) if isinstance(amount, int) else found
