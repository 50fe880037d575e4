"""What people do about requests: look at them, approve, refuse, withdraw; and what needs whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS
from secvault.access.obligations import GIVE, SELF_SERVICE, Slot
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound, Refused
from secvault.service.approvals import requests
from secvault.service.approvals.requests import Request
from secvault.service.approvals.subjects import name_of
from secvault.service.resets import IN_PARTS, new_part
from secvault.service.separation import require_approvable
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

OWN, READ, REFUSE = "approval.own", "approval.read", "approval.refuse"
READ_ROLE = "approval.read_role"
HOUR_MICROS = 3600 * 1_000_000


@dataclass(frozen=True)
class RequestView:
    """A request with the names of those in it, by subject. missing: how many must still approve;
    None once it is over.
    """

    request: Request
    names: Mapping[str, str]
    missing: int | None


@dataclass(frozen=True)
class Given:
    """An approval that was given. part: of a reset's code, for the person reset, shown once."""

    view: RequestView
    part: Secret | None


@dataclass(frozen=True)
class Quorum:
    """What an action needs in a department, and whether there are people for it.

    able: how many may approve there. met: also when one of them asks.
    """

    action: str
    slots: tuple[Slot, ...]
    able: int
    met: bool


def own_requests(service: Service, caller: Caller) -> tuple[RequestView, ...]:
    """What the caller has asked for, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[RequestView, ...]]:
        found = requests.list_requests(
            connection, service.clock, requester=caller.principal.subject
        )
        return Outcome(tuple(_view(service, connection, one) for one in found), count=len(found))

    return service.spine.read(caller, _own(), act)


def list_requests(
    service: Service, caller: Caller, *, pending: bool = False
) -> tuple[RequestView, ...]:
    """Everybody's requests of the departments where the caller may see them, the newest first."""
    asked = _readable(service, caller)

    def act(connection: Connection) -> Outcome[tuple[RequestView, ...]]:
        found = [
            one
            for one in requests.list_requests(connection, service.clock, pending=pending)
            if asked[READ] & _departments(service, one)
            or (one.proposal.action in SELF_SERVICE and one.proposal.department in asked[READ_ROLE])
        ]
        return Outcome(tuple(_view(service, connection, one) for one in found), count=len(found))

    # Whoever answers for a department sees what is asked for there, and nothing else.
    action = READ_ROLE if asked[READ_ROLE] and not asked[READ] else READ
    return service.spine.read(caller, _operation(action, min(asked[action], default="it")), act)


def may_list(service: Service, caller: Caller) -> bool:
    """Whether the caller may see others' requests anywhere; without a record."""
    return any(_readable(service, caller).values())


def read_request(service: Service, caller: Caller, request_id: str) -> RequestView:
    """One request. Raises NotFound, also for one that the caller may not see."""
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, request_id)
    if found.requester == caller.principal.subject:
        operation = _own(found.id)
    else:
        operation = _first_allowed(service, caller, READ, found)
        if not service.spine.ask(caller, operation).allowed:
            raise NotFound(f"there is no request with the id {request_id[:64]!r}")

    def act(connection: Connection) -> Outcome[RequestView]:
        fresh = requests.read_request(connection, service.clock, request_id)
        return Outcome(_view(service, connection, fresh))

    return service.spine.read(caller, operation, act)


def could(service: Service, caller: Caller, action: str, request: Request) -> bool:
    """Whether the caller may do `approval.give` or `approval.refuse` with it, if need be after a
    factor is shown again; without a record.
    """
    asking = replace(caller, actions=None)
    decision = service.spine.ask(asking, _first_allowed(service, asking, action, request))
    return decision.allowed or decision.step_up is not None


def approve(service: Service, caller: Caller, request_id: str, digest: str) -> Given:
    """Say yes to exactly what was shown, whose digest this is.

    Raises NotFound, Conflict (it is over, or another thing), Refused for whoever asked or is
    affected, StepUpRequired.
    """
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, request_id)
    operation = _first_allowed(service, caller, GIVE, found)
    who = caller.principal

    def act(connection: Connection) -> Outcome[Given]:
        request = requests.read_request(connection, service.clock, request_id)
        if request.proposal.digest != digest:
            raise Conflict("this is not what the request asks for; look at it again")
        if who.kind != "user":
            raise Refused("only people approve; sign in as one")
        if who.subject == request.requester:
            raise Refused("nobody approves what they asked for themselves; ask somebody else")
        if who.subject == request.proposal.beneficiary:
            raise Refused("nobody approves what is done to themselves; ask somebody else")
        require_approvable(service, connection, request)
        part, kept = None, None
        if request.proposal.action in IN_PARTS:
            part, kept = new_part(service, request.proposal.beneficiary)
        before = _view(service, connection, request).missing
        requests.add_approval(connection, service.clock, request, who.subject, kept)
        fresh = requests.read_request(connection, service.clock, request_id)
        view = _view(service, connection, fresh)
        if fresh.proposal.action in SELF_SERVICE and before and not view.missing:
            # How long it waited for approvals takes nothing from the time to claim it.
            until = service.clock.micros() + service.settings.grants.claim_hours * HOUR_MICROS
            requests.set_expiry(connection, request_id, until)
            fresh = requests.read_request(connection, service.clock, request_id)
            view = _view(service, connection, fresh)
        detail = {**_detail(fresh), "factor": who.factors[-1], "missing": view.missing or 0}
        return Outcome(Given(view, part), detail=detail)

    return service.spine.change(caller, operation, act)


