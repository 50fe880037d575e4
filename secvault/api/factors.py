"""A person's own factors over HTTP: passkeys, recovery codes; what administrators see of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, caller
from secvault.api.declared import operation
from secvault.api.passkey_answer import Attestation, Options
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.crypto.secret import Secret
from secvault.identity.passkeys import Passkey
from secvault.service import Service, factors, lost_factors
from secvault.service.factors import Factors
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["factors"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewDevice(_Given):
    """A TOTP device to enrol."""

    name: str = Field(max_length=200)


class Codes(_Given):
    """Two codes that follow one another."""

    first: SecretText = Field(max_length=32)
    second: SecretText = Field(max_length=32)


class DeviceAnswer(BaseModel):
    """A begun enrolment: seed and otpauth URI are shown once."""

    device: str
    seed: str
    uri: str
    expires_at: str


class OwnPassword(_Given):
    """Your present password, once more.

    Left out by who has none, and in a session that a recovery code opened.
    """

    password: SecretText | None = Field(None, min_length=1, max_length=1024)


class NewPasskey(OwnPassword):
    """A passkey to make. name: tells your passkeys apart, up to 64 characters."""

    name: str = Field(max_length=200, examples=["office key"])


class MadePasskey(_Given):
    """The answer of the browser."""

    credential: Attestation


class PasskeyAnswer(BaseModel):
    """A passkey. backed_up: whether its maker keeps a copy."""

    id: str
    name: str
    backed_up: bool
    created_at: str
    last_used_at: str | None


class DeviceListed(BaseModel):
    """A TOTP device. state: pending, active or locked."""

    id: str
    name: str
    state: str
    created_at: str
    last_used_at: str | None


class FactorList(BaseModel):
    """All factors besides the password. recovery_codes_left: unused codes of the present set."""

    devices: list[DeviceListed]
    passkeys: list[PasskeyAnswer]
    recovery_codes_left: int
    recovery_codes_made_at: str | None
    recovery_codes_locked: bool


class RevokedFactor(BaseModel):
    """A factor that lets nobody in any more. kind: totp or passkey."""

    person: str
    factor: str
    kind: str
    name: str
    sessions_ended: int


class RecoveryCodes(BaseModel):
    """New recovery codes, shown once; print them. Those from before are void."""

    codes: list[str]


@router.get("/factors")
@operation("it/factors", "factor.read")
def factor_list(at: Authenticated) -> FactorList:
    """Your factors."""
    service, who = at
    return _listed(factors.own_factors(service, who))


@router.post("/factors/passkeys/challenge", status_code=201)
@operation("it/factors", "factor.enrol")
def passkey_begin(
    request: Request, at: Authenticated, new: Annotated[NewPasskey, Body()]
) -> Options:
    """Begin a passkey of your own; needs the password, and a factor of the last five minutes."""
    service, who = at
    begun = factors.begin_passkey(
        service, who, new.name, password=_password(new), address=address_of(request)
    )
    return Options(public_key=dict(begun))


@router.post("/factors/passkeys", status_code=201)
@operation("it/factors", "factor.enrol")
def passkey_finish(at: Authenticated, made: Annotated[MadePasskey, Body()]) -> PasskeyAnswer:
    """Put the passkey that the browser made into use."""
    service, who = at
    return _passkey(factors.finish_passkey(service, who, made.credential.plain()))


@router.post("/factors/passkeys/{passkey}/removal", status_code=204)
@operation("it/factors", "factor.remove")
def passkey_remove(
    request: Request,
    at: Authenticated,
    passkey: Annotated[str, Path(min_length=1, max_length=64)],
    given: Annotated[OwnPassword, Body()],
) -> None:
    """Remove one of your passkeys, unless it is your last factor; needs the password, too."""
    service, who = at
    factors.remove_passkey(
        service, who, passkey, password=_password(given), address=address_of(request)
    )


@router.post("/factors/recovery-codes", status_code=201)
@operation("it/factors", "recovery.make")
def recovery_codes_make(
    request: Request, at: Authenticated, given: Annotated[OwnPassword, Body()]
) -> RecoveryCodes:
    """Make ten recovery codes; those from before are void. Needs the password, too."""
    service, who = at
    codes = factors.make_recovery_codes(
        service, who, password=_password(given), address=address_of(request)
    )
    return RecoveryCodes(codes=[code.text() for code in codes])


@router.post("/factors/devices", status_code=201)
@operation("it/factors", "recovery.enrol")
def recovery_device_begin(at: Authenticated, new: Annotated[NewDevice, Body()]) -> DeviceAnswer:
    """Begin a TOTP device, in a session that a recovery code opened."""
    service, who = at
    begun = factors.begin_device(service, who, new.name)
    return DeviceAnswer(
        device=begun.device.id,
        seed=begun.seed.text(),
        uri=begun.uri.text(),
        expires_at=timestamp(begun.expires_at),
    )


@router.post("/factors/devices/{device}/confirmation", status_code=204)
@operation("it/factors", "recovery.enrol")
def recovery_device_confirm(
    at: Authenticated,
    device: Annotated[str, Path(min_length=1, max_length=64)],
    codes: Annotated[Codes, Body()],
) -> None:
    """Put that device into use, shown by two codes that follow one another."""
    service, who = at
    factors.confirm_device(service, who, device, secret_of(codes.first), secret_of(codes.second))


@router.get("/people/{person}/factors")
@operation("it/people/{person}", "person.read")
def person_factors(at: Authenticated, person: PersonName) -> FactorList:
    """Somebody's factors: names and dates."""
    service, who = at
    return _listed(factors.factors_of(service, who, person))


@router.post("/people/{person}/factors/{factor}/revocation")
@operation("it/people/{person}", "factor.revoke")
def factor_revoke(
    at: Authenticated,
    person: PersonName,
    factor: Annotated[str, Path(min_length=1, max_length=64)],
) -> RevokedFactor:
    """End one lost factor of somebody, and their sessions; the last one takes a reset."""
    service, who = at
    done = lost_factors.revoke_factor(service, who, person, factor)
    return RevokedFactor(
        person=done.person.id,
        factor=done.factor,
        kind=done.kind,
        name=done.name,
        sessions_ended=done.sessions_ended,
    )


def _password(given: OwnPassword) -> Secret | None:
    return None if given.password is None else secret_of(given.password)


def _listed(found: Factors) -> FactorList:
    return FactorList(
        devices=[
            DeviceListed(
                id=each.id,
                name=each.name,
                state=each.state,
                created_at=timestamp(each.created_at),
                last_used_at=_time(each.last_used_at),
            )
            for each in found.devices
        ],
        passkeys=[_passkey(each) for each in found.passkeys],
        recovery_codes_left=found.recovery.left,
        recovery_codes_made_at=_time(found.recovery.made_at),
        recovery_codes_locked=found.recovery.locked,
    )


def _passkey(passkey: Passkey) -> PasskeyAnswer:
    return PasskeyAnswer(
        id=passkey.id,
        name=passkey.name,
        backed_up=passkey.backed_up,
        created_at=timestamp(passkey.created_at),
        last_used_at=_time(passkey.last_used_at),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
