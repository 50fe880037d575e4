"""Accepting an invitation: code, password, first device, recovery codes.

Nobody is signed in here; the code is what they show, with each step. So it goes along in a hidden
field, on pages that no browser keeps: in an address it would stand in histories and logs.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Request
from markupsafe import Markup
from starlette.responses import Response

from secvault.api.browser import require_own_page
from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.console.own_factors import problem_of
from secvault.console.page import page
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, SecvaultError, TooManyAttempts
from secvault.identity.activation import Begun
from secvault.identity.qr import svg_code
from secvault.service import Service, activation
from secvault.service.activation import From

router = Routes(include_in_schema=False)

PATH = "/join"
_WHY = "who is invited cannot sign in yet; it takes the code of an invitation, 256 random bits"
_DEVICE = "authenticator app"

Typed = Annotated[str, Form(max_length=1024)]
Short = Annotated[str, Form(max_length=400)]
Code = Annotated[str, Form(max_length=32)]


@router.get(PATH)
@open_to_all("the form that takes the code of an invitation; it shows nothing that is stored")
def code_form(request: Request) -> Response:
    """The form for the code."""
    return _page(request, "code")


@router.post(PATH)
@open_to_all(_WHY)
def look(request: Request, code: Short = "") -> Response:
    """Show whom the code invites, and ask for a password."""
    service = _service(request)
    try:
        return _password(request, service, code)
    except (NotAuthenticated, TooManyAttempts, Conflict) as error:
        return _page(request, "code", error)


@router.post(f"{PATH}/password")
@open_to_all(_WHY)
def begin(
    request: Request,
    code: Short = "",
    password: Typed = "",
    name: Short = "",
    display_name: Short = "",
    hardware_token: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Take the password, and show the first device's seed, once."""
    service = _service(request)
    try:
        begun = activation.begin(
            service,
            Secret.of(code),
            password=Secret.of(password),
            device=_DEVICE,
            name=name.strip(),
            display_name=display_name.strip(),
            hardware_token=bool(hardware_token),
            came=_came(request),
        )
    except InvalidInput as error:
        typed = {"name": name, "display_name": display_name}
        return _password(request, service, code, error, **typed)
    except (NotAuthenticated, TooManyAttempts, Conflict) as error:
        return _page(request, "code", error)
    return _codes(request, code, begun=begun)


@router.post(f"{PATH}/codes")
@open_to_all(_WHY)
def complete(request: Request, code: Short = "", first: Code = "", second: Code = "") -> Response:
    """Put the device into use, and show the recovery codes, once."""
    codes = (Secret.of(first.strip()), Secret.of(second.strip()))
    try:
        done = activation.complete(_service(request), Secret.of(code), codes, _came(request))
    except InvalidInput as error:
        return _codes(request, code, error)
    except (NotAuthenticated, TooManyAttempts, Conflict) as error:
        return _page(request, "code", error)
    shown = [each.text() for each in done.recovery_codes]
    return _page(request, "done", name=done.person.name, codes=shown)


def _password(
    request: Request, service: Service, code: str, error: SecvaultError | None = None, **typed: str
) -> Response:
    shown = activation.look(service, Secret.of(code), _came(request))
    return _page(request, "password", error, code=code, shown=shown, typed=typed)


def _codes(
    request: Request, code: str, error: SecvaultError | None = None, begun: Begun | None = None
) -> Response:
    made = begun and begun.enrolment
    return _page(
        request,
        "codes",
        error,
        code=code,
        seed=made and made.seed.text(),
        code_picture=made and Markup(svg_code(made.uri)),  # noqa: S704 - drawn by us
    )


def _page(request: Request, step: str, error: SecvaultError | None = None, **more: Any) -> Response:
    shown = page(
        request,
        f"join/{step}.html",
        200 if error is None else error.status,
        problem=problem_of(error),
        detail="" if error is None else error.detail,
        **more,
    )
    if isinstance(error, TooManyAttempts):
        shown.headers["Retry-After"] = str(error.retry_after)
    return shown


def _service(request: Request) -> Service:
    service = service_of(request)
    require_own_page(request, service)
    return service


def _came(request: Request) -> From:
    return From(address_of(request), request.state.request_id, agent_of(request))
