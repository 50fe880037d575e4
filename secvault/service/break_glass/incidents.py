"""Incidents as rows: who broke the glass, why, until when, and what somebody else found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from secvault.errors import NotFound
from secvault.store.tables import break_glass_incident

EMERGENCY, DRILL, RECOVERY = "emergency", "drill", "recovery"
OPEN, LAPSED, REVIEWED = "open", "lapsed", "reviewed"
UNREVIEWED = (OPEN, LAPSED)


@dataclass(frozen=True)
class Incident:
    """One breaking of the glass. Times in microseconds, UTC.

    kind: `emergency`, `drill`, or `recovery` (a way in for a new administrator). subject: who did
    it. expires_at: when it ends by itself. review_by: until when somebody else must have looked.
    state: `open`; `lapsed` when nobody had; `reviewed`.
    """

    id: str
    kind: str
    subject: str
    role: str
    reason: str
    started_at: int
    expires_at: int
    review_by: int
    ended_at: int | None = None
    ended_by: str | None = None
    state: str = OPEN
    reviewed_at: int | None = None
    reviewed_by: str | None = None
    findings: str | None = None

    def running(self, at: int) -> bool:
        """Whether it gives something at this moment."""
        return self.ended_at is None and at < self.expires_at


def add(connection: Connection, incident: Incident) -> None:
    """Write it, with the caller's transaction."""
    connection.execute(insert(break_glass_incident).values(**vars(incident)))


def read(connection: Connection, incident_id: str) -> Incident:
    """The incident with this id. Raises NotFound."""
    row = connection.execute(
        select(break_glass_incident).where(break_glass_incident.c.id == incident_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident with the id {incident_id[:64]!r}")
    return _incident(row)


def listed(
    connection: Connection,
    *,
    subject: str | None = None,
    states: Iterable[str] | None = None,
    limit: int = 1000,
) -> tuple[Incident, ...]:
    """Those that fit, the newest first."""
    column = break_glass_incident.c
    question = select(break_glass_incident).order_by(column.started_at.desc(), column.id)
    if subject is not None:
        question = question.where(column.subject == subject)
    if states is not None:
        question = question.where(column.state.in_(list(states)))
    return tuple(_incident(row) for row in connection.execute(question.limit(limit)))


def end(connection: Connection, incident_id: str, by: str, at: int) -> bool:
    """Note its early end; False when it was ended before."""
    ended = connection.execute(
        update(break_glass_incident)
        .where(break_glass_incident.c.id == incident_id, break_glass_incident.c.ended_at.is_(None))
        .values(ended_at=at, ended_by=by)
    )
    return ended.rowcount == 1


def lapse(connection: Connection, incident_id: str) -> bool:
    """Note that nobody reviewed it in time; False when that was noted, or it was reviewed."""
    lapsed = connection.execute(
        update(break_glass_incident)
        .where(break_glass_incident.c.id == incident_id, break_glass_incident.c.state == OPEN)
        .values(state=LAPSED)
    )
    return lapsed.rowcount == 1


def review(connection: Connection, incident_id: str, by: str, at: int, findings: str) -> bool:
    """Note what somebody found; False when that was done before."""
    column = break_glass_incident.c
    reviewed = connection.execute(
        update(break_glass_incident)
        .where(column.id == incident_id, column.state.in_(UNREVIEWED))
        .values(state=REVIEWED, reviewed_by=by, reviewed_at=at, findings=findings)
    )
    return reviewed.rowcount == 1


def _incident(row: Row[Any]) -> Incident:
    return Incident(**row._asdict())
