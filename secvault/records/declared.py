"""What the files of collections may say at a key: each kind of value read strictly, or refused.

All raise ConfigurationError with file, key and mend.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeAlias, TypeVar

from secvault.errors import ConfigurationError, FieldError
from secvault.records.currency import CURRENCY_DECIMALS
from secvault.records.value import LARGEST_INTEGER

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names of departments, collections and fields."""

_LANGUAGE = re.compile(r"[a-z]{2}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")

Option = TypeVar("Option", bound=StrEnum)
Table: TypeAlias = Mapping[str, object]


def wrong(file: Path, at: str, mend: str) -> NoReturn:
    """Raise ConfigurationError for what stands at a key. at: the dotted key, empty for the file."""
    where = f"{file}: {at}" if at else str(file)
    raise ConfigurationError(f"{where}: {mend}", fields=(FieldError(where, mend),))


def only(file: Path, prefix: str, table: Table, known: frozenset[str]) -> None:
    """Return when the table has no key but the known ones."""
    for key in table:
        if key not in known:
            wrong(file, f"{prefix}{key}", f"is not known here; known are {_listed(known)}")


def table_of(file: Path, at: str, declared: object) -> Table:
    """What must be a table that holds something."""
    if not isinstance(declared, dict) or not declared:
        wrong(file, at, f"is missing or empty; write a table [{at}]")
    return declared


def name_of(file: Path, at: str, declared: object) -> str:
    """What must be the name of a department, collection or field."""
    if not isinstance(declared, str) or not NAME.fullmatch(declared):
        wrong(file, at, "must be a name of a-z, 0-9 and _, a letter first, 63 characters at most")
    return declared


def title_of(file: Path, at: str, declared: object) -> Mapping[str, str]:
    """What must be texts by language, English among them."""
    titles = dict(table_of(file, at, declared))
    if "en" not in titles:
        wrong(file, at, 'has no English text; write it like { en = "Payroll", vi = "Bảng lương" }')
    texts: dict[str, str] = {}
    for language, text in titles.items():
        if not _LANGUAGE.fullmatch(language):
            wrong(file, f"{at}.{language}", "is not a language of two letters (ISO 639)")
        if not isinstance(text, str) or not text.isprintable() or not text.strip():
            wrong(file, f"{at}.{language}", "must be a line of text")
        texts[language] = text
    return MappingProxyType(texts)


def option(file: Path, at: str, options: type[Option], declared: object) -> Option:
    """What must be one of the options."""
    for option in options:
        if declared == option.value:
            return option
    wrong(file, at, f"must be one of {', '.join(options)}")


def flag(file: Path, at: str, declared: object) -> bool:
    """What must be true or false."""
    if not isinstance(declared, bool):
        wrong(file, at, "must be true or false")
    return declared


def integer(file: Path, at: str, declared: object, most: int, *, least: int = 1) -> int:
    """What must be a whole number from `least` to `most`."""
    if isinstance(declared, bool) or not isinstance(declared, int):
        wrong(file, at, "must be a whole number")
    if not least <= declared <= most:
        wrong(file, at, f"must lie between {least} and {most}")
    return declared


def bound(file: Path, at: str, declared: object, *, whole: bool) -> Decimal | None:
    """What may be a bound of numbers: whole, or a decimal written as text."""
    if declared is None:
        return None
    if whole:
        return Decimal(integer(file, at, declared, LARGEST_INTEGER, least=-LARGEST_INTEGER))
    if not isinstance(declared, str) or not _DECIMAL.fullmatch(declared):
        wrong(file, at, 'must be a number as text, like "12.5"')
    return Decimal(declared)


def currency(file: Path, at: str, declared: object) -> str:
    """What must be the code of a currency."""
    if not isinstance(declared, str) or declared not in CURRENCY_DECIMALS:
        wrong(file, at, 'must be a currency of ISO 4217, like "VND"')
    return declared


def texts(file: Path, at: str, declared: object) -> tuple[str, ...]:
    """What must be different lines of text."""
    if not isinstance(declared, list) or not all(
        isinstance(item, str) and item.isprintable() and item.strip() for item in declared
    ):
        wrong(file, at, 'must be a list of texts, like ["draft", "paid"]')
    if len(set(declared)) < len(declared):
        wrong(file, at, "names something twice")
    return tuple(declared)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
