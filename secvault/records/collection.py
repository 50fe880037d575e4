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
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeVar

from secvault.crypto.canonical import JsonValue
from secvault.errors import ConfigurationError, FieldError, InvalidInput
from secvault.records.currency import CURRENCY_DECIMALS
from secvault.records.mask import MASK_TYPES, Mask
from secvault.records.value import (
    LARGEST_INTEGER,
    LONGEST_TEXT,
    MOST_DECIMALS,
    FieldType,
    Limits,
    parse_value,
)

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names of departments, collections and fields."""

OWN_ID = "id"
"""As the field of a person: the record's own id is the number of an employee."""

_MOST_UNKNOWN_FIELDS = 20
_LANGUAGE = re.compile(r"[a-z]{2}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")

_FIELD_KEYS = frozenset({"title", "type", "class", "mask", "required"})
_LIMIT_KEYS: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset({"max_length", "multi_line"}),
    FieldType.INTEGER: frozenset({"minimum", "maximum"}),
    FieldType.DECIMAL: frozenset({"minimum", "maximum", "decimals"}),
    FieldType.MONEY: frozenset({"minimum", "maximum", "decimals", "currency", "currencies"}),
    FieldType.CHOICE: frozenset({"choices"}),
}

_READABLE = [(type_, "normal") for type_ in (FieldType.TEXT, FieldType.CHOICE)]

_Option = TypeVar("_Option", bound=StrEnum)
_Table = Mapping[str, object]


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


@dataclass(frozen=True)
class Collection:
    """One kind of record, owned by one department. Its name is unique over all departments.

    person_field: the one that says which employee a record is about, or OWN_ID; team_field: which
    team it belongs to. Empty when records are about nobody, or of no team; see `facts`.
    """

    name: str
    department: str
    title: Mapping[str, str]
    fields: Mapping[str, Field]
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
    departments: dict[str, Department] = {}
    home: dict[str, Path] = {}
    for file in files:
        department = _department(file)
        for name in department.collections:
            if name in home:
                _wrong(file, f"collections.{name}", f"is declared in {home[name]} already")
            home[name] = file
        departments[department.name] = department
    return MappingProxyType(departments)


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


def _department(file: Path) -> Department:
    try:
        document = tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file}: is not UTF-8 at byte {error.start}; save the file as UTF-8"
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from error
    _only(file, "", document, frozenset({"department", "title", "collections"}))
    name = _name(file, "department", document.get("department"))
    if name != file.stem:
        _wrong(file, "department", f'must be "{file.stem}", as the file is named')
    tables = _table(file, "collections", document.get("collections"))
    return Department(
        name=name,
        title=_title(file, "title", document.get("title")),
        collections=MappingProxyType(
            {key: _collection(file, name, key, table) for key, table in tables.items()}
        ),
    )


def _collection(file: Path, department: str, name: str, declared: object) -> Collection:
    at = f"collections.{name}"
    _name(file, at, name)
    table = _table(file, at, declared)
    _only(file, f"{at}.", table, frozenset({"title", "fields", "person", "team"}))
    listed = _table(file, f"{at}.fields", table.get("fields"))
    fields = {key: _field(file, f"{at}.fields.{key}", key, one) for key, one in listed.items()}
    return Collection(
        name=name,
        department=department,
        title=_title(file, f"{at}.title", table.get("title")),
        fields=MappingProxyType(fields),
        person_field=_fact(file, f"{at}.person", fields, table.get("person"), OWN_ID),
        team_field=_fact(file, f"{at}.team", fields, table.get("team")),
    )


def _fact(
    file: Path, at: str, fields: Mapping[str, Field], declared: object, beside: str = ""
) -> str:
    """The field that says whom a record is about, or of which team it is; empty for none."""
    if declared is None:
        return ""
    if declared == beside and beside not in fields:
        return beside
    field = fields.get(declared) if isinstance(declared, str) else None
    if field is None or (field.type, field.sensitivity) not in _READABLE:
        also = f', or "{beside}" for the id of the record' if beside else ""
        _wrong(file, at, f"must name a field of type text or choice and class normal{also}")
    return field.name


def _field(file: Path, at: str, name: str, declared: object) -> Field:
    _name(file, at, name)
    table = _table(file, at, declared)
    type_ = _option(file, f"{at}.type", FieldType, table.get("type"))
    _only(file, f"{at}.", table, _FIELD_KEYS | _LIMIT_KEYS.get(type_, frozenset()))
    sensitivity = _option(file, f"{at}.class", Sensitivity, table.get("class"))
    return Field(
        name=name,
        title=_title(file, f"{at}.title", table.get("title")),
        type=type_,
        sensitivity=sensitivity,
        mask=_mask(file, f"{at}.mask", type_, sensitivity, table.get("mask")),
        required=_flag(file, f"{at}.required", table.get("required", False)),
        limits=_limits(file, at, type_, table),
    )


