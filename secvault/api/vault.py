"""What all Vault-compatible paths share: reading a body, and the shape of an answer."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from secvault.api.problem import VaultErrors
from secvault.service.spine import Caller


class VaultAnswer(BaseModel):
    """The envelope around every answer of these paths."""

    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: dict[str, Any] | None
    wrap_info: None
    warnings: None
    auth: None


class BatchResults(BaseModel):
    """One result for each item of the batch, in its place: a failed one holds `error`."""

    batch_results: list[dict[str, Any]]


class BatchAnswer(VaultAnswer):
    """The envelope around the results of a batch of which an item failed."""

    data: BatchResults  # type: ignore[assignment]


async def body_of(request: Request) -> bytes:
    """The raw body; its size is limited by the application."""
    return await request.body()


def vault_answer(caller: Caller, data: dict[str, Any] | None, status: int = 200) -> Response:
    """The envelope that Vault clients expect around `data`."""
    content = {
        "request_id": caller.request_id,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    }
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def vault_responses() -> dict[int | str, dict[str, Any]]:
    """The documented errors of these paths."""
    reasons = {
        400: "The request is not valid.",
        403: "The token is missing, unknown, expired or revoked, or the policy says no.",
        404: "There is no such key or mount.",
        405: "Not with this method.",
        413: "The body is too large.",
        500: "The request failed; the reason is logged under the request id.",
        503: "The vault is sealed, or cannot write its audit log.",
    }
    return {
        200: {"model": VaultAnswer, "description": "The envelope; `data` holds the answer."},
        **{
            status: {"model": VaultErrors, "description": reason}
            for status, reason in reasons.items()
        },
    }


def batch_responses() -> dict[int | str, dict[str, Any]]:
    """What the paths that take a batch document beside it."""
    reason = "The request is not valid, or an item of the batch failed: its result says why."
    return {400: {"model": VaultErrors | BatchAnswer, "description": reason}}


def json_body(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The OpenAPI entry for a body that the route reads itself."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    inlined = _inline(schema, components)
    return {
        "openapi_extra": {"requestBody": {"content": {"application/json": {"schema": inlined}}}}
    }


def _inline(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return _inline(components[reference.rpartition("/")[2]], components)
        return {key: _inline(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(value, components) for value in schema]
    return schema
