"""A program that reads one file for the service, in a process that may use so much and no more.

It is told on its first line of input which open descriptor to read and how (`Asked`), and writes
frames: four bytes of length, then MessagePack, a list of rows or at the end a list with one text:
empty, or what is wrong with the file. It has no key, no store and no network to talk to.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from secvault.errors import FieldError, InvalidInput
from secvault.process import die_with_parent, leave_no_core
from secvault.records.imports.heading import Known
from secvault.records.imports.reading import rows_of
from secvault.records.imports.row import Fault, Row
from secvault.records.imports.spec import ID, Bounds, Spec

ROWS_AT_ONCE = 250
LENGTH_BYTES = 4


class Asked(msgspec.Struct, frozen=True):
    """What to read. after: rows up to this number are passed over. parent: id of the process."""

    file: int
    parent: int
    spec: Spec
    fields: list[Known]
    bounds: Bounds
    after: int


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """Some rows; at the end, or where the file is at fault, the last frame says so."""

    rows: list[Row]
    last: bool = False
    faults: list[tuple[str, str]] = []


def main() -> None:
    """Read what is asked for, and end."""
    leave_no_core()
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked)
    die_with_parent(asked.parent)
    resource.setrlimit(resource.RLIMIT_AS, (asked.bounds.memory, asked.bounds.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (asked.bounds.seconds, asked.bounds.seconds))
    out = sys.stdout.buffer
    with os.fdopen(asked.file, "rb") as file:
        for frame in frames(asked, file):
            encoded = msgspec.msgpack.encode(frame)
            out.write(len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded)
        out.flush()


def frames(asked: Asked, file: BinaryIO) -> Iterator[Frame]:
    """The frames for a file."""
    held: list[Row] = []
    faults: tuple[FieldError, ...] = ()
    try:
        for row in rows_of(file, asked.spec, asked.fields, asked.bounds):
            if row.number > asked.after:
                held.append(_sendable(row))
            if len(held) == ROWS_AT_ONCE:
                yield Frame(held)
                held = []
    except InvalidInput as error:
        faults = error.fields
    except MemoryError:
        held = []
        faults = (FieldError("file", "needs more memory to be read than is allowed; split it"),)
    yield Frame(held, last=True, faults=[(each.field, each.detail) for each in faults])


def _sendable(row: Row) -> Row:
    """The row, or what keeps it from being JSON at all."""
    if not _unsendable(row):
        return row
    faults = [Fault(ID, why)] if (why := _unsendable(row.id)) else []
    faults += [
        Fault(name, why) for name, value in row.values.items() if (why := _unsendable(value))
    ]
    return Row(row.number, None, {}, (*faults, *row.faults))


def _unsendable(value: object) -> str:
    try:
        msgspec.msgpack.encode(value)
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    except (OverflowError, RecursionError):
        return "holds a number of more than 64 bits, or lists in lists too deep"
    return ""


def decoder() -> msgspec.msgpack.Decoder[Frame]:
    """Reads frames."""
    return msgspec.msgpack.Decoder(Frame)


if __name__ == "__main__":
    main()
