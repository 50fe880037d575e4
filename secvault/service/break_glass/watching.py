"""What time does to incidents: what nobody reviewed costs the right to it; drills are asked for.

Each step is a transaction that only one node wins.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.service import authentication
from secvault.service.break_glass import incidents
from secvault.service.break_glass.incidents import Incident
from secvault.service.break_glass.operations import operation
from secvault.service.break_glass.rights import end_right, preparations
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.store.engine import insert_unless_there
from secvault.store.tables import review_told

LAPSE, WARN = "break_glass.lapse", "break_glass.warn"
_DAY = 86_400 * 1_000_000


class _Faster(Exception):
    """Another node was; the transaction is undone."""


def look_after(service: Service) -> int:
    """Do what is due; how many things were done. Raises Unavailable."""
    caller = Caller(authentication.jobs())
    now = service.clock.micros()
    with service.store.read() as connection:
        waiting = incidents.listed(connection, states=incidents.UNREVIEWED)
    done = 0
    for incident in waiting:
        if now < incident.review_by:
            continue
        if incident.state == incidents.OPEN:
            done += _lapse(service, caller, incident)
        else:
            late = (now - incident.review_by) // _DAY
            if late:
                # Once on each day, until somebody reviews it.
                done += _warn(service, caller, f"{incident.id}:unreviewed:{late}", incident, late)
    return done + _ask_for_drill(service, caller, now)


def _lapse(service: Service, caller: Caller, incident: Incident) -> int:
    def act(connection: Connection) -> Outcome[int]:
        if not incidents.lapse(connection, incident.id):
            raise _Faster
        ended = end_right(service, connection, incident.subject)
        detail: dict[str, str | int | bool] = {
            "incident": incident.id,
            "subject": incident.subject,
        }
        if ended:
            detail["grant"] = ended[0]
        return Outcome(1, count=len(ended), detail=detail)

    try:
        return service.spine.change(caller, operation(LAPSE, incident.id), act)
    except _Faster:
        return 0


def _ask_for_drill(service: Service, caller: Caller, now: int) -> int:
    """Remind of a drill when nobody has broken the glass for long; once in that time."""
    days = service.settings.break_glass.drill_days
    if not days:
        return 0
    with service.store.read() as connection:
        prepared = preparations(service, connection)
        newest = max((one.started_at for one in incidents.listed(connection)), default=0)
        asked = connection.execute(
            review_told.select()
            .where(review_told.c.cause.like("break-glass-drill:%"))
            .order_by(review_told.c.told_at.desc())
            .limit(1)
        ).first()
    if not prepared:
        return 0
    since = max(newest, asked.told_at if asked else 0, prepared[0].created_at)
    if now - since < days * _DAY:
        return 0
    return _warn(service, caller, f"break-glass-drill:{now // (days * _DAY)}", None, days)


def _warn(
    service: Service, caller: Caller, cause: str, incident: Incident | None, days: int
) -> int:
    with service.store.read() as connection:
        told = connection.execute(review_told.select().where(review_told.c.cause == cause)).first()
    if told is not None:
        return 0

    def act(connection: Connection) -> Outcome[int]:
        row = {"cause": cause, "told_at": service.clock.micros()}
        if not insert_unless_there(connection, review_told, row):
            raise _Faster
        detail: dict[str, str | int | bool] = {"days": days}
        if incident is not None:
            detail |= {"incident": incident.id, "subject": incident.subject}
        return Outcome(1, detail=detail)

    try:
        return service.spine.change(caller, operation(WARN), act)
    except _Faster:
        return 0
