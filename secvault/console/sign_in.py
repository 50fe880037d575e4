"""The way in and out: password and code together, and the end of a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.browser import (
    clear_cookie,
    end_session_before,
    require_own_page,
    session_before,
    set_cookie,
)
from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.routing import Routes
from secvault.console.language import COOKIE, LANGUAGES
from secvault.console.page import elsewhere, keep_choice, own_path, page
from secvault.console.visitor import Visiting
from secvault.crypto.secret import Secret
from secvault.errors import NotAuthenticated, Overloaded, SecvaultError, TooManyAttempts
from secvault.identity.principal import COOKIE as BY_COOKIE
from secvault.identity.sign_in import SignedIn
from secvault.service import Service, authentication, passkey_sign_in

router = Routes(include_in_schema=False)

PATH = "/sign-in"
_REFUSALS = (NotAuthenticated, TooManyAttempts, Overloaded)

Name = Annotated[str, Form(max_length=200)]
Typed = Annotated[str, Form(max_length=1024)]
Code = Annotated[str, Form(max_length=32)]
Next = Annotated[str, Form(alias="next", max_length=500)]


@router.get(PATH)
@open_to_all("the form by which one becomes somebody; it shows nothing that is stored")
def sign_in_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the field's word
    """The form, or the first page for who signed in already."""
    if session_before(request, service_of(request)) is not None:
        return elsewhere(own_path(next))
    return page(request, "sign_in.html", to=own_path(next), name="", problem=None)


@router.post(PATH)
@open_to_all("signing in is how one becomes somebody")
def sign_in(
    request: Request,
    name: Name = "",
    password: Typed = "",
    code: Code = "",
    to: Next = "/",
) -> Response:
    """Sign in with password and code; why not is never said, as everywhere."""
    service = service_of(request)
    require_own_page(request, service)
    try:
        signed_in = authentication.sign_in(
            service,
            name,
            Secret.of(password),
            Secret.of(code),
            request.state.request_id,
            address=address_of(request),
            agent=agent_of(request),
            carrier=BY_COOKIE,
        )
    except _REFUSALS as error:
        return _refused(request, "sign_in.html", error, to=own_path(to), name=name)
    return _let_in(request, service, signed_in, own_path(to))


@router.get(f"{PATH}/recovery")
@open_to_all("the form by which one becomes somebody; it shows nothing that is stored")
def recovery_form(request: Request) -> Response:
    """The form for who has lost every device."""
    return page(request, "sign_in_recovery.html", name="", problem=None)


@router.post(f"{PATH}/recovery")
@open_to_all("signing in is how one becomes somebody")
def sign_in_by_recovery(
    request: Request,
    name: Name = "",
    password: Typed = "",
    code: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Sign in with password and recovery code: to a session that can only enrol a new device."""
    service = service_of(request)
    require_own_page(request, service)
    try:
        recovered = passkey_sign_in.recover(
            service,
            name,
            Secret.of(password),
            Secret.of(code.strip()),
            request.state.request_id,
            address=address_of(request),
            agent=agent_of(request),
            carrier=BY_COOKIE,
        )
    except _REFUSALS as error:
        return _refused(request, "sign_in_recovery.html", error, name=name)
    return _let_in(request, service, recovered.signed_in, "/account/devices/new")


@router.get(f"{PATH}/passkey")
@open_to_all("the page by which one becomes somebody; it shows nothing that is stored")
def sign_in_by_passkey(request: Request, next: str = "/") -> Response:  # noqa: A002 - as above
    """The page that asks for a passkey; its script calls the API's own operations."""
    return page(request, "sign_in_passkey.html", to=own_path(next))


@router.post("/sign-out")
@operation("it/sessions/self", "session.self")
def sign_out(at: Visiting) -> Response:
    """End this session, and have the browser forget what it has kept."""
    authentication.sign_out(at.service, at.caller)
    answer = elsewhere(PATH)
    clear_cookie(answer)
    return answer


@router.post("/language")
@open_to_all("the language of the pages, kept by the browser alone")
def choose_language(
    request: Request,
    language: Annotated[str, Form(max_length=8)] = "",
    to: Next = "/",
) -> Response:
    """Have the pages speak another language from now on."""
    require_own_page(request, service_of(request))
    answer = elsewhere(own_path(to))
    if language in LANGUAGES:
        keep_choice(answer, COOKIE, language)
    return answer


def _refused(request: Request, template: str, error: SecvaultError, **shown: str) -> Response:
    wrong = isinstance(error, NotAuthenticated)
    answer = page(request, template, error.status, problem="wrong" if wrong else "later", **shown)
    if isinstance(error, TooManyAttempts | Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _let_in(request: Request, service: Service, signed_in: SignedIn, to: str) -> Response:
    end_session_before(request, service)
    answer = elsewhere(to)
    set_cookie(answer, signed_in)
    return answer
