"""Sessions of people: listed, ended, and renewed by showing a factor again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound
from secvault.identity import SignInDelayed, SignInRefused, people, sessions, step_up
from secvault.identity.principal import PASSKEY, TOTP
from secvault.identity.sessions import KnownSession
from secvault.identity.sign_in import SignedIn
from secvault.identity.step_up import Record
from secvault.service.authentication import record_refusal
from secvault.service.origin import origin_of
from secvault.service.passkey_sign_in import party_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def own_sessions(service: Service, caller: Caller) -> tuple[KnownSession, ...]:
    """The caller's open sessions, oldest first. Raises InvalidInput for a system."""
    who = _person(caller)

    def act(connection: Connection) -> Outcome[tuple[KnownSession, ...]]:
        found = _open(service, connection, who)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _own("session.self"), act)


def end_own_session(service: Service, caller: Caller, session: str) -> None:
    """End one of the caller's sessions. Raises NotFound, for another person's, too."""
    who = _person(caller)

    def act(connection: Connection) -> Outcome[None]:
        _end(service, connection, who, session)
        return Outcome(None, detail={"session": session})

    service.spine.change(caller, _own("session.end_own"), act)


def end_own_others(service: Service, caller: Caller) -> int:
    """End all of the caller's sessions but the one that they came with; how many ended.

    What somebody does who has changed a factor, or sees a session that is not theirs (OWASP ASVS
    5.0, 7.4.3). Raises InvalidInput for a system.
    """
    who = _person(caller)

    def act(connection: Connection) -> Outcome[int]:
        ended = sessions.end_all_sessions(
            connection, service.clock, who, keep=caller.principal.credential
        )
        return Outcome(ended, count=ended)

    return service.spine.change(caller, _own("session.end_own"), act)


def sessions_of(service: Service, caller: Caller, person: str) -> tuple[KnownSession, ...]:
    """Somebody's open sessions, for an administrator. person: sign-in name or id."""

    def act(connection: Connection) -> Outcome[tuple[KnownSession, ...]]:
        found = people.by_name_or_id(connection, person)
        listed = _open(service, connection, found.id)
        return Outcome(listed, count=len(listed), detail={"person": found.id})

    return service.spine.read(caller, _of_people("session.read"), act)


def end_sessions_of(service: Service, caller: Caller, person: str, session: str = "") -> int:
    """End one of somebody's sessions, or all when none is named; how many ended.

    Raises NotFound when there is no such open session.
    """

    def act(connection: Connection) -> Outcome[int]:
        found = people.by_name_or_id(connection, person)
        if session:
            _end(service, connection, found.id, session)
            return Outcome(1, detail={"person": found.id, "session": session})
        ended = sessions.end_all_sessions(connection, service.clock, found.id)
        return Outcome(ended, count=ended, detail={"person": found.id})

    return service.spine.change(caller, _of_people("session.end"), act)


def ask_step_up(service: Service, caller: Caller) -> Mapping[str, Any]:
    """What the browser asks for so that the caller shows a passkey again."""
    _stepping(caller)
    service.spine.decide(caller, _own("auth.step_up"))
    try:
        return step_up.ask(service.entrance, party_of(service), caller.principal).options
    except SignInRefused as refusal:
        _record_refusal(service, caller, refusal)
        raise InvalidInput.at("code", "you have no passkey; give the code of a device") from None


def step_up_by_code(service: Service, caller: Caller, code: Secret) -> SignedIn:
    """A new token for the caller's session, whose second factor is fresh; the old one ends.

    Raises InvalidInput when the code is wrong or was used; TooManyAttempts.
    """
    wrong = InvalidInput.at("code", "is not right or was used; wait for the next one")
    return _stepped(
        service,
        caller,
        lambda record: step_up.by_code(service.entrance, caller.principal, code, record),
        wrong,
        TOTP,
    )


def step_up_by_passkey(service: Service, caller: Caller, answer: Mapping[str, Any]) -> SignedIn:
    """The same by a passkey. Raises InvalidInput when the answer is not right."""
    party = party_of(service)
    wrong = InvalidInput.at("credential", "is not right; ask for a new challenge")
    return _stepped(
        service,
        caller,
        lambda record: step_up.by_passkey(
            service.entrance, party, caller.principal, answer, record
        ),
        wrong,
        PASSKEY,
    )


def _stepped(
    service: Service,
    caller: Caller,
    show: Callable[[Record], SignedIn],
    wrong: InvalidInput,
    factor: str,
) -> SignedIn:
    _stepping(caller)
    operation = _own("auth.step_up")
    decision = service.spine.decide(caller, operation)

    def record(connection: Connection, renewed: SignedIn) -> None:
        detail = {
            "factor": factor,
            "session": renewed.principal.credential,
            "device": renewed.device,
        }
        done = Outcome(renewed, detail=detail)
        service.audit.enqueue(
            connection, service.spine.event(caller, operation, "ok", decision, done)
        )

    try:
        renewed = show(record)
    except SignInRefused as refusal:
        _record_refusal(service, caller, refusal)
        raise wrong from None
    except SignInDelayed as refusal:
        _record_refusal(service, caller, refusal)
        raise
    service.audit.kick()
    return renewed


def _record_refusal(
    service: Service, caller: Caller, refusal: SignInRefused | SignInDelayed
) -> None:
    origin = origin_of(caller)
    record_refusal(service, refusal, caller.request_id, "auth.step_up", origin=origin)


def _stepping(caller: Caller) -> None:
    _person(caller)
    if caller.principal.recovering:
        raise InvalidInput("a recovery code opened this session; sign in with the new factor")


def _open(service: Service, connection: Connection, person: str) -> tuple[KnownSession, ...]:
    return sessions.list_sessions(connection, service.clock, person, service.entrance.sessions)


def _end(service: Service, connection: Connection, person: str, session: str) -> None:
    if not sessions.end_session(connection, service.clock, session, person):
        raise NotFound("there is no such open session")


def _person(caller: Caller) -> str:
    if caller.principal.kind != "user":
        raise InvalidInput("only people have sessions; sign in as one")
    return caller.principal.id


def _own(action: str) -> Operation:
    return Operation(action, "it", "session", "it/sessions")


def _of_people(action: str) -> Operation:
    return Operation(action, "it", "people", "it/people")
