"""Collections: which fields a kind of record has, as the files of a company declare them.

One file per department, named after it (`hr.toml`), declares the department's collections:

    department = "hr"
    title = { en = "Human resources", vi = "Nhân sự" }
    [collections.payroll]
    title = { en = "Payroll", vi = "Bảng lương" }
    [collections.payroll.fields.gross_salary]
    title = { en = "Gross salary", vi = "Lương gộp" }
    type = "money"
    class = "salary"
    mask = "hidden"
    required = true

Start at `load_collections` (files to schema) and `parse_record` (input to values).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from secvault.crypto.canonical import JsonValue
from secvault.errors import ConfigurationError, FieldError, InvalidInput
from secvault.records.declared import (
    NAME,
    Table,
    bound,
    currency,
    flag,
    integer,
    name_of,
    only,
    option,
    table_of,
    texts,
    title_of,
    wrong,
)
from secvault.records.mask import MASK_TYPES, Mask
from secvault.records.value import (
    LONGEST_TEXT,
    MOST_DECIMALS,
    FieldType,
    Limits,
    parse_value,
)

OWN_ID = "id"
"""As the field of a person: the record's own id is the number of an employee."""
_MOST_UNKNOWN_FIELDS = 20

_FIELD_KEYS = frozenset({"title", "type", "class", "mask", "required"})
_LIMIT_KEYS: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset({"max_length", "multi_line"}),
    FieldType.INTEGER: frozenset({"minimum", "maximum"}),
    FieldType.DECIMAL: frozenset({"minimum", "maximum", "decimals"}),
    FieldType.MONEY: frozenset({"minimum", "maximum", "decimals", "currency", "currencies"}),
    FieldType.CHOICE: frozenset({"choices"}),
}

_READABLE = [(type_, "normal") for type_ in (FieldType.TEXT, FieldType.CHOICE)]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Sensitivity(StrEnum):
    """Why a field is sensitive. `normal` is stored in clear, everything else encrypted."""

    NORMAL = "normal"
    PERSONAL = "personal"
    IDENTITY = "identity"
    SALARY = "salary"
    BANK = "bank"
    HEALTH = "health"
    PRICE = "price"
    TRADE_SECRET = "trade_secret"  # noqa: S105 - a class of data, not a password


@dataclass(frozen=True)
class Field:
    """One field of a collection. title: by language, `en` always there. mask: None if normal."""

    name: str
    title: Mapping[str, str]
    type: FieldType
    sensitivity: Sensitivity
    mask: Mask | None
    required: bool
    limits: Limits

    def parse(self, value: JsonValue) -> JsonValue:
        """The stored form of one value. Raises InvalidInput at this field, never showing it."""
        return parse_value(self.type, self.limits, value, self.name)


class Release(StrEnum):
    """Who makes a draft of a record an approved one.

    second_person: somebody who neither entered nor changed it.
    """

    SECOND_PERSON = "second_person"


@dataclass(frozen=True)
class Collection:
    """One kind of record, owned by one department. Its name is unique over all departments.

    person_field, team_field: which employee a record is about, and its team; see `facts`. release:
    None where records are not approved.
    """

    name: str
    department: str
    title: Mapping[str, str]
    fields: Mapping[str, Field]
    release: Release | None = None
    person_field: str = ""
    team_field: str = ""


@dataclass(frozen=True)
class Department:
    """The collections that one file declares, in the order of the file."""

    name: str
    title: Mapping[str, str]
    collections: Mapping[str, Collection]


def parse_record(
    collection: Collection, values: Mapping[str, JsonValue], *, partial: bool
) -> dict[str, JsonValue]:
    """Return the stored form of a whole record, in the collection's order of fields.

    partial: a change of some fields; what is not named stays, and null comes back as None for
    "remove the value". Otherwise a new record: required fields must be there, and null is the
    same as leaving the field out. Raises one InvalidInput with every field at fault.
    """
    faults = _unknown_fields(collection, values)
    parsed: dict[str, JsonValue] = {}
    for name, field in collection.fields.items():
        if values.get(name) is not None:
            try:
                parsed[name] = field.parse(values[name])
            except InvalidInput as error:
                faults.extend(error.fields)
        elif field.required and (name in values or not partial):
            faults.append(FieldError(name, "is required"))
        elif name in values and partial:
            parsed[name] = None
    if faults:
        listed = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise InvalidInput(listed, fields=tuple(faults))
    return parsed


