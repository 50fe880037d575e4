"""What readers give: cells as a file has them, and rows as values of fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import msgspec


@dataclass(frozen=True)
class Number:
    """A cell that holds a number. digits: plain, with a point. general: shown as it is stored,
    so that no zero in front is lost by reading it.
    """

    digits: str
    general: bool


@dataclass(frozen=True)
class Bad:
    """A cell that is not taken, and why; never with what it holds."""

    why: str


Cell: TypeAlias = str | bool | Number | date | datetime | Bad | None


@dataclass(frozen=True)
class Line:
    """A row of a table as it stands in the file, with its number as a spreadsheet shows it."""

    number: int
    cells: Iterable[Cell]


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What is wrong with a row. field: a field, `id`, a column as `column 3`, or empty."""

    field: str
    detail: str


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One record of a file, or why it is none.

    number: of the row in the file; the heading is row 1. id: as the file says; None without an id
    column. values: by field, JSON as the schema takes it. A row with faults is not imported.
    """

    number: int
    id: str | None
    values: dict[str, Any]
    faults: tuple[Fault, ...] = ()
