"""One's own password, devices, passkeys and recovery codes: made, confirmed and taken away.

Whatever lets somebody in is shown once, on the page that answers the form, and is in no address.
What changes a factor asks for the password again.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Request
from markupsafe import Markup
from starlette.responses import Response

from secvault.api.caller import address_of
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, SecvaultError, TooManyAttempts
from secvault.identity.enrolment import Enrolment
from secvault.identity.qr import svg_code
from secvault.service import factors, own_factors
from secvault.service.reauthentication import needs_password
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

BACK = "/account#factors"
_MENDED = (InvalidInput, NotAuthenticated, TooManyAttempts, Conflict)

Name = Annotated[str, Form(max_length=200)]
Typed = Annotated[str, Form(max_length=1024)]
Code = Annotated[str, Form(max_length=32)]


@router.get("/account/password")
@operation("it/people/self", "password.change")
def password_form(request: Request, at: Visiting) -> Response:
    """The form for a new password."""
    return _form(request, at, "account/password.html")


@router.post("/account/password")
@operation("it/people/self", "password.change")
def password_change(
    request: Request, at: Visiting, password: Typed = "", code: Code = "", new_password: Typed = ""
) -> Response:
    """Set a new password of one's own; all other sessions end."""
    try:
        own_factors.change_password(
            at.service,
            at.caller,
            password=Secret.of(password),
            code=Secret.of(code.strip()),
            new=Secret.of(new_password),
            address=address_of(request),
        )
    except _MENDED as error:
        return _form(request, at, "account/password.html", error)
    return elsewhere(BACK)


@router.get("/account/devices/new")
@operation("it/people/self", "totp.enrol")
def device_form(request: Request, at: Visiting) -> Response:
    """The form for one more device."""
    return _form(request, at, "account/device_new.html", name="")


@router.post("/account/devices")
@operation("it/people/self", "totp.enrol", "recovery.enrol")
def device_enrol(
    request: Request, at: Visiting, name: Name = "", password: Typed = "", code: Code = ""
) -> Response:
    """Begin one more device; its seed is shown on this page, once."""
    try:
        begun = _begun(request, at, name, Secret.of(password), Secret.of(code.strip()))
    except _MENDED as error:
        return _form(request, at, "account/device_new.html", error, name=name)
    return _codes(request, at, begun.device.id, begun=begun)


@router.get("/account/devices/{device}/confirm")
@operation("it/people/self", "totp.confirm")
def device_codes(request: Request, at: Visiting, device: str) -> Response:
    """The form for the two codes of a device that waits; its seed is not shown again."""
    return _codes(request, at, device)


@router.post("/account/devices/{device}/confirm")
@operation("it/people/self", "totp.confirm", "recovery.enrol")
def device_confirm(
    request: Request, at: Visiting, device: str, first: Code = "", second: Code = ""
) -> Response:
    """Put a device into use, by two codes that it shows one after the other."""
    codes = (Secret.of(first.strip()), Secret.of(second.strip()))
    try:
        if at.caller.principal.recovering:
            factors.confirm_device(at.service, at.caller, device, *codes)
        else:
            own_factors.confirm_device(at.service, at.caller, device, codes)
    except _MENDED as error:
        return _codes(request, at, device, error)
    return elsewhere(BACK)


@router.get("/account/devices/{device}/remove")
@operation("it/people/self", "totp.remove", "factor.read")
def device_gone_form(request: Request, at: Visiting, device: str) -> Response:
    """The form that takes a device away."""
    return _remove(request, at, "devices", device)


@router.post("/account/devices/{device}/remove")
@operation("it/people/self", "totp.remove", "factor.read")
def device_remove(
    request: Request, at: Visiting, device: str, password: Typed = "", code: Code = ""
) -> Response:
    """Take a device out of use for good; never the last factor."""
    try:
        own_factors.remove_device(
            at.service,
            at.caller,
            device,
            password=Secret.of(password),
            code=Secret.of(code.strip()),
            address=address_of(request),
        )
    except _MENDED as error:
        return _remove(request, at, "devices", device, error)
    return elsewhere(BACK)


