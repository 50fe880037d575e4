"""Operations on grants: who was given which role, where, until when."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault import access
from secvault.access import Grant
from secvault.access.conflicts import Conflict as SeparationConflict
from secvault.access.grants import check_giveable
from secvault.access.obligations import GIVE, roles_with
from secvault.access.vocabulary import EMERGENCY_ROLE, PROVIDERS
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.identity import people, service_accounts
from secvault.service.approval import Terms
from secvault.service.giving import (
    DAY_MICROS,
    bounded_end,
    detail_of,
    give_role,
    is_privileged,
    require_activated,
)
from secvault.service.prospects import candidate
from secvault.service.separation import note_given, require_apart
from secvault.service.service import Service
from secvault.service.spans import Span, length
from secvault.service.spine import Caller, Operation, Outcome

MOST_DAYS = 3650


def add_grant(
    service: Service,
    caller: Caller,
    *,
    subject: str,
    role: str,
    department: str,
    days: int | None = None,
    span: Span | None = None,
) -> Grant:
    """Give a role. subject: `user:<name or id>` or `svc:<name or id>`. span: how long, in place of
    days from now on; with neither there is no end, but for a privileged role, which always has one.

    A privileged role needs a second person: raises ApprovalRequired. From when on it does, nobody
    who has not activated their account gets one: raises Conflict. One that breaks a rule of
    separation with what the subject has: raises SeparationOfDuties, or is put on record.
    InvalidInput for a time that cannot be, or too long for a privileged role.
    """
    chosen = span or Span(seconds=length(days=days))
    now = service.clock.micros()
    start, end = chosen.moments(now)
    if role in service.policy.rules.roles:
        end = bounded_end(service, role, start, end)

    def apart(connection: Connection, whom: str) -> tuple[SeparationConflict, ...]:
        new = candidate(service, whom, role, department, not_before=start, expires_at=end)
        return require_apart(service, connection, (new,))

    def act(connection: Connection) -> Outcome[Grant]:
        begins, ends = chosen.moments(service.clock.micros())
        whom = subject_of(connection, subject)
        check_giveable(service.policy.rules, whom, role, department)
        warned = apart(connection, whom)
        grant = give_role(
            service,
            connection,
            subject=whom,
            role=role,
            department=department,
            granted_by=caller.principal.subject,
            not_before=begins,
            expires_at=ends,
        )
        note_given(service, connection, caller, warned, grant.role, grant.id)
        service.approvers.notice(connection)
        return Outcome(grant, detail=detail_of(service, grant))

    def terms(connection: Connection) -> Terms | None:
        whom = subject_of(connection, subject)
        # What is refused in any case, a role for oneself, asks nobody.
        hopeless = whom == caller.principal.subject or role == EMERGENCY_ROLE
        if hopeless or not is_privileged(service, role):
            return None
        require_activated(service, connection, whom)
        # Before anybody is asked to approve what would be refused.
        apart(connection, whom)
        lasting = chosen.terms(service.settings.grants.privileged_days)
        return {"subject": whom, "role": role, "department": department, **lasting}

    return service.spine.change(caller, _operation("grant.add"), act, terms)


def revoke_grant(service: Service, caller: Caller, grant_id: str) -> Grant:
    """End a grant now.

    One without which too few could approve needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Grant]:
        ended = access.revoke_grant(connection, grant_id, at=service.clock.micros())
        return Outcome(ended, detail=_detail(ended))

    def terms(connection: Connection) -> Terms | None:
        now = service.clock.micros()
        standing = access.list_grants(connection, standing_at=now)
        ending = next((one for one in standing if one.id == grant_id), None)
        approving = roles_with(service.policy.rules, {GIVE})
        # One that passes by itself is none that a quorum rests on.
        if ending is None or ending.passing or ending.role not in approving:
            return None
        if not service.approvers.too_few_without(connection, ending.subject):
            return None
        return {"subject": ending.subject, "role": ending.role, "grant": ending.id}

    return service.spine.change(caller, _operation("grant.revoke"), act, terms)


