"""A new password for whoever forgot theirs, by the parts of a code that two people gave them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.browser import require_own_page
from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.console.own_factors import problem_of
from secvault.console.page import elsewhere, page
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotAuthenticated, SecvaultError, TooManyAttempts
from secvault.service import resets

router = Routes(include_in_schema=False)

PATH = "/sign-in/forgotten"

Typed = Annotated[str, Form(max_length=1024)]
Parts = Annotated[str, Form(max_length=400)]


@router.get(PATH)
@open_to_all("the form by which one gets a password again; it shows nothing that is stored")
def forgotten_form(request: Request) -> Response:
    """The form for the code and a new password."""
    return _form(request)


@router.post(PATH)
@open_to_all("whoever was reset has no password to sign in with; it opens nothing by itself")
def forgotten(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    code: Parts = "",
    second: Parts = "",
    new_password: Typed = "",
) -> Response:
    """Set a new password after a reset; then on to sign in with it."""
    service = service_of(request)
    require_own_page(request, service)
    try:
        resets.redeem_password(
            service,
            name=name,
            code=Secret.of(code.strip()),
            second=Secret.of(second.strip()),
            new=Secret.of(new_password),
            request_id=request.state.request_id,
            address=address_of(request),
            agent=agent_of(request),
        )
    except (InvalidInput, NotAuthenticated, TooManyAttempts) as error:
        return _form(request, error, name=name)
    return elsewhere("/sign-in")


def _form(request: Request, error: SecvaultError | None = None, name: str = "") -> Response:
    shown = page(
        request,
        "forgotten.html",
        200 if error is None else error.status,
        problem=problem_of(error),
        detail="" if error is None else error.detail,
        name=name,
    )
    if isinstance(error, TooManyAttempts):
        shown.headers["Retry-After"] = str(error.retry_after)
    return shown
