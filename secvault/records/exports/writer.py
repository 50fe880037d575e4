"""The formats of exported files, and what all of their writers promise."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, cast

from secvault.records.exports.column import Cell, Column

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

FOR_PEOPLE = frozenset({Format.CSV, Format.XLSX})
"""The formats that spreadsheets open: text that they would take for a formula is defused there."""


class Writer(Protocol):
    """One file being written. The bytes that it gives, joined in order, are the file."""

    def add(self, rows: Rows) -> bytes:
        """Write rows with a cell for each column; the bytes that are ready."""
        ...

    def end(self) -> Iterator[bytes]:
        """The rest of the file, in parts. Nothing can be added after it."""
        ...

    def drop(self) -> None:
        """Remove what it keeps on disk, whether or not it came to its end."""
        ...


class _Opening(Protocol):
    def __call__(
        self, columns: Sequence[Column], *, title: str, titles: bool, scratch: Path
    ) -> Writer: ...


def open_writer(
    format_: Format, columns: Sequence[Column], *, title: str, titles: bool, scratch: Path
) -> Writer:
    """A writer of an empty file.

    title: of the collection. titles: whether the columns of a file for people are headed by their
    titles, not their names. scratch: a folder for what does not fit memory; made when it is needed.
    Raises ConfigurationError when the format needs a library that is not installed.
    """
    # Each brings a library that programs which never export do not load.
    room = importlib.import_module(f"secvault.records.exports.{format_}_file")
    opening = cast("_Opening", room.open_file)
    return opening(columns, title=title, titles=titles, scratch=scratch)