def renew_grant(service: Service, caller: Caller, grant_id: str, *, span: Span) -> Grant:
    """Put the end of a grant off, to as long from now as the span says. span.not_before: unused.

    As giving the role: of a privileged one it needs a second person, and nobody renews their own
    role. Raises NotFound; Conflict for what has ended, has no end or would end earlier, and for
    what an activation or a provider has given; Refused; InvalidInput; ApprovalRequired;
    SeparationOfDuties.
    """

    def renewed(connection: Connection) -> tuple[Grant, int]:
        return _renewable(service, connection, caller, grant_id, span)

    def apart(connection: Connection, found: Grant, end: int) -> tuple[SeparationConflict, ...]:
        # Only what it adds: what breaks a rule until then was looked at when it was given.
        longer = candidate(
            service,
            found.subject,
            found.role,
            found.department,
            not_before=found.expires_at,
            expires_at=end,
        )
        return require_apart(service, connection, (longer,))

    def act(connection: Connection) -> Outcome[Grant]:
        found, end = renewed(connection)
        warned = apart(connection, found, end)
        now = service.clock.micros()
        done = access.extend_grant(connection, grant_id, at=now, expires_at=end)
        note_given(service, connection, caller, warned, done.role, done.id)
        return Outcome(done, detail=detail_of(service, done))

    def terms(connection: Connection) -> Terms | None:
        found, end = renewed(connection)
        if not is_privileged(service, found.role):
            return None
        apart(connection, found, end)
        lasting = span.terms(service.settings.grants.privileged_days)
        where = {"role": found.role, "department": found.department}
        return {"subject": found.subject, "renewed": found.id, **where, **lasting}

    return service.spine.change(caller, _operation("grant.add"), act, terms)


def _renewable(
    service: Service, connection: Connection, caller: Caller, grant_id: str, span: Span
) -> tuple[Grant, int]:
    """The grant, and the end that it would get."""
    now = service.clock.micros()
    found = next((one for one in access.list_grants(connection, ids=[grant_id])), None)
    if found is None:
        raise NotFound(f"there is no grant {grant_id[:64]!r}")
    if found.subject == caller.principal.subject:
        raise Refused("nobody can renew their own role; ask another administrator")
    if found.passing or found.granted_by == PROVIDERS:
        raise Conflict("this ends by itself, and is given again by the way that it came")
    end = bounded_end(service, found.role, now, span.moments(now)[1])
    if end is None:
        raise InvalidInput.at("expires_at", "say how long, or until when")
    if found.revoked_at is not None or not now < (found.expires_at or now) < end:
        raise Conflict(
            "only a role that has not ended, and has an end, is renewed, and only to a later "
            "end; revoke it and give it anew"
        )
    return found, end


def list_grants(
    service: Service,
    caller: Caller,
    *,
    without_end: bool = False,
    to_come: bool = False,
    ending_days: int | None = None,
) -> tuple[Grant, ...]:
    """The grants in force now, oldest first. to_come: those that only begin later, instead.

    without_end: only those of privileged roles that have no end, also when they only begin later:
    from before there had to be one. Each is to be revoked and given anew. ending_days: only those
    that end within so many days, soonest first, and were given for longer than that. Raises
    InvalidInput.
    """
    if ending_days is not None and not 1 <= ending_days <= MOST_DAYS:
        raise InvalidInput.at("ending_days", f"use 1 to {MOST_DAYS}")

    def act(connection: Connection) -> Outcome[tuple[Grant, ...]]:
        now = service.clock.micros()
        if without_end:
            found = privileged_without_end(service, connection)
        elif ending_days is not None:
            found = _ending(connection, now, ending_days * DAY_MICROS)
        elif to_come:
            standing = access.list_grants(connection, standing_at=now)
            found = tuple(grant for grant in standing if grant.not_before > now)
        else:
            found = access.list_grants(connection, valid_at=now)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("grant.read"), act)


def _ending(connection: Connection, now: int, within: int) -> tuple[Grant, ...]:
    found = access.list_grants(connection, valid_at=now, ends_by=now + within)
    lasting = (
        (one.expires_at, one)
        for one in found
        if one.expires_at is not None
        and not one.passing
        and one.expires_at - max(one.not_before, one.created_at) > within
    )
    return tuple(one for _, one in sorted(lasting, key=lambda each: each[0]))


def privileged_without_end(service: Service, connection: Connection) -> tuple[Grant, ...]:
    """The grants of privileged roles that have no end."""
    standing = access.list_grants(connection, standing_at=service.clock.micros())
    return tuple(
        grant
        for grant in standing
        if grant.expires_at is None and is_privileged(service, grant.role)
    )


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
