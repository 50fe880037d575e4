"""One's own password and TOTP devices over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, agent_of, caller, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.crypto.secret import Secret
from secvault.identity.devices import Device
from secvault.identity.qr import svg_code
from secvault.identity.totp import COMMON, Shape
from secvault.service import Service, own_factors
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["own factors"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
DeviceId = Annotated[str, Path(min_length=1, max_length=64)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class BothFactors(_Given):
    """Both factors, shown once more."""

    password: SecretText = Field(min_length=1, max_length=1024)
    code: SecretText = Field(min_length=1, max_length=32, description="The present TOTP code.")


class PasswordChange(BothFactors):
    """A new password of one's own."""

    new_password: SecretText = Field(max_length=1024, description="12 to 128 characters.")


class OwnDevice(BothFactors):
    """A TOTP device to enrol. Many apps compute SHA1 with 6 digits in 30 seconds only."""

    name: str = Field(max_length=200)
    algorithm: str = Field(COMMON.algorithm, max_length=10, examples=["SHA1", "SHA256", "SHA512"])
    digits: int = COMMON.digits
    period: int = COMMON.period


class TwoCodes(_Given):
    """Two codes that follow one another."""

    first: SecretText = Field(max_length=32)
    second: SecretText = Field(max_length=32)


class PasswordAndTwoCodes(TwoCodes):
    """A sign-in name, the password, and two codes that follow one another."""

    name: str = Field(min_length=1, max_length=200)
    password: SecretText = Field(min_length=1, max_length=1024)


class SessionsEnded(BaseModel):
    """How many other sessions ended."""

    sessions_ended: int


class OwnDeviceAnswer(BaseModel):
    """A device; times in RFC 3339."""

    id: str
    name: str
    state: str
    algorithm: str
    digits: int
    period: int
    created_at: str
    last_used_at: str | None


class OwnDeviceList(BaseModel):
    """One's own devices, in the order of their creation."""

    devices: list[OwnDeviceAnswer]


class OwnEnrolment(BaseModel):
    """A begun enrolment. Seed, otpauth URI and its QR code as SVG are shown once."""

    device: str
    seed: str
    uri: str
    svg: str
    expires_at: str


class DeviceNamed(BaseModel):
    """The device that the codes were of."""

    device: str


@router.post("/password")
@operation("it/people/self", "password.change")
def password_change(
    request: Request, at: Authenticated, given: Annotated[PasswordChange, Body()]
) -> SessionsEnded:
    """Set a new password of one's own; the other sessions end."""
    service, who = at
    ended = own_factors.change_password(
        service,
        who,
        password=secret_of(given.password),
        code=secret_of(given.code),
        new=secret_of(given.new_password),
        address=address_of(request),
    )
    return SessionsEnded(sessions_ended=ended)


@router.get("/devices")
@operation("it/people/self", "totp.read")
def own_device_list(at: Authenticated) -> OwnDeviceList:
    """One's own TOTP devices."""
    service, who = at
    return OwnDeviceList(devices=[_device(one) for one in own_factors.list_devices(service, who)])


@router.post("/devices", status_code=201)
@operation("it/people/self", "totp.enrol")
def own_device_enrol(
    request: Request, at: Authenticated, given: Annotated[OwnDevice, Body()]
) -> OwnEnrolment:
    """Begin one more TOTP device of one's own."""
    service, who = at
    begun = own_factors.enrol_device(
        service,
        who,
        name=given.name,
        password=secret_of(given.password),
        code=secret_of(given.code),
        shape=Shape.of(given.algorithm, given.digits, given.period),
        address=address_of(request),
    )
    return OwnEnrolment(
        device=begun.device.id,
        seed=begun.seed.text(),
        uri=begun.uri.text(),
        svg=svg_code(begun.uri),
        expires_at=timestamp(begun.expires_at),
    )


@router.post("/devices/{device}/confirmation", status_code=204)
@operation("it/people/self", "totp.confirm")
def own_device_confirm(
    at: Authenticated, device: DeviceId, codes: Annotated[TwoCodes, Body()]
) -> None:
    """Put a device of one's own into use."""
    service, who = at
    own_factors.confirm_device(service, who, device, _both(codes))


@router.post("/devices/{device}/removal", status_code=204)
@operation("it/people/self", "totp.remove")
def own_device_remove(
    request: Request, at: Authenticated, device: DeviceId, given: Annotated[BothFactors, Body()]
) -> None:
    """Take a device of one's own out of use for good."""
    service, who = at
    own_factors.remove_device(
        service,
        who,
        device,
        password=secret_of(given.password),
        code=secret_of(given.code),
        address=address_of(request),
    )


@router.post("/devices/first-confirmation")
@open_to_all("who has no device in use cannot sign in; it takes the password, and opens nothing")
def own_device_first(
    request: Request, given: Annotated[PasswordAndTwoCodes, Body()]
) -> DeviceNamed:
    """Put one's first device into use: a token that an administrator has assigned."""
    confirmed = own_factors.confirm_first_device(
        service_of(request),
        given.name,
        secret_of(given.password),
        _both(given),
        request_id=request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
    )
    return DeviceNamed(device=confirmed.id)


@router.post("/devices/resync")
@open_to_all("whose only device is out of step cannot sign in; it takes both factors")
def own_device_resync(
    request: Request, given: Annotated[PasswordAndTwoCodes, Body()]
) -> DeviceNamed:
    """Follow the clock of a device that has run away by up to 20 steps; three times a day."""
    found = own_factors.resync_device(
        service_of(request),
        given.name,
        secret_of(given.password),
        _both(given),
        request_id=request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
    )
    return DeviceNamed(device=found)


def _both(codes: TwoCodes) -> tuple[Secret, Secret]:
    return secret_of(codes.first), secret_of(codes.second)


def _device(device: Device) -> OwnDeviceAnswer:
    used = device.last_used_at
    return OwnDeviceAnswer(
        id=device.id,
        name=device.name,
        state=device.state,
        algorithm=device.algorithm,
        digits=device.digits,
        period=device.period,
        created_at=timestamp(device.created_at),
        last_used_at=None if used is None else timestamp(used),
    )
