"""Who is told of access reviews and of emergency access."""

from __future__ import annotations

from secvault.audit.leaf import StoredEvent
from secvault.notices.telling import Rule, Telling


def review(stored: StoredEvent) -> Telling | None:
    """Told to whoever has something to review, and to the administrators what nobody can."""
    detail, cause = stored.event.detail, f"review:{stored.id}"
    facts = {"count": stored.event.count or 0, "days": int(detail.get("days", 0))}
    person = str(detail.get("person", ""))
    if person:
        return Telling("review_waiting", cause, person, facts=facts)
    if detail.get("state") == "escalated":
        return Telling("review_escalated", cause, administrators=True, alarm=True, facts=facts)
    return Telling("review_unassigned", cause, administrators=True, facts=facts)


def reviewed(stored: StoredEvent) -> Telling | None:
    """Told to who loses something by a review, or sooner than they thought."""
    detail = stored.event.detail
    if detail.get("state") not in ("revoked", "shortened", "lapsed"):
        return None
    sort, _, identity = str(detail.get("subject", "")).partition(":")
    return Telling(
        "access_reviewed",
        f"access_reviewed:{stored.id}",
        person=identity if sort == "user" else "",
        system=identity if sort == "svc" else "",
        facts={"role": str(detail.get("role", ""))},
    )


def glass(kind: str) -> Rule:
    """Told to whoever it is about, the administrators, and those who watch."""

    def told(stored: StoredEvent) -> Telling | None:
        detail = stored.event.detail
        who = str(detail.get("subject", ""))
        chosen = "glass_drill" if detail.get("state") == "drill" else kind
        if kind == "glass_unreviewed" and "incident" not in detail:
            chosen = "glass_drill_due"
        return Telling(
            chosen,
            f"{chosen}:{stored.id}",
            person=who.removeprefix("user:") if who.startswith("user:") else "",
            administrators=True,
            alarm=chosen != "glass_drill_due",
            facts={"who": who or "system:jobs", "incident": str(detail.get("incident", ""))}
            | ({"days": int(detail["days"])} if "days" in detail else {}),
        )

    return told
