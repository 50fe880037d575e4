"""Signing in over HTTP by an identity provider (OpenID Connect)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Body, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.browser import refuse_other_pages, session_before
from secvault.api.browser_step import browser_of, forget_browser, keep_browser
from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.api.session import AsCookie, Session, carrier_for, new_session
from secvault.errors import NotAuthenticated
from secvault.identity.federation import Linked, SecondFactorNeeded
from secvault.identity.oidc.provider import Returned
from secvault.identity.principal import COOKIE, HEADER
from secvault.service import federation
from secvault.service.federation import Way

router = Routes(prefix="/api/v1/sign-in/oidc", tags=["session"], responses=problem_responses())

SIGNING_IN = "signing in is how one becomes somebody"
ProviderName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="As in the settings.")
]


class ProviderList(BaseModel):
    """The identity providers that one can sign in by."""

    providers: list[str]


class SecondStep(BaseModel):
    """The provider knows the person; what is missing is a code of theirs, with this request."""

    request: str
    second_factor: str


class LinkedAccount(BaseModel):
    """The account at the provider leads here from now on."""

    linked: str


class SecondFactor(BaseModel):
    """The request of the first step, and the present TOTP code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    request: str = Field(min_length=1, max_length=128)
    code: SecretText = Field(min_length=1, max_length=32)
    cookie: AsCookie = False


class _Back(BaseModel):
    """What the provider sends back by the browser."""

    model_config = ConfigDict(hide_input_in_errors=True)

    state: str = Field("", max_length=128)
    code: str = Field("", max_length=4096)
    iss: str = Field("", max_length=512)
    error: str = Field("", max_length=128)


async def _form(request: Request) -> dict[str, list[str]]:
    try:
        return parse_qs((await request.body()).decode("ascii"), max_num_fields=16)
    except ValueError:
        return {}


@router.get("")
@open_to_all("the ways to sign in are for everybody to see")
def provider_list(request: Request) -> ProviderList:
    """The identity providers to sign in by."""
    return ProviderList(providers=sorted(service_of(request).providers))


@router.post("/second-factor", status_code=201)
@open_to_all(SIGNING_IN)
def provider_second_factor(
    request: Request, response: Response, given: Annotated[SecondFactor, Body()]
) -> Session:
    """Show the second factor after the provider has shown who it is."""
    service = service_of(request)
    carrier = carrier_for(request, service, as_cookie=given.cookie)
    signed_in = federation.show_second_factor(
        service,
        given.request,
        secret_of(given.code),
        request.state.request_id,
        address_of(request),
        carrier,
        agent_of(request),
    )
    return new_session(request, response, service, signed_in, carrier)


@router.get("/{provider}", status_code=303, response_class=RedirectResponse)
@open_to_all(SIGNING_IN)
def provider_begin(
    request: Request,
    provider: ProviderName,
    *,
    fresh: Annotated[bool, Query(description="Ask for credentials there once more.")] = False,
    cookie: Annotated[
        bool, Query(description="Whether the browser is to keep the session, in a cookie.")
    ] = False,
) -> Response:
    """Go to the identity provider to sign in."""
    service = service_of(request)
    before = None
    if cookie:
        # Nobody else's page has a browser lose the session that it has.
        refuse_other_pages(request)
        before = session_before(request, service)
    begun = federation.begin(
        service,
        provider,
        federation.callback_of(service, provider),
        anew=fresh,
        carrier=COOKIE if cookie else HEADER,
        before=before,
    )
    answer = RedirectResponse(begun.url, status_code=303)
    keep_browser(answer, begun.browser)
    return answer


@router.get(
    "/{provider}/callback",
    response_model=Session | LinkedAccount,
    responses={202: {"model": SecondStep, "description": "A second factor is needed."}},
)
@open_to_all(SIGNING_IN)
def provider_callback(
    request: Request,
    response: Response,
    provider: ProviderName,
    back: Annotated[_Back, Query()],
) -> Session | LinkedAccount | Response:
    """Come back from the identity provider."""
    service = service_of(request)
    completed = federation.complete(
        service,
        provider,
        Returned(back.state, back.code, back.iss, back.error),
        browser_of(request, back.state),
        Way(
            federation.callback_of(service, provider),
            request.state.request_id,
            address_of(request),
            agent_of(request),
        ),
    )
    if isinstance(completed, SecondFactorNeeded):
        step = SecondStep(request=completed.request.text(), second_factor="totp")
        answer = JSONResponse(step.model_dump(), status_code=202)
        forget_browser(answer, back.state)
        return answer
    forget_browser(response, back.state)
    if isinstance(completed, Linked):
        return LinkedAccount(linked=provider)
    return new_session(request, response, service, completed, completed.carrier)


@router.post("/{provider}/back-channel-logout", status_code=200, response_class=Response)
@open_to_all("the provider shows who it is by its signature")
def provider_logout(
    request: Request,
    provider: ProviderName,
    form: Annotated[dict[str, list[str]], Depends(_form)],
) -> Response:
    """End the sessions of whom the provider has signed out (Back-Channel Logout 1.0)."""
    (token,) = form.get("logout_token", [""])[:1]
    try:
        federation.signed_out_there(service_of(request), provider, token, request.state.request_id)
    except NotAuthenticated:
        return JSONResponse({"error": "invalid_request"}, status_code=400)
    return Response(status_code=200)
