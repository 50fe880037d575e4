"""Errors over HTTP: RFC 9457 problem details, and the transit engine's form on its paths.

The one place where an error becomes a status and a body. Nothing that the caller sent is echoed,
no message of a library is shown, and what is unexpected is logged and answered with its request
id only.
"""

from __future__ import annotations

import http
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from secvault.errors import (
    ApprovalRequired,
    BodyTooSlow,
    FieldError,
    NotAuthenticated,
    Overloaded,
    ProvisioningRefused,
    RangeNotSatisfiable,
    Refused,
    SecvaultError,
    SeparationOfDuties,
    StepUpRequired,
    TooManyAttempts,
    TooManyStreams,
)

PROBLEM_JSON = "application/problem+json"
TYPE_BASE = "urn:secvault:problem:"
VAULT_PATHS = "/v1/"
SCIM_PATHS = "/scim/v2/"
SCIM_JSON = "application/scim+json"
AUTHZEN_PATHS = "/access/v1/"
AUTHZEN_METADATA = "/.well-known/authzen-configuration"
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_DEEPEST = 16
_LONGEST_PART = 64

_DETAILS: Mapping[int, str] = {
    400: "The body cannot be read as JSON in UTF-8.",
    404: "There is nothing at this path.",
    405: "The path exists, but not with this method.",
    413: "The body is larger than this service accepts; send less at once.",
    415: "Send the body as application/json.",
}


class FieldProblem(BaseModel):
    """One fault in the input."""

    field: str
    detail: str


class ApprovalProblem(BaseModel):
    """What a second person must approve. request: the one that waits; empty when nobody was asked.

    digest: of what was proposed.
    """

    request: str
    digest: str


class SeparationProblem(BaseModel):
    """The rules of separation that would be broken, by id."""

    rules: list[str]


class Problem(BaseModel):
    """RFC 9457 problem details, with the request id and the fields at fault.

    decision_id: of what was refused by a decision, for `GET /api/v1/access/explain?decision=`.
    """

    type: str = Field(examples=["urn:secvault:problem:not-found"])
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem] | None = None
    approval: ApprovalProblem | None = None
    decision_id: str | None = None
    separation: SeparationProblem | None = None


class VaultErrors(BaseModel):
    """The transit engine's error body."""

    errors: list[str]


def install(app: FastAPI) -> None:
    """Answer every error of `app` as this module says."""
    app.add_exception_handler(SecvaultError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(request: Request, error: SecvaultError) -> Response:
    """The answer for one error, in the form that belongs to the request's path."""
    headers = {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, StepUpRequired):
        headers["WWW-Authenticate"] = (
            'Bearer error="insufficient_user_authentication", '
            'error_description="A second factor must be shown again", '
            f'max_age="{error.max_age}"'
        )
    if isinstance(error, RangeNotSatisfiable):
        # RFC 9110, 14.4.
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, TooManyAttempts | TooManyStreams | Overloaded):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, ProvisioningRefused):
        return _scim_error(error.answer_status, error.detail, headers, error.scim_type)
    status = error.status
    if error.vault_status is not None and _is_vaults(request):
        status = error.vault_status
    more: dict[str, Any] = {}
    if isinstance(error, Refused) and error.decision_id:
        more["decision_id"] = error.decision_id
    if isinstance(error, ApprovalRequired):
        more["approval"] = {"request": error.request, "digest": error.digest}
    if isinstance(error, SeparationOfDuties):
        more["separation"] = {"rules": list(error.rules)}
    return _answer(
        request, status, error.code, error.title, error.detail, error.fields, headers, more
    )


def too_large(request: Request) -> Response:
    """The answer to a body over the limit."""
    return _answer(request, 413, "content-too-large", "Content Too Large", _DETAILS[413], (), {})


