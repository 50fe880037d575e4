"""Sessions over HTTP: sign in, who am I, sign out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, caller, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.passkey_answer import Assertion, Options
from secvault.api.problem import problem_responses
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.errors import InvalidInput
from secvault.identity.sessions import KnownSession
from secvault.identity.sign_in import SignedIn
from secvault.service import Service, authentication, sessions
from secvault.service.spine import Caller

router = APIRouter(prefix="/api/v1", tags=["session"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
SessionId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{10}$")]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]


class SignIn(BaseModel):
    """What somebody typed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200, examples=["lan.nguyen"])
    password: SecretText = Field(min_length=1, max_length=1024)
    code: SecretText = Field(min_length=1, max_length=32, description="The present TOTP code.")


class Session(BaseModel):
    """A new session; the token is shown once."""

    token: str
    subject: str
    name: str
    department: str
    expires_at: str


class OpenSession(BaseModel):
    """An open session; the id lets nobody in. factors: what was shown to open it."""

    id: str
    created_at: str
    last_seen_at: str
    expires_at: str
    factors: list[str]
    present: bool = Field(description="Whether this is the session that asks.")


class SessionList(BaseModel):
    """Open sessions, oldest first."""

    sessions: list[OpenSession]


class StepUp(BaseModel):
    """A factor, shown again: a TOTP code or the answer of a passkey, one of them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    code: SecretText | None = Field(None, min_length=1, max_length=32)
    credential: Assertion | None = None


class Who(BaseModel):
    """The caller. factors: what was shown to open the session."""

    subject: str
    kind: str
    name: str
    department: str
    second_factor_at: str | None
    factors: list[str]


@router.post("/sessions", status_code=201)
@open_to_all("signing in is how one becomes somebody")
def session_open(request: Request, given: Annotated[SignIn, Body()]) -> Session:
    """Sign in with password and TOTP code."""
    signed_in = authentication.sign_in(
        service_of(request),
        given.name,
        secret_of(given.password),
        secret_of(given.code),
        request.state.request_id,
        address=address_of(request),
    )
    return new_session(signed_in)


@router.get("/sessions")
@operation("it/sessions", "session.self")
def session_list(at: Authenticated) -> SessionList:
    """Your open sessions."""
    service, who = at
    return listed(sessions.own_sessions(service, who), who)


@router.get("/sessions/self")
@operation("it/sessions/self", "session.self")
def session_read(at: Authenticated) -> Who:
    """Who you are to this service."""
    service, who = at
    principal = authentication.whoami(service, who)
    shown = principal.second_factor_at
    return Who(
        subject=principal.subject,
        kind=principal.kind,
        name=principal.name,
        department=principal.department,
        second_factor_at=None if shown is None else timestamp(shown),
        factors=list(principal.factors),
    )


@router.delete("/sessions/self", status_code=204)
@operation("it/sessions/self", "session.self")
def session_end(at: Authenticated) -> None:
    """Sign out."""
    service, who = at
    authentication.sign_out(service, who)


@router.delete("/sessions/{session}", status_code=204)
@operation("it/sessions/{session}", "session.self")
def session_end_other(at: Authenticated, session: SessionId) -> None:
    """End another of your sessions."""
    service, who = at
    sessions.end_own_session(service, who, session)


@router.post("/sessions/self/step-up/challenge", status_code=201)
@operation("it/sessions/self", "auth.step_up")
def step_up_ask(at: Authenticated) -> Options:
    """Ask for one of your passkeys again."""
    service, who = at
    return Options(public_key=dict(sessions.ask_step_up(service, who)))


@router.post("/sessions/self/step-up")
@operation("it/sessions/self", "auth.step_up")
def step_up(at: Authenticated, given: Annotated[StepUp, Body()]) -> Session:
    """Show a factor again: the session goes on under the new token, the old one ends."""
    service, who = at
    if (given.code is None) == (given.credential is None):
        raise InvalidInput.at("code", "give either a code or a credential")
    if given.credential is not None:
        answer = given.credential.plain()
        return new_session(sessions.step_up_by_passkey(service, who, answer))
    assert given.code is not None  # noqa: S101 - looked at above
    return new_session(sessions.step_up_by_code(service, who, secret_of(given.code)))


@router.get("/people/{person}/sessions")
@operation("it/people/{person}", "session.read")
def person_sessions(at: Authenticated, person: PersonName) -> SessionList:
    """Somebody's open sessions."""
    service, who = at
    return listed(sessions.sessions_of(service, who, person), who)


@router.delete("/people/{person}/sessions", status_code=204)
@operation("it/people/{person}", "session.end")
def person_sessions_end(at: Authenticated, person: PersonName) -> None:
    """End all of somebody's sessions now."""
    service, who = at
    sessions.end_sessions_of(service, who, person)


@router.delete("/people/{person}/sessions/{session}", status_code=204)
@operation("it/people/{person}", "session.end")
def person_session_end(at: Authenticated, person: PersonName, session: SessionId) -> None:
    """End one of somebody's sessions now."""
    service, who = at
    sessions.end_sessions_of(service, who, person, session)


def new_session(signed_in: SignedIn) -> Session:
    """What a sign-in is answered with."""
    who = signed_in.principal
    return Session(
        token=signed_in.token.text(),
        subject=who.subject,
        name=who.name,
        department=who.department,
        expires_at=timestamp(signed_in.expires_at),
    )


def listed(found: tuple[KnownSession, ...], who: Caller) -> SessionList:
    """The sessions as they are shown."""
    return SessionList(
        sessions=[
            OpenSession(
                id=each.key_id,
                created_at=timestamp(each.created_at),
                last_seen_at=timestamp(each.last_seen_at),
                expires_at=timestamp(each.expires_at),
                factors=list(each.factors),
                present=each.key_id == who.principal.credential,
            )
            for each in found
        ]
    )
