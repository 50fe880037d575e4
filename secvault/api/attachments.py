"""Attachments over HTTP: the content of a field, at an address of its own.

It has a tag of its own (ETag), which says which content it is: what it holds never changes under
one tag. Bytes stream in and out; what comes out was verified before. When damage is found after the
answer has begun, the connection is cut off, so that nobody takes what came for the whole.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import unquote

import anyio
import structlog
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from secvault.api.body_time import flowing
from secvault.api.byte_range import expected_before, is_known, wanted_part
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.disposition import disposition, name_in
from secvault.api.problem import problem_responses
from secvault.api.records import CollectionName, FieldName, RecordId
from secvault.api.routing import Routes
from secvault.errors import InvalidInput, SecvaultError
from secvault.records.attachment import Attached
from secvault.records.attachment_storage import Pieces
from secvault.records.content_type import KNOWN_TYPES, LARGEST_CONTENT
from secvault.service import Service, attachment_upload, attachments
from secvault.service.attachment_upload import Sent, Upload
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())

CONTENT = "/records/{collection}/{record}/fields/{field}/content"
_AT_ONCE = 2**20
_NOT_MODIFIED, _PARTIAL = 304, 206

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
IfMatch = Annotated[
    str | None,
    Header(description='The content that the change is based on, as in its ETag; "*": any.'),
]
IfNoneMatch = Annotated[
    str | None, Header(description="Of a change: * when there must be nothing yet.")
]
RevealReason = Annotated[
    str,
    Header(
        alias="X-Reveal-Reason",
        max_length=2000,
        description="Why a file that is shown masked is to be revealed (percent-encoded UTF-8, up "
        "to 200 characters). Each request with it counts as a reveal.",
    ),
]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BYTES: dict[str, Any] = dict.fromkeys(KNOWN_TYPES, _BINARY)
_READ: dict[int | str, dict[str, Any]] = {
    200: {"description": "The content.", "content": _BYTES},
    206: {"description": "The part of it that Range asks for.", "content": _BYTES},
    304: {"description": "It is still the one that If-None-Match names."},
    416: {
        **problem_responses()[422],
        "description": "It has no such part; Content-Range says how long it is.",
    },
}


class AttachmentAnswer(BaseModel):
    """An attachment that was stored. version: of its record."""

    name: str
    size: int = Field(description="In bytes.")
    type: str
    sha256: str = Field(description="Of the content, in hexadecimal.")
    version: int


@router.put(
    CONTENT,
    responses={201: {"description": "Stored, where there was nothing.", "model": AttachmentAnswer}},
    openapi_extra={
        "requestBody": {"required": True, "content": dict.fromkeys(KNOWN_TYPES, _BINARY)}
    },
    max_body_size=LARGEST_CONTENT + 1,
)
@operation("{department}/{collection}/{record}/{field}", "record.update")
async def attachment_write(
    request: Request,
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    response: Response,
    *,
    content_type: Annotated[
        str | None, Header(description="What the file is; its content must be that.")
    ] = None,
    content_disposition: Annotated[
        str | None,
        Header(description="attachment; filename*=UTF-8''<name, percent-encoded> (RFC 8187)"),
    ] = None,
    repr_digest: Annotated[
        str | None, Header(description="sha-256=:<base64>: of the file (RFC 9530), to be compared.")
    ] = None,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> AttachmentAnswer:
    """Store a file in a field of a record, in the place of the one that If-Match names."""
    service, who = at
    expected = expected_before(if_match, if_none_match)
    sent = Sent(
        name=name_in(content_disposition),
        type=(content_type or "").partition(";")[0].strip().lower(),
        size=_length(request),
        sha256=_digest(repr_digest),
    )
    flowing(request)
    upload = await run_in_threadpool(
        attachment_upload.begin_upload, service, who, collection, record, field, sent, expected
    )
    try:
        await _take_in(request, upload)
        stored = await run_in_threadpool(upload.finish)
    except BaseException as error:
        # Whatever ends the request, also that nobody waits for its answer any more.
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.abandon, error)
        raise
    response.status_code = 200 if stored.replaced else 201
    attached = stored.attached
    response.headers["ETag"] = f'"{attached.id}"'
    return AttachmentAnswer(
        name=attached.name,
        size=attached.size,
        type=attached.type,
        sha256=attached.sha256,
        version=stored.version,
    )


@router.get(CONTENT, response_class=Response, responses=_READ)
@operation("{department}/{collection}/{record}/{field}", "record.read", "record.reveal")
def attachment_read(
    request: Request,
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    *,
    range_: Annotated[
        str | None, Header(alias="Range", description="One range of bytes (RFC 9110).")
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The ETag of what is there of it already.")
    ] = None,
    if_none_match: IfNoneMatch = None,
    reason: RevealReason = "",
) -> Response:
    """The file that a field holds, or a part of it."""
    service, who = at
    why = _reason(reason)
    opened = attachments.open_attachment(service, who, collection, record, field, why)
    attached = opened.attached
    headers = headers_of(attached)
    if is_known(if_none_match, attached.id):
        return Response(status_code=_NOT_MODIFIED, headers={"ETag": headers["ETag"]})
    part = wanted_part(range_, if_range, attached.id, attached.size)
    whole = range(attached.size)
    span = whole if part is None else part
    pieces = opened.read(span.start, span.stop)
    # The first one while an error can still be answered as one.
    first = next(pieces, b"")
    headers["Content-Length"] = str(len(span))
    if part is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{attached.size}"
    return StreamingResponse(
        given(first, pieces, request),
        status_code=200 if part is None else _PARTIAL,
        headers=headers,
    )


@router.head(
    CONTENT,
    response_class=Response,
    responses={200: {"description": "There is one; the headers are those of GET."}},
)
@operation("{department}/{collection}/{record}/{field}", "record.read")
def attachment_look(
    at: Authenticated, collection: CollectionName, record: RecordId, field: FieldName
) -> Response:
    """What the file is that a field holds: name, type, size, digest and tag."""
    service, who = at
    attached = attachments.open_attachment(service, who, collection, record, field).attached
    headers = {**headers_of(attached), "Content-Length": str(attached.size)}
    return Response(headers=headers)


@router.delete(CONTENT, status_code=204)
@operation("{department}/{collection}/{record}/{field}", "record.update")
def attachment_remove(
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    if_match: IfMatch = None,
) -> None:
    """Empty a field of the file that If-Match names; the record stays."""
    service, who = at
    expected = expected_before(if_match, None)
    attachments.remove_attachment(service, who, collection, record, field, expected)


async def _take_in(request: Request, upload: Upload) -> None:
    """Hand the body on in pieces that are worth a change of threads."""
    waiting = bytearray()
    try:
        async with aclosing(request.stream()) as stream:
            async for piece in stream:
                waiting += piece
                if len(waiting) >= _AT_ONCE:
                    await run_in_threadpool(upload.write, bytes(waiting))
                    waiting.clear()
    except ClientDisconnect:
        raise InvalidInput.at("body", "ended before it was whole; send it again") from None
    if waiting:
        await run_in_threadpool(upload.write, bytes(waiting))


async def given(first: bytes, rest: Pieces, request: Request) -> AsyncIterator[bytes]:
    """The bytes of an answer. first: taken already. Damage that is found now cuts it off."""
    try:
        yield first
        while piece := await run_in_threadpool(next, rest, b""):
            yield piece
    except SecvaultError as error:
        log = structlog.get_logger("secvault.api")
        path = str(getattr(request.scope.get("route"), "path", "unknown"))
        # Its own words are all that may be said of it; a traceback may hold values.
        log.error(  # noqa: TRY400
            "answer_cut_off", code=error.code, detail=error.detail, path=path
        )
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(rest.close)


def headers_of(attached: Attached) -> dict[str, str]:
    """What goes with the content of an attachment: a browser saves it, and never shows it."""
    digest = base64.b64encode(bytes.fromhex(attached.sha256)).decode()
    charset = "; charset=utf-8" if attached.type.startswith("text/") else ""
    return {
        "Content-Type": f"{attached.type}{charset}",
        "Content-Disposition": disposition(attached.name),
        "ETag": f'"{attached.id}"',
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
    }


def _reason(header: str) -> str:
    try:
        return unquote(header, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput.at("X-Reveal-Reason", "must be percent-encoded UTF-8") from None


def _length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _digest(header: str | None) -> str:
    """The SHA-256 of Repr-Digest in hexadecimal; empty when it names none (RFC 9530, 3)."""
    for part in (header or "").split(","):
        algorithm, _, value = part.strip().partition("=")
        if algorithm.lower() == "sha-256":
            try:
                digest = base64.b64decode(value.strip(":"), validate=True)
            except (binascii.Error, ValueError):
                digest = b""
            if len(digest) != 32 or not (value.startswith(":") and value.endswith(":")):
                raise InvalidInput.at("Repr-Digest", "write it as sha-256=:<base64>:")
            return digest.hex()
    return ""
