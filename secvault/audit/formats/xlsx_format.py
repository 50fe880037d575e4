"""Excel: typed cells, text that is never a formula, as many sheets as the events need.

A last sheet says what the workbook is of. Rows go to disk as they come, beside the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from secvault.audit.formats.cells import COLUMNS, row_of
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.moments import MomentTexts
from secvault.audit.leaf import StoredEvent
from secvault.tabular.xlsx_file import XlsxFile


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    texts = MomentTexts(facts.zone)
    written = 0
    with opened(file) as out:
        book = XlsxFile(COLUMNS, "Events", [column.title for column in COLUMNS], to=out)
        for stored in events:
            book.add([row_of(stored, texts)])
            written += 1
        book.tell(
            "About",
            {
                "Log": facts.origin,
                "Events": str(written),
                "Asked": json.dumps(facts.question.told(), ensure_ascii=False),
                "Made at (UTC)": texts.both(facts.made_at)[0],
                f"Made at ({facts.zone})": texts.both(facts.made_at)[1],
                "Program": f"secvault {facts.version}",
            },
        )
        for _ in book.end():
            pass
    return written
