"""Who is told of backups: the administrators, the plan's owner, and for alarms those who watch."""

from __future__ import annotations

from secvault.audit.leaf import StoredEvent
from secvault.notices.telling import Rule, Telling

_DAY = 24 * 60 * 60 * 1_000_000


def backup(kind: str, *, alarm: bool = False) -> Rule:
    """Told once for each run, or each day of what lasts. alarm: also to those who watch."""

    def told(stored: StoredEvent) -> Telling:
        detail = stored.event.detail
        plan, run = str(detail.get("plan", "")), str(detail.get("run", ""))
        # A run is tried again and again under one id; without one, it is told once a day.
        once = run or str(stored.t // _DAY)
        about = str(detail.get("repository", ""))
        return Telling(
            kind,
            f"{kind}:{plan}:{about}:{once}",
            person=str(detail.get("person", "")),
            administrators=True,
            alarm=alarm,
            facts={
                "plan": plan,
                "run": run or "-",
                "place": about or "-",
                "why": str(detail.get("reason", "")),
                "hours": int(detail.get("seconds", 0)) // 3600,
            },
        )

    return told


def anomaly(stored: StoredEvent) -> Telling:
    """Told to the administrators, the plan's owner, and those who watch: in the words of its rule.

    Once for each rule and run, whatever number of sources it is about.
    """
    detail = stored.event.detail
    plan, rule = str(detail.get("plan", "")), str(detail.get("rule", ""))
    return Telling(
        f"backup_{rule}",
        f"backup_{rule}:{plan}:{detail.get('run', '')}",
        person=str(detail.get("person", "")),
        administrators=True,
        alarm=True,
        facts={
            "plan": plan,
            "run": str(detail.get("run", "")),
            "subject": str(detail.get("subject", "")),
            "count": int(detail.get("percent", 0)),
            "threshold": int(detail.get("threshold", 0)),
        },
    )
