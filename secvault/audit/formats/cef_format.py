"""ArcSight Common Event Format, version 0: one event a line, UTF-8, for a SIEM that asks for it.

Header fields escape `\\` and `|`, values of the extension `\\`, `=` and line ends, as the
"ArcSight Common Event Format Implementation Standard" says. What the standard has no key for are
custom strings, each with its label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from secvault.audit.formats.cells import leaf_hash
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.ocsf_mapping import mapping
from secvault.audit.leaf import StoredEvent

_SEVERITIES: Mapping[int, int] = {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}
"""Of OCSF, as CEF counts them from 0 to 10."""

_HEADER = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": " ", "\r": " "})
_VALUE = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    written = 0
    with opened(file) as out:
        for stored in events:
            out.write(line(stored, version=facts.version, origin=facts.origin).encode())
            out.write(b"\n")
            written += 1
    return written


def line(stored: StoredEvent, *, version: str, origin: str) -> str:
    """The event as one line without its end."""
    event = stored.event
    kind = event.kind.translate(_HEADER)
    severity = _SEVERITIES[mapping().severity(event.kind, event.outcome)]
    head = f"CEF:0|secvault|secvault|{version}|{kind}|{kind} {event.outcome}|{severity}|"
    note = event.decision
    given = {
        "rt": str(stored.t // 1_000),
        "externalId": stored.id,
        "act": event.kind,
        "outcome": event.outcome,
        "suid": event.actor.subject,
        "spriv": ",".join(event.actor.roles),
        "filePath": event.resource,
        "reason": str(event.detail.get("reason", "")),
        "cnt": "" if event.count is None else str(event.count),
        "dvchost": stored.number.node,
        "cn1": str(stored.seq),
        "cn1Label": "seq",
    }
    custom = (
        ("department", event.department),
        ("request", event.request),
        ("rule", "" if note is None else note.rule),
        ("decision", "" if note is None else note.id),
        ("leafHash", leaf_hash(stored.body)),
        ("log", origin),
    )
    for number, (label, value) in enumerate(custom, 1):
        if value:
            given[f"cs{number}"] = value
            given[f"cs{number}Label"] = label
    return head + " ".join(
        f"{key}={value.translate(_VALUE)}" for key, value in given.items() if value
    )
