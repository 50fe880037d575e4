"""Backups and drills that went wrong, were cut off, or never took place."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import Question
from secvault.audit.questions.cells import row_of
from secvault.audit.questions.saved import Networks, Row
from secvault.clock import timestamp
from secvault.store.engine import Store
from secvault.store.tables import job

KINDS = ("backup.run", "backup.restore", "backup.prune", "drill.run", "drill.scenario")

COLUMNS = {
    "seq": "Seq",
    "time": "Time",
    "what": "What",
    "plan": "Plan",
    "went": "How it went",
    "run": "Run",
    "reason": "Reason",
}

_MISSED = "missed"
_RUNS = ("backup", "drill")


def went_wrong(store: Store, question: Question, _networks: Networks) -> Sequence[Row]:
    """A row for each, the newest first.

    What was missed has no event, because nothing happened: it is known from the calendar, and its
    row has no number.
    """
    rows = [
        {**row_of(stored, COLUMNS), "went": went}
        for stored in query.events(store, question)
        if (went := _went(stored))
    ]
    rows += _missed(store, question)
    return sorted(rows, key=lambda row: str(row["time"]), reverse=True)


def _went(stored: StoredEvent) -> str:
    event = stored.event
    if event.outcome in ("error", "denied"):
        return "failed" if event.outcome == "error" else "refused"
    if event.outcome == "unknown":
        return "cut off"
    return "failed" if event.detail.get("passed") is False else ""


def _missed(store: Store, question: Question) -> list[dict[str, str | int | bool | None]]:
    wanted = [job.c.state == _MISSED]
    if question.since is not None:
        wanted.append(job.c.due_at >= question.since)
    if question.until is not None:
        wanted.append(job.c.due_at < question.until)
    with store.read() as connection:
        rows = connection.execute(select(job).where(*wanted).order_by(job.c.due_at)).all()
    return [
        {
            "seq": None,
            "time": timestamp(row.due_at),
            "what": f"{row.kind}.run",
            "plan": row.plan,
            "went": _MISSED,
            "run": row.id,
            "reason": row.error or "",
        }
        for row in rows
        if row.kind in _RUNS
    ]
