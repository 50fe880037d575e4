"""Where whoever finds a token of ours puts it: it ends at once, and nothing is told in return."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Request
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import address_of, service_of
from secvault.api.declared import open_to_all
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.service.leaked_tokens import MOST, report_leak

router = Routes(prefix="/api/v1", tags=["systems"], responses=problem_responses())


class Leak(BaseModel):
    """Tokens that were found."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    tokens: list[Annotated[SecretText, Field(max_length=1024)]] = Field(
        min_length=1, max_length=MOST
    )


class Received(BaseModel):
    """The same, whatever the tokens were."""

    received: int = Field(description="How many texts were looked at.")


@router.post("/leaked-tokens", status_code=202)
@open_to_all("whoever shows a token could use it for worse than ending it; nothing is told back")
def leaked_tokens(request: Request, leak: Annotated[Leak, Body()]) -> Received:
    """Report tokens that were found in the open: those that are genuine end at once."""
    report_leak(
        service_of(request),
        [secret_of(each).text() for each in leak.tokens],
        address=address_of(request),
        request_id=request.state.request_id,
    )
    return Received(received=len(leak.tokens))