def refuse(service: Service, caller: Caller, request_id: str) -> RequestView:
    """Say no, which ends the request for everybody. Raises NotFound, Conflict, Refused."""
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, request_id)
    operation = _first_allowed(service, caller, REFUSE, found)
    return _end(service, caller, operation, found, requests.REFUSED)


def withdraw(service: Service, caller: Caller, request_id: str) -> RequestView:
    """Take back what one asked for. Raises NotFound, also for another's; Conflict."""
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, request_id)
    if found.requester != caller.principal.subject:
        raise NotFound(f"you have asked for nothing with the id {request_id[:64]!r}")
    return _end(service, caller, _own(found.id), found, requests.WITHDRAWN)


def quorums(service: Service, caller: Caller) -> tuple[Quorum, ...]:
    """What needs an approval in `it`, and whether enough people can give it there."""

    def act(connection: Connection) -> Outcome[tuple[Quorum, ...]]:
        return Outcome(tuple(quorums_of(service, connection)))

    return service.spine.read(caller, _operation(READ, "it"), act)


def quorums_of(service: Service, connection: Connection) -> list[Quorum]:
    """The same, for the program itself."""
    approvers = service.approvers
    found = []
    for action, slots in sorted(approvers.obligations.slots.items()):
        able = {
            subject
            for slot in slots
            for subject in approvers.in_department(connection, slot.where("it"), slot.action)
        }
        # Whoever of them asks must find enough others.
        met = bool(able) and all(
            approvers.missing(connection, slots, "it", able - {one}) == 0 for one in able
        )
        found.append(Quorum(action, slots, len(able), met))
    return found


def _readable(service: Service, caller: Caller) -> dict[str, set[str]]:
    """By action, the departments where the caller may see what is asked for."""
    asked = {
        (action, department): _operation(action, department)
        for action in (READ, READ_ROLE)
        for department in DEPARTMENTS
    }
    found: dict[str, set[str]] = {READ: set(), READ_ROLE: set()}
    for action, department in service.spine.allowed(caller, asked):
        found[action].add(department)
    return found


def _end(
    service: Service, caller: Caller, operation: Operation, found: Request, state: str
) -> RequestView:
    def act(connection: Connection) -> Outcome[RequestView]:
        requests.end_request(connection, service.clock, found.id, state, caller.principal.subject)
        fresh = requests.read_request(connection, service.clock, found.id)
        detail = _detail(fresh)
        if operation.action == OWN:
            detail["state"] = state
            del detail["requester"]
        return Outcome(_view(service, connection, fresh), detail=detail)

    return service.spine.change(caller, operation, act)


def _first_allowed(service: Service, caller: Caller, action: str, request: Request) -> Operation:
    """The operation in the first of the request's departments where the caller may do it."""
    wheres = sorted(
        _departments(service, request), key=lambda one: one != request.proposal.department
    )
    operations = [_operation(action, where, request.id) for where in wheres]
    if request.proposal.action in SELF_SERVICE:
        own = request.proposal.department
        operations.append(_operation(f"{action}_role", own, request.id))
    asked = [(one, service.spine.ask(caller, one)) for one in operations]
    allowed = [one for one, decision in asked if decision.allowed]
    # Where only a fresher factor is missing, that is what is to be said.
    stale = [one for one, decision in asked if decision.step_up is not None]
    return [*allowed, *stale, operations[0]][0]


def _departments(service: Service, request: Request) -> set[str]:
    own = request.proposal.department
    slots = _slots(service, request)
    return {own, *(slot.where(own) for slot in slots)}


def _view(service: Service, connection: Connection, request: Request) -> RequestView:
    subjects = {request.requester, request.proposal.beneficiary, request.ended_by or ""}
    subjects |= {one.approver for one in request.approvals}
    names = {subject: name_of(connection, subject) for subject in subjects if subject}
    missing = None
    if request.state == requests.OPEN:
        proposal = request.proposal
        concerned = {proposal.subject, proposal.beneficiary}
        given = {one.approver for one in request.approvals} - concerned
        slots = _slots(service, request)
        missing = service.approvers.missing(connection, slots, proposal.department, given)
    return RequestView(request, names, missing)


def _slots(service: Service, request: Request) -> tuple[Slot, ...]:
    """What it needs; nothing for a role that cannot be asked for any more, which is never given."""
    try:
        return service.approvers.wanted(request.proposal)
    except Refused:
        return ()


def _detail(request: Request) -> dict[str, str | int | bool]:
    detail: dict[str, str | int | bool] = {
        "request": request.id,
        "operation": request.proposal.action,
        "digest": request.proposal.digest,
        "requester": request.requester,
    }
    if request.proposal.beneficiary:
        detail["subject"] = request.proposal.beneficiary
    return detail


def _operation(action: str, department: str, request_id: str = "") -> Operation:
    place = f"{department}/approvals/{request_id}" if request_id else f"{department}/approvals"
    return Operation(action, department, "approvals", place)


def _own(request_id: str = "") -> Operation:
    place = f"it/approvals/{request_id}" if request_id else "it/approvals"
    return Operation(OWN, "it", "session", place)
