"""The right to break the glass: who is prepared for it, and how it ends."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.access import Grant, list_grants, revoke_grant
from secvault.access.obligations import roles_with
from secvault.service.service import Service


def preparations(service: Service, connection: Connection) -> tuple[Grant, ...]:
    """The grants by which somebody may break the glass now, oldest first."""
    roles = _starting_roles(service)
    found = list_grants(connection, valid_at=service.clock.micros())
    return tuple(grant for grant in found if grant.role in roles)


def end_right(service: Service, connection: Connection, subject: str) -> tuple[str, ...]:
    """Take from somebody the right to break the glass; the ids of the grants that ended.

    With the caller's transaction.
    """
    roles, now = _starting_roles(service), service.clock.micros()
    ending = [
        grant
        for grant in list_grants(connection, subject=subject)
        if grant.revoked_at is None
        and grant.role in roles
        and (grant.expires_at is None or grant.expires_at > now)
    ]
    for grant in ending:
        revoke_grant(connection, grant.id, at=now)
    return tuple(grant.id for grant in ending)


def _starting_roles(service: Service) -> frozenset[str]:
    return roles_with(service.policy.rules, {"break_glass.start"})
