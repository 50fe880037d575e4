"""Who is it: signing in and out, and the principal behind a credential."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import Principal, SignInDelayed, SignInRefused, sessions, tokens
from secvault.identity.sign_in import Credentials, SignedIn
from secvault.identity.sign_in import sign_in as enter
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of

OPERATOR = "local:operator"
JOBS = "system:jobs"


def sign_in(
    service: Service, name: str, password: Secret, code: Secret, request_id: str = ""
) -> SignedIn:
    """Open a session for somebody who shows the password and a fresh code.

    Raises NotAuthenticated or TooManyAttempts, the same for every cause; the audit log keeps the
    cause. The session and its audit entry are on disk together.
    """

    def record(connection: Connection, signed_in: SignedIn) -> None:
        event = Event(
            kind="auth.sign_in",
            outcome="ok",
            actor=actor_of(signed_in.principal),
            resource=f"it/people/{signed_in.principal.id}",
            department="it",
            request=request_id,
            detail={"factor": "totp", "session": signed_in.principal.credential},
        )
        service.audit.enqueue(connection, event)

    try:
        signed_in = enter(service.entrance, Credentials(name, password, code), record=record)
    except (SignInRefused, SignInDelayed) as refusal:
        _record_refusal(service, refusal, request_id)
        raise
    service.audit.kick()
    return signed_in


def authenticate(service: Service, credential: str, *, spend: bool = True) -> Principal:
    """The principal of a session (svs_...) or a token (svt_...). Raises NotAuthenticated.

    spend: whether this is one of the uses of a token whose uses are counted.
    """
    entrance = service.entrance
    if credential.startswith(f"{sessions.PREFIX}_"):
        return sessions.authenticate(
            service.store, service.clock, entrance.keys, credential, entrance.sessions
        )
    return tokens.authenticate(service.store, service.clock, entrance.keys, credential, spend=spend)


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


def local_operator(_service: Service) -> Principal:
    """Whoever runs the command line where the seal key is: may administer, but sees no record."""
    return Principal.local(OPERATOR, "it")


def jobs() -> Principal:
    """The program itself, when it does what the schedules say."""
    return Principal.local(JOBS, "it")


def _record_refusal(
    service: Service, refusal: SignInRefused | SignInDelayed, request_id: str
) -> None:
    who = refusal.person or "unknown"
    denied = Event(
        kind="auth.sign_in",
        outcome="denied",
        actor=Actor("user", who),
        resource=f"it/people/{who}",
        department="it",
        request=request_id,
        detail={"reason": refusal.reason.value},
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
