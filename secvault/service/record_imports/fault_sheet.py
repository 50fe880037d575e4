"""What is wrong with a file, as a sheet to work through."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from secvault.records.imports.import_row import FaultOfRow
from secvault.tabular.guard import guarded


def as_csv(faults: Iterable[FaultOfRow]) -> bytes:
    """The faults as CSV in UTF-8 with a byte order mark, for Excel; no cell is a formula there."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("row", "field", "problem"))
    for each in faults:
        writer.writerow((each.line, guarded(each.field), guarded(each.detail)))
    return out.getvalue().encode("utf-8-sig")
