"""A role that somebody may activate, put on and off: for a reason, with a factor shown just now.

An activation is an ordinary grant that ends by itself. Where the eligibility needs an approval, the
activation is asked for, and its time begins when it is claimed, not when it is approved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault import access
from secvault.access import ALL, Grant
from secvault.access.eligibility import (
    Activation,
    Eligibility,
    list_eligibilities,
    note_use,
    read_eligibility,
)
from secvault.access.grants import ACTIVATION
from secvault.audit.facts import IDENTIFIER
from secvault.clock import timestamp
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.identity import names, people
from secvault.service.approval import Proposal, Terms
from secvault.service.approvals import requests
from secvault.service.approvals.requests import LONGEST_REASON
from secvault.service.giving import MICROS, detail_of, give_role
from secvault.service.prospects import candidate
from secvault.service.separation import note_given, require_apart
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class Use:
    """How a role is to be used. seconds: None for as long as the eligibility allows.

    ticket: a number of the company's own system, or empty.
    """

    role: str
    department: str
    reason: str
    seconds: int | None = None
    ticket: str = ""


def activate(
    service: Service, caller: Caller, use: Use, *, asked: Terms | None = None
) -> Activation:
    """Put on a role that the caller may activate, until its time is over.

    asked: the terms of the request that is claimed. Without it, an approval is asked for where one
    is needed and there is none.

    Raises NotFound when they may not; Conflict when the eligibility has not begun, has lapsed, or
    the role is held already; InvalidInput for a time that is too long, or no reason or ticket;
    SeparationOfDuties for what breaks a rule with what they have; ApprovalRequired, with the
    request that waits, where it needs an approval; StepUpRequired.
    """
    who = caller.principal.subject
    home = home_of(use.department)
    operation = Operation("grant.activate", home, "grants", f"{home}/grants")
    said = replace(use, reason=names.display_name(use.reason, "reason", LONGEST_REASON))
    if said.ticket and not IDENTIFIER.fullmatch(said.ticket):
        raise InvalidInput.at("ticket", "use letters, digits and _ . : * -, 128 at most")

    def act(connection: Connection) -> Outcome[Activation]:
        eligible, seconds = _allowed(service, connection, who, said)
        request = None
        if asked is not None and asked["activation"] != eligible.id:
            raise Conflict("what you asked for is over; you may activate the role anew")
        if eligible.needs_approval:
            digest = _digest(operation, who, _terms(eligible, seconds, said))
            request = requests.used_now(connection, digest, who)
            if request is None:
                raise Refused("this role is activated with an approval only")
        return _put_on(service, connection, caller, eligible, seconds, said, request)

    def terms(connection: Connection) -> Terms | None:
        eligible, seconds = _allowed(service, connection, who, said)
        require_not_held(service, connection, who, eligible.role, eligible.department)
        if eligible.needs_approval:
            # Before anybody is asked to approve what would be refused.
            new = _to_put_on(service, eligible, seconds)
            require_apart(service, connection, (new,), giving=False)
        return _terms(eligible, seconds, said) if eligible.needs_approval else None

    asking = replace(caller, reason=said.reason if asked is None else "")
    return service.spine.change(asking, operation, act, terms)


def _put_on(
    service: Service,
    connection: Connection,
    caller: Caller,
    eligible: Eligibility,
    seconds: int,
    use: Use,
    request: str | None,
) -> Outcome[Activation]:
    new = _to_put_on(service, eligible, seconds)
    warned = require_apart(service, connection, (new,))
    grant = give_role(
        service,
        connection,
        subject=eligible.subject,
        role=eligible.role,
        department=eligible.department,
        granted_by=eligible.granted_by,
        expires_at=new.expires_at,
        source=eligible.source,
    )
    note_given(service, connection, caller, warned, grant.role, grant.id)
    used = note_use(
        connection, eligible, grant, reason=use.reason, ticket=use.ticket, request=request
    )
    detail = {**detail_of(service, grant), "eligibility": eligible.id}
    if use.ticket:
        detail["ticket"] = use.ticket
    if request is not None:
        detail["request"] = request
    return Outcome(used, detail=detail)


def _to_put_on(service: Service, eligible: Eligibility, seconds: int) -> Grant:
    end = service.clock.micros() + seconds * MICROS
    if eligible.expires_at is not None:
        end = min(end, eligible.expires_at)
    return candidate(service, eligible.subject, eligible.role, eligible.department, expires_at=end)


def _allowed(
    service: Service, connection: Connection, who: str, use: Use
) -> tuple[Eligibility, int]:
    """The eligibility, and for how many seconds it is to be used."""
    _require_active(connection, who)
    eligible = _usable(service, connection, who, use)
    seconds = eligible.most_seconds if use.seconds is None else use.seconds
    if not 1 <= seconds <= eligible.most_seconds:
        raise InvalidInput.at("minutes", f"use at most {eligible.most_seconds // 60}")
    if eligible.needs_ticket and not use.ticket:
        raise InvalidInput.at("ticket", "this role is activated with the number of a ticket")
    return eligible, seconds


def _terms(eligible: Eligibility, seconds: int, use: Use) -> Terms:
    return {
        "subject": eligible.subject,
        "activation": eligible.id,
        "role": eligible.role,
        "department": eligible.department,
        "seconds": seconds,
        "because": use.reason,
        "ticket": use.ticket,
    }


def deactivate(service: Service, caller: Caller, grant_id: str) -> Grant:
    """Put off what the caller has activated. Raises NotFound, also for another's; Conflict."""

    def act(connection: Connection) -> Outcome[Grant]:
        own = access.list_grants(connection, subject=caller.principal.subject, ids=[grant_id])
        if not own or not own[0].source.startswith(ACTIVATION):
            raise NotFound(f"you have activated nothing with the id {grant_id[:64]!r}")
        now = service.clock.micros()
        if own[0].expires_at is not None and own[0].expires_at <= now:
            raise Conflict(f"it ended already, at {timestamp(own[0].expires_at)}")
        ended = access.revoke_grant(connection, grant_id, at=now)
        detail: dict[str, str | int | bool] = {
            "grant": ended.id,
            "role": ended.role,
            "subject": ended.subject,
            "eligibility": ended.source.removeprefix(ACTIVATION),
        }
        return Outcome(ended, detail=detail)

    return service.spine.change(
        caller, Operation("grant.deactivate", "it", "grants", "it/grants"), act
    )


