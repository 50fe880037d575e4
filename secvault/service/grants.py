"""Operations on grants: who was given which role, where, until when."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault import access
from secvault.access import Grant
from secvault.errors import InvalidInput, NotFound
from secvault.identity import people, service_accounts
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

DAY_MICROS = 86_400 * 1_000_000


def add_grant(
    service: Service,
    caller: Caller,
    *,
    subject: str,
    role: str,
    department: str,
    days: int | None = None,
) -> Grant:
    """Give a role. subject: `user:<name or id>` or `svc:<name or id>`. days: None for no end."""
    if days is not None and not 1 <= days <= 3650:
        raise InvalidInput.at("days", "use 1 to 3650")
    now = service.clock.micros()

    def act(connection: Connection) -> Outcome[Grant]:
        grant = access.add_grant(
            connection,
            service.policy.rules,
            subject=subject_of(connection, subject),
            role=role,
            department=department,
            granted_by=caller.principal.subject,
            at=now,
            expires_at=None if days is None else now + days * DAY_MICROS,
            random=service.random,
        )
        return Outcome(grant, detail=_detail(grant))

    return service.spine.change(caller, _operation("grant.add"), act)


def revoke_grant(service: Service, caller: Caller, grant_id: str) -> Grant:
    """End a grant now."""

    def act(connection: Connection) -> Outcome[Grant]:
        ended = access.revoke_grant(connection, grant_id, at=service.clock.micros())
        return Outcome(ended, detail=_detail(ended))

    return service.spine.change(caller, _operation("grant.revoke"), act)


def list_grants(service: Service, caller: Caller) -> tuple[Grant, ...]:
    """The grants in force now, oldest first."""

    def act(connection: Connection) -> Outcome[tuple[Grant, ...]]:
        found = access.list_grants(connection, valid_at=service.clock.micros())
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("grant.read"), act)


def subject_of(connection: Connection, text: str) -> str:
    """`user:` or `svc:` with a name or an id, as the subject with the id. Raises InvalidInput."""
    kind, separator, name = text.partition(":")
    try:
        if kind == "user" and separator:
            return people.by_name_or_id(connection, name).subject
        if kind == "svc" and separator:
            return service_accounts.by_name_or_id(connection, name).subject
    except NotFound as error:
        raise InvalidInput.at("subject", error.detail) from None
    raise InvalidInput.at("subject", "write user:<name or id> or svc:<name or id>")


def _operation(action: str) -> Operation:
    return Operation(action, "it", "grants", "it/grants")


def _detail(grant: Grant) -> dict[str, str | int | bool]:
    return {"grant": grant.id, "role": grant.role, "subject": grant.subject}
