"""Operations on grants: who was given which role, where, until when."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault import access
from secvault.access import Grant
from secvault.access.conflicts import Conflict as SeparationConflict
from secvault.access.obligations import GIVE, roles_with
from secvault.access.vocabulary import EMERGENCY_ROLE
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import people, service_accounts
from secvault.service.approval import Terms
from secvault.service.separation import candidate, known, put_on_record, require_apart
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of

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
    """Give a role. subject: `user:<name or id>` or `svc:<name or id>`. days: None for no end.

    A privileged role needs a second person: raises ApprovalRequired. From when on it does, nobody
    who has not activated their account gets one: raises Conflict. One that breaks a rule of
    separation with what the subject has: raises SeparationOfDuties, or is put on record.
    """
    if days is not None and not 1 <= days <= 3650:
        raise InvalidInput.at("days", "use 1 to 3650")
    now = service.clock.micros()
    expires_at = None if days is None else now + days * DAY_MICROS

    def apart(connection: Connection, whom: str) -> tuple[SeparationConflict, ...]:
        new = candidate(service, whom, role, department, expires_at=expires_at)
        return require_apart(service, connection, (new,))

    def act(connection: Connection) -> Outcome[Grant]:
        whom = subject_of(connection, subject)
        access.check_grantable(service.policy.rules, whom, role, department)
        warned = apart(connection, whom)
        grant = access.add_grant(
            connection,
            service.policy.rules,
            subject=whom,
            role=role,
            department=department,
            granted_by=caller.principal.subject,
            at=now,
            expires_at=expires_at,
            random=service.random,
        )
        more = {"grant": grant.id, "role": grant.role}
        who = actor_of(caller.principal)
        put_on_record(
            service, connection, known(warned), who, request_id=caller.request_id, more=more
        )
        service.approvers.notice(connection)
        return Outcome(grant, detail=_detail(grant))

    def terms(connection: Connection) -> Terms | None:
        whom = subject_of(connection, subject)
        obligations = service.approvers.obligations
        # What is refused in any case, a role for oneself, asks nobody.
        hopeless = whom == caller.principal.subject or role == EMERGENCY_ROLE
        if hopeless or not obligations.is_privileged(service.policy.rules, role):
            return None
        _require_activated(service, connection, whom)
        # Before anybody is asked to approve what would be refused.
        apart(connection, whom)
        return {"subject": whom, "role": role, "department": department, "days": days or 0}

    return service.spine.change(caller, _operation("grant.add"), act, terms)


def revoke_grant(service: Service, caller: Caller, grant_id: str) -> Grant:
    """End a grant now.

    One without which too few could approve needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Grant]:
        ended = access.revoke_grant(connection, grant_id, at=service.clock.micros())
        return Outcome(ended, detail=_detail(ended))

    def terms(connection: Connection) -> Terms | None:
        live = access.list_grants(connection, valid_at=service.clock.micros())
        ending = next((one for one in live if one.id == grant_id), None)
        approving = roles_with(service.policy.rules, {GIVE})
        if ending is None or ending.role not in approving:
            return None
        if not service.approvers.too_few_without(connection, ending.subject):
            return None
        return {"subject": ending.subject, "role": ending.role, "grant": ending.id}

    return service.spine.change(caller, _operation("grant.revoke"), act, terms)


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


def _require_activated(service: Service, connection: Connection, subject: str) -> None:
    # Whoever invited them may still have the code, and would come in with the role.
    kind, _, identity = subject.partition(":")
    if kind != "user" or not service.approvers.needed(connection):
        return
    person = people.read_person(connection, identity)
    if person.activated_at is None:
        raise Conflict(
            f"{person.name} has not activated their account yet; give a privileged role afterwards"
        )


def _operation(action: str) -> Operation:
    return Operation(action, "it", "grants", "it/grants")


def _detail(grant: Grant) -> dict[str, str | int | bool]:
    return {"grant": grant.id, "role": grant.role, "subject": grant.subject}
