"""How the sealed values of a field are found: which blind indexes a schema asks for, how wide.

Every index leaks which records are alike in what it is over; fewer bits mix more values together
and leak less, at the price of more records opened in vain. docs/reference/collections.md has the
measure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from secvault.records.declared import integer, only, table_of, wrong
from secvault.records.value import FieldType

FEWEST_BITS = 4
MOST_BITS = 256
"""Of a token: HMAC-SHA-256 has no more."""

LONGEST_PART = 32
LARGEST_INDEX_VERSION = 1_000_000

POWER_10 = "power10"
"""Buckets by the number of digits before the point."""

DAYS = ("day", "month", "quarter", "year")
"""What dates and moments can be put together by."""

_STEP = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?")

_NUMBERED = frozenset(
    {
        FieldType.TEXT,
        FieldType.PHONE,
        FieldType.ACCOUNT,
        FieldType.IDENTITY_NUMBER,
        FieldType.TAX_CODE,
        FieldType.SOCIAL_INSURANCE_NUMBER,
        FieldType.IBAN,
        FieldType.CARD,
    }
)
_DATED = frozenset({FieldType.DATE, FieldType.DATETIME})
_AMOUNTS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY})

INDEX_TYPES: Mapping[str, frozenset[FieldType]] = {
    "exact": frozenset(FieldType) - {FieldType.ATTACHMENT},
    "prefix": _NUMBERED | {FieldType.EMAIL},
    "last": _NUMBERED,
    "range": _DATED | _AMOUNTS,
}
"""The types of fields that each kind of index is made for."""


@dataclass(frozen=True)
class Part:
    """The first or the last `length` characters of the normalised value, in `bits` bits."""

    length: int
    bits: int


@dataclass(frozen=True)
class Buckets:
    """Values put together before they are indexed, in `bits` bits.

    by: one of `DAYS` for dates and moments (UTC); for numbers and amounts a step such as
    "1000000" (the bucket is floor(amount / step), amounts by currency) or `POWER_10`.
    """

    by: str
    bits: int


@dataclass(frozen=True)
class Index:
    """The indexes over one sensitive field, at least one. exact: bits over the whole value.

    version: in the derivation of the key; raised, the tokens are all made anew.
    """

    exact: int | None = None
    prefix: Part | None = None
    last: Part | None = None
    range: Buckets | None = None
    version: int = 1

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which indexes there are, of `INDEX_TYPES`."""
        return tuple(kind for kind in INDEX_TYPES if getattr(self, kind) is not None)


def index_of(
    file: Path,
    at: str,
    type_: FieldType,
    declared: object,
    *,
    sensitive: bool,
) -> Index | None:
    """What may be the indexes of a field of this type. Raises ConfigurationError."""
    if declared is None:
        return None
    if not sensitive:
        wrong(file, at, "is not needed on a normal field, which is searched in clear; remove it")
    table = table_of(file, at, declared)
    only(file, f"{at}.", table, frozenset({*INDEX_TYPES, "version"}))
    for kind, types in INDEX_TYPES.items():
        if kind in table and type_ not in types:
            fitting = [one for one, of in INDEX_TYPES.items() if type_ in of]
            mend = f"take one of {', '.join(fitting)}" if fitting else "remove the index"
            wrong(file, f"{at}.{kind}", f"does not fit the type {type_}; {mend}")
    if not set(table) & set(INDEX_TYPES):
        wrong(file, at, "asks for no index; write it like { exact = 32 }")
    return Index(
        exact=_bits(file, f"{at}.exact", table["exact"]) if "exact" in table else None,
        prefix=_part(file, f"{at}.prefix", table["prefix"]) if "prefix" in table else None,
        last=_part(file, f"{at}.last", table["last"]) if "last" in table else None,
        range=_buckets(file, f"{at}.range", type_, table["range"]) if "range" in table else None,
        version=integer(file, f"{at}.version", table.get("version", 1), LARGEST_INDEX_VERSION),
    )


def _bits(file: Path, at: str, declared: object) -> int:
    return integer(file, at, declared, MOST_BITS, least=FEWEST_BITS)


def _part(file: Path, at: str, declared: object) -> Part:
    table = table_of(file, at, declared)
    only(file, f"{at}.", table, frozenset({"length", "bits"}))
    return Part(
        length=integer(file, f"{at}.length", table.get("length"), LONGEST_PART),
        bits=_bits(file, f"{at}.bits", table.get("bits")),
    )


def _buckets(file: Path, at: str, type_: FieldType, declared: object) -> Buckets:
    table = table_of(file, at, declared)
    only(file, f"{at}.", table, frozenset({"by", "bits"}))
    by, bits = table.get("by"), _bits(file, f"{at}.bits", table.get("bits"))
    if type_ in _DATED:
        if not isinstance(by, str) or by not in DAYS:
            wrong(file, f"{at}.by", f"must be one of {', '.join(DAYS)}")
    elif by != POWER_10 and not _is_step(type_, by):
        whole = "a whole" if type_ is FieldType.INTEGER else "a"
        wrong(file, f"{at}.by", f'must be {whole} step as text, like "1000000", or "{POWER_10}"')
    return Buckets(by=str(by), bits=bits)


def _is_step(type_: FieldType, by: object) -> bool:
    if not isinstance(by, str) or not _STEP.fullmatch(by) or Decimal(by) == 0:
        return False
    return type_ is not FieldType.INTEGER or "." not in by
