"""Who is told of alerts, and of streams of the audit log that stand still."""

from __future__ import annotations

from secvault.audit.leaf import StoredEvent
from secvault.notices.telling import Telling

# Told already, in words of its own, to all of those who would be told of the alert.
_TOLD_OTHERWISE = frozenset({"break_glass"})


def alert(stored: StoredEvent) -> Telling | None:
    """Told to the administrators, and those who watch."""
    detail = stored.event.detail
    rule, subject = str(detail.get("rule", "")), str(detail.get("subject", ""))
    if rule in _TOLD_OTHERWISE:
        return None
    return Telling(
        f"alert_{rule}",
        f"alert:{stored.id}",
        administrators=True,
        alarm=True,
        facts={
            "who": subject,
            "subject": subject,
            "count": stored.event.count or 0,
            "threshold": int(detail.get("threshold", 0)),
        },
    )


def stream(stored: StoredEvent) -> Telling | None:
    """Told to the administrators and the auditors once it stands still."""
    detail = stored.event.detail
    if detail.get("state") != "stalled":
        return None
    return Telling(
        "stream_stalled",
        f"stream_stalled:{stored.id}",
        administrators=True,
        auditors=True,
        facts={"stream": str(detail.get("target", "")), "why": str(detail.get("reason", ""))},
    )
