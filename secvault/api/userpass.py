"""`auth/userpass/` and `sys/mfa/`: people sign in with password and code, by one step or by two."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Request
from fastapi.responses import Response

from secvault.api import token_answers
from secvault.api.caller import address_of, agent_of, refuse_wrapping, service_of
from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.api.token_answers import MFA_METHOD, MFA_NAME, MFA_WARNING
from secvault.api.vault import body_of, read_body, vault_envelope, vault_responses, writes
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotAuthenticated
from secvault.identity import SignInRefused
from secvault.service import authentication

router = Routes(prefix="/v1", tags=["transit"], responses=vault_responses())

Body = Annotated[bytes, Depends(body_of)]
PersonName = Annotated[str, Path(max_length=256, examples=["lan.nguyen"])]

_WRONG = "invalid username or password"
_WRONG_CODE = (
    "login MFA validation failed: the code is not right or was used; wait for the next one"
)
_HEADER = "X-Vault-MFA"
# As the peer reads it: the method's id or name, a colon, the code.
_CREDENTIAL = re.compile(rf"(?:{MFA_METHOD}|{MFA_NAME}):(?:passcode=)?([0-9]{{6,10}})")


class PasswordBody(msgspec.Struct):
    """The password."""

    password: str = ""


class CodeBody(msgspec.Struct):
    """The second step. mfa_payload: a list with the code, by the method's id."""

    mfa_request_id: str = ""
    mfa_payload: dict[str, list[str]] = {}


@writes(router, "/auth/userpass/login/{name}", PasswordBody)
@open_to_all("signing in is how one becomes somebody")
def userpass_login(request: Request, name: PersonName, body: Body) -> Response:
    """Sign in with the password; with the code in X-Vault-MFA at once, else by a second step."""
    service = service_of(request)
    refuse_wrapping(request)
    given = read_body(body, PasswordBody)
    if not given.body.password:
        raise InvalidInput("missing password")
    password = Secret.of(given.body.password)
    request_id = request.state.request_id
    try:
        if request.headers.get(_HEADER) is None:
            step = authentication.begin_sign_in(
                service, name, password, request_id, address_of(request), agent_of(request)
            )
            needed = token_answers.mfa_needed(step.request.text())
            warnings = (*given.warnings, MFA_WARNING)
            return vault_envelope(request_id, None, warnings=warnings, auth=needed)
        signed_in = authentication.sign_in(
            service,
            name,
            password,
            _code_of(request),
            request_id,
            method="userpass",
            address=address_of(request),
            agent=agent_of(request),
        )
    except SignInRefused:
        # The peer's words, whatever was wrong: the code too, which it answers otherwise.
        raise InvalidInput(_WRONG) from None
    auth = token_answers.new_session(service, signed_in)
    return vault_envelope(request_id, None, warnings=given.warnings, auth=auth)


@writes(router, "/sys/mfa/validate", CodeBody)
@open_to_all("the second step of signing in is how one becomes somebody")
def mfa_validate(request: Request, body: Body) -> Response:
    """The second step: the code, with what the first step gave."""
    service = service_of(request)
    refuse_wrapping(request)
    given = read_body(body, CodeBody)
    asked = given.body
    if not asked.mfa_request_id:
        raise InvalidInput("missing request ID")
    codes = asked.mfa_payload.get(MFA_METHOD) or asked.mfa_payload.get(MFA_NAME) or []
    request_id = request.state.request_id
    # A step without a code is one with a wrong code: it tells no more about the request.
    code = Secret.of(codes[0].removeprefix("passcode=") if len(codes) == 1 else "")
    try:
        signed_in = authentication.complete_sign_in(
            service, asked.mfa_request_id, code, request_id, address_of(request), agent_of(request)
        )
    except SignInRefused:
        raise NotAuthenticated(_WRONG_CODE) from None
    auth: dict[str, Any] = token_answers.new_session(service, signed_in)
    return vault_envelope(request_id, None, warnings=given.warnings, auth=auth)


def _code_of(request: Request) -> Secret:
    """The code in the header; an empty one, which is wrong, when it cannot be read."""
    found = _CREDENTIAL.fullmatch(request.headers[_HEADER].strip())
    return Secret.of(found[1] if found else "")