@router.get("/account/passkeys/new")
@operation("it/factors", "factor.enrol")
def passkey_form(request: Request, at: Visiting) -> Response:
    """The form for a passkey; its script calls the API's own operations."""
    at.require_fresh(_own("factor.enrol"))
    return _form(request, at, "account/passkey_new.html")


@router.get("/account/passkeys/{passkey}/remove")
@operation("it/factors", "factor.remove", "factor.read")
def passkey_gone_form(request: Request, at: Visiting, passkey: str) -> Response:
    """The form that takes a passkey away."""
    at.require_fresh(_own("factor.remove"))
    return _remove(request, at, "passkeys", passkey)


@router.post("/account/passkeys/{passkey}/remove")
@operation("it/factors", "factor.remove", "factor.read")
def passkey_remove(request: Request, at: Visiting, passkey: str, password: Typed = "") -> Response:
    """Take a passkey out of use for good; never the last factor."""
    try:
        factors.remove_passkey(
            at.service,
            at.caller,
            passkey,
            password=_given(password),
            address=address_of(request),
        )
    except _MENDED as error:
        return _remove(request, at, "passkeys", passkey, error)
    return elsewhere(BACK)


@router.get("/account/recovery-codes")
@operation("it/factors", "recovery.make")
def recovery_form(request: Request, at: Visiting) -> Response:
    """The form for new recovery codes."""
    at.require_fresh(_own("recovery.make"))
    return _form(request, at, "account/recovery.html", codes=())


@router.post("/account/recovery-codes")
@operation("it/factors", "recovery.make")
def recovery_make(request: Request, at: Visiting, password: Typed = "") -> Response:
    """Make ten recovery codes, shown on this page, once; those from before are void."""
    try:
        codes = factors.make_recovery_codes(
            at.service, at.caller, password=_given(password), address=address_of(request)
        )
    except _MENDED as error:
        return _form(request, at, "account/recovery.html", error, codes=())
    shown = [code.text() for code in codes]
    return _form(request, at, "account/recovery.html", codes=shown)


def _begun(request: Request, at: Visitor, name: str, password: Secret, code: Secret) -> Enrolment:
    if at.caller.principal.recovering:
        # They have shown all that they have, and may do nothing else.
        return factors.begin_device(at.service, at.caller, name)
    return own_factors.enrol_device(
        at.service,
        at.caller,
        name=name,
        password=password,
        code=code,
        address=address_of(request),
    )


def _form(
    request: Request, at: Visitor, template: str, error: SecvaultError | None = None, **more: Any
) -> Response:
    shown = page(
        request,
        template,
        200 if error is None else error.status,
        visitor=at,
        problem=problem_of(error),
        detail="" if error is None else error.detail,
        with_password=needs_password(at.service, at.caller),
        **more,
    )
    if isinstance(error, TooManyAttempts):
        shown.headers["Retry-After"] = str(error.retry_after)
    return shown


def _codes(
    request: Request,
    at: Visitor,
    device: str,
    error: SecvaultError | None = None,
    begun: Enrolment | None = None,
) -> Response:
    return _form(
        request,
        at,
        "account/device_codes.html",
        error,
        device=device,
        seed=begun and begun.seed.text(),
        code_picture=begun and Markup(svg_code(begun.uri)),  # noqa: S704 - drawn by us
    )


def _remove(
    request: Request, at: Visitor, kind: str, factor: str, error: SecvaultError | None = None
) -> Response:
    known = factors.own_factors(at.service, at.caller)
    those = known.devices if kind == "devices" else known.passkeys
    called = next((one.name for one in those if one.id == factor), None)
    if called is None:
        return elsewhere(BACK)
    return _form(request, at, "account/remove.html", error, kind=kind, factor=factor, called=called)


def problem_of(error: SecvaultError | None) -> str:
    """Which of the sentences of `account/problem.html` says what went wrong; empty for nothing."""
    if error is None:
        return ""
    if isinstance(error, NotAuthenticated):
        return "wrong"
    return "later" if isinstance(error, TooManyAttempts) else "said"


def _given(password: str) -> Secret | None:
    return Secret.of(password) if password else None


def _own(action: str) -> Operation:
    return Operation(action, "it", "session", "it/factors")
