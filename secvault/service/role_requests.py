"""Asking for a role: for oneself or for somebody else, with a reason and for a time.

Others approve it; then whoever asked claims it, and only from then on the time runs. Neither
whoever asks nor whoever gets the role approves anything here, and without approvals it is never
given, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import Grant
from secvault.access.grants import REQUEST, check_giveable
from secvault.errors import ApprovalRequired, Conflict, InvalidInput, NotFound, Refused
from secvault.identity import names, people
from secvault.service import role_activation
from secvault.service.approval import Proposal, Terms
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.approvals.operations import RequestView
from secvault.service.approvals.requests import LONGEST_REASON, Request
from secvault.service.giving import (
    MICROS,
    bounded_end,
    detail_of,
    give_role,
    is_privileged,
    require_activated,
)
from secvault.service.grants import subject_of
from secvault.service.prospects import candidate
from secvault.service.separation import note_given, require_apart
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

ACTION = "grant.request"
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class WantedRole:
    """What is asked for. subject: `user:<name or id>`; empty for oneself. seconds: how long."""

    role: str
    department: str
    seconds: int
    reason: str
    subject: str = ""


class _AlreadyApproved(Conflict):
    """It has its approvals: nothing more is asked for."""


def ask(service: Service, caller: Caller, wanted: WantedRole) -> RequestView:
    """Ask for a role; the request that waits, or the one of before for exactly the same.

    Raises InvalidInput; Refused for a role that nobody can ask for; Conflict when the role is
    held already, when too few could approve it, or when it is approved and waits to be claimed;
    SeparationOfDuties for what breaks a rule with what they have; StepUpRequired.
    """

    def act(_connection: Connection) -> Outcome[Grant]:
        raise _AlreadyApproved("this is approved already; claim it: see `secvault grants requests`")

    try:
        _change(service, replace(caller, reason=_reason(wanted)), wanted, act)
    except ApprovalRequired as required:
        if not required.request:
            raise
        return approvals.read_request(service, caller, required.request)
    raise AssertionError("a role was given without being claimed")


def claim(service: Service, caller: Caller, request_id: str) -> Grant:
    """Take what one asked for and others approved: from now on, for as long as was asked for.

    Raises NotFound, also for another's; ApprovalRequired while approvals are missing; Conflict;
    SeparationOfDuties; StepUpRequired.
    """
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, request_id)
    if found.requester != caller.principal.subject:
        raise NotFound(f"you have asked for nothing with the id {request_id[:64]!r}")
    terms = found.proposal.terms
    if found.state != requests.OPEN:
        raise Conflict(f"the request is {found.state}; ask again")
    if found.proposal.action == "grant.activate":
        use = role_activation.use_of(service, terms)
        return role_activation.activate(service, caller, use, asked=terms).grant
    if found.proposal.action != ACTION:
        raise Conflict("this is no role; do the same again, now that it is approved")
    wanted = wanted_of(found)

    def act(connection: Connection) -> Outcome[Grant]:
        whom = subject_of(connection, wanted.subject)
        proposal = _proposal(service, connection, caller, wanted)
        request = requests.used_now(connection, proposal.digest, caller.principal.subject)
        if request is None:
            raise Refused("a role that was asked for is given with an approval only")
        used = requests.read_request(connection, service.clock, request)
        end = service.clock.micros() + wanted.seconds * MICROS
        new = candidate(service, whom, wanted.role, wanted.department, expires_at=end)
        warned = require_apart(service, connection, (new,))
        grant = give_role(
            service,
            connection,
            subject=whom,
            role=wanted.role,
            department=wanted.department,
            # Whoever approved it last has given it.
            granted_by=used.approvals[-1].approver,
            expires_at=end,
            source=f"{REQUEST}{request}",
        )
        note_given(service, connection, caller, warned, grant.role, grant.id)
        service.approvers.notice(connection)
        return Outcome(grant, detail={**detail_of(service, grant), "request": request})

    return _change(service, replace(caller, reason=""), wanted, act)


def own(service: Service, caller: Caller) -> tuple[RequestView, ...]:
    """The roles and activations that the caller has asked for, the newest first."""
    found = approvals.own_requests(service, caller)
    return tuple(
        view for view in found if view.request.proposal.action in (ACTION, "grant.activate")
    )


def wanted_of(request: Request) -> WantedRole:
    """What a request for a role asks for."""
    terms = request.proposal.terms
    seconds = terms["seconds"]
    return WantedRole(
        str(terms["role"]),
        str(terms["department"]),
        seconds if isinstance(seconds, int) else 0,
        str(terms["because"]),
        str(terms["subject"]),
    )


def _change(
    service: Service,
    caller: Caller,
    wanted: WantedRole,
    act: Callable[[Connection], Outcome[Grant]],
) -> Grant:
    most = service.settings.grants.privileged_days * DAY_SECONDS
    if not 1 <= wanted.seconds <= most:
        raise InvalidInput.at("days", f"ask for {most // DAY_SECONDS} days at most")

    def terms(connection: Connection) -> Terms:
        return _proposal(service, connection, caller, wanted).terms

    return service.spine.change(caller, _operation(wanted.department), act, terms)


def _proposal(
    service: Service, connection: Connection, caller: Caller, wanted: WantedRole
) -> Proposal:
    """What is proposed, when it can be.

    Raises InvalidInput, Conflict, Refused, SeparationOfDuties.
    """
    who = caller.principal
    if who.kind != "user":
        raise Refused("only people ask for roles; sign in as one")
    whom = subject_of(connection, wanted.subject) if wanted.subject else who.subject
    kind, _, identity = whom.partition(":")
    if kind != "user":
        raise InvalidInput.at("subject", "a role is asked for on behalf of a person")
    check_giveable(service.policy.rules, whom, wanted.role, wanted.department)
    person = people.read_person(connection, identity)
    if person.state == people.DISABLED:
        raise Conflict(f"{person.name} is disabled")
    if is_privileged(service, wanted.role):
        require_activated(service, connection, whom)
        now = service.clock.micros()
        bounded_end(service, wanted.role, now, now + wanted.seconds * MICROS)
    role_activation.require_not_held(service, connection, whom, wanted.role, wanted.department)
    # Before anybody is asked to approve what would be refused.
    end = service.clock.micros() + wanted.seconds * MICROS
    new = candidate(service, whom, wanted.role, wanted.department, expires_at=end)
    require_apart(service, connection, (new,), giving=False)
    terms: Terms = {
        "subject": whom,
        "requested_by": who.subject,
        "role": wanted.role,
        "department": wanted.department,
        "seconds": wanted.seconds,
        "because": _reason(wanted),
    }
    operation = _operation(wanted.department)
    return Proposal(
        who.subject,
        operation.action,
        operation.department,
        operation.object,
        operation.resource,
        terms,
    )


def _reason(wanted: WantedRole) -> str:
    return names.display_name(wanted.reason, "reason", LONGEST_REASON)


def _operation(department: str) -> Operation:
    home = role_activation.home_of(department)
    return Operation(ACTION, home, "grants", f"{home}/grants")
