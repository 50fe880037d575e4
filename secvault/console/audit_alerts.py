"""What the log is watched for: alerts, until somebody says that they have looked at them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.audit_view import ALERTS, READ_ALERTS, audit_page
from secvault.console.page import elsewhere
from secvault.console.visitor import Visiting
from secvault.service import audit_log, audit_names, detecting
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

ACKNOWLEDGE = Operation("alert.acknowledge", "it", "alerts", f"{detecting.ALERTS}/*")
PER_PAGE = 50


@router.get(ALERTS)
@operation("it/audit/alerts", READ_ALERTS.action, ACKNOWLEDGE.action, "audit.read", "person.read")
def alerts(
    request: Request,
    at: Visiting,
    *,
    every: Annotated[bool, Query(alias="all")] = False,
    after: Annotated[str, Query(max_length=36)] = "",
) -> Response:
    """What detection has raised, newest first; with `all`, also what was looked at."""
    found = detecting.list_alerts(
        at.service, at.caller, every=every, after=after, limit=PER_PAGE + 1
    )
    shown = found[:PER_PAGE]
    subjects = {one.subject for one in shown} | {one.acknowledged_by or "" for one in shown}
    more = f"{ALERTS}?{'all=1&' if every else ''}after={shown[-1].id}" if found[PER_PAGE:] else None
    return audit_page(
        request,
        at,
        "alerts.html",
        alerts=shown,
        names=audit_names.names_for(at.service, at.caller, subjects),
        every=every,
        more=more,
        may_read=at.may(audit_log.LOG),
        may_acknowledge=at.may(ACKNOWLEDGE),
    )


@router.post(f"{ALERTS}/{{alert}}/acknowledgement")
@operation("it/audit/alerts/{alert}", "alert.acknowledge")
def acknowledge(at: Visiting, alert: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> Response:
    """Say that one has looked at an alert."""
    detecting.acknowledge_alert(at.service, at.caller, alert)
    return elsewhere(ALERTS)
