"""The formats of exported files, and what all of their writers promise."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

from secvault.tabular.column import Cell, Column

Rows = Sequence[Sequence[Cell]]


class Format(StrEnum):
    """csv and xlsx are for people and have titles if asked for; jsonl and parquet for programs."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"
    PARQUET = "parquet"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSONL: "application/jsonl",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Writer(Protocol):
    """One file being written. The bytes that it gives, joined in order, are the file."""

    def add(self, rows: Rows) -> bytes:
        """Write rows with a cell for each column; the bytes that are ready."""
        ...

    def end(self) -> Iterator[bytes]:
        """The rest of the file, in parts. Nothing can be added after it."""
        ...


@dataclass(frozen=True)
class Style:
    """How a file for people looks; programs go by the names of columns.

    title: of the sheet. titles: whether the columns are headed by their titles, not their names.
    mark: whether CSV begins with a byte order mark, by which Excel knows that it is UTF-8.
    """

    title: str
    titles: bool = False
    mark: bool = True


class _Opening(Protocol):
    def __call__(self, columns: Sequence[Column], style: Style) -> Writer: ...


def open_writer(format_: Format, columns: Sequence[Column], style: Style) -> Writer:
    """A writer of an empty file.

    Nothing of it lies on disk, where what is in clear would outlive a kill. Raises
    ConfigurationError when the format needs a library that is not installed.
    """
    # Each brings a library that programs which never export do not load.
    room = importlib.import_module(f"secvault.tabular.{format_}_file")
    opening = cast("_Opening", room.open_file)
    return opening(columns, style)
