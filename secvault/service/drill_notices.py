"""What people are to know of drills, put on record; `notices.drill_rules` says who is told.

Each is one entry of the audit log, which the notices follow; see `backup_notices`.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.audit.facts import Fact
from secvault.service.backup_notices import code_of, event_of, reason_of, record_once
from secvault.service.service import Service

__all__ = ["DAMAGE", "code_of", "missed_cause", "note_overdue", "tell_failed", "tell_missed"]

DAMAGE = "damage"
"""The reason of a drill that came to its end and found something."""
FAILED, MISSED = "drill_failed:", "drill_missed:"


def tell_failed(
    service: Service, plan: str, drill_id: str, reason: str, *, passed: bool | None = None
) -> None:
    """A drill of the plan failed, or found damage; told once for each drill. Raises Unavailable.

    reason: the code of its error, or `DAMAGE`. passed: False where it came to its end.
    """
    facts: dict[str, Fact] = {"run": drill_id, "reason": reason_of(reason)}
    if passed is not None:
        facts["passed"] = passed
    record_once(service, "drill.failed", plan, FAILED + drill_id, facts)


def tell_missed(service: Service, plan: str, due_at: int) -> None:
    """No drill of the plan began when one was due, in micros; told once for each moment."""
    record_once(service, "drill.missed", plan, missed_cause(plan, due_at), {})


def missed_cause(plan: str, due_at: int) -> str:
    """By which a drill that was missed is told once."""
    return f"{MISSED}{plan}:{due_at}"


def note_overdue(
    service: Service, connection: Connection, plan: str, seconds: int, promised: int
) -> None:
    """No drill of the plan passed for longer than promised; in the caller's transaction.

    seconds: since the last that passed; 0 where none ever did. The caller kicks the log afterwards.
    """
    facts: dict[str, Fact] = {"seconds": seconds, "threshold": promised}
    service.audit.enqueue(connection, event_of(service, connection, "drill.overdue", plan, facts))
