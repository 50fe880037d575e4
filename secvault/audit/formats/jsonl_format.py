"""JSON Lines: the exact leaf bytes, one a line, so that whoever has the file can hash the leaves.

The n-th line of the whole log is its n-th leaf; the line of a question's answer says by its `id`
which event it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.leaf import StoredEvent
from secvault.errors import Damaged


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    del facts
    written = 0
    with opened(file) as out:
        for stored in events:
            if b"\n" in stored.body:
                raise Damaged(f"event {stored.seq} is not canonical JSON; verify the log")
            out.write(stored.body)
            out.write(b"\n")
            written += 1
    return written
