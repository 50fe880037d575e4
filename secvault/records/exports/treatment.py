"""De-identified rows: what the schema says of each field is done to its values, and no more shown.

Stricter than the schema in four ways, which no file can undo: free text (several lines) and
attachments are always left out; the number of the person whom a record is about is never kept, only
its pseudonym; a record's own id is left out, or its pseudonym shown where it is that number; and
texts, addresses and numbers that somebody gives out (telephone, account, tax code...) are left out
unless the file itself says what to do with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Protocol

from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.identity.names import compared
from secvault.records.collection import OWN_ID, Collection, Field, Sensitivity
from secvault.records.exports.column import (
    CURRENCY,
    Cell,
    Column,
    Kind,
    cells_of,
    columns_of,
    distinct,
    scale_of,
    text_column,
    titled,
)
from secvault.records.exports.pseudonym import Pseudonyms
from secvault.records.mask import masked
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.value import FieldType

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
_ATTRIBUTES = frozenset(
    {
        Sensitivity.SALARY,
        Sensitivity.BANK,
        Sensitivity.HEALTH,
        Sensitivity.PRICE,
        Sensitivity.TRADE_SECRET,
    }
)
"""Classes that are what is studied; the others may tell who somebody is."""


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
    _pseudonyms: Pseudonyms

    def row(self, record: Read) -> list[Cell]:
        """The cells of a record. Only values of fields that are shown are opened."""
        there = frozenset(record.field_names)
        cells: list[Cell] = [self._pseudonyms.of(PEOPLE, record.id)] if self.with_id else []
        for one in self.treated:
            name = one.field.name
            value = record.value(name) if name in there else None
            cells += (None,) * one.width if value is None else self._treated(one, value)
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

    def _treated(self, one: Treated, value: JsonValue) -> Sequence[Cell]:
        if one.how is How.PSEUDONYM:
            return (self._pseudonyms.of(one.domain, value),)
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


def how_of(collection: Collection, field: Field) -> Deidentify:
    """What is really done to a field: what the schema says, and the four rules of this file."""
    said = field.deidentified
    if field.type in _NEVER or field.limits.multi_line:
        return Deidentify(How.DROP)
    if field.name == _person(collection) and said.how is not How.DROP:
        return Deidentify(How.PSEUDONYM, said.domain or PEOPLE)
    if field.deidentify is None and field.type in _ONLY_IF_SAID:
        return Deidentify(How.DROP)
    if said.how is How.MASK and field.mask is None:
        return Deidentify(How.DROP)
    if said.how is How.PSEUDONYM and not said.domain:
        return Deidentify(How.PSEUDONYM, f"{collection.name}.{field.name}")
    return said


def treatment_of(
    collection: Collection, pseudonyms: Pseudonyms, quasi: Sequence[str], language: str
) -> Treatment:
    """What is done to the records of a collection.

    quasi: the fields by which somebody might know a person again; none for all that are shown but
    pseudonyms and what is studied (salaries, health, prices...).
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
    known = [one for one in treated if _is_quasi(one, quasi)]
    studied = [
        one
        for one in treated
        if one not in known
        and one.field.sensitivity in _ATTRIBUTES
        and one.how is not How.PSEUDONYM
    ]
    return Treatment(
        collection,
        distinct(columns),
        tuple(treated),
        with_id,
        tuple(at for one in known for at in range(one.at, one.at + one.width)),
        tuple(one.at for one in studied),
        pseudonyms,
    )


def digest_of(collection: Collection) -> str:
    """SHA-256 over what is done to each field, and why it is sensitive: another for another schema.

    A disclosure is bound to it.
    """
    said: dict[str, JsonValue] = {}
    for name, field in collection.fields.items():
        told = how_of(collection, field)
        mask = str(field.mask) if told.how is How.MASK else ""
        said[name] = [
            str(field.type), str(field.sensitivity), str(told.how), told.domain, told.step, mask,
        ]  # fmt: skip
    document: dict[str, JsonValue] = {"person": _person(collection), "fields": said}
    return hashlib.sha256(canonical_json(document)).hexdigest()


def hows(collection: Collection) -> Mapping[str, Deidentify]:
    """What is done to each field, by name."""
    return {name: how_of(collection, field) for name, field in collection.fields.items()}


def _person(collection: Collection) -> str:
    return collection.subject_field or collection.person_field


def _is_quasi(one: Treated, named: Sequence[str]) -> bool:
    if named:
        return one.field.name in named
    return one.how is not How.PSEUDONYM and one.field.sensitivity not in _ATTRIBUTES


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
