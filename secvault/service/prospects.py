"""What people may still get: roles that wait for an approval, and those they may activate.

As grants that are none yet, so that the rules of separation look at them beside those that are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from secvault.access import Grant
from secvault.access.eligibility import Eligibility, list_eligibilities
from secvault.crypto.canonical import JsonValue
from secvault.service.approvals import requests
from secvault.service.approvals.requests import Request
from secvault.service.giving import DAY_MICROS, MICROS
from secvault.service.service import Service
from secvault.service.spans import moment_of

_ROLE_IN = {
    "grant.add": "role",
    "grant.request": "role",
    "grant.activate": "role",
    "eligibility.add": "eligible_for",
}
"""Which of its terms names the role, by the action that is asked for."""


def candidate(
    service: Service,
    subject: str,
    role: str,
    department: str,
    *,
    not_before: int | None = None,
    expires_at: int | None = None,
    name: str = "to be given",
) -> Grant:
    """The grant that is about to be made, to be looked at before there is one."""
    now = service.clock.micros()
    start = now if not_before is None else not_before
    return Grant(name, subject, role, department, start, expires_at, "", now)


def would_be(service: Service, connection: Connection) -> tuple[Grant, ...]:
    """What people may still get, as the connection sees the store."""
    return tuple(_prospects(service, connection))


def asked_for(service: Service, request: Request) -> Grant | None:
    """The grant that a request would lead to, at the widest; None for a request of another kind."""
    terms = request.proposal.terms
    role_in = _ROLE_IN.get(request.proposal.action)
    if role_in is None:
        return None
    named = tuple(terms.get(name) for name in ("subject", role_in, "department"))
    if not all(isinstance(one, str) for one in named):
        return None
    subject, role, department = (str(one) for one in named)
    start, end = _moments(terms, service.clock.micros(), request.expires_at)
    return candidate(
        service,
        subject,
        role,
        department,
        not_before=start,
        expires_at=end,
        name=f"request {request.id}",
    )


def _prospects(service: Service, connection: Connection) -> Iterator[Grant]:
    for action in _ROLE_IN:
        for request in requests.open_requests_of(connection, service.clock, action):
            found = asked_for(service, request)
            if found is not None:
                yield found
    for each in list_eligibilities(connection, standing_at=service.clock.micros()):
        yield activated(service, each)


def activated(service: Service, eligible: Eligibility) -> Grant:
    """The grant that an eligibility could become, as if it were activated all the time."""
    return candidate(
        service,
        eligible.subject,
        eligible.role,
        eligible.department,
        not_before=eligible.not_before,
        expires_at=eligible.expires_at,
        name=f"eligibility {eligible.id}",
    )


def _moments(terms: Mapping[str, JsonValue], now: int, latest: int) -> tuple[int, int | None]:
    """From when until when, by the terms of a `Span`. latest: the last moment to carry it out."""
    begins, until = terms.get("from"), terms.get("until")
    start = max(now, moment_of(begins, "from")) if isinstance(begins, str) else now
    if isinstance(until, str):
        return start, moment_of(until, "until")
    for name, size in (("days", DAY_MICROS), ("seconds", MICROS)):
        length = terms.get(name)
        if isinstance(length, int) and length > 0:
            # Carried out at the last moment, it ends so long after that.
            return start, max(start, latest) + length * size
    return start, None
