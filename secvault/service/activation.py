"""An invited person makes their account their own: password, first factor, recovery codes.

Whoever comes here cannot sign in yet; the code is what they show. So nothing passes through the
spine: the audit entries are written here, in the transactions that they are of.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import activation
from secvault.identity.activation import Activated, Begun, FirstDevice
from secvault.identity.guessable import holds_code
from secvault.identity.invitations import Invitation
from secvault.identity.people import NewPerson, Person
from secvault.identity.refusal import SignInDelayed, SignInRefused
from secvault.service import provided_roles
from secvault.service.authentication import record_refusal
from secvault.service.bootstrap import DEPARTMENT, admit_first
from secvault.service.origin import Origin
from secvault.service.people import context_words
from secvault.service.service import Service


@dataclass(frozen=True)
class Shown:
    """What a code is good for, until `expires_at` (microseconds, UTC).

    person: who it is for; None for the first administrator who has not said their name yet.
    """

    person: Person | None
    first: bool
    expires_at: int


@dataclass(frozen=True)
class From:
    """Where a request comes from, and which it is."""

    address: str = ""
    request_id: str = ""
    agent: str = ""

    @property
    def origin(self) -> Origin:
        """Where it comes from, for the audit log."""
        return Origin(self.address, self.agent)


NOWHERE = From()


def look(service: Service, code: Secret, came: From = NOWHERE) -> Shown:
    """Who is invited by this code. Raises NotAuthenticated, TooManyAttempts."""
    kind = "activation.look"
    found = _checked(service, code, came, kind)
    somebody = activation.person_of(service.entrance, found)
    service.audit.record(_event(kind, found.person, came))
    return Shown(somebody, found.first, found.expires_at)


def begin(
    service: Service,
    code: Secret,
    *,
    password: Secret,
    device: str,
    name: str = "",
    display_name: str = "",
    hardware_token: bool = False,
    came: From = NOWHERE,
) -> Begun:
    """Choose a password and begin the first device, whose seed is shown once; can be begun anew.

    name and display_name: of the first administrator only. hardware_token: of who confirms a token
    that was assigned to them. Raises InvalidInput for a password that is easy to guess,
    NotAuthenticated for a code that is not good, TooManyAttempts, Conflict.
    """
    kind = "activation.begin"
    found = _checked(service, code, came, kind)
    somebody = activation.person_of(service.entrance, found)
    names = _names(found, name, display_name)
    about = names or somebody
    if about is None:
        raise InvalidInput.at("name", "say the name to sign in with: you are the first")
    if holds_code(password.text(), code.text()):
        raise InvalidInput.at("password", "must not be the code of the invitation")
    chosen = service.entrance.hasher.hash_new(password, context_words(service, about))

    def record(connection: Connection, begun: Begun) -> None:
        made = "" if begun.enrolment is None else begun.enrolment.device.id
        service.audit.enqueue(connection, _event(kind, begun.person.id, came, made))

    try:
        begun = activation.begin(
            service.entrance,
            found,
            chosen,
            FirstDevice(device, service.settings.organisation, hardware_token),
            names=names,
            record=record,
            random=service.random,
        )
    except SignInRefused as refusal:
        record_refusal(service, refusal, came.request_id, kind, origin=came.origin)
        raise
    service.audit.kick()
    return begun


def complete(
    service: Service, code: Secret, codes: tuple[Secret, Secret], came: From = NOWHERE
) -> Activated:
    """Sign-in is open from now on, shown by two codes in a row; recovery codes are shown once.

    Raises InvalidInput when the codes do not fit, Conflict when nothing was begun,
    NotAuthenticated for a code that is not good, TooManyAttempts.
    """
    kind = "activation.complete"
    found = _checked(service, code, came, kind)

    def admit(connection: Connection, person: Person) -> None:
        if found.first:
            admit_first(service, connection, person)

    def record(connection: Connection, done: Activated) -> None:
        service.audit.enqueue(connection, _event(kind, done.person.id, came, done.device.id))
        provided_roles.give_waiting(service, connection, done.person.id, came.request_id)

    try:
        done = activation.complete(
            service.entrance, found, codes, admit=admit, record=record, random=service.random
        )
    except (SignInRefused, SignInDelayed) as refusal:
        record_refusal(service, refusal, came.request_id, kind, origin=came.origin)
        raise
    service.audit.kick()
    return done


def _checked(service: Service, code: Secret, came: From, kind: str) -> Invitation:
    try:
        return activation.check(service.entrance, code, came.address)
    except (SignInRefused, SignInDelayed) as refusal:
        record_refusal(service, refusal, came.request_id, kind, origin=came.origin)
        raise


def _names(found: Invitation, name: str, display_name: str) -> NewPerson | None:
    if not found.first:
        if name or display_name:
            raise InvalidInput.at("name", "is chosen by who invites; leave it out")
        return None
    if not name:
        return None
    return NewPerson.of(name, display_name or name, DEPARTMENT)


def _event(kind: str, person: str | None, came: From, device: str = "") -> Event:
    who = person or "unknown"
    return Event(
        kind=kind,
        outcome="ok",
        actor=Actor("user", who),
        resource=f"it/people/{who}",
        department="it",
        request=came.request_id,
        detail={"person": who, **({"device": device} if device else {})},
        personal=came.origin.personal(),
    )
