"""The one way in which a role is given: every grant that the program makes is made here.

What holds for all of them is asked here, in the transaction of whatever gives the role: nothing
privileged is without an end, whoever gives it and by whichever way.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault import access
from secvault.access import Grant
from secvault.access.eligibility import list_eligibilities
from secvault.errors import Conflict, InvalidInput
from secvault.identity import people
from secvault.service.service import Service

MICROS = 1_000_000
DAY_MICROS = 86_400 * MICROS
LONGEST_DAYS = 3650


def give_role(
    service: Service,
    connection: Connection,
    *,
    subject: str,
    role: str,
    department: str,
    granted_by: str,
    not_before: int | None = None,
    expires_at: int | None = None,
    source: str = "",
) -> Grant:
    """Give the role from `not_before` until before `expires_at`, with the caller's transaction.

    not_before: from now on when None, or when it has passed. expires_at: of a privileged role, the
    longest time that the settings allow when None. Raises as `access.add_grant`; InvalidInput for
    a privileged role for longer than that.
    """
    now = service.clock.micros()
    start = now if not_before is None else max(now, not_before)
    return access.add_grant(
        connection,
        service.policy.rules,
        subject=subject,
        role=role,
        department=department,
        granted_by=granted_by,
        at=now,
        not_before=start,
        expires_at=bounded_end(service, role, start, expires_at),
        source=source,
        random=service.random,
    )


def bounded_end(service: Service, role: str, start: int, expires_at: int | None) -> int | None:
    """The end of the role when it starts at `start`. Raises InvalidInput where that is too late."""
    if not is_privileged(service, role):
        return expires_at
    days = service.settings.grants.privileged_days
    latest = start + days * DAY_MICROS
    if expires_at is None:
        return latest
    if expires_at > latest:
        raise InvalidInput.at("expires_at", f"{role} is privileged: for {days} days at most")
    return expires_at


def is_privileged(service: Service, role: str) -> bool:
    """Whether to give the role takes two people."""
    return service.approvers.obligations.is_privileged(service.policy.rules, role)


def detail_of(service: Service, grant: Grant) -> dict[str, str | int | bool]:
    """What the audit log says of a grant that was made."""
    detail: dict[str, str | int | bool] = {
        "grant": grant.id,
        "role": grant.role,
        "subject": grant.subject,
        "privileged": is_privileged(service, grant.role),
        "not_before": grant.not_before,
    }
    if grant.expires_at is not None:
        detail["expires_at"] = grant.expires_at
    return detail


def require_activated(service: Service, connection: Connection, subject: str) -> None:
    """Return unless whoever invited the person may still have the code, and come in with the role.

    Once approvals are needed. Raises Conflict.
    """
    kind, _, identity = subject.partition(":")
    if kind != "user" or not service.approvers.needed(connection):
        return
    person = people.read_person(connection, identity)
    if person.activated_at is None:
        raise Conflict(
            f"{person.name} has not activated their account yet; give a privileged role afterwards"
        )


def holds_privileged_role(service: Service, connection: Connection, subject: str) -> bool:
    """Whether they hold a privileged role, now or from a later moment on, or may activate one."""
    now = service.clock.micros()
    roles = {
        grant.role for grant in access.list_grants(connection, subject=subject, standing_at=now)
    }
    roles |= {
        each.role for each in list_eligibilities(connection, subject=subject, standing_at=now)
    }
    return any(is_privileged(service, role) for role in sorted(roles))