def running(service: Service, caller: Caller, role: str, department: str) -> str:
    """The id of the caller's activation of the role there. Raises NotFound."""
    with service.store.read() as connection:
        found = access.list_grants(
            connection,
            subject=caller.principal.subject,
            role=role,
            department=department,
            valid_at=service.clock.micros(),
        )
    for grant in found:
        if grant.source.startswith(ACTIVATION):
            return grant.id
    raise NotFound(f"you have not activated {role} in {department}")


def use_of(service: Service, terms: Terms) -> Use:
    """What was asked for, from the terms of its request. Raises NotFound."""
    with service.store.read() as connection:
        eligible = read_eligibility(connection, str(terms["activation"]))
    seconds = terms["seconds"]
    return Use(
        eligible.role,
        eligible.department,
        str(terms["because"]),
        seconds if isinstance(seconds, int) else None,
        str(terms["ticket"]),
    )


def _digest(operation: Operation, who: str, terms: Terms) -> str:
    return Proposal(
        who, operation.action, operation.department, operation.object, operation.resource, terms
    ).digest


def _usable(service: Service, connection: Connection, who: str, use: Use) -> Eligibility:
    now = service.clock.micros()
    for each in list_eligibilities(
        connection, subject=who, role=use.role, department=use.department
    ):
        state = each.state(now)
        if state == "usable":
            return each
        if state == "waiting":
            raise Conflict(f"you may activate it from {timestamp(each.not_before)} on")
        if state == "lapsed":
            raise Conflict(
                f"it had to be used by {timestamp(each.claim_by or 0)} for the first time; ask "
                "for it anew"
            )
    raise NotFound(f"you may not activate {use.role} in {use.department}; ask for it")


def _require_active(connection: Connection, who: str) -> None:
    kind, _, identity = who.partition(":")
    if kind != "user" or people.read_person(connection, identity).state != people.ACTIVE:
        raise Refused("only people who may sign in activate roles")


def require_not_held(
    service: Service, connection: Connection, subject: str, role: str, department: str
) -> None:
    """Return unless the role is held there, or will be from a later moment on. Raises Conflict."""
    held = access.list_grants(
        connection,
        subject=subject,
        role=role,
        department=department,
        standing_at=service.clock.micros(),
    )
    if held:
        end = held[0].expires_at
        until = f" until {timestamp(end)}" if end is not None else ""
        raise Conflict(f"{role} in {department} is held already{until}")


def home_of(department: str) -> str:
    """Where a role for all departments is asked for."""
    return "it" if department == ALL else department
