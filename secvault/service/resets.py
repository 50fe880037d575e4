"""Helping somebody back in who lost their factors or their password, with a second person.

Nobody who helps learns a seed, a password or a code: the code comes in parts, one shown to whoever
does the reset and one to each who approved it. All parts together, with what the person still has,
let them enrol a new factor or set a new password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import people, reset, reset_codes
from secvault.identity.guessable import holds_code
from secvault.identity.paper_code import digest_of, new_code, shown_code
from secvault.identity.people import Person
from secvault.identity.principal import RECOVERY, TOTP
from secvault.identity.reset import Redemption
from secvault.service.approval import Proposal, Terms
from secvault.service.approvals import requests
from secvault.service.authentication import recording_refusals
from secvault.service.origin import Origin
from secvault.service.people import context_words
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

FACTOR_RESET, PASSWORD_RESET = "factor.reset", "password.reset"
IN_PARTS = frozenset({FACTOR_RESET, PASSWORD_RESET})
"""The actions whose approvers are shown a part of a code."""

_HOUR = 3600
_Ending = Callable[[Connection, Person], None]


@dataclass(frozen=True)
class Reset:
    """A reset that was done. part: for whoever did it to hand over, shown once.

    parts: how many there are, this one too. expires_at: microseconds since the epoch, UTC.
    """

    person: Person
    part: Secret
    parts: int
    expires_at: int


def reset_factors(service: Service, caller: Caller, person: str) -> Reset:
    """End all second factors, recovery codes and sessions of somebody. person: name or id.

    They get back in by their password and all parts of the code. Raises ApprovalRequired.
    """

    def end(connection: Connection, found: Person) -> None:
        reset.end_factors(connection, service.clock, found.id)

    return _reset(service, caller, person, FACTOR_RESET, reset_codes.FACTOR, end)


def reset_password(service: Service, caller: Caller, person: str) -> Reset:
    """End the password and all sessions of somebody. person: name or id.

    They set a new one by a second factor and all parts of the code. Raises ApprovalRequired.
    """
    # Nobody's password, made before the transaction because hashing takes long.
    nobodys = service.entrance.hasher.hash(Secret.of(service.random(32).hex()))

    def end(connection: Connection, found: Person) -> None:
        people.set_password(connection, service.clock, found.id, nobodys)

    return _reset(service, caller, person, PASSWORD_RESET, reset_codes.PASSWORD, end)


def redeem_password(
    service: Service,
    *,
    name: str,
    code: Secret,
    second: Secret,
    new: Secret,
    request_id: str = "",
    address: str = "",
    agent: str = "",
) -> None:
    """Set a new password of one's own by the code of a reset; see `identity.reset.Redemption`.

    Raises NotAuthenticated or TooManyAttempts, the same for every cause; the audit log keeps it.
    """

    origin = Origin(address, agent)
    if any(holds_code(new.text(), each.text()) for each in (code, second)):
        raise InvalidInput.at("new_password", "must not be the code of a reset")

    def words(person: Person) -> tuple[str, ...]:
        return context_words(service, person)

    def record(connection: Connection, person: str, device: str) -> None:
        detail = {"factor": TOTP, "device": device} if device else {"factor": RECOVERY}
        event = Event(
            kind="auth.password_redeemed",
            outcome="ok",
            actor=Actor("user", person, factors=(detail["factor"],)),
            resource=f"it/people/{person}",
            department="it",
            request=request_id,
            detail=detail,
            personal=origin.personal(name),
        )
        service.audit.enqueue(connection, event)

    given = Redemption(name, code, second, new, words, address)
    with recording_refusals(service, request_id, origin=origin):
        reset.redeem_password(service.entrance, given, record=record)
    service.audit.kick()


def new_part(service: Service, subject: str) -> tuple[Secret, bytes]:
    """A part of a code for this person, to be shown once, and the digest of it to keep."""
    code = new_code(service.random)
    person = subject.removeprefix("user:")
    return shown_code(code), digest_of(service.entrance.keys, person, code)


def _reset(
    service: Service, caller: Caller, person: str, action: str, kind: str, end: _Ending
) -> Reset:
    operation = Operation(action, "it", "people", "it/people")
    service.spine.decide(caller, operation)
    with service.store.read() as connection:
        whom = people.by_name_or_id(connection, person)
    operation = Operation(action, "it", "people", f"it/people/{whom.id}")
    terms: Terms = {"subject": whom.subject}
    proposal = Proposal(caller.principal.subject, action, "it", "people", operation.resource, terms)

    def act(connection: Connection) -> Outcome[Reset]:
        used = requests.used_without_code(connection, service.clock, proposal.digest)
        shown, own = new_part(service, whom.subject)
        parts = {own, *_of_approvers(service, connection, used, proposal)}
        end(connection, whom)
        expires_at = reset_codes.keep(
            connection,
            service.clock,
            person_id=whom.id,
            kind=kind,
            parts=parts,
            request=used.id if used else None,
            seconds=service.settings.approvals.reset_hours * _HOUR,
        )
        done = Reset(whom, shown, len(parts), expires_at)
        return Outcome(done, detail={"person": whom.id, "expires_at": expires_at})

    return service.spine.change(caller, operation, act, lambda _: terms)


def _of_approvers(
    service: Service,
    connection: Connection,
    used: requests.Request | None,
    proposal: Proposal,
) -> frozenset[bytes]:
    """The digests of the parts of those whose approvals counted."""
    if used is None:
        return frozenset()
    given = {one.approver: one.part for one in used.approvals}
    concerned = {used.requester, proposal.subject, proposal.beneficiary}
    counted = service.approvers.active(connection, given.keys() - concerned)
    parts = {
        given[subject]
        for subject in counted
        if service.approvers.may_give(connection, subject, proposal.department)
    }
    found = frozenset(part for part in parts if part is not None)
    if not found:
        raise Conflict("the approvals hold no part of a code; ask for them again")
    return found
