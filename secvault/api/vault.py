"""What all Vault-compatible paths share: reading a body, and the shape of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from secvault.api.problem import VaultErrors
from secvault.api.routing import Routes
from secvault.errors import InvalidInput
from secvault.service.spine import Caller

Body = TypeVar("Body", bound=msgspec.Struct)
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_PERIOD = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class VaultAnswer(BaseModel):
    """The envelope around every answer of these paths."""

    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: dict[str, Any] | None
    wrap_info: None
    warnings: list[str] | None
    auth: dict[str, Any] | None


class BatchResults(BaseModel):
    """One result for each item of the batch, in its place: a failed one holds `error`."""

    batch_results: list[dict[str, Any]]


class BatchAnswer(VaultAnswer):
    """The envelope around the results of a batch of which an item failed."""

    data: BatchResults  # type: ignore[assignment]


@dataclass(frozen=True)
class Given(Generic[Body]):
    """What a body says, and what to tell the caller about the rest of it."""

    body: Body
    warnings: tuple[str, ...]


def read_body(content: bytes, kind: type[Body]) -> Given[Body]:
    """Read a JSON object as the engine does: text stands for numbers and flags, null for nothing.

    What is not known is left out, with a warning. Raises InvalidInput.
    """
    try:
        raw = msgspec.json.decode(content or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput(
            "failed to decode JSON input: the body is not JSON in UTF-8, or nested too deeply"
        ) from None
    # The peer's command line sends `null` where it has nothing to say.
    raw = {} if raw is None else raw
    if not isinstance(raw, dict):
        raise InvalidInput("failed to parse the body: it must be a JSON object")
    known = set(kind.__struct_encode_fields__)
    unknown = sorted(name for name in raw if name not in known)
    present = {name: value for name, value in raw.items() if name in known and value is not None}
    try:
        body = msgspec.convert(present, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"failed to parse the body: {error}") from None
    if not unknown:
        return Given(body, ())
    listed = " ".join(name[:40] for name in unknown[:20])
    return Given(body, (f"Endpoint ignored these unrecognized parameters: [{listed}]",))


def seconds_of(period: str | int, field: str) -> int:
    """A period as the engine takes it: seconds, or for instance `24h`, `1h30m`, `7d`.

    Raises InvalidInput.
    """
    text = str(period).strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    parts = _PERIOD.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 32:
        raise InvalidInput.at(field, "must be seconds, or a period such as 24h, 1h30m or 7d")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def texts_of(given: list[str] | str | None) -> list[str]:
    """A list as the engine takes it: JSON, or one text with commas."""
    if given is None or isinstance(given, list):
        return given or []
    return [each.strip() for each in given.split(",") if each.strip()]


async def body_of(request: Request) -> bytes:
    """The raw body; its size is limited by the application."""
    return await request.body()


def vault_answer(
    caller: Caller,
    data: dict[str, Any] | None,
    status: int = 200,
    warnings: Sequence[str] = (),
    auth: dict[str, Any] | None = None,
    *,
    doubled: bool = False,
) -> Response:
    """The envelope that Vault clients expect around `data`, or around `auth`, a new credential.

    doubled: whether `data` stands beside the envelope's own names as well, as on older paths.
    """
    return vault_envelope(caller.request_id, data, status, warnings, auth, doubled=doubled)


def vault_envelope(
    request_id: str,
    data: dict[str, Any] | None,
    status: int = 200,
    warnings: Sequence[str] = (),
    auth: dict[str, Any] | None = None,
    *,
    doubled: bool = False,
) -> Response:
    """The same where nobody is known yet."""
    content = {
        **(data if doubled and data else {}),
        "request_id": request_id,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": list(warnings) or None,
        "auth": auth,
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
        429: "Too many attempts.",
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


def writes(
    router: Routes, path: str, body: type[msgspec.Struct] | None = None, **more: Any
) -> Callable[[Endpoint], Endpoint]:
    """Register an endpoint that changes something: by POST, and by PUT, which the peer's own
    command line sends.
    """

    def register(endpoint: Endpoint) -> Endpoint:
        described = json_body(body) if body is not None else {}
        router.post(path, **described, **more)(endpoint)
        router.put(path, include_in_schema=False, **more)(endpoint)
        return endpoint

    return register


def lists(router: Routes, path: str) -> Callable[[Endpoint], Endpoint]:
    """Register an endpoint that lists: by LIST, and by GET with `list=true`, which the peer's own
    command line sends.
    """

    def register(endpoint: Endpoint) -> Endpoint:
        router.get(path, dependencies=[Depends(_list_wanted)])(endpoint)
        router.route(path, ["LIST"], include_in_schema=False)(endpoint)
        return endpoint

    return register


def _list_wanted(
    *, wanted: Annotated[bool, Query(alias="list", description="Must be true.")] = False
) -> None:
    if not wanted:
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
