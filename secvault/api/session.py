"""Sessions over HTTP: sign in, who am I, sign out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, caller, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.problem import problem_responses
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.service import Service, authentication
from secvault.service.spine import Caller

router = APIRouter(prefix="/api/v1", tags=["session"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


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


class Who(BaseModel):
    """The caller."""

    subject: str
    kind: str
    name: str
    department: str
    second_factor_at: str | None


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
    who = signed_in.principal
    return Session(
        token=signed_in.token.text(),
        subject=who.subject,
        name=who.name,
        department=who.department,
        expires_at=timestamp(signed_in.expires_at),
    )


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
    )


@router.delete("/sessions/self", status_code=204)
@operation("it/sessions/self", "session.self")
def session_end(at: Authenticated) -> None:
    """Sign out."""
    service, who = at
    authentication.sign_out(service, who)
