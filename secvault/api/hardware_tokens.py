"""The stock of hardware tokens over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.service import Service, hardware_tokens
from secvault.service.spine import Caller

router = Routes(
    prefix="/api/v1/hardware-tokens", tags=["hardware tokens"], responses=problem_responses()
)

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Serial = Annotated[str, Path(min_length=1, max_length=64, description="As on the token's back.")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class TokenFile(_Given):
    """A file of seeds. key: hexadecimal, of an encrypted PSKC file."""

    format: Literal["csv", "pskc"]
    file: SecretText
    key: SecretText | None = Field(None, max_length=64)


class Holder(_Given):
    """Who gets a token."""

    person: str = Field(min_length=1, max_length=64, description="Sign-in name or id.")


class Imported(BaseModel):
    """How many tokens came in."""

    imported: int


class HardwareTokenAnswer(BaseModel):
    """A token; its seed is never shown. person: id of its holder."""

    serial: str
    state: str
    person: str | None
    algorithm: str
    digits: int
    period: int
    imported_at: str


class HardwareTokenList(BaseModel):
    """The stock, by serial number."""

    tokens: list[HardwareTokenAnswer]


class Assigned(BaseModel):
    """The device that waits for two codes of its holder."""

    device: str
    expires_at: str


@router.post("", status_code=201)
@operation("it/hardware-tokens", "hardware_token.import")
def hardware_token_import(at: Authenticated, given: Annotated[TokenFile, Body()]) -> Imported:
    """Put the tokens of a maker's file into the stock, all or none."""
    service, who = at
    count = hardware_tokens.import_tokens(
        service,
        who,
        content=secret_of(given.file).expose(),
        file_format=given.format,
        key=None if given.key is None else secret_of(given.key),
    )
    return Imported(imported=count)


@router.get("")
@operation("it/hardware-tokens", "hardware_token.read")
def hardware_token_list(at: Authenticated) -> HardwareTokenList:
    """The stock."""
    service, who = at
    return HardwareTokenList(
        tokens=[
            HardwareTokenAnswer(
                serial=token.serial,
                state=token.state,
                person=token.person or None,
                algorithm=token.shape.algorithm,
                digits=token.shape.digits,
                period=token.shape.period,
                imported_at=timestamp(token.imported_at),
            )
            for token in hardware_tokens.list_tokens(service, who)
        ]
    )


@router.post("/{serial}/assignment", status_code=201)
@operation("it/hardware-tokens", "hardware_token.assign")
def hardware_token_assign(
    at: Authenticated, serial: Serial, given: Annotated[Holder, Body()]
) -> Assigned:
    """Give a token to somebody, who confirms it by two codes."""
    service, who = at
    device = hardware_tokens.assign_token(service, who, serial, given.person)
    return Assigned(device=device.id, expires_at=timestamp(device.confirm_by))


@router.delete("/{serial}", status_code=204)
@operation("it/hardware-tokens", "hardware_token.retire")
def hardware_token_retire(at: Authenticated, serial: Serial) -> None:
    """Take a token that nobody uses out of the stock."""
    service, who = at
    hardware_tokens.retire_token(service, who, serial)
