"""The log says that it is alive: silence is a gap."""

from __future__ import annotations

from sqlalchemy import select

from secvault.audit.event import Event
from secvault.audit.silence import HEARTBEAT
from secvault.service.policies.first import PROGRAM
from secvault.service.service import Service
from secvault.store.tables import audit_event

_SECOND = 1_000_000


def beat(service: Service) -> bool:
    """Record a heartbeat, unless another worker has of late; whether it did.

    Raises AuditUnavailable.
    """
    seconds = service.settings.audit.heartbeat_seconds
    newest = (
        select(audit_event.c.t)
        .where(audit_event.c.kind == HEARTBEAT, audit_event.c.outcome == "ok")
        .order_by(audit_event.c.seq.desc())
        .limit(1)
    )
    with service.store.read() as connection:
        last = connection.scalar(newest) or 0
    # Half an interval: two workers that beat in turns leave no gap of two.
    if service.clock.micros() - last < seconds * _SECOND // 2:
        return False
    service.audit.record(
        Event(
            kind=HEARTBEAT,
            outcome="ok",
            actor=PROGRAM,
            resource="it/audit",
            detail={"seconds": seconds},
        )
    )
    return True
