"""Who is told of what happens to the audit log itself."""

from __future__ import annotations

from secvault.audit.leaf import StoredEvent
from secvault.notices.telling import Telling


def witness(stored: StoredEvent) -> Telling:
    """Told to the administrators and those who watch: a witness fails, contradicts, or is back."""
    detail = stored.event.detail
    state = str(detail.get("state", ""))
    return Telling(
        f"witness_{state}",
        f"witness:{stored.id}",
        administrators=True,
        alarm=True,
        facts={"code": str(detail.get("target", ""))},
    )
