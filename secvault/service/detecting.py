"""Detection in the running service: the worker's turn, and the alerts as people see them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from secvault.audit.detection import alerts, watching
from secvault.audit.detection.alerts import RaisedAlert
from secvault.audit.detection.rules import Alert
from secvault.audit.detection.watching import Watch
from secvault.audit.event import Actor, Event
from secvault.clock import moment
from secvault.service.circumstances import surroundings
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

ALERTS = "it/audit/alerts"


def look_after(service: Service, over: Callable[[], bool] = lambda: False) -> bool:
    """Look at what is new in the log; whether its end was reached. Raises Unavailable, Damaged.

    Nothing is looked at while detection is off; when it is on again, it goes on where it was,
    or behind what was archived meanwhile.
    """
    if not service.settings.audit.detection.enabled:
        return True
    watch = watch_of(service)
    reached = watching.follow(service.store, watch, over)
    if reached:
        watching.compare_hours(service.store, watch, service.clock.micros())
    service.audit.kick()
    return reached


def watch_of(service: Service) -> Watch:
    """What the rules go by in this vault."""
    known = surroundings(service.settings)
    hours, holidays = known.hours, known.holidays

    def open_at(at: int) -> bool:
        return hours is None or hours.open_at(at, holidays)

    def works(at: int) -> bool:
        if hours is None:
            return True
        day = moment(at).astimezone(hours.zone).date()
        return day.weekday() in hours.days and day not in holidays

    def raised(connection: Connection, alert: Alert) -> None:
        raise_alert(service, connection, alert)

    return Watch(service.settings.audit.detection, open_at, works, raised)


def raise_alert(service: Service, connection: Connection, alert: Alert) -> RaisedAlert | None:
    """Raise it, unless the same was of late: on record as well, in the caller's transaction."""
    minutes = service.settings.audit.detection.cool_down_minutes
    raised = alerts.raise_alert(connection, alert, cool_down_minutes=minutes)
    if raised is not None:
        service.audit.enqueue(connection, _noted(raised))
    return raised


def list_alerts(
    service: Service, caller: Caller, *, every: bool = False, after: str = "", limit: int = 100
) -> tuple[RaisedAlert, ...]:
    """The newest first; those that nobody has acknowledged, or every one.

    Raises InvalidInput at `limit`.
    """

    def act(connection: Connection) -> Outcome[tuple[RaisedAlert, ...]]:
        found = alerts.listed(connection, every=every, after=after, limit=limit)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, Operation("alert.read", "it", "alerts", ALERTS), act)


def acknowledge_alert(service: Service, caller: Caller, alert_id: str) -> RaisedAlert:
    """Say that one has looked at it. Raises NotFound, Conflict when somebody had before."""

    def act(connection: Connection) -> Outcome[RaisedAlert]:
        by = caller.principal.subject
        done = alerts.acknowledge(connection, alert_id, by, service.clock.micros())
        return Outcome(done, detail={"rule": done.rule, "subject": done.subject})

    resource = f"{ALERTS}/{alert_id[:64]}"
    operation = Operation("alert.acknowledge", "it", "alerts", resource)
    return service.spine.change(caller, operation, act)


def _noted(raised: RaisedAlert) -> Event:
    detail: dict[str, str | int | bool] = {"rule": raised.rule, "subject": raised.subject}
    if raised.seq is not None:
        detail["seq"] = raised.seq
    if raised.threshold is not None:
        detail["threshold"] = raised.threshold
    return Event(
        kind="audit.alert",
        outcome="ok",
        actor=Actor("system", "secvault"),
        resource=f"{ALERTS}/{raised.id}",
        department="it",
        count=raised.counted,
        detail=detail,
    )
