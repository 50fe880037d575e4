"""The end of a grant by a review: in the log it stands as any other end of a grant, too."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.access import Grant, revoke_grant
from secvault.audit.event import Event
from secvault.service.service import Service
from secvault.service.spine import Caller, actor_of


def end_now(service: Service, connection: Connection, caller: Caller, grant: Grant) -> None:
    """Revoke the grant with the caller's transaction, and say so in the log."""
    revoke_grant(connection, grant.id, at=service.clock.micros())
    event = Event(
        kind="grant.revoke",
        outcome="ok",
        actor=actor_of(caller.principal),
        resource="it/grants",
        department="it",
        request=caller.request_id,
        detail={
            "grant": grant.id,
            "role": grant.role,
            "subject": grant.subject,
            "reason": "review",
        },
    )
    service.audit.enqueue(connection, event)
