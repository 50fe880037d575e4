"""The report as a document for programs, from which the PDF and the workbook are made.

It has no language: what is said in it are keys of `words/`, moments, numbers and ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from secvault import __version__
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.questions.saved import Row, Value
from secvault.audit.reports.controls import Control
from secvault.audit.reports.period import Period, told
from secvault.audit.reports.table import Table
from secvault.audit.verify import AuditReport
from secvault.clock import micros_of
from secvault.crypto.canonical import JsonValue

KIND, VERSION = "audit.access-report", 1
MOST_PROBLEMS = 20
LOG = "log"
"""What the verdict on the log is called as evidence of a control."""

SUBJECTS = frozenset(
    {"who", "subject", "asked_by", "approved_by", "refused_by", "done_by", "id", "person"}
)
"""Columns that name somebody."""
MOMENTS = frozenset(
    {
        "time",
        "first",
        "last",
        "success_after",
        "not_before",
        "expires_at",
        "created",
        "last_seen",
        "asked_at",
        "done_at",
    }
)
"""Columns that hold moments."""

Named = Callable[[str], str]
"""The name of a subject for people; the subject itself where it has none, or none may be shown."""


@dataclass(frozen=True)
class Outside:
    """A place outside of this store that has the log's checkpoints.

    sort: `witness` or `publication`. size: of the newest checkpoint there; 0 for none. at: when
    that was, microseconds UTC. fault: a code, while it fails.
    """

    sort: str
    name: str
    size: int
    at: int | None
    fault: str = ""


@dataclass(frozen=True)
class WorkingHours:
    """When the company works, as its settings say it. holidays: how many there are."""

    days: tuple[str, ...]
    spans: tuple[str, ...]
    zone: str
    holidays: int


@dataclass(frozen=True)
class Contents:
    """What a report is made of.

    period, department: what it is about; empty for all. made_at: microseconds UTC. made_by: a
    subject. named: None where the reader may see no names. checked: the whole log, as it was
    verified now. entries: the first number of the period, and the first after it. totals: of what
    was seen. checkpoint: the newest; None where none was ever signed. outside: where others are.
    """

    organisation: str
    vault: str
    origin: str
    period: Period
    department: str
    hours: WorkingHours
    made_at: int
    made_by: str
    named: Named | None
    checked: AuditReport
    checkpoint: StoredCheckpoint | None
    entries: tuple[int, int]
    tables: Sequence[Table]
    totals: Mapping[str, int]
    outside: Sequence[Outside]
    controls: Sequence[Control]


def document(of: Contents) -> dict[str, JsonValue]:
    """The document: canonical JSON."""
    zone, period = of.period.zone, of.period
    return {
        "kind": KIND,
        "version": VERSION,
        "program": f"secvault {__version__}",
        "organisation": of.organisation,
        "vault": of.vault,
        "month": period.month,
        "since": None if period.since is None else told(period.since, zone),
        "until": None if period.until is None else told(period.until, zone),
        "zone": zone,
        "department": of.department,
        "hours": {
            "days": [*of.hours.days],
            "spans": [*of.hours.spans],
            "zone": of.hours.zone,
            "holidays": of.hours.holidays,
        },
        "made_at": told(of.made_at, zone),
        "made_by": _subject(of.made_by, of.named),
        "names": of.named is not None,
        "figures": _figures(of),
        "log": _log(of),
        "tables": [_table(one, of) for one in of.tables],
        "controls": _controls(of),
    }


def _figures(of: Contents) -> list[JsonValue]:
    tables = {one.key: one for one in of.tables}
    drills = tables["drills"].rows
    failures = tables["failed_sign_ins"].rows
    figures: dict[str, int] = {
        "entries": of.entries[1] - of.entries[0],
        **of.totals,
        "failures": _sum(failures, "failures"),
        "locks": sum(1 for row in tables["accounts"].rows if row["what"] == "auth.locked"),
        "exports": sum(1 for row in tables["exports"].rows if row["outcome"] == "ok"),
        "privilege_changes": sum(
            1 for row in tables["privilege_changes"].rows if row["outcome"] == "ok"
        ),
        "approved": sum(1 for row in tables["four_eyes"].rows if row["approved_by"]),
        "alerts": tables["alerts"].total,
        "glass": sum(1 for row in tables["break_glass"].rows if row["what"] == "break_glass.start"),
        "backups_wrong": tables["backups"].total,
        "drills_passed": sum(1 for row in drills if row["passed"] is True),
        "drills_failed": sum(1 for row in drills if row["passed"] is False),
        "dormant": tables["dormant"].total,
    }
    return [{"key": key, "value": value} for key, value in figures.items()]


def _sum(rows: Sequence[Row], column: str) -> int:
    return sum(value for row in rows if isinstance(value := row[column], int))


def _log(of: Contents) -> dict[str, JsonValue]:
    found, signed, zone = of.checked, of.checkpoint, of.period.zone
    return {
        "origin": of.origin,
        "intact": found.intact,
        "complete": found.complete,
        "size": found.size,
        "root": found.root.hex(),
        "checkpoints": found.checkpoints,
        "pending": found.pending,
        "archived": found.archived,
        "hashes_only": found.hashes_only,
        "unread": [*found.unread],
        "stops": len(found.stops),
        "problem_count": found.problem_count,
        "problems": [
            {"seq": one.seq, "what": one.what, "verdict": one.verdict}
            for one in found.problems[:MOST_PROBLEMS]
        ],
        "first": of.entries[0],
        "after": of.entries[1],
        "signed": None
        if signed is None
        else {
            "size": signed.size,
            "root": signed.root.hex(),
            "at": told(signed.t, zone),
            "note": signed.note.decode(),
        },
        "outside": [
            {
                "sort": one.sort,
                "name": one.name,
                "size": one.size,
                "at": None if one.at is None else told(one.at, zone),
                "fault": one.fault,
            }
            for one in of.outside
        ],
    }


def _table(table: Table, of: Contents) -> dict[str, JsonValue]:
    # Sign-in names are names, too.
    columns = [name for name in table.columns if of.named is not None or name != "name"]
    return {
        "key": table.key,
        "columns": [*columns],
        "rows": [[_cell(name, row[name], of) for name in columns] for row in table.rows],
        "total": table.total,
        "looked_at": table.looked_at,
        "question": table.question,
        "narrowed": table.narrowed,
    }


def _cell(column: str, value: Value, of: Contents) -> JsonValue:
    if value in ("", None):
        return ""
    if column in MOMENTS and isinstance(value, str):
        return told(_micros(value), of.period.zone)
    if column == "person":
        return _subject(f"user:{value}", of.named)
    if column in SUBJECTS and isinstance(value, str):
        return ", ".join(_subject(one, of.named) for one in value.split(", "))
    return value


def _micros(text: str) -> int:
    return micros_of(datetime.fromisoformat(text).astimezone(UTC))


def _subject(subject: str, named: Named | None) -> str:
    name = subject if named is None else named(subject)
    return subject if name == subject else f"{name} ({subject})"


def _controls(of: Contents) -> list[JsonValue]:
    tables = {one.key: one for one in of.tables}
    return [
        {
            "framework": one.framework,
            "id": one.id,
            "title": dict(one.title),
            "note": dict(one.note),
            "evidence": [
                {"key": key}
                if key == LOG
                else {"key": key, "total": tables[key].total, "looked_at": tables[key].looked_at}
                for key in one.evidence
            ],
        }
        for one in of.controls
    ]
