"""Excel by xlsxwriter, row by row: dates are dates, amounts are numbers, text is never a formula.

Numbers that Excel would round (more than 15 significant digits), and days before its calendar, are
written as text. A workbook of records is put together in memory, because what is in clear has no
place on disk; so it has an end long before Excel's own. One that may lie on disk goes there row by
row, and goes on in further sheets.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, BinaryIO

from secvault.errors import InvalidInput
from secvault.tabular.column import Cell, Column, Kind
from secvault.tabular.writer import Rows, Style

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format as CellStyle
    from xlsxwriter.worksheet import Worksheet

MOST_RECORDS = 50_000
"""Of a workbook; with a dozen fields it takes some 200 MB of memory while it is made."""
MOST_ROWS = 1_048_576
"""Of a sheet of Excel, with its heading."""
MOST_CHARACTERS = 32_767
"""Of a cell, in UTF-16."""

_EXACT_DIGITS = 15
_FIRST_YEAR = 1901
"""Excel counts a 29 February 1900 that there never was."""
_PART = 1 << 20
_WIDTHS = {Kind.TEXT: 24, Kind.DATETIME: 20}
_NOT_IN_NAMES = str.maketrans("", "", "[]:*?/\\'")


class XlsxFile:
    """One workbook."""

    def __init__(
        self,
        columns: Sequence[Column],
        title: str,
        heads: Sequence[str],
        *,
        to: BinaryIO | None = None,
    ) -> None:
        """to: the open file where the workbook lies; None for one that is put together in memory,
        whose bytes come at the end.
        """
        from xlsxwriter import Workbook  # noqa: PLC0415 - loaded where one is written

        self._columns = tuple(columns)
        self._heads = tuple(heads)
        self._to = to
        self._file: BinaryIO = io.BytesIO() if to is None else to
        self._book: Workbook = Workbook(
            self._file,
            {
                "in_memory": to is None,
                "constant_memory": to is not None,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        self._heading: CellStyle = self._book.add_format({"bold": True, "text_wrap": True})
        self._styles: dict[Kind, CellStyle] = {
            Kind.TEXT: self._book.add_format({"num_format": "@"}),
            Kind.DATE: self._book.add_format({"num_format": "yyyy-mm-dd"}),
            Kind.DATETIME: self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        self._name = title.translate(_NOT_IN_NAMES)[:31] or "records"
        self._sheets = 0
        self._next_sheet()

    def add(self, rows: Rows) -> bytes:
        """Write the rows; the bytes come at the end."""
        for row in rows:
            if self._to is None and self._at > MOST_RECORDS:
                raise InvalidInput.at(
                    "format",
                    f"an Excel file holds {MOST_RECORDS} records at most; export more as csv, "
                    "jsonl or parquet",
                )
            if self._at == MOST_ROWS:
                self._next_sheet()
            for place, cell in enumerate(row):
                if cell is not None:
                    self._write(place, cell)
            self._at += 1
        return b""

    def tell(self, title: str, facts: Mapping[str, str]) -> None:
        """Add a sheet of facts about the others; no rows can be added after it."""
        sheet = self._book.add_worksheet(title)
        sheet.set_column(0, 1, 40)
        for at, (name, fact) in enumerate(facts.items()):
            sheet.write_string(at, 0, name, self._heading)
            sheet.write_string(at, 1, fact, self._styles[Kind.TEXT])

    def end(self) -> Iterator[bytes]:
        """Put the workbook together, and give its bytes unless they lie where they belong."""
        self._book.close()
        if self._to is not None:
            return
        self._file.seek(0)
        while part := self._file.read(_PART):
            yield part

    def _next_sheet(self) -> None:
        self._sheets += 1
        name = self._name if self._sheets == 1 else f"{self._name[:27]} {self._sheets}"
        self._sheet: Worksheet = self._book.add_worksheet(name)
        for place, (column, head) in enumerate(zip(self._columns, self._heads, strict=True)):
            self._sheet.set_column(place, place, _WIDTHS.get(column.kind, 14))
            self._sheet.write_string(0, place, head, self._heading)
        self._sheet.freeze_panes(1, 0)
        self._at = 1

    def _write(self, place: int, cell: Cell) -> None:
        sheet, at = self._sheet, self._at
        if isinstance(cell, bool):
            sheet.write_boolean(at, place, cell)
        elif isinstance(cell, int | Decimal):
            if _is_exact(cell):
                sheet.write_number(at, place, float(cell))
            else:
                sheet.write_string(
                    at, place, f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
                )
        elif isinstance(cell, datetime):
            told = cell.astimezone(UTC).replace(tzinfo=None)
            if told.year >= _FIRST_YEAR:
                sheet.write_datetime(at, place, told, self._styles[Kind.DATETIME])
            else:
                sheet.write_string(at, place, f"{told.isoformat(sep=' ')}", self._styles[Kind.TEXT])
        elif isinstance(cell, date):
            if cell.year >= _FIRST_YEAR:
                sheet.write_datetime(at, place, cell, self._styles[Kind.DATE])
            else:
                sheet.write_string(at, place, cell.isoformat(), self._styles[Kind.TEXT])
        elif isinstance(cell, str):
            self._write_text(place, cell)

    def _write_text(self, place: int, cell: str) -> None:
        if len(cell.encode("utf-16-le")) > 2 * MOST_CHARACTERS:
            raise InvalidInput.at(
                self._columns[place].name,
                f"holds a text of more than {MOST_CHARACTERS} characters, which no cell of Excel "
                "can hold; export it as csv, jsonl or parquet",
            )
        # As text also for whoever edits the cell: else Excel would read it anew, as a formula.
        self._sheet.write_string(self._at, place, cell, self._styles[Kind.TEXT])


def open_file(columns: Sequence[Column], style: Style) -> XlsxFile:
    """An empty workbook with its heading."""
    heads = [column.title if style.titles else column.name for column in columns]
    return XlsxFile(columns, style.title, heads)


def _is_exact(number: int | Decimal) -> bool:
    """Whether Excel shows just this number."""
    if type(number) is int and -(10**_EXACT_DIGITS) < number < 10**_EXACT_DIGITS:
        return True
    digits = "".join(map(str, Decimal(number).as_tuple().digits)).strip("0")
    whole = Decimal(number).copy_abs() < 10**_EXACT_DIGITS
    return len(digits) <= _EXACT_DIGITS and whole
