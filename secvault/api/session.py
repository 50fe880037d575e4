"""Sessions over HTTP: sign in, who am I, sign out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.browser import (
    clear_cookie,
    end_session_before,
    require_own_page,
    set_cookie,
)
from secvault.api.caller import address_of, agent_of, caller, came_by_cookie, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.passkey_answer import Assertion, Options
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.errors import InvalidInput
from secvault.identity.principal import COOKIE, HEADER, Carrier
from secvault.identity.sessions import KnownSession
from secvault.identity.sign_in import SignedIn
from secvault.service import Service, authentication, sessions
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["session"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
SessionId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{10}$")]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]


AsCookie = Annotated[
    bool,
    Field(description="Whether the session is to be kept by the browser, in a cookie of its own."),
]


class SignIn(BaseModel):
    """What somebody typed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200, examples=["lan.nguyen"])
    password: SecretText = Field(min_length=1, max_length=1024)
    code: SecretText = Field(min_length=1, max_length=32, description="The present TOTP code.")
    cookie: AsCookie = False


class Session(BaseModel):
    """A new session; the token is shown once.

    Of a session in a cookie only the browser knows the token: then it is null here, and there is
    the CSRF token that the session's requests prove with that a page of this service makes them.
    """

    token: str | None
    csrf_token: str | None = None
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
    carrier: str = Field(description="What its token travels in: `header` or `cookie`.")
    network: str | None = Field(description="The network that it was opened from.")
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
    """The caller. factors: what was shown to open the session. csrf_token: of a cookie session."""

    subject: str
    kind: str
    name: str
    department: str
    second_factor_at: str | None
    factors: list[str]
    csrf_token: str | None = None


class SessionsGone(BaseModel):
    """How many sessions ended."""

    ended: int


@router.post("/sessions", status_code=201)
@open_to_all("signing in is how one becomes somebody")
def session_open(request: Request, response: Response, given: Annotated[SignIn, Body()]) -> Session:
    """Sign in with password and TOTP code."""
    service = service_of(request)
    carrier = carrier_for(request, service, as_cookie=given.cookie)
    signed_in = authentication.sign_in(
        service,
        given.name,
        secret_of(given.password),
        secret_of(given.code),
        request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
        carrier=carrier,
    )
    return new_session(request, response, service, signed_in, carrier)


@router.get("/sessions")
@operation("it/sessions", "session.self")
def session_list(at: Authenticated) -> SessionList:
    """Your open sessions."""
    service, who = at
    return listed(sessions.own_sessions(service, who), who)


@router.get("/sessions/self")
@operation("it/sessions/self", "session.self")
def session_read(request: Request, at: Authenticated) -> Who:
    """Who you are to this service."""
    service, who = at
    by_cookie = came_by_cookie(request)
    principal = authentication.whoami(service, who)
    shown = principal.second_factor_at
    return Who(
        subject=principal.subject,
        kind=principal.kind,
        name=principal.name,
        department=principal.department,
        second_factor_at=None if shown is None else timestamp(shown),
        factors=list(principal.factors),
        csrf_token=authentication.csrf_token(service, principal).text() if by_cookie else None,
    )


@router.delete("/sessions")
@operation("it/sessions", "session.end_own")
def session_end_others(at: Authenticated) -> SessionsGone:
    """End all of your sessions but this one."""
    service, who = at
    return SessionsGone(ended=sessions.end_own_others(service, who))


@router.delete("/sessions/self", status_code=204)
@operation("it/sessions/self", "session.self")
def session_end(request: Request, response: Response, at: Authenticated) -> None:
    """Sign out."""
    service, who = at
    authentication.sign_out(service, who)
    if came_by_cookie(request):
        clear_cookie(response)


@router.delete("/sessions/{session}", status_code=204)
@operation("it/sessions/{session}", "session.end_own")
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
def step_up(
    request: Request, response: Response, at: Authenticated, given: Annotated[StepUp, Body()]
) -> Session:
    """Show a factor again: the session goes on under the new token, the old one ends."""
    service, who = at
    carrier = COOKIE if came_by_cookie(request) else HEADER
    if (given.code is None) == (given.credential is None):
        raise InvalidInput.at("code", "give either a code or a credential")
    if given.credential is not None:
        renewed = sessions.step_up_by_passkey(service, who, given.credential.plain())
    else:
        assert given.code is not None  # noqa: S101 - looked at above
        renewed = sessions.step_up_by_code(service, who, secret_of(given.code))
    return _shown(response, service, renewed, carrier)


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


def carrier_for(request: Request, service: Service, *, as_cookie: bool) -> Carrier:
    """What the token of a new session is to travel in. Before anything is looked at.

    A page of somebody else's must not sign its visitors in as whom it likes. Raises ForeignPage.
    """
    if not as_cookie:
        return HEADER
    require_own_page(request, service)
    return COOKIE


def new_session(
    request: Request, response: Response, service: Service, signed_in: SignedIn, carrier: Carrier
) -> Session:
    """What a sign-in is answered with. A session that the browser had until now ends."""
    if carrier == COOKIE:
        end_session_before(request, service)
    return _shown(response, service, signed_in, carrier)


def _shown(response: Response, service: Service, signed_in: SignedIn, carrier: Carrier) -> Session:
    who = signed_in.principal
    csrf_token = None
    if carrier == COOKIE:
        set_cookie(response, signed_in)
        csrf_token = authentication.csrf_token(service, who).text()
    return Session(
        token=None if carrier == COOKIE else signed_in.token.text(),
        csrf_token=csrf_token,
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
                carrier=each.carrier,
                network=each.network,
                present=each.key_id == who.principal.credential,
            )
            for each in found
        ]
    )
