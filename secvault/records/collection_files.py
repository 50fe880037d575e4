"""The files that declare a company's collections, read strictly: one per department.

Named after the department (`hr.toml`):

    department = "hr"
    title = { en = "Human resources", vi = "Nhân sự" }
    [collections.payroll]
    title = { en = "Payroll", vi = "Bảng lương" }
    version = 2
    [collections.payroll.fields.gross_salary]
    title = { en = "Gross salary", vi = "Lương gộp" }
    type = "money"
    class = "salary"
    mask = "hidden"
    required = true
    index = { range = { by = "1000000", bits = 16 } }

docs/reference/collections.md says every key. Start at `load_collections`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from secvault.errors import ConfigurationError
from secvault.records.collection import OWN_ID, Collection, Department, Field, Release, Sensitivity
from secvault.records.content_type import KNOWN_TYPES, LARGEST_CONTENT
from secvault.records.declared import (
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
from secvault.records.schema_deidentify import deidentify_of
from secvault.records.schema_index import index_of
from secvault.records.schema_retention import retention_of
from secvault.records.value import (
    LONGEST_TEXT,
    MOST_DECIMALS,
    FieldType,
    Limits,
)

LARGEST_VERSION = 1_000_000

_FIELD_KEYS = frozenset(
    {"title", "type", "class", "mask", "required", "index", "retired", "deidentify"}
)
_COLLECTION_KEYS = frozenset(
    {"title", "version", "fields", "person", "team", "subject", "release", "retention"}
)
_LIMIT_KEYS: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset({"max_length", "multi_line"}),
    FieldType.INTEGER: frozenset({"minimum", "maximum"}),
    FieldType.DECIMAL: frozenset({"minimum", "maximum", "decimals"}),
    FieldType.MONEY: frozenset({"minimum", "maximum", "decimals", "currency", "currencies"}),
    FieldType.CHOICE: frozenset({"choices"}),
    FieldType.ATTACHMENT: frozenset({"max_bytes", "types"}),
}

_READABLE = [(type_, "normal") for type_ in (FieldType.TEXT, FieldType.CHOICE)]
_K = TypeVar("_K")
_V = TypeVar("_V")


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
    only(file, f"{at}.", table, _COLLECTION_KEYS)
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
        version=integer(file, f"{at}.version", table.get("version", 1), LARGEST_VERSION),
        subject_field=_subject(file, f"{at}.subject", fields, table.get("subject")),
        retention=retention_of(
            file, f"{at}.retention", table.get("retention"), _days(fields), fields
        ),
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
    if field.retired:
        wrong(
            file, at, f"names {field.name}, which is retired; name a field in use, or remove this"
        )
    return field.name


def _subject(file: Path, at: str, fields: Mapping[str, Field], declared: object) -> str:
    name = _fact(file, at, fields, declared, OWN_ID)
    if name in fields and not fields[name].required:
        wrong(file, at, f"names {name}, which a record may lack; make that field required")
    return name


def _days(fields: Mapping[str, Field]) -> frozenset[str]:
    """The fields that a period of retention can begin with."""
    return frozenset(
        field.name
        for field in fields.values()
        if field.type in {FieldType.DATE, FieldType.DATETIME}
        and not (field.sensitive or field.retired)
    )


def _field(file: Path, at: str, name: str, declared: object) -> Field:
    name_of(file, at, name)
    table = table_of(file, at, declared)
    type_ = option(file, f"{at}.type", FieldType, table.get("type"))
    only(file, f"{at}.", table, _FIELD_KEYS | _LIMIT_KEYS.get(type_, frozenset()))
    sensitivity = option(file, f"{at}.class", Sensitivity, table.get("class"))
    sensitive = sensitivity is not Sensitivity.NORMAL
    if type_ is FieldType.ATTACHMENT and not sensitive:
        wrong(file, f"{at}.class", "of an attachment cannot be normal: files are stored encrypted")
    field = Field(
        name=name,
        title=title_of(file, f"{at}.title", table.get("title")),
        type=type_,
        sensitivity=sensitivity,
        mask=_mask(file, f"{at}.mask", type_, sensitivity, table.get("mask")),
        required=flag(file, f"{at}.required", table.get("required", False)),
        limits=_limits(file, at, type_, table),
        index=index_of(file, f"{at}.index", type_, table.get("index"), sensitive=sensitive),
        retired=flag(file, f"{at}.retired", table.get("retired", False)),
        deidentify=deidentify_of(
            file, f"{at}.deidentify", type_, table.get("deidentify"), sensitive=sensitive
        ),
    )
    if field.required and (field.retired or type_ is FieldType.ATTACHMENT):
        why = "a retired field" if field.retired else "an attachment, which comes after the record"
        wrong(file, f"{at}.required", f"cannot be asked of {why}; remove it")
    return field


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
        max_bytes=integer(file, f"{at}.max_bytes", table["max_bytes"], LARGEST_CONTENT)
        if "max_bytes" in table
        else None,
        types=texts(file, f"{at}.types", table.get("types", [])),
    )
    if (low := limits.minimum) is not None and (high := limits.maximum) is not None and low > high:
        wrong(file, f"{at}.minimum", "is above the maximum")
    if limits.currencies and limits.currency not in {None, *limits.currencies}:
        wrong(file, f"{at}.currency", "is not one of the currencies; add it there")
    if type_ is FieldType.CHOICE and not limits.choices:
        wrong(file, f"{at}.choices", 'is missing; write it like ["draft", "paid"]')
    if unknown := sorted(set(limits.types) - KNOWN_TYPES.keys()):
        wrong(file, f"{at}.types", f"{unknown[0]} is none of {', '.join(KNOWN_TYPES)}")
    return limits
