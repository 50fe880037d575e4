"""Files of records: saved by who may see them, and sent by who may write the field.

A form's file is held in memory while it is read, and never lies on a disk in clear; that bounds
how large it may be. Larger ones go by the API, which streams them.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import File, Form, Request, UploadFile
from starlette.responses import Response, StreamingResponse

from secvault.api.attachments import given, headers_of
from secvault.api.declared import operation
from secvault.api.records import CollectionName, FieldName, RecordId
from secvault.api.routing import Routes
from secvault.console.page import elsewhere
from secvault.console.visitor import Visiting
from secvault.errors import InvalidInput
from secvault.records.content_type import type_by_name
from secvault.service import attachment_upload, attachments
from secvault.service.attachment_upload import Sent
from secvault.service.attachments import Opened

router = Routes(include_in_schema=False)

FILE = "/records/{collection}/{record}/fields/{field}/file"

LARGEST = 1_000_000
"""Bytes of a form with its file: fewer than what the framework would write to a disk."""


@router.get(FILE)
@operation("{department}/{collection}/{record}/{field}", "record.read")
def download(
    request: Request, at: Visiting, collection: CollectionName, record: RecordId, field: FieldName
) -> Response:
    """The file that a field holds, to be saved."""
    found = attachments.open_attachment(at.service, at.caller, collection, record, field)
    return _sent(request, found)


@router.post(FILE)
@operation("{department}/{collection}/{record}/{field}", "record.read", "record.reveal")
def download_revealed(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    reason: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """The same of one that is not shown to the visitor, with why."""
    found = attachments.open_attachment(at.service, at.caller, collection, record, field, reason)
    return _sent(request, found)


@router.post(f"{FILE}/new", max_body_size=LARGEST)
@operation("{department}/{collection}/{record}/{field}", "record.update")
def upload(
    at: Visiting,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    file: Annotated[UploadFile, File()],
    expected: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Store a file in the field, in the place of the one that the visitor saw."""
    name = file.filename or ""
    kind = type_by_name(name)
    if kind is None:
        raise InvalidInput.at(field, "is no file of a kind that is stored here, such as a .pdf")
    sent = Sent(name, kind, file.size)
    with attachment_upload.uploading(
        lambda: attachment_upload.begin_upload(
            at.service, at.caller, collection, record, field, sent, expected
        )
    ) as incoming:
        incoming.write(file.file.read())
        incoming.finish()
    return elsewhere(f"/records/{collection}/{record}")


def _sent(request: Request, found: Opened) -> Response:
    size = found.attached.size
    pieces = found.read(0, size)
    # The first one while an error can still be answered by a page.
    first = next(pieces, b"")
    headers = {**headers_of(found.attached), "Content-Length": str(size)}
    # Parts of it are the API's.
    del headers["Accept-Ranges"]
    return StreamingResponse(given(first, pieces, request), headers=headers)
