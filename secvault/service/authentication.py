"""Who is it: signing in and out, and the principal behind a credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import Principal, SignInDelayed, SignInRefused, csrf, sessions, tokens
from secvault.identity.principal import COOKIE, HEADER, Carrier
from secvault.identity.refusal import TokenRefused
from secvault.identity.sessions import KnownSession
from secvault.identity.sign_in import Credentials, SignedIn
from secvault.identity.sign_in import sign_in as enter
from secvault.identity.two_steps import FirstStep, begin, complete
from secvault.service.origin import NOWHERE, Origin, network
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of

OPERATOR = "local:operator"
JOBS = "system:jobs"


def sign_in(
    service: Service,
    name: str,
    password: Secret,
    code: Secret,
    request_id: str = "",
    method: str = "session",
    address: str = "",
    carrier: Carrier = HEADER,
    agent: str = "",
) -> SignedIn:
    """Open a session for somebody who shows the password and a fresh code.

    method: the face that asks, for the audit log. address: where it comes from. agent: what the
    program there calls itself. carrier: what the session's token is to travel in. Raises
    NotAuthenticated or TooManyAttempts, the same for every cause; the audit log keeps the cause.
    The session and its audit entry are on disk together.
    """
    origin = Origin(address, agent)
    with recording_refusals(service, request_id, origin=origin):
        signed_in = enter(
            service.entrance,
            Credentials(name, password, code, address, carrier),
            record=recorder(service, request_id, method, origin=origin),
        )
    service.audit.kick()
    return signed_in


def begin_sign_in(
    service: Service,
    name: str,
    password: Secret,
    request_id: str = "",
    address: str = "",
    agent: str = "",
) -> FirstStep:
    """The first of two steps: the password of somebody who has a second factor.

    Raises as `sign_in` does. That a password was right is on disk before it is answered.
    """
    origin = Origin(address, agent)

    def record(connection: Connection, step: FirstStep) -> None:
        event = Event(
            kind="auth.first_factor",
            outcome="ok",
            actor=Actor("user", step.person),
            resource=f"it/people/{step.person}",
            department="it",
            request=request_id,
            detail={"factor": "password", "method": "userpass"},
            personal=origin.personal(name),
        )
        service.audit.enqueue(connection, event)

    with recording_refusals(service, request_id, origin=origin):
        step = begin(service.entrance, name, password, address=address, record=record)
    service.audit.kick()
    return step


def complete_sign_in(
    service: Service,
    request: str,
    code: Secret,
    request_id: str = "",
    address: str = "",
    agent: str = "",
) -> SignedIn:
    """The second step: a session for somebody who shows a fresh code. Raises as `sign_in` does;
    InvalidInput when the first step is unknown, over or used.
    """
    origin = Origin(address, agent)
    with recording_refusals(service, request_id, origin=origin):
        signed_in = complete(
            service.entrance,
            request,
            code,
            address=address,
            record=recorder(service, request_id, "userpass", origin=origin),
        )
    service.audit.kick()
    return signed_in


def authenticate(
    service: Service,
    credential: str,
    *,
    address: str = "",
    spend: bool = True,
    request_id: str = "",
) -> Principal:
    """The principal of a session (svs_...) or a token (svt_...). Raises NotAuthenticated.

    address: where it comes from, for a token bound to networks. spend: whether this is a use of the
    credential: it is counted where uses are, and a genuine token that is refused is recorded.
    """
    entrance = service.entrance
    if credential.startswith(f"{sessions.PREFIX}_"):
        return sessions.authenticate(
            service.store, service.clock, entrance.keys, credential, entrance.sessions
        )
    try:
        return tokens.authenticate(
            service.store, service.clock, entrance.keys, credential, address=address, spend=spend
        )
    except TokenRefused as refusal:
        if spend:
            service.audit.record(_refused_token(refusal, request_id, address))
        raise


def authenticate_cookie(service: Service, cookie: str) -> Principal:
    """The principal of a session that came in a cookie. Raises NotAuthenticated.

    It is only half of what is needed wherever something is changed: see `is_csrf_token`.
    """
    entrance = service.entrance
    return sessions.authenticate(
        service.store, service.clock, entrance.keys, cookie, entrance.sessions, COOKIE
    )


def csrf_token(service: Service, principal: Principal) -> Secret:
    """What the pages of this session prove with that they are ours; see `identity.csrf`."""
    return csrf.csrf_token(service.entrance.keys, principal.credential)


def is_csrf_token(service: Service, principal: Principal, presented: str) -> bool:
    """Whether this is what the pages of this session were given."""
    return csrf.is_csrf_token(service.entrance.keys, principal.credential, presented)


def sign_out(service: Service, caller: Caller) -> None:
    """End the session that the caller came with. Raises InvalidInput for a token."""
    key_id = caller.principal.credential
    if caller.principal.kind != "user":
        raise InvalidInput("a token is no session; revoke it instead")
    operation = Operation("session.self", "it", "session", f"it/sessions/{key_id}")

    def act(connection: Connection) -> Outcome[bool]:
        return Outcome(sessions.end_session(connection, service.clock, key_id))

    service.spine.change(caller, operation, act)


def whoami(service: Service, caller: Caller) -> Principal:
    """The caller as the service knows them."""
    key_id = caller.principal.credential
    operation = Operation("session.self", "it", "session", f"it/sessions/{key_id}")
    return service.spine.read(caller, operation, lambda _: Outcome(caller.principal))


def own_session(service: Service, caller: Caller) -> KnownSession:
    """What is known of the session that a person came with."""
    key_id = caller.principal.credential
    operation = Operation("session.self", "it", "session", f"it/sessions/{key_id}")
    return service.spine.read(
        caller, operation, lambda connection: Outcome(sessions.read_session(connection, key_id))
    )


def local_operator(_service: Service) -> Principal:
    """Whoever runs the command line where the seal key is: may administer, but sees no record."""
    return Principal.local(OPERATOR, "it")


def jobs() -> Principal:
    """The program itself, when it does what the schedules say."""
    return Principal.local(JOBS, "it")


def recorder(
    service: Service, request_id: str, method: str, provider: str = "", origin: Origin = NOWHERE
) -> Callable[[Connection, SignedIn], None]:
    """What puts the audit entry of a sign-in into the transaction that opens the session."""

    def record(connection: Connection, signed_in: SignedIn) -> None:
        who = signed_in.principal
        event = Event(
            kind="auth.sign_in",
            outcome="ok",
            actor=actor_of(who),
            resource=f"it/people/{who.id}",
            department="it",
            request=request_id,
            detail={
                "factor": who.factors[-1],
                "method": method,
                "session": who.credential,
                **({"device": signed_in.device} if signed_in.device else {}),
                **({"new_network": True} if signed_in.new_network else {}),
                **({"provider": provider} if provider else {}),
            },
            personal=origin.personal(who.name),
        )
        service.audit.enqueue(connection, event)
        # Whoever signs in for the first time may be the second who can approve.
        service.approvers.notice(connection, who.subject)

    return record


@contextmanager
def recording_refusals(
    service: Service,
    request_id: str,
    kind: str = "auth.sign_in",
    provider: str = "",
    origin: Origin = NOWHERE,
) -> Iterator[None]:
    """Record that somebody was not let in in the block, and why, and let the refusal go on."""
    try:
        yield
    except (SignInRefused, SignInDelayed) as refusal:
        record_refusal(service, refusal, request_id, kind, provider, origin)
        raise


def record_refusal(
    service: Service,
    refusal: SignInRefused | SignInDelayed,
    request_id: str,
    kind: str = "auth.sign_in",
    provider: str = "",
    origin: Origin = NOWHERE,
) -> None:
    """Put the cause of a refusal on disk, which its answer does not tell."""
    who = refusal.person or "unknown"
    denied = Event(
        kind=kind,
        outcome="denied",
        actor=Actor("user", who),
        resource=f"it/people/{who}",
        department="it",
        request=request_id,
        detail={
            "reason": refusal.reason.value,
            **({"provider": provider} if provider else {}),
        },
        # Not the name that was typed: it may be a password in the wrong field.
        personal=origin.personal(),
    )
    events = [denied]
    if isinstance(refusal, SignInRefused):
        events += [
            Event(
                kind="auth.locked",
                outcome="ok",
                actor=Actor("system", "secvault"),
                resource=f"it/people/{who}/devices/{device}",
                department="it",
                request=request_id,
                detail={"reason": refusal.reason.value},
            )
            for device in refusal.locked
        ]
    service.audit.record_many(events)


def _refused_token(refusal: TokenRefused, request_id: str, address: str) -> Event:
    return Event(
        kind="token.refused",
        outcome="denied",
        actor=Actor("svc", refusal.account, session=refusal.token),
        resource=f"it/tokens/{refusal.token}",
        department="it",
        request=request_id,
        detail={
            "token": refusal.token,
            "subject": f"svc:{refusal.account}",
            "reason": refusal.reason.value,
        },
        network=network(address),
    )
