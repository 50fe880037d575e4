"""What people are to know of drills, put on record; `notices.drill_rules` says who is told.

Each is one entry of the audit log, which the notices follow; see `backup_notices`.
"""

from __future__ import annotations

from secvault.audit.facts import Fact
from secvault.clock import moment
from secvault.service.backup_notices import code_of, reason_of, record_once
from secvault.service.plan_schedules import DRILL
from secvault.service.service import Service

__all__ = ["DAMAGE", "FAILED", "code_of", "tell_failed", "tell_missed", "tell_overdue"]

DAMAGE = "damage"
"""The reason of a drill that came to its end and found something."""
FAILED, MISSED, OVERDUE = "drill_failed:", "drill_missed:", "drill_overdue:"
"""What the cause begins with by which something is told once."""
_DAY = 86_400_000_000


def tell_failed(
    service: Service,
    plan: str,
    drill_id: str,
    reason: str,
    *,
    passed: bool | None = None,
    scenario: str = "",
) -> None:
    """A drill of the plan failed, or found damage; told once for each drill. Raises Unavailable.

    reason: the code of its error, or `DAMAGE`. passed: False where it came to its end. scenario:
    which one it was, where it was one.
    """
    facts: dict[str, Fact] = {"run": drill_id, "reason": reason_of(reason)}
    if passed is not None:
        facts["passed"] = passed
    if scenario:
        facts["rule"] = scenario
    record_once(service, "drill.failed", plan, FAILED + drill_id, facts)


def tell_missed(service: Service, plan: str, due_at: int) -> None:
    """No drill of the plan began when one was due, in micros; told once for each moment."""
    # As the calendar names the job.
    due = moment(due_at).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts: dict[str, Fact] = {"run": f"{DRILL}:{plan}:{due}"}
    record_once(service, "drill.missed", plan, f"{MISSED}{plan}:{due_at}", facts)


def tell_overdue(service: Service, plan: str, seconds: int, promised: int) -> None:
    """No drill of the plan passed for longer than promised; told once a day, as long as it lasts.

    seconds: since the last that passed; 0 where none ever did.
    """
    facts: dict[str, Fact] = {"seconds": seconds, "threshold": promised}
    once = f"{OVERDUE}{plan}:{service.clock.micros() // _DAY}"
    record_once(service, "drill.overdue", plan, once, facts)
