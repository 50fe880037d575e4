"""CSV (RFC 4180) in UTF-8, which no spreadsheet takes formulas from; see `tabular.csv_file`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from secvault.audit.formats.cells import COLUMNS, row_of
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.moments import MomentTexts
from secvault.audit.leaf import StoredEvent
from secvault.tabular.column import Cell, Kind
from secvault.tabular.csv_file import BYTE_ORDER_MARK, plain_text

_TOGETHER = 1 << 18
"""Characters that are written at once."""

_DETAIL = next(at for at, column in enumerate(COLUMNS) if column.name == "detail")
_NUMBERS = tuple(at for at, column in enumerate(COLUMNS) if column.kind is Kind.INTEGER)
_QUOTES = 2 * len(COLUMNS)

# What `guard` looks for, behind a quotation mark, or an apostrophe that may stand before it. Texts
# within the detail are found too, which costs time and nothing else.
_PERHAPS_FORMULA = re.compile("\"['=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    texts = MomentTexts(facts.zone)
    written = length = 0
    waiting = [BYTE_ORDER_MARK, _careful([column.name for column in COLUMNS])]
    with opened(file) as out:
        for stored in events:
            text = line(row_of(stored, texts))
            waiting.append(text)
            length += len(text)
            written += 1
            if length > _TOGETHER:
                out.write("".join(waiting).encode())
                waiting.clear()
                length = 0
        out.write("".join(waiting).encode())
    return written


def line(cells: list[Cell]) -> str:
    """The row with its end: every cell quoted, none a formula.

    Nearly all events hold nothing that a quotation mark or a formula begins with, and are joined
    as they are; it is ten times as quick as looking at each cell.
    """
    said: list[Any] = list(cells)
    for at in _NUMBERS:
        said[at] = "" if said[at] is None else str(said[at])
    doubled = said[_DETAIL] = said[_DETAIL].replace('"', '""')
    joined = '"' + '","'.join(said) + '"'
    if joined.count('"') == _QUOTES + doubled.count('"') and not _PERHAPS_FORMULA.search(joined):
        return f"{joined}\r\n"
    return _careful(cells)


def _careful(cells: list[Cell] | list[str]) -> str:
    text = io.StringIO(newline="")
    made = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    made.writerow([plain_text(cell) for cell in cells])
    return text.getvalue()
