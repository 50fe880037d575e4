"""CSV (RFC 4180) in UTF-8, which no spreadsheet takes formulas from; see `tabular.csv_file`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from secvault.audit.formats.cells import COLUMNS, row_of
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.moments import MomentTexts
from secvault.audit.leaf import StoredEvent
from secvault.tabular.column import Cell
from secvault.tabular.csv_file import BYTE_ORDER_MARK
from secvault.tabular.guard import guarded


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    texts = MomentTexts(facts.zone)
    written = 0

    def rows() -> Iterator[list[Cell]]:
        nonlocal written
        for stored in events:
            written += 1
            # Ids begin with letters and digits: most cells are looked at no further.
            yield [
                guarded(cell) if type(cell) is str and cell and not cell[0].isalnum() else cell
                for cell in row_of(stored, texts)
            ]

    with opened(file) as out:
        text = io.TextIOWrapper(out, "utf-8", newline="", write_through=False)
        text.write(BYTE_ORDER_MARK)
        lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        lines.writerow([column.name for column in COLUMNS])
        lines.writerows(rows())
        text.flush()
        text.detach()
    return written