def too_slow(request: Request) -> Response:
    """The answer to a body that did not arrive in time, after which the connection ends."""
    return _answer(
        request,
        BodyTooSlow.status,
        BodyTooSlow.code,
        BodyTooSlow.title,
        "The body did not arrive in time; send it again at once.",
        (),
        {"Connection": "close"},
    )


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, SecvaultError)  # noqa: S101 - registered for this class
    if error.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        _log().error("request_failed", code=error.code, detail=error.detail, path=_route(request))
    return problem_response(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    if _is_body_of_other_type(request, error):
        return await _framework(request, HTTPException(http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE))
    fields = tuple(
        FieldError(_path(fault["loc"]), str(fault["msg"]).removeprefix("Value error, "))
        for fault in error.errors()[:50]
    )
    detail = "; ".join(f"{fault.field}: {fault.detail}" for fault in fields[:5])
    return _answer(request, 422, "invalid-input", "The request is not valid", detail, fields, {})


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if error.status_code == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return too_large(request)
    phrase = http.HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    detail = _DETAILS.get(error.status_code, phrase)
    headers = dict(error.headers or {})
    return _answer(request, error.status_code, code, phrase, detail, (), headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log().error(
        "unexpected_error", error_type=type(error).__name__, path=_route(request), exc_info=error
    )
    return _answer(
        request,
        500,
        "internal",
        "Internal error",
        "The request failed for a reason that was logged; give the request id when you report it.",
        (),
        {},
    )


def _answer(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    fields: tuple[FieldError, ...],
    headers: Mapping[str, str],
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    if _is_vaults(request):
        return JSONResponse({"errors": [detail]}, _vault_status(status), dict(headers))
    if request.scope["path"].startswith(SCIM_PATHS):
        return _scim_error({422: 400}.get(status, status), detail, headers)
    if is_authzen(request.scope["path"]):
        # Authorization API 1.0, 10.1.2: an error message string; bad input of any sort is a 400.
        return PlainTextResponse(detail, {415: 400, 422: 400}.get(status, status), dict(headers))
    body: dict[str, Any] = {
        "type": TYPE_BASE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if fields:
        body["errors"] = [{"field": fault.field, "detail": fault.detail} for fault in fields]
    return JSONResponse({**body, **more}, status, dict(headers), media_type=PROBLEM_JSON)


def _scim_error(
    status: int, detail: str, headers: Mapping[str, str], scim_type: str = ""
) -> Response:
    """RFC 7644, 3.12."""
    body = {"schemas": [SCIM_ERROR], "status": str(status), "detail": detail}
    if scim_type:
        body["scimType"] = scim_type
    return JSONResponse(body, status, dict(headers), media_type=SCIM_JSON)


def _is_vaults(request: Request) -> bool:
    # Not `request.url`, which cannot be made of every Host header.
    return bool(request.scope["path"].startswith(VAULT_PATHS))


def is_authzen(path: str) -> bool:
    """Whether the path is one of AuthZEN."""
    return path.startswith(AUTHZEN_PATHS) or path == AUTHZEN_METADATA


def _vault_status(status: int) -> int:
    # The transit engine answers 403 to any missing or bad token, 400 to any bad input.
    return {401: 403, 409: 400, 422: 400}.get(status, status)


def _path(location: tuple[int | str, ...]) -> str:
    # A key of the body is among the parts, and may be anything.
    return ".".join(_readable(str(part)) for part in location[:_DEEPEST])


def _readable(part: str) -> str:
    return part if part.isprintable() and len(part) <= _LONGEST_PART else "(unreadable name)"


def _is_body_of_other_type(request: Request, error: RequestValidationError) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    unread = any(
        fault["loc"] == ("body",) and isinstance(fault["input"], bytes) for fault in error.errors()
    )
    return unread and not is_json


def _route(request: Request) -> str:
    route = request.scope.get("route")
    return str(getattr(route, "path", "unknown"))


def _log() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("secvault.api")
    return logger


def problem_responses() -> dict[int | str, dict[str, Any]]:
    """The documented errors of the native paths."""
    reasons = {
        400: "The body cannot be read.",
        401: "No valid session or token; or a second factor must be shown again (RFC 9470).",
        403: "The policy says no, or a second person must approve; the detail gives the reason.",
        404: "There is no such thing.",
        405: "Not with this method.",
        409: "It exists already, or its state does not allow this.",
        412: "Changed by somebody else in the meantime.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "The request is not valid; `errors` names the fields.",
        428: "The version to change must be stated.",
        429: "Too many attempts.",
        500: "The request failed; the reason is logged under the request id.",
        503: "Sealed, or a part that is needed cannot be reached.",
    }
    return {
        status: {"description": reason, "content": {PROBLEM_JSON: {"schema": _REFERENCE}}}
        for status, reason in reasons.items()
    }


def sentence_responses() -> dict[int | str, dict[str, Any]]:
    """The documented errors of the paths of AuthZEN: a sentence."""
    text = {"text/plain": {"schema": {"type": "string"}}}
    reasons = {
        400: "The request cannot be understood; the sentence says where.",
        401: "No valid session or token.",
        403: "The caller may not ask this.",
        404: "There is nothing at this path.",
        405: "Not with this method.",
        413: "The body is too large.",
        500: "The request failed; the reason is logged.",
        503: "Sealed, or a part that is needed cannot be reached.",
    }
    return {status: {"description": reason, "content": text} for status, reason in reasons.items()}


_REFERENCE = {"$ref": "#/components/schemas/Problem"}
