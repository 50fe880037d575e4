"""CSV (RFC 4180) in UTF-8, which no spreadsheet takes formulas from.

Text that begins like a formula has an apostrophe before it (`guard.guarded`, after OWASP's
CSV Injection), which programs take off again by `unguarded`; numbers and dates are written bare, by
this program alone, and can hold nothing else. Lines end with CR LF; every cell is quoted, so that
no separator in a text begins a cell of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from secvault.tabular.column import Cell, Column
from secvault.tabular.guard import guarded
from secvault.tabular.writer import Rows, Style

BYTE_ORDER_MARK = "\ufeff"
"""By which Excel knows UTF-8."""


class CsvFile:
    """One CSV file."""

    def __init__(self, heads: Sequence[str], *, mark: bool) -> None:
        self._text = io.StringIO(newline="")
        if mark:
            self._text.write(BYTE_ORDER_MARK)
        self._written = csv.writer(self._text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        self._written.writerow([guarded(head) for head in heads])

    def add(self, rows: Rows) -> bytes:
        """Write the rows; all bytes so far."""
        self._written.writerows([plain_text(cell) for cell in row] for row in rows)
        return self._taken()

    def end(self) -> Iterator[bytes]:
        """What is left."""
        yield self._taken()

    def _taken(self) -> bytes:
        taken = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return taken


def open_file(columns: Sequence[Column], style: Style) -> CsvFile:
    """An empty file with its heading."""
    heads = [column.title if style.titles else column.name for column in columns]
    return CsvFile(heads, mark=style.mark)


def plain_text(cell: Cell) -> str:
    """The cell as it stands in the file; nothing for no value."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return guarded(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return moment_text(cell)
    return str(cell)


def moment_text(cell: datetime) -> str:
    """RFC 3339 in UTC, such as 2026-11-03T10:00:00.000000Z."""
    return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
