"""Resets over HTTP: for administrators in pairs, and for the person who was reset."""

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
from secvault.service import Service, resets
from secvault.service.resets import Reset
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["resets"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]


class ResetAnswer(BaseModel):
    """A reset that was done. part: of the code, shown once; give it to the person who was reset,
    and to nobody else. parts: how many there are; each approver has one of the others.
    """

    person: str
    part: str
    parts: int
    expires_at: str


class NewPassword(BaseModel):
    """What somebody typed whose password was reset.

    code: all parts, one after the other. second: the present TOTP code; or, when the factors were
    reset as well, all parts of that code.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200, examples=["lan.nguyen"])
    code: SecretText = Field(min_length=1, max_length=400)
    second: SecretText = Field(min_length=1, max_length=400)
    new_password: SecretText = Field(min_length=1, max_length=1024)


@router.post("/people/{person}/factors/reset", status_code=201)
@operation("it/people/{person}", "factor.reset")
def factors_reset(at: Authenticated, person: PersonName) -> ResetAnswer:
    """End all second factors of somebody who lost them; needs a second person."""
    service, who = at
    return _reset(resets.reset_factors(service, who, person))


@router.post("/people/{person}/password/reset", status_code=201)
@operation("it/people/{person}", "password.reset")
def password_reset(at: Authenticated, person: PersonName) -> ResetAnswer:
    """End the password of somebody who forgot it; needs a second person."""
    service, who = at
    return _reset(resets.reset_password(service, who, person))


@router.post("/password/redemption", status_code=204)
@open_to_all("whoever was reset has no password to sign in with; it opens nothing by itself")
def password_redeem(request: Request, given: Annotated[NewPassword, Body()]) -> None:
    """Set a new password after a reset; all sessions end."""
    resets.redeem_password(
        service_of(request),
        name=given.name,
        code=secret_of(given.code),
        second=secret_of(given.second),
        new=secret_of(given.new_password),
        request_id=request.state.request_id,
        address=address_of(request),
        agent=agent_of(request),
    )


def _reset(done: Reset) -> ResetAnswer:
    return ResetAnswer(
        person=done.person.id,
        part=done.part.text(),
        parts=done.parts,
        expires_at=timestamp(done.expires_at),
    )
