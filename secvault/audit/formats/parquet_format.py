"""Parquet by pyarrow, an extra: moments are timestamps in UTC, the rest as in `cells`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from secvault.audit.formats.cells import COLUMNS, TIME_AT, row_of
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.moments import MomentTexts
from secvault.audit.leaf import StoredEvent
from secvault.clock import moment
from secvault.tabular.column import Cell, Kind
from secvault.tabular.parquet_file import GROUP_ROWS, open_file
from secvault.tabular.writer import Style


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    texts = MomentTexts(facts.zone)
    columns = list(COLUMNS)
    columns[TIME_AT] = replace(columns[TIME_AT], kind=Kind.DATETIME)
    made = open_file(columns, Style("Events"))
    written = 0
    with opened(file) as out:
        rows: list[list[Cell]] = []
        for stored in events:
            row = row_of(stored, texts)
            row[TIME_AT] = moment(stored.t)
            rows.append(row)
            written += 1
            if len(rows) == GROUP_ROWS:
                out.write(made.add(rows))
                rows = []
        out.write(made.add(rows))
        out.writelines(made.end())
    return written
