"""Signing in over HTTP by a passkey, or by a recovery code."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.passkey_answer import Assertion, Options
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.api.session import AsCookie, Session, carrier_for, new_session
from secvault.errors import InvalidInput
from secvault.service import passkey_sign_in

router = Routes(prefix="/api/v1", tags=["session"], responses=problem_responses())


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FirstFactor(_Given):
    """Name and password, to show a passkey after them; neither, to show nothing but a passkey."""

    name: str | None = Field(None, min_length=1, max_length=200, examples=["lan.nguyen"])
    password: SecretText | None = Field(None, min_length=1, max_length=1024)


class Shown(_Given):
    """The answer of a passkey."""

    credential: Assertion
    cookie: AsCookie = False


class Recovery(_Given):
    """What somebody typed who has lost every other factor."""

    name: str = Field(min_length=1, max_length=200, examples=["lan.nguyen"])
    password: SecretText = Field(min_length=1, max_length=1024)
    code: SecretText = Field(
        min_length=1,
        max_length=400,
        description="A recovery code; or all parts of the code of a reset, one after the other.",
    )
    cookie: AsCookie = False


class RecoverySession(Session):
    """A session that can only enrol a new factor and sign out."""

    codes_left: int


@router.post("/sessions/passkey/challenge", status_code=201)
@open_to_all("signing in is how one becomes somebody")
def passkey_ask(request: Request, given: Annotated[FirstFactor, Body()]) -> Options:
    """Ask for a passkey: after name and password, or without them."""
    service = service_of(request)
    if (given.name is None) != (given.password is None):
        raise InvalidInput.at("password", "goes with the name; give both or none")
    if given.name is None or given.password is None:
        open_to_anybody = passkey_sign_in.ask_anybody(
            service,
            request.state.request_id,
            address=address_of(request),
            agent=agent_of(request),
        )
        return Options(public_key=dict(open_to_anybody))
    asked = passkey_sign_in.ask_after_password(
        service,
        given.name,
        secret_of(given.password),
        request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
    )
    return Options(public_key=dict(asked))


@router.post("/sessions/passkey", status_code=201)
@open_to_all("signing in is how one becomes somebody")
def passkey_open(request: Request, response: Response, given: Annotated[Shown, Body()]) -> Session:
    """Sign in with a passkey that answers a challenge of the last five minutes."""
    service = service_of(request)
    carrier = carrier_for(request, service, as_cookie=given.cookie)
    signed_in = passkey_sign_in.complete(
        service,
        given.credential.plain(),
        request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
        carrier=carrier,
    )
    return new_session(request, response, service, signed_in, carrier)


@router.post("/sessions/recovery", status_code=201)
@open_to_all("signing in is how one becomes somebody")
def recovery_open(
    request: Request, response: Response, given: Annotated[Recovery, Body()]
) -> RecoverySession:
    """Sign in with password and recovery code, to enrol a new factor."""
    service = service_of(request)
    carrier = carrier_for(request, service, as_cookie=given.cookie)
    recovered = passkey_sign_in.recover(
        service,
        given.name,
        secret_of(given.password),
        secret_of(given.code),
        request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
        carrier=carrier,
    )
    opened = new_session(request, response, service, recovered.signed_in, carrier)
    return RecoverySession(**opened.model_dump(), codes_left=recovered.left)
