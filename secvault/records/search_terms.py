"""What a search asks for, read strictly, and whether a value is it.

    {"where": {"tax_code": "0100109106", "due_on": {"from": "2026-05-01", "to": "2026-05-31"}},
     "sort": "-due_on"}

A sensitive field is compared in its normal form (`normal_form`), so that an index can answer; a
normal one as it is stored, letter for letter. Start at `parse_search`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.errors import FieldError, InvalidInput
from secvault.records.collection import OWN_ID, Collection, Field
from secvault.records.declared import NAME
from secvault.records.normal_form import in_range, normal_form, part_form
from secvault.records.schema_index import INDEX_TYPES
from secvault.records.value import LONGEST_TEXT, FieldType

MOST_CONDITIONS = 8
MOST_VALUES = 50
"""The most values that one `in` may list."""

_MONEY = frozenset({"amount", "currency"})
_ENDS = frozenset({"from", "to"})
_PART_TYPES = INDEX_TYPES["prefix"] | {FieldType.CHOICE}
_RANGE_TYPES = INDEX_TYPES["range"]
_UNSORTED = frozenset({FieldType.ATTACHMENT})
_LONGEST_SORTED = 500
"""Characters of a text that pages are put in order by: where a page ended goes with the cursor."""


class How(StrEnum):
    """How a condition compares: the whole value (with any of several), a part, or a range."""

    IS = "is"
    PREFIX = "prefix"
    LAST = "last"
    RANGE = "range"


@dataclass(frozen=True, repr=False)
class Condition:
    """One field and what it must be.

    values: in stored form, any of them (`IS`); the part (`PREFIX`, `LAST`), of a sensitive field in
    normal form. low, high: of a `RANGE`, both included, None for an open end.
    """

    field: Field
    how: How
    values: tuple[JsonValue, ...] = ()
    low: JsonValue = None
    high: JsonValue = None

    def __repr__(self) -> str:
        return f"Condition({self.field.name} {self.how})"

    @property
    def part(self) -> str:
        """The part that is looked for."""
        return str(self.values[0])

    def holds(self, value: JsonValue) -> bool:
        """Whether a stored value is what the condition asks for; no value is nothing of it."""
        if value is None:
            return False
        if self.how is How.RANGE:
            return self._between(value)
        if not self.field.sensitive:
            return _compare(self.how, value, self.values)
        type_ = self.field.type
        form = normal_form(type_, value)
        if self.how is How.IS:
            return form in {normal_form(type_, one) for one in self.values}
        return _compare(self.how, form, self.values)

    def _between(self, value: JsonValue) -> bool:
        if self.field.type in _RANGE_TYPES:
            return in_range(self.field.type, value, self.low, self.high)
        text = str(value)
        return not (
            (self.low is not None and text < str(self.low))
            or (self.high is not None and text > str(self.high))
        )


@dataclass(frozen=True)
class Sorting:
    """By which normal field, None for the id; records without a value come last."""

    field: Field | None
    descending: bool

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.field.name if self.field else OWN_ID}"


@dataclass(frozen=True)
class Place:
    """Where a page ended: a record, and its plain value of the field that is sorted by."""

    id: str
    value: JsonValue = None


@dataclass(frozen=True)
class Search:
    """All conditions must hold. Each is of another field."""

    conditions: tuple[Condition, ...]
    sorting: Sorting

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it compares or sorts by, in order."""
        named = {condition.field.name for condition in self.conditions}
        return tuple(sorted(named | ({self.sorting.field.name} if self.sorting.field else set())))

    def digest(self) -> bytes:
        """What tells this search from every other: SHA-256 of its canonical JSON."""
        asked: list[JsonValue] = [
            [
                *_named(one.field),
                one.how.value,
                list(one.values),
                one.low,
                one.high,
            ]
            for one in sorted(self.conditions, key=lambda one: one.field.name)
        ]
        by = self.sorting.field
        asked += [str(self.sorting), *(_named(by) if by else ())]
        return hashlib.sha256(canonical_json(asked)).digest()


def parse_search(
    collection: Collection, where: Mapping[str, JsonValue], sort: str = OWN_ID
) -> Search:
    """Read what somebody asks for.

    where: by field either the value, or an object with `is`, `in` (a list), `prefix`, `last`, or
    `from` and `to`. sort: a normal field or `id`, with a hyphen before it for descending. Raises
    one InvalidInput with every field at fault; it shows no value.
    """
    faults: list[FieldError] = []
    found: list[Condition] = []
    if len(where) > MOST_CONDITIONS:
        raise InvalidInput.at("where", f"names more than {MOST_CONDITIONS} fields")
    for name, asked in where.items():
        try:
            found.append(_condition(_field(collection, name), asked))
        except InvalidInput as error:
            faults.extend(error.fields)
    try:
        sorting = _sorting(collection, sort)
    except InvalidInput as error:
        faults.extend(error.fields)
    if faults:
        listed = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise InvalidInput(listed, fields=tuple(faults))
    return Search(tuple(found), sorting)


