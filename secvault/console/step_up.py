"""A factor shown again, where something asks for a fresher one; then on with what was begun."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from pydantic import ValidationError
from starlette.responses import Response

from secvault.api.browser import set_cookie
from secvault.api.declared import operation
from secvault.api.passkey_answer import Assertion
from secvault.api.routing import Routes
from secvault.console.again import LONGEST, Stopped, fields_of
from secvault.console.page import elsewhere, own_path, page
from secvault.console.visitor import Visiting, Visitor
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, StepUpRequired, TooManyAttempts
from secvault.identity.principal import PASSKEY
from secvault.identity.sign_in import SignedIn
from secvault.service import authentication, sessions

router = Routes(include_in_schema=False)

PATH = "/step-up"

Where = Annotated[str, Form(max_length=2000)]


def ask(request: Request, visitor: Visitor, error: StepUpRequired, what: Stopped) -> Response:
    """The page that asks for a code, in the place of what was asked for."""
    return _form(request, visitor, what, error.status, minutes=-(-error.max_age // 60))


@router.post(PATH)
@operation("it/sessions/self", "auth.step_up")
def step_up(
    request: Request,
    at: Visiting,
    code: Annotated[str, Form(max_length=32)] = "",
    back: Where = "/",
    to: Where = "/",
    form: Annotated[str, Form(max_length=8)] = "",
    kept: Annotated[str, Form(max_length=LONGEST)] = "",
    credential: Annotated[str, Form(max_length=40_000)] = "",
) -> Response:
    """Take the code, or the answer of a passkey; then back to the page, or to the form, which is
    ready to be sent again.
    """
    what = Stopped(own_path(to), own_path(back), is_form=bool(form), sent=fields_of(kept))
    try:
        renewed = _renewed(at, code.strip(), credential)
    except (InvalidInput, TooManyAttempts) as error:
        shown = _form(request, at, what, error.status, problem=_why(at, error))
        if isinstance(error, TooManyAttempts):
            shown.headers["Retry-After"] = str(error.retry_after)
        return shown
    if what.is_form:
        csrf = authentication.csrf_token(at.service, renewed.principal).text()
        answer = page(
            request, "account/shown.html", visitor=at.renewed(renewed.principal, csrf), what=what
        )
    else:
        answer = elsewhere(what.back)
    set_cookie(answer, renewed)
    return answer


def _renewed(at: Visitor, code: str, credential: str) -> SignedIn:
    if not credential:
        return sessions.step_up_by_code(at.service, at.caller, Secret.of(code))
    try:
        shown = Assertion.model_validate_json(credential)
    except ValidationError:
        raise InvalidInput.at("credential", "is not an answer of a passkey") from None
    return sessions.step_up_by_passkey(at.service, at.caller, shown.plain())


def _why(at: Visitor, error: InvalidInput | TooManyAttempts) -> str:
    if isinstance(error, TooManyAttempts):
        return "later"
    return "recovering" if at.caller.principal.recovering else "wrong"


def _form(
    request: Request,
    visitor: Visitor,
    what: Stopped,
    status: int,
    *,
    minutes: int = 0,
    problem: str = "",
) -> Response:
    return page(
        request,
        "account/step_up.html",
        status,
        visitor=visitor,
        what=what,
        minutes=minutes,
        passkey=PASSKEY in visitor.caller.principal.factors,
        problem=problem,
    )
