"""What kind of file an attachment may be, and whether its content is of the kind that it says.

The beginning is judged by puremagic's signatures; of office documents, which all begin as zip
files do, the list of what is inside is read from their end; texts must be UTF-8 to the end. So a
program does not pass for a scan. It is no search for malware, and a file that is of two kinds at
once passes as either.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from secvault.errors import InvalidInput

LARGEST_CONTENT = 5 * 2**30
"""The largest limit that an installation or a field may state, in bytes."""
HEAD_BYTES = 64 * 2**10
_TAIL_BYTES = 256 * 2**10
_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
# What no text has: C0 controls but tab, line feed, form feed, carriage return.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Kind:
    """How a type is known. named: as the library calls it. inside: a folder of the zip file.

    starts: what a text begins with, after white space.
    """

    extension: str
    named: frozenset[str] = frozenset()
    inside: str = ""
    is_text: bool = False
    starts: tuple[str, ...] = ()


KNOWN_TYPES: Mapping[str, Kind] = {
    "application/pdf": Kind(".pdf", frozenset({"application/pdf"})),
    "image/jpeg": Kind(".jpg", frozenset({"image/jpeg"})),
    "image/png": Kind(".png", frozenset({"image/png"})),
    "image/tiff": Kind(".tif", frozenset({"image/tiff"})),
    "image/gif": Kind(".gif", frozenset({"image/gif"})),
    "image/webp": Kind(".webp", frozenset({"image/webp"})),
    "image/heic": Kind(".heic", frozenset({"image/heic", "image/heif"})),
    f"{_OOXML}.wordprocessingml.document": Kind(".docx", inside="word/"),
    f"{_OOXML}.spreadsheetml.sheet": Kind(".xlsx", inside="xl/"),
    f"{_OOXML}.presentationml.presentation": Kind(".pptx", inside="ppt/"),
    f"{_ODF}.text": Kind(".odt", inside="content.xml"),
    f"{_ODF}.spreadsheet": Kind(".ods", inside="content.xml"),
    "application/zip": Kind(".zip", frozenset({"application/zip"})),
    "message/rfc822": Kind(".eml", is_text=True),
    "application/xml": Kind(".xml", is_text=True, starts=("<",)),
    "application/json": Kind(".json", is_text=True, starts=("{", "[")),
    "text/csv": Kind(".csv", is_text=True),
    "text/plain": Kind(".txt", is_text=True),
}
"""The types that a collection may allow."""

USUAL_TYPES = ("application/pdf", "image/jpeg", "image/png", "image/tiff")
"""What a field allows that says nothing of it."""


def known_type(declared: str, allowed: tuple[str, ...], at: str) -> str:
    """The type that a Content-Type header names, without its parameters.

    Raises InvalidInput at `at` when it is not among the allowed ones, which are all known.
    """
    kind = declared.partition(";")[0].strip().lower()
    if kind not in allowed:
        raise InvalidInput.at(at, f"must be one of {', '.join(allowed)}")
    return kind


def type_by_name(name: str) -> str | None:
    """The type that the ending of a file's name says; None for one that no field allows."""
    ending = PurePath(name).suffix.lower()
    also = {".jpeg": ".jpg", ".tiff": ".tif", ".heif": ".heic"}
    ending = also.get(ending, ending)
    return next((kind for kind, known in KNOWN_TYPES.items() if known.extension == ending), None)


class Evidence:
    """Looks at a content as it comes in. Holds its beginning and its end.

    at: the name of what is at fault, for errors, which never show the content.
    """

    def __init__(self, declared: str, at: str) -> None:
        """declared: one of `KNOWN_TYPES`."""
        self._declared, self._kind, self._at = declared, KNOWN_TYPES[declared], at
        self._head = bytearray()
        self._tail = bytearray()
        self._judged = False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")() if self._kind.is_text else None

    def add(self, content: bytes) -> None:
        """More of it. Raises InvalidInput as soon as it cannot be what it says."""
        if len(self._head) < HEAD_BYTES:
            self._head += content[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._judge_head()
        if self._kind.inside:
            self._tail += content
            del self._tail[:-_TAIL_BYTES]
        self._decode(content, final=False)

    def finish(self) -> None:
        """There is no more. Raises InvalidInput."""
        self._judge_head()
        self._decode(b"", final=True)
        if self._kind.inside:
            self._judge_inside()

    def _judge_head(self) -> None:
        if self._judged:
            return
        self._judged = True
        if self._decoder is not None:
            begins = self._head.decode("utf-8-sig", "replace").lstrip()
            if self._kind.starts and not begins.startswith(self._kind.starts):
                raise self._fault()
        elif self._kind.inside:
            if not self._head.startswith(b"PK\x03\x04"):
                raise self._fault()
        elif not self._kind.named & _named(bytes(self._head)):
            raise self._fault()

    def _judge_inside(self) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(self._tail)) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            raise self._fault() from None
        if not any(name.startswith(self._kind.inside) for name in names):
            raise self._fault()
        if self._declared.startswith(_OOXML):
            if "[Content_Types].xml" not in names:
                raise self._fault()
            if any(name.endswith("vbaProject.bin") for name in names):
                raise InvalidInput.at(self._at, "holds macros; save it without them")
        # OpenDocument 1.3, part 2, 3.3: the first entry, stored, so that it is found at byte 38.
        elif not self._head[30:].startswith(b"mimetype" + self._declared.encode()):
            raise self._fault()

    def _decode(self, content: bytes, *, final: bool) -> None:
        if self._decoder is None:
            return
        try:
            if _NO_TEXT.search(self._decoder.decode(content, final)):
                raise self._fault()
        except UnicodeDecodeError:
            raise InvalidInput.at(
                self._at, f"is not {self._declared} in UTF-8; save it as UTF-8"
            ) from None

    def _fault(self) -> InvalidInput:
        return InvalidInput.at(
            self._at,
            f"is not of the type {self._declared} that it was sent as; send it as what it is",
        )


def _named(head: bytes) -> frozenset[str]:
    """What the library takes it for: every type whose signature fits."""
    import puremagic  # noqa: PLC0415 - reads its signatures when it is imported

    try:
        return frozenset(match.mime_type for match in puremagic.magic_string(head))
    except puremagic.PureError:
        return frozenset()
