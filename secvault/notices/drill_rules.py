"""Who is told of restore drills and the recovery kit: administrators, who watch, the plan's owner.

All of them are alarms: a backup of which nobody knows whether it comes back is none.
"""

from __future__ import annotations

from secvault.audit.leaf import StoredEvent
from secvault.notices.telling import Telling

_DAY_SECONDS = 24 * 60 * 60
_DAY = _DAY_SECONDS * 1_000_000
_OF_KITS = {
    "missing": "kit_missing",
    "behind": "kit_stuck",
    "unwritten": "kit_stuck",
    "unknown": "kit_stuck",
}
"""Kinds of news about kits, by the reason."""


def drill_failed(stored: StoredEvent) -> Telling:
    """Told once for each drill: that it found damage, or that it did not come to its end.

    The fact `rule` names the scenario where it was one.
    """
    detail = stored.event.detail
    kind = "drill_failed" if detail.get("passed") is False else "drill_unfinished"
    if "rule" in detail:
        kind = "scenario_failed"
    return _telling(stored, kind, str(detail.get("run", "")) or str(stored.t // _DAY))


def drill_missed(stored: StoredEvent) -> Telling:
    """Told once for each drill that was due and did not take place."""
    detail = stored.event.detail
    return _telling(stored, "drill_missed", str(detail.get("run", "")) or str(stored.t // _DAY))


def drill_overdue(stored: StoredEvent) -> Telling:
    """Told once a day, as long as it lasts."""
    never = not stored.event.detail.get("seconds")
    kind = "drill_never" if never else "drill_overdue"
    return _telling(stored, kind, str(stored.t // _DAY))


def kit_stale(stored: StoredEvent) -> Telling:
    """Told once a day at most: that there is no kit, that it cannot be brought up to date, or that
    copies in hand open too little."""
    kind = _OF_KITS.get(str(stored.event.detail.get("reason")), "kit_stale")
    return _telling(stored, kind, str(stored.t // _DAY))


def _telling(stored: StoredEvent, kind: str, once: str) -> Telling:
    detail = stored.event.detail
    plan = str(detail.get("plan", ""))
    return Telling(
        kind,
        f"{kind}:{plan}:{once}",
        person=str(detail.get("person", "")),
        administrators=True,
        alarm=True,
        facts={
            "plan": plan or "-",
            "run": str(detail.get("run", "")) or "-",
            "rule": str(detail.get("rule", "")) or "-",
            "why": str(detail.get("reason", "")) or "-",
            "days": int(detail.get("seconds", 0)) // _DAY_SECONDS,
            "threshold": int(detail.get("threshold", 0)) // _DAY_SECONDS,
        },
    )
