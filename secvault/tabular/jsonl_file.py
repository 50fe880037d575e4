"""JSON Lines: one object a line, UTF-8, with every column in each.

Decimals are texts, because programs read JSON numbers with a point as floats; dates as in ISO 8601,
moments as in RFC 3339, UTC. Values are as they are: nothing is defused for spreadsheets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from secvault.tabular.column import Cell, Column
from secvault.tabular.csv_file import moment_text
from secvault.tabular.writer import Rows, Style


class JsonLinesFile:
    """One file of JSON Lines."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def add(self, rows: Rows) -> bytes:
        """The lines of the rows."""
        return "".join(
            json.dumps(
                {name: _json(cell) for name, cell in zip(self._names, row, strict=True)},
                ensure_ascii=False,
            )
            + "\n"
            for row in rows
        ).encode()

    def end(self) -> Iterator[bytes]:
        """Nothing more."""
        yield b""


def open_file(columns: Sequence[Column], style: Style) -> JsonLinesFile:
    """An empty file. Programs go by names: titles are not used."""
    del style
    return JsonLinesFile([column.name for column in columns])


def _json(cell: Cell) -> str | int | None:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return moment_text(cell)
    return cell.isoformat() if isinstance(cell, date) else cell
