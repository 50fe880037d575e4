"""People as a CSV file (RFC 4180, UTF-8): read, with each fault by line and column, and written.

Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, which may call
programs. Such a cell is written with a `'` before it, which is taken off again when it is read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from secvault.errors import FieldError, InvalidInput
from secvault.identity.people import NewPerson
from secvault.identity.placement import Placement
from secvault.tabular.guard import guarded, unguarded

MOST_ROWS = 5_000
MOST_FAULTS = 50
LARGEST_FILE = 8 * 1024 * 1024

NEEDED = ("name", "department")
PLACED = ("employee", "teams")
"""Who somebody is in the company; teams are parted by `;`. See `placement`."""
GIVEN = ("name", "display_name", "department", "contact", "language", "notes", *PLACED)
"""The columns that a file may give."""
SHOWN = ("status", "factors", "recovery_codes_left", "last_sign_in_at", "created_at")
"""The columns that are written beside, and passed over when they are read."""


@dataclass(frozen=True)
class FileRow:
    """A person of the file. line: the first line of the row, from 1."""

    line: int
    new: NewPerson


def read_people(content: bytes, departments: Sequence[str]) -> tuple[FileRow, ...]:
    """The people of a file, with or without a byte order mark.

    The first row names the columns, in any order; name and department must be there. An empty full
    name is the sign-in name. departments: those that there are. Raises InvalidInput with up to 50
    faults, each at `line N, column`; values are not repeated.
    """
    if len(content) > LARGEST_FILE:
        raise InvalidInput.at("file", f"has more than {LARGEST_FILE} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput.at(f"line {line}", "is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidInput.at(f"line {line}", "holds a NUL character; this is no CSV file")
    rows = _rows(text)
    if not rows:
        raise InvalidInput.at("line 1", f"name the columns there: {', '.join(GIVEN)}")
    columns = _columns(*rows[0])
    faults: list[FieldError] = []
    found: list[FileRow] = []
    for line, cells in rows[1:]:
        try:
            found.append(FileRow(line, _person(line, columns, cells, departments)))
        except InvalidInput as error:
            faults += error.fields
    faults += _doubles(found)
    if faults:
        raise _faulty(faults)
    return tuple(found)


def write_people(rows: Iterable[Mapping[str, str]]) -> str:
    """The rows as CSV text: the columns GIVEN and SHOWN, lines that end with CR LF."""
    out = io.StringIO(newline="")
    written = csv.writer(out, quoting=csv.QUOTE_ALL)
    written.writerow((*GIVEN, *SHOWN))
    for row in rows:
        written.writerow([guarded(row.get(column, "")) for column in (*GIVEN, *SHOWN)])
    return out.getvalue()


def _rows(text: str) -> list[tuple[int, list[str]]]:
    # Cells may hold line ends, so that a row can have several lines.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
            if len(rows) > MOST_ROWS + 1:
                raise InvalidInput.at("file", f"has more than {MOST_ROWS} people; split it")
    except csv.Error:
        raise InvalidInput.at(
            f"line {line}", "is not CSV: look for a quotation mark that is not closed or doubled"
        ) from None
    return rows


def _columns(line: int, cells: Sequence[str]) -> tuple[str, ...]:
    names = tuple(cell.strip().casefold() for cell in cells)
    faults = [
        FieldError(f"line {line}, column {place}", "is no column of this file, or stands twice")
        for place, name in enumerate(names, 1)
        if name not in (*GIVEN, *SHOWN) or name in names[: place - 1]
    ]
    faults += [
        FieldError(f"line {line}", f"the column {name} is missing")
        for name in NEEDED
        if name not in names
    ]
    if faults:
        raise _faulty(faults)
    return names


def _person(
    line: int, columns: Sequence[str], cells: Sequence[str], departments: Sequence[str]
) -> NewPerson:
    if len(cells) != len(columns):
        raise InvalidInput.at(
            f"line {line}", f"has {len(cells)} cells, where the first line has {len(columns)}"
        )
    said = dict(zip(columns, map(unguarded, cells), strict=True))
    faults: list[FieldError] = []
    given = {name: said.get(name, "") for name in GIVEN}
    given["display_name"] = given["display_name"].strip() or given["name"]
    given["department"] = given["department"].strip()
    given["language"] = given["language"].strip()
    if given["department"] not in departments:
        faults.append(FieldError("department", f"use one of {', '.join(departments)}"))
        given["department"] = departments[0]
    for name in GIVEN:
        # One after the other, so that a row with two faults shows both.
        innocent = {**_INNOCENT, "department": departments[0], name: given[name]}
        try:
            _new(innocent)
        except InvalidInput as error:
            faults += error.fields
    if faults:
        raise _faulty([FieldError(f"line {line}, {one.field}", one.detail) for one in faults])
    return _new(given)


def _new(given: Mapping[str, str]) -> NewPerson:
    said = {name: text for name, text in given.items() if name not in PLACED}
    teams = (team for team in given["teams"].split(";") if team.strip())
    placed = Placement.of(given["employee"], teams)
    return replace(NewPerson.of(**said), employee=placed.employee, teams=placed.stored)


_INNOCENT = {
    "name": "somebody",
    "display_name": "Somebody",
    "contact": "",
    "language": "",
    "notes": "",
    "employee": "",
    "teams": "",
}


def _doubles(found: Sequence[FileRow]) -> list[FieldError]:
    first: dict[str, int] = {}
    numbered: dict[str, int] = {}
    faults = []
    for row in found:
        before = first.setdefault(row.new.name, row.line)
        if before != row.line:
            faults.append(FieldError(f"line {row.line}, name", f"is the same as in line {before}"))
        if row.new.employee is not None:
            before = numbered.setdefault(row.new.employee, row.line)
            if before != row.line:
                where = f"line {row.line}, employee"
                faults.append(FieldError(where, f"is the same as in line {before}"))
    return faults


def _faulty(faults: Sequence[FieldError]) -> InvalidInput:
    shown = tuple(faults[:MOST_FAULTS])
    more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    said = "; ".join(f"{fault.field}: {fault.detail}" for fault in shown)
    return InvalidInput(f"{said}{more}", fields=shown)