def load_collections(folder: Path) -> Mapping[str, Collection]:
    """Every collection that the files `<department>.toml` of the folder declare, by name.

    Raises ConfigurationError with file, key and mend for the first thing that is wrong.
    """
    return MappingProxyType(
        {
            name: collection
            for department in load_departments(folder).values()
            for name, collection in department.collections.items()
        }
    )


def load_departments(folder: Path) -> Mapping[str, Department]:
    """The same by department, sorted by name. Raises ConfigurationError likewise."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be listed: {error.strerror}") from error
    if not files:
        raise ConfigurationError(f"{folder}: holds no *.toml file; add one per department")
    return _departments({file: _text(file) for file in files})


def parse_collections(files: Mapping[str, str]) -> Mapping[str, Collection]:
    """Every collection that these texts declare, by name. files: by name of the file.

    Raises ConfigurationError with every fault: one for each field and title.
    """
    found = _departments({Path(name): text for name, text in files.items()})
    return MappingProxyType(
        {name: one for department in found.values() for name, one in department.collections.items()}
    )


def _departments(texts: Mapping[Path, str]) -> Mapping[str, Department]:
    home: dict[str, Path] = {}

    def one(file: Path, text: str) -> Department:
        department = _department(file, text)
        for name in department.collections:
            if name in home:
                wrong(file, f"collections.{name}", f"is declared in {home[name]} already")
            home[name] = file
        return department

    made = _all({file: partial(one, file, text) for file, text in texts.items()})
    return MappingProxyType({department.name: department for department in made.values()})


def _unknown_fields(collection: Collection, values: Mapping[str, JsonValue]) -> list[FieldError]:
    unknown = [name for name in values if name not in collection.fields]
    faults = []
    for name in unknown[:_MOST_UNKNOWN_FIELDS]:
        detail = f"is not a field of {collection.name}"
        readable = NAME.fullmatch(name) is not None
        close = difflib.get_close_matches(name, collection.fields, n=1) if readable else []
        faults.append(
            # What is no name at all may be anything, a value in the wrong place included.
            FieldError(
                name if readable else "(unreadable name)",
                f"{detail}; did you mean {close[0]}?" if close else detail,
            )
        )
    if len(unknown) > _MOST_UNKNOWN_FIELDS:
        more = len(unknown) - _MOST_UNKNOWN_FIELDS
        faults.append(FieldError("(more)", f"{more} more names are no fields of {collection.name}"))
    return faults


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file}: is not UTF-8 at byte {error.start}; save the file as UTF-8"
        ) from error


def _all(makers: Mapping[_K, Callable[[], _V]]) -> dict[_K, _V]:
    """Make each; when some cannot be made, raise all their faults together."""
    made: dict[_K, _V] = {}
    faults: list[ConfigurationError] = []
    for key, make in makers.items():
        try:
            made[key] = make()
        except ConfigurationError as error:
            faults.append(error)
    if faults:
        every = tuple(fault for error in faults for fault in error.fields)
        raise ConfigurationError("; ".join(error.detail for error in faults[:10]), fields=every)
    return made


def _department(file: Path, text: str) -> Department:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        wrong(file, "", f"is not TOML: {error}")
    only(file, "", document, frozenset({"department", "title", "collections"}))
    name = name_of(file, "department", document.get("department"))
    if name != file.stem:
        wrong(file, "department", f'must be "{file.stem}", as the file is named')
    tables = table_of(file, "collections", document.get("collections"))
    return Department(
        name=name,
        title=title_of(file, "title", document.get("title")),
        collections=MappingProxyType(
            _all({key: partial(_collection, file, name, key, it) for key, it in tables.items()})
        ),
    )


def _collection(file: Path, department: str, name: str, declared: object) -> Collection:
    at = f"collections.{name}"
    name_of(file, at, name)
    table = table_of(file, at, declared)
    only(file, f"{at}.", table, frozenset({"title", "fields", "person", "team", "release"}))
    named = table_of(file, f"{at}.fields", table.get("fields")).items()
    fields = _all({key: partial(_field, file, f"{at}.fields.{key}", key, it) for key, it in named})
    return Collection(
        name=name,
        department=department,
        title=title_of(file, f"{at}.title", table.get("title")),
        fields=MappingProxyType(fields),
        release=option(file, f"{at}.release", Release, table["release"])
        if "release" in table
        else None,
        person_field=_fact(file, f"{at}.person", fields, table.get("person"), OWN_ID),
        team_field=_fact(file, f"{at}.team", fields, table.get("team")),
    )


def _fact(
    file: Path, at: str, fields: Mapping[str, Field], declared: object, beside: str = ""
) -> str:
    if declared is None or (declared == beside and beside not in fields):
        return beside if declared else ""
    field = fields.get(declared) if isinstance(declared, str) else None
    if field is None or (field.type, field.sensitivity) not in _READABLE:
        also = f', or "{beside}" for the id of the record' if beside else ""
        wrong(file, at, f"must name a field of type text or choice and class normal{also}")
    return field.name


def _field(file: Path, at: str, name: str, declared: object) -> Field:
    name_of(file, at, name)
    table = table_of(file, at, declared)
    type_ = option(file, f"{at}.type", FieldType, table.get("type"))
    only(file, f"{at}.", table, _FIELD_KEYS | _LIMIT_KEYS.get(type_, frozenset()))
    sensitivity = option(file, f"{at}.class", Sensitivity, table.get("class"))
    return Field(
        name=name,
        title=title_of(file, f"{at}.title", table.get("title")),
        type=type_,
        sensitivity=sensitivity,
        mask=_mask(file, f"{at}.mask", type_, sensitivity, table.get("mask")),
        required=flag(file, f"{at}.required", table.get("required", False)),
        limits=_limits(file, at, type_, table),
    )


def _mask(
    file: Path, at: str, type_: FieldType, sensitivity: Sensitivity, declared: object
) -> Mask | None:
    if sensitivity is Sensitivity.NORMAL:
        if declared is not None:
            wrong(file, at, "has no meaning on a normal field; remove it or change the class")
        return None
    mask = option(file, at, Mask, declared)
    if type_ not in MASK_TYPES[mask]:
        fitting = ", ".join(mask for mask in Mask if type_ in MASK_TYPES[mask])
        wrong(file, at, f"does not fit the type {type_}; take one of {fitting}")
    return mask


def _limits(file: Path, at: str, type_: FieldType, table: Table) -> Limits:
    whole = type_ is FieldType.INTEGER
    limits = Limits(
        max_length=integer(file, f"{at}.max_length", table.get("max_length", 500), LONGEST_TEXT),
        multi_line=flag(file, f"{at}.multi_line", table.get("multi_line", False)),
        minimum=bound(file, f"{at}.minimum", table.get("minimum"), whole=whole),
        maximum=bound(file, f"{at}.maximum", table.get("maximum"), whole=whole),
        decimals=integer(file, f"{at}.decimals", table["decimals"], MOST_DECIMALS, least=0)
        if "decimals" in table
        else None,
        currency=currency(file, f"{at}.currency", table["currency"])
        if "currency" in table
        else None,
        currencies=tuple(
            currency(file, f"{at}.currencies", code)
            for code in texts(file, f"{at}.currencies", table.get("currencies", []))
        ),
        choices=texts(file, f"{at}.choices", table.get("choices", [])),
    )
    if (low := limits.minimum) is not None and (high := limits.maximum) is not None and low > high:
        wrong(file, f"{at}.minimum", "is above the maximum")
    if limits.currencies and limits.currency not in {None, *limits.currencies}:
        wrong(file, f"{at}.currency", "is not one of the currencies; add it there")
    if type_ is FieldType.CHOICE and not limits.choices:
        wrong(file, f"{at}.choices", 'is missing; write it like ["draft", "paid"]')
    return limits
