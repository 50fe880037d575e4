"""Alerts as rows: raised once in a cool-down, then listed until somebody acknowledges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from secvault.audit.detection.rules import Alert
from secvault.audit.leaf import event_id
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.store.engine import in_turn
from secvault.store.tables import audit_alert

LARGEST_PAGE = 1_000
MINUTE = 60 * 1_000_000


@dataclass(frozen=True)
class RaisedAlert:
    """An alert. times: how often the same was seen since. Moments in microseconds, UTC.

    seq: the event that raised it. counted, threshold: see `Alert`. acknowledged_by: who has looked
    at it, a subject.
    """

    id: str
    rule: str
    subject: str
    first_at: int
    last_at: int
    times: int
    seq: int | None = None
    counted: int | None = None
    threshold: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None


def raise_alert(
    connection: Connection, alert: Alert, *, cool_down_minutes: int
) -> RaisedAlert | None:
    """The new alert; None when the same was raised within the cool-down, which counts this one."""
    in_turn(connection, "audit.alert")
    row = audit_alert.c
    newest = connection.execute(
        select(audit_alert)
        .where(row.rule == alert.rule, row.subject == alert.subject)
        .order_by(row.first_at.desc(), row.id.desc())
        .limit(1)
    ).first()
    if newest is not None and alert.at - newest.first_at < cool_down_minutes * MINUTE:
        counts = [one for one in (newest.counted, alert.count) if one is not None]
        connection.execute(
            update(audit_alert)
            .where(row.id == newest.id)
            .values(
                times=row.times + 1,
                last_at=max(newest.last_at, alert.at),
                counted=max(counts, default=None),
            )
        )
        return None
    raised = RaisedAlert(
        event_id(alert.at).replace("-", ""),
        alert.rule,
        alert.subject,
        alert.at,
        alert.at,
        1,
        alert.seq,
        alert.count,
        alert.threshold,
    )
    connection.execute(audit_alert.insert().values(vars(raised)))
    return raised


def listed(
    connection: Connection, *, every: bool = False, after: str = "", limit: int = 100
) -> tuple[RaisedAlert, ...]:
    """The newest first. every: also those that were acknowledged. after: id that ended the page
    before. Raises InvalidInput at `limit`.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be 1 to {LARGEST_PAGE}")
    question = select(audit_alert).order_by(audit_alert.c.id.desc()).limit(limit)
    if not every:
        question = question.where(audit_alert.c.acknowledged_at.is_(None))
    if after:
        question = question.where(audit_alert.c.id < after)
    return tuple(_raised(row) for row in connection.execute(question))


def acknowledge(connection: Connection, alert_id: str, by: str, now: int) -> RaisedAlert:
    """Note that somebody has looked at it. Raises NotFound, Conflict when somebody had before."""
    row = audit_alert.c
    noted = connection.execute(
        update(audit_alert)
        .where(row.id == alert_id, row.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=by)
    )
    found = connection.execute(select(audit_alert).where(row.id == alert_id)).first()
    if found is None:
        raise NotFound("there is no alert with this id")
    if noted.rowcount != 1:
        raise Conflict(f"the alert was acknowledged before, by {found.acknowledged_by}")
    return _raised(found)


def _raised(row: Row[Any]) -> RaisedAlert:
    return RaisedAlert(**row._asdict())
