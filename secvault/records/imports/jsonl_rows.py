"""JSON Lines: one object a line, UTF-8, as I-JSON (RFC 7493) has it: no name twice, no NaN."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from secvault.errors import InvalidInput
from secvault.records.imports.csv_rows import decoded, not_text
from secvault.records.imports.spec import Bounds, Form

_LONGEST_NUMBER = 400


class Unreadable(Exception):
    """A line is not what is wanted; the text says why, never what stands there."""


def json_lines(file: BinaryIO, bounds: Bounds) -> Iterator[tuple[int, dict[str, Any] | Unreadable]]:
    """The objects of the file with the numbers of their lines; blank lines are passed over.

    Raises InvalidInput for what is no text, or a line that is too long.
    """
    text: io.TextIOWrapper = decoded(file)
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(bounds.line + 1)
        except UnicodeError:
            raise not_text(Form.JSONL) from None
        if not line:
            return
        if len(line) > bounds.line:
            raise InvalidInput.at("file", f"line {number} is longer than {bounds.line} characters")
        if line.isspace():
            continue
        try:
            yield number, _object(line)
        except Unreadable as why:
            yield number, why


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(
            line,
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except (ValueError, RecursionError):
        raise Unreadable("is no JSON; write one object a line") from None
    if not isinstance(found, dict):
        raise Unreadable('is no JSON object; write it like {"id": "pr-1", "name": "An"}')
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("names something twice in one object")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise Unreadable("holds NaN or Infinity, which are no JSON")


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise Unreadable(f"holds a number of more than {_LONGEST_NUMBER} digits")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER:
        raise Unreadable(f"holds a number of more than {_LONGEST_NUMBER} digits")
    return float(digits)
