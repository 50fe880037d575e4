"""CSV as RFC 4180 has it, with the encodings and separators that spreadsheets write.

UTF-8 with or without byte order mark, UTF-16 with one; Windows-1258 where that is said. Separators:
comma, semicolon, tab.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from secvault.errors import InvalidInput
from secvault.records.imports.row import Line
from secvault.records.imports.spec import Bounds, Delimiter, Encoding, Form

_SEPARATORS = {Delimiter.COMMA: ",", Delimiter.SEMICOLON: ";", Delimiter.TAB: "\t"}
_CODECS = {
    Encoding.UTF_8: "utf-8-sig",
    Encoding.UTF_16: "utf-16",
    Encoding.WINDOWS_1258: "cp1258",
}
_FILE = "file"


def csv_lines(
    file: BinaryIO, delimiter: Delimiter, encoding: Encoding, bounds: Bounds
) -> Iterator[Line]:
    """The rows of the file, the heading first; blank lines count, but are not given.

    Raises InvalidInput for what is no such text, with the place.
    """
    text = _Text(decoded(file, encoding), bounds)
    # A cell that is too long is told by its row and field later on; this only bounds the memory.
    csv.field_size_limit(bounds.line)
    with _Broken(text, encoding):
        separator = _SEPARATORS.get(delimiter) or _separator(text.peek())
        rows = csv.reader(text, delimiter=separator, strict=True)
        for number, cells in enumerate(rows, 1):
            text.begin(number + 1)
            if cells:
                yield Line(number, cells)


def decoded(file: BinaryIO, encoding: Encoding = Encoding.AUTO) -> io.TextIOWrapper:
    """The file as text, line ends as they are. Raises InvalidInput for UTF-32."""
    start = file.read(4)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise InvalidInput.at(_FILE, "is UTF-32; save it as UTF-8")
    codec = _CODECS.get(encoding)
    if codec is None:
        wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        codec = "utf-16" if wide else "utf-8-sig"
    whole = io.BufferedReader(_Joined(start, file), 256 * 1024)
    return io.TextIOWrapper(whole, codec, "strict", newline="")


def not_text(form: Form, encoding: Encoding = Encoding.AUTO) -> InvalidInput:
    """The one error for bytes that are no text."""
    named = "UTF-8" if encoding is Encoding.AUTO else str(encoding)
    mend = "save it as that (JSON Lines are UTF-8)"
    if form is Form.CSV:
        mend = "save it as UTF-8 (in Excel: CSV UTF-8), or say its encoding"
    return InvalidInput.at(_FILE, f"is not text in {named}; {mend}")


class _Joined(io.RawIOBase):
    """The bytes that were looked at, then the rest."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        given = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


class _Text:
    """Lines for the csv module, which by itself would hold a record of any length in memory."""

    def __init__(self, text: io.TextIOWrapper, bounds: Bounds) -> None:
        self._text = text
        self._bounds = bounds
        self._peeked: str | None = None
        self._held = 0
        self.number = 1

    def peek(self) -> str:
        if self._peeked is None:
            self._peeked = self._line()
        return self._peeked

    def begin(self, number: int) -> None:
        """The next record begins."""
        self.number = number
        self._held = 0

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        line = self._peeked if self._peeked is not None else self._line()
        self._peeked = None
        if not line:
            raise StopIteration
        self._held += len(line)
        if self._held > self._bounds.line:
            raise InvalidInput.at(
                _FILE,
                f"row {self.number} is longer than {self._bounds.line} characters; is a quotation "
                "mark missing?",
            )
        return line

    def _line(self) -> str:
        return self._text.readline(self._bounds.line + 1)


class _Broken:
    """Turns what the csv module and the decoder say into our error, without their text."""

    def __init__(self, text: _Text, encoding: Encoding) -> None:
        self._text = text
        self._encoding = encoding

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeError):
            raise not_text(Form.CSV, self._encoding) from None
        if isinstance(error, csv.Error):
            raise InvalidInput.at(
                _FILE,
                f"row {self._text.number} is no CSV: a quotation mark is open or misplaced",
            ) from None


def _separator(first: str) -> str:
    """The one that cuts the heading; there must be no doubt. Raises InvalidInput."""
    found = []
    for separator in _SEPARATORS.values():
        try:
            cells = next(csv.reader([first], delimiter=separator), [])
        except csv.Error:
            continue
        if len(cells) > 1:
            found.append(separator)
    if len(found) > 1:
        raise InvalidInput.at(
            "delimiter", "the heading could be cut in two ways; say comma, semicolon or tab"
        )
    return found[0] if found else ","