def _field(collection: Collection, name: str) -> Field:
    known = collection.fields.get(name)
    if known is None:
        # What is no name at all may be a value in the wrong place.
        shown = name if NAME.fullmatch(name) else "(unreadable name)"
        raise InvalidInput.at(shown, f"is not a field of {collection.name}")
    return known


def _condition(field: Field, asked: JsonValue) -> Condition:
    if not isinstance(asked, Mapping) or (field.type is FieldType.MONEY and set(asked) <= _MONEY):
        return Condition(field, How.IS, (_parsed(field, asked),))
    keys = set(asked)
    if keys and keys <= _ENDS:
        return _range(field, asked.get("from"), asked.get("to"))
    if len(keys) == 1:
        (word,) = keys
        value = asked[word]
        if word == "is":
            return Condition(field, How.IS, (_parsed(field, value),))
        if word == "in":
            return Condition(field, How.IS, _several(field, value))
        if word in ("prefix", "last"):
            return _part(field, How(word), value)
    raise InvalidInput.at(
        field.name, 'give a value, or an object with "is", "in", "prefix", "last", or "from" and/or'
        ' "to"',
    )  # fmt: skip


def _parsed(field: Field, value: JsonValue) -> JsonValue:
    if field.type is FieldType.ATTACHMENT:
        raise InvalidInput.at(field.name, "is an attachment, which cannot be searched for")
    if value is None:
        raise InvalidInput.at(field.name, "needs a value to look for")
    return field.parse(value)


def _several(field: Field, values: JsonValue) -> tuple[JsonValue, ...]:
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise InvalidInput.at(field.name, f'"in" takes a list of 1 to {MOST_VALUES} values')
    return tuple(_parsed(field, value) for value in values)


def _part(field: Field, how: How, value: JsonValue) -> Condition:
    if field.type not in _PART_TYPES:
        raise InvalidInput.at(
            field.name, f"is of type {field.type}, which has no {how} to look for"
        )
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_TEXT:
        raise InvalidInput.at(field.name, f"{how} takes a text of 1 to {LONGEST_TEXT} characters")
    if any("\ud800" <= one <= "\udfff" or one == "\0" for one in value):
        raise InvalidInput.at(field.name, f"{how} takes a text without NUL and surrogates")
    if not field.sensitive:
        return Condition(field, how, (unicodedata.normalize("NFC", value),))
    part = part_form(field.type, value, ending=how is How.LAST)
    if not part:
        raise InvalidInput.at(field.name, f"{how} holds nothing that is compared")
    return Condition(field, how, (part,))


def _range(field: Field, low: JsonValue, high: JsonValue) -> Condition:
    types = _RANGE_TYPES if field.sensitive else _RANGE_TYPES | {FieldType.TEXT, FieldType.CHOICE}
    if field.type not in types:
        raise InvalidInput.at(field.name, f"is of type {field.type}, which has no ranges")
    ends = [None if end is None else field.parse(end) for end in (low, high)]
    if ends == [None, None]:
        raise InvalidInput.at(field.name, 'a range needs "from", "to" or both')
    if field.type is FieldType.MONEY and None not in ends:
        first, second = ends
        if _currency(first) != _currency(second):
            raise InvalidInput.at(field.name, "a range needs both its ends in one currency")
    return Condition(field, How.RANGE, low=ends[0], high=ends[1])


def _named(field: Field) -> tuple[str, str]:
    return field.name, field.type.value


def _currency(value: JsonValue) -> JsonValue:
    return value["currency"] if isinstance(value, Mapping) else None


def _sorting(collection: Collection, sort: str) -> Sorting:
    name = sort.removeprefix("-")
    descending = sort.startswith("-")
    if name == OWN_ID and OWN_ID not in collection.fields:
        return Sorting(None, descending)
    field = collection.fields.get(name)
    if field is None:
        raise InvalidInput.at("sort", f"names no field of {collection.name}")
    if field.sensitive:
        raise InvalidInput.at(
            "sort", f"{name} is stored encrypted; sort by a field of class normal, or by {OWN_ID}"
        )
    if field.type in _UNSORTED:
        raise InvalidInput.at("sort", f"{name} is an attachment, which nothing is sorted by")
    if field.type is FieldType.TEXT and field.limits.max_length > _LONGEST_SORTED:
        raise InvalidInput.at("sort", f"{name} holds long texts, which nothing is sorted by")
    return Sorting(field, descending)


def _compare(how: How, value: JsonValue, wanted: tuple[JsonValue, ...]) -> bool:
    if how is How.IS:
        return value in wanted
    part = str(wanted[0])
    return str(value).startswith(part) if how is How.PREFIX else str(value).endswith(part)
