"""Excel workbooks (.xlsx, ECMA-376), row by row, without what they could do.

Nothing is calculated: a cell with a formula is refused, its last result too, for nobody knows when
and from what it was made. Links to other files are not followed, macros not looked at. XML with
entities is refused by defusedxml, which openpyxl uses where it is installed.
"""

from __future__ import annotations

import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from secvault.errors import InvalidInput
from secvault.records.imports.row import Bad, Cell, Line, Number
from secvault.records.imports.spec import Bounds

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_FILE = "file"
_MOST_PARTS = 5_000
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_GENERAL = frozenset({"General", "0", "@"})
_AREA = re.compile(r"[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7}")
# From here on a double does not hold each whole number, and Excel keeps 15 digits of it.
_FIRST_INEXACT = 10**15

_FORMULA = Bad("holds a formula; copy the column and paste it as values")
_ERROR = Bad("holds an error that Excel shows instead of a value")
_TIME = Bad("holds a time without a day")
_REFUSED = {"f": _FORMULA, "e": _ERROR}
_TOO_LONG = "has more than 15 digits, of which Excel keeps 15; format the column as text, then type"


def xlsx_lines(file: BinaryIO, sheet: str, bounds: Bounds) -> Iterator[Line]:
    """The rows of one sheet; rows without any value are not given.

    file: can be sought in. sheet: its name; empty for the only one that is not hidden. Raises
    InvalidInput for what is no workbook, one that is larger than `bounds`, and merged cells, which
    show only after the last row.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - only where there is a workbook

    _check_parts(file, bounds)
    with _broken():
        book = load_workbook(file, read_only=True, data_only=False, keep_links=False)
    yield from _lines(_chosen(book.worksheets, sheet), bounds)


def _lines(sheet: ReadOnlyWorksheet, bounds: Bounds) -> Iterator[Line]:
    from openpyxl.worksheet._reader import WorkSheetParser  # noqa: PLC0415

    # The public way drops cells far to the right, and what is typed of the rest is not all of it.
    inner: Any = sheet
    book: Any = sheet.parent
    last = 0
    with _broken():
        parser = WorkSheetParser(
            inner._get_source(),  # noqa: SLF001
            inner._shared_strings,  # noqa: SLF001
            data_only=False,
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )
        rows = parser.parse()
    while True:
        with _broken():
            found = next(rows, None)
            if found is None:
                break
            number, cells = found
            values = _cells(sheet, cells, number, bounds)
        if not last < number <= bounds.rows + 1:
            raise InvalidInput.at(
                _FILE, f"has rows out of order, or more than {bounds.rows} of them"
            )
        last = number
        if values:
            yield Line(number, values)
    merged = [str(area.ref) for area in getattr(parser.merged_cells, "mergeCell", ())]
    if merged:
        where = f" ({merged[0]})" if _AREA.fullmatch(merged[0]) else ""
        raise InvalidInput.at(
            _FILE, f"has merged cells{where}, of which only the first holds a value; unmerge them"
        )


def _cells(
    sheet: ReadOnlyWorksheet, cells: list[Mapping[str, Any]], number: int, bounds: Bounds
) -> list[Cell]:
    values: list[Cell] = []
    for each in cells:
        value = _cell(sheet, each)
        if value is None:
            continue
        column = each["column"]
        if not len(values) < column <= bounds.columns:
            raise InvalidInput.at(
                _FILE, f"row {number} has more than {bounds.columns} columns, or one twice"
            )
        values.extend([None] * (column - 1 - len(values)))
        values.append(value)
    return values


def _cell(sheet: ReadOnlyWorksheet, cell: Mapping[str, Any]) -> Cell:
    kind, value = cell["data_type"], cell["value"]
    refused = _REFUSED.get(kind)
    if refused is not None:
        return refused
    if value is None or value == "":
        return None
    if isinstance(value, str | bool | datetime | date):
        return value
    return _number(sheet, cell) if isinstance(value, int | float) else _TIME


def _number(sheet: ReadOnlyWorksheet, cell: Mapping[str, Any]) -> Cell:
    from openpyxl.cell.read_only import ReadOnlyCell  # noqa: PLC0415

    value = cell["value"]
    if not math.isfinite(value):
        return Bad("holds a number that is not finite")
    if abs(value) >= _FIRST_INEXACT:
        return Bad(_TOO_LONG)
    # Excel shows 15 digits; what a double has beyond them is noise, as in 0.1 + 0.2.
    digits = str(value) if isinstance(value, int) else f"{Decimal(f'{value:.15g}'):f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    shown = ReadOnlyCell(sheet, **cell).number_format
    return Number(digits, general=shown in _GENERAL)


def _chosen(sheets: list[Any], name: str) -> ReadOnlyWorksheet:
    if name:
        for each in sheets:
            if each.title == name:
                found: ReadOnlyWorksheet = each
                return found
        raise InvalidInput.at("sheet", "the workbook has no sheet of that name")
    visible = [each for each in sheets if each.sheet_state == "visible"]
    if len(visible) != 1:
        count = len(visible) or "no"
        raise InvalidInput.at("sheet", f"the workbook shows {count} sheets; name the one to read")
    only: ReadOnlyWorksheet = visible[0]
    return only


def _check_parts(file: BinaryIO, bounds: Bounds) -> None:
    """Raise InvalidInput for what would unpack to more than is allowed, before it is unpacked."""
    if file.read(4) == _OLD_EXCEL:
        raise InvalidInput.at(
            _FILE, "is an old workbook (.xls) or has a password; save it as .xlsx without one"
        )
    file.seek(0)
    with _broken():
        parts = zipfile.ZipFile(file).infolist()
    if len(parts) > _MOST_PARTS or len({part.filename for part in parts}) < len(parts):
        raise InvalidInput.at(_FILE, f"has more than {_MOST_PARTS} parts, or one of them twice")
    if sum(part.file_size for part in parts) > bounds.expanded:
        raise InvalidInput.at(
            _FILE, f"unpacks to more than {bounds.expanded // 1024**2} MiB; split it"
        )
    for part in parts:
        if part.flag_bits & 1:
            raise InvalidInput.at(_FILE, "has a password; save it without one")
        if part.file_size > max(bounds.small, bounds.ratio * part.compress_size):
            raise InvalidInput.at(
                _FILE, f"has a part that is packed more than {bounds.ratio} times, as no table is"
            )
        if part.filename.endswith("sharedStrings.xml") and part.file_size > bounds.strings:
            raise InvalidInput.at(
                _FILE, f"has more than {bounds.strings // 1024**2} MiB of texts; split it"
            )
    file.seek(0)


@contextmanager
def _broken() -> Iterator[None]:
    """Turn whatever the libraries say of a broken workbook into our error, without their text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InvalidInput, MemoryError):
        raise
    # A parser of hostile XML fails in every way that there is; here each means the same.
    except Exception:  # noqa: BLE001
        raise InvalidInput.at(
            _FILE, "is no workbook that can be read: it is broken, or no .xlsx; save it anew"
        ) from None
