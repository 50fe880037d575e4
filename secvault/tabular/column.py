"""Columns of exported files, and the cells that are in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

Cell: TypeAlias = str | int | bool | Decimal | date | datetime | None


class Kind(StrEnum):
    """What a column holds: str, int, Decimal, bool, date, or datetime in UTC."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True)
class Column:
    """One column. name: ASCII, for programs. title: for people, in the language asked for.

    scale: digits after the point of a decimal.
    """

    name: str
    title: str
    kind: Kind
    scale: int = 0
