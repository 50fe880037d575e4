"""Activating an account over HTTP; the code of the invitation is in the body, never in a URL."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.identity.qr import svg_code
from secvault.service import activation
from secvault.service.activation import From

router = Routes(prefix="/api/v1/activation", tags=["activation"], responses=problem_responses())

_WHY = "who is invited cannot sign in yet; it takes the code of an invitation, 256 random bits"


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ActivationCode(_Given):
    """The code of an invitation, `sva_...`."""

    code: SecretText = Field(min_length=1, max_length=200)


class ActivationBeginning(ActivationCode):
    """A password, and how the first factor is to be enrolled."""

    password: SecretText = Field(max_length=1024, description="12 to 128 characters.")
    device: str = Field("authenticator app", max_length=200, description="Its name.")
    hardware_token: bool = Field(
        default=False, description="Make no seed: a token was assigned, and its codes come next."
    )
    name: str = Field(
        "", max_length=200, description="The sign-in name; of the first administrator only."
    )
    display_name: str = Field("", max_length=400, description="Likewise the full name.")


class ActivationCodes(ActivationCode):
    """Two codes that the device showed one after the other."""

    first: SecretText = Field(max_length=32)
    second: SecretText = Field(max_length=32)


class ActivationShown(BaseModel):
    """Who is invited. name is null for the first administrator, who says it themselves."""

    name: str | None
    display_name: str | None
    department: str | None
    first_administrator: bool
    expires_at: str


class ActivationBegun(BaseModel):
    """A begun device: seed, otpauth URI and QR code, shown once; null for a hardware token."""

    name: str
    device: str | None
    seed: str | None
    uri: str | None
    svg: str | None
    expires_at: str | None


class ActivationDone(BaseModel):
    """Somebody who can sign in. The recovery codes are shown once."""

    id: str
    name: str
    recovery_codes: list[str]


@router.post("/look")
@open_to_all(_WHY)
def activation_look(request: Request, given: Annotated[ActivationCode, Body()]) -> ActivationShown:
    """Who is invited by this code."""
    shown = activation.look(service_of(request), secret_of(given.code), _came(request))
    person = shown.person
    return ActivationShown(
        name=person and person.name,
        display_name=person and person.display_name,
        department=person and person.department,
        first_administrator=shown.first,
        expires_at=timestamp(shown.expires_at),
    )


@router.post("/begin")
@open_to_all(_WHY)
def activation_begin(
    request: Request, given: Annotated[ActivationBeginning, Body()]
) -> ActivationBegun:
    """Choose a password and begin the first device; can be begun anew until it is complete."""
    begun = activation.begin(
        service_of(request),
        secret_of(given.code),
        password=secret_of(given.password),
        device=given.device,
        name=given.name,
        display_name=given.display_name,
        hardware_token=given.hardware_token,
        came=_came(request),
    )
    made = begun.enrolment
    return ActivationBegun(
        name=begun.person.name,
        device=made and made.device.id,
        seed=made and made.seed.text(),
        uri=made and made.uri.text(),
        svg=made and svg_code(made.uri),
        expires_at=made and timestamp(made.expires_at),
    )


@router.post("/complete")
@open_to_all(_WHY)
def activation_complete(
    request: Request, given: Annotated[ActivationCodes, Body()]
) -> ActivationDone:
    """Put the first device into use by two codes in a row, and let the person in from now on."""
    done = activation.complete(
        service_of(request),
        secret_of(given.code),
        (secret_of(given.first), secret_of(given.second)),
        _came(request),
    )
    return ActivationDone(
        id=done.person.id,
        name=done.person.name,
        recovery_codes=[code.text() for code in done.recovery_codes],
    )


def _came(request: Request) -> From:
    return From(address_of(request), request.state.request_id, agent_of(request))
