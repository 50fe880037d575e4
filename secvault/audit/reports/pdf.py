"""The report as a PDF, in English or Vietnamese.

The template gets the document as data, never as markup: no value can change the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

from secvault.audit.reports.words import words
from secvault.crypto.canonical import JsonValue

MOST_SHOWN = 100
"""Rows of a table on paper; how many there are more is said, and the workbook has them."""


def report_pdf(document: Mapping[str, JsonValue], language: str) -> bytes:
    """The report as a PDF. document: as `document.document` makes it. Raises InvalidInput."""
    # Loaded when it is needed: it is large.
    import typst  # noqa: PLC0415

    template = resources.files("secvault.audit.reports") / "templates" / "access_report.typ"
    data = {
        "report": document,
        "words": words(language),
        "language": language,
        "most": MOST_SHOWN,
    }
    return bytes(
        typst.compile(
            template.read_bytes(),
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
        )
    )