def _mask(
    file: Path, at: str, type_: FieldType, sensitivity: Sensitivity, declared: object
) -> Mask | None:
    if sensitivity is Sensitivity.NORMAL:
        if declared is not None:
            _wrong(file, at, "has no meaning on a normal field; remove it or change the class")
        return None
    mask = _option(file, at, Mask, declared)
    if type_ not in MASK_TYPES[mask]:
        fitting = ", ".join(mask for mask in Mask if type_ in MASK_TYPES[mask])
        _wrong(file, at, f"does not fit the type {type_}; take one of {fitting}")
    return mask


def _limits(file: Path, at: str, type_: FieldType, table: _Table) -> Limits:
    whole = type_ is FieldType.INTEGER
    limits = Limits(
        max_length=_integer(file, f"{at}.max_length", table.get("max_length", 500), LONGEST_TEXT),
        multi_line=_flag(file, f"{at}.multi_line", table.get("multi_line", False)),
        minimum=_bound(file, f"{at}.minimum", table.get("minimum"), whole=whole),
        maximum=_bound(file, f"{at}.maximum", table.get("maximum"), whole=whole),
        decimals=_integer(file, f"{at}.decimals", table["decimals"], MOST_DECIMALS, least=0)
        if "decimals" in table
        else None,
        currency=_currency(file, f"{at}.currency", table["currency"])
        if "currency" in table
        else None,
        currencies=tuple(
            _currency(file, f"{at}.currencies", code)
            for code in _list(file, f"{at}.currencies", table.get("currencies", []))
        ),
        choices=_list(file, f"{at}.choices", table.get("choices", [])),
    )
    if (low := limits.minimum) is not None and (high := limits.maximum) is not None and low > high:
        _wrong(file, f"{at}.minimum", "is above the maximum")
    if limits.currencies and limits.currency not in {None, *limits.currencies}:
        _wrong(file, f"{at}.currency", "is not one of the currencies; add it there")
    if type_ is FieldType.CHOICE and not limits.choices:
        _wrong(file, f"{at}.choices", 'is missing; write it like ["draft", "paid"]')
    return limits


def _wrong(file: Path, at: str, mend: str) -> NoReturn:
    raise ConfigurationError(f"{file}: {at}: {mend}")


def _only(file: Path, prefix: str, table: _Table, known: frozenset[str]) -> None:
    for key in table:
        if key not in known:
            _wrong(file, f"{prefix}{key}", f"is not known here; known are {_listed(known)}")


def _table(file: Path, at: str, declared: object) -> _Table:
    if not isinstance(declared, dict) or not declared:
        _wrong(file, at, f"is missing or empty; write a table [{at}]")
    return declared


def _name(file: Path, at: str, declared: object) -> str:
    if not isinstance(declared, str) or not NAME.fullmatch(declared):
        _wrong(file, at, "must be a name of a-z, 0-9 and _, a letter first, 63 characters at most")
    return declared


def _title(file: Path, at: str, declared: object) -> Mapping[str, str]:
    titles = dict(_table(file, at, declared))
    if "en" not in titles:
        _wrong(file, at, 'has no English text; write it like { en = "Payroll", vi = "Bảng lương" }')
    texts: dict[str, str] = {}
    for language, text in titles.items():
        if not _LANGUAGE.fullmatch(language):
            _wrong(file, f"{at}.{language}", "is not a language of two letters (ISO 639)")
        if not isinstance(text, str) or not text.isprintable() or not text.strip():
            _wrong(file, f"{at}.{language}", "must be a line of text")
        texts[language] = text
    return MappingProxyType(texts)


def _option(file: Path, at: str, options: type[_Option], declared: object) -> _Option:
    for option in options:
        if declared == option.value:
            return option
    _wrong(file, at, f"must be one of {', '.join(options)}")


def _flag(file: Path, at: str, declared: object) -> bool:
    if not isinstance(declared, bool):
        _wrong(file, at, "must be true or false")
    return declared


def _integer(file: Path, at: str, declared: object, most: int, *, least: int = 1) -> int:
    if isinstance(declared, bool) or not isinstance(declared, int):
        _wrong(file, at, "must be a whole number")
    if not least <= declared <= most:
        _wrong(file, at, f"must lie between {least} and {most}")
    return declared


def _bound(file: Path, at: str, declared: object, *, whole: bool) -> Decimal | None:
    if declared is None:
        return None
    if whole:
        return Decimal(_integer(file, at, declared, LARGEST_INTEGER, least=-LARGEST_INTEGER))
    if not isinstance(declared, str) or not _DECIMAL.fullmatch(declared):
        _wrong(file, at, 'must be a number as text, like "12.5"')
    return Decimal(declared)


def _currency(file: Path, at: str, declared: object) -> str:
    if not isinstance(declared, str) or declared not in CURRENCY_DECIMALS:
        _wrong(file, at, 'must be a currency of ISO 4217, like "VND"')
    return declared


def _list(file: Path, at: str, declared: object) -> tuple[str, ...]:
    if not isinstance(declared, list) or not all(
        isinstance(item, str) and item.isprintable() and item.strip() for item in declared
    ):
        _wrong(file, at, 'must be a list of texts, like ["draft", "paid"]')
    if len(set(declared)) < len(declared):
        _wrong(file, at, "names something twice")
    return tuple(declared)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
