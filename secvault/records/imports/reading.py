"""From a file to rows: each reader's cells under their headings, as the types of fields take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records.imports.cell import value_of
from secvault.records.imports.csv_rows import csv_lines
from secvault.records.imports.heading import Column, Headings, Known
from secvault.records.imports.jsonl_rows import Unreadable, json_lines
from secvault.records.imports.row import Bad, Cell, Fault, Line, Number, Row
from secvault.records.imports.spec import ID, LEAVE_OUT, Bounds, Form, Spec
from secvault.records.imports.xlsx_rows import xlsx_lines

_MOST_FAULTS = 20


def rows_of(
    file: BinaryIO, spec: Spec, fields: Iterable[Known], bounds: Bounds | None = None
) -> Iterator[Row]:
    """The rows of a file in order, those that cannot be taken with what is wrong with them.

    file: at its start; a workbook is sought in. Raises InvalidInput when the file as a whole is at
    fault, also in the middle: what is no text, no table or too large.
    """
    limits = bounds or Bounds()
    headings = Headings(fields, spec.mapping)
    if spec.form is Form.JSONL:
        rows = _from_objects(file, headings, spec, limits)
    else:
        lines = (
            xlsx_lines(file, spec.sheet, limits)
            if spec.form is Form.XLSX
            else csv_lines(file, spec.delimiter, limits)
        )
        rows = _from_table(lines, headings, spec, limits)
    for row in rows:
        if row.number > limits.rows + 1:
            raise InvalidInput.at("file", f"has more than {limits.rows} rows; split it")
        yield row


def _from_table(
    lines: Iterator[Line], headings: Headings, spec: Spec, bounds: Bounds
) -> Iterator[Row]:
    first = next(lines, None)
    if first is None or first.number != 1:
        raise InvalidInput.at("file", "its first row is empty, where the headings should be")
    head = _without_end(first.cells)
    if len(head) > bounds.columns:
        raise InvalidInput.at("file", f"has more than {bounds.columns} columns")
    columns = headings.columns(head)
    for line in lines:
        cells = list(line.cells)
        if spec.form is Form.CSV and len(cells) < len(head):
            detail = f"has {len(cells)} cells, and the heading {len(head)}; is a separator missing?"
            yield Row(line.number, None, {}, (Fault("", detail),))
            continue
        found = _row(line.number, cells, columns, spec)
        if found is not None:
            yield found


def _without_end(cells: Iterable[Cell]) -> list[Cell]:
    """The heading without the empty cells after its last one, which spreadsheets leave."""
    found = list(cells)
    while found and (found[-1] is None or found[-1] == ""):
        found.pop()
    return found


def _row(number: int, cells: list[Cell], columns: tuple[Column, ...], spec: Spec) -> Row | None:
    """None for a row in which there is nothing."""
    values: dict[str, Any] = {}
    currencies: dict[str, str] = {}
    faults: list[Fault] = []
    record_id: str | None = None
    empty = True
    for place, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and (not cell or cell.isspace())):
            continue
        column = columns[place] if place < len(columns) else Column(LEAVE_OUT, headed=False)
        if column.field == LEAVE_OUT and column.headed:
            continue
        empty = False
        try:
            if not column.headed:
                faults.append(Fault(f"column {place + 1}", "holds a value, but has no heading"))
            elif column.known is None:
                record_id = _word(cell, ID)
            elif column.currency:
                currencies[column.field] = _word(cell, column.field)
            else:
                value = value_of(cell, column.known.type, spec, column.field)
                if value is not None:
                    values[column.field] = value
        except InvalidInput as error:
            faults.extend(Fault(each.field, each.detail) for each in error.fields)
    if empty:
        return None
    if record_id is None and any(column.field == ID for column in columns):
        if not any(fault.field == ID for fault in faults):
            faults.append(Fault(ID, "is empty; give each record an id, or leave the column out"))
    faults.extend(_with_currencies(values, currencies))
    return Row(number, record_id, values, tuple(faults[:_MOST_FAULTS]))


def _with_currencies(values: dict[str, Any], currencies: Mapping[str, str]) -> Iterator[Fault]:
    for field, currency in currencies.items():
        amount = values.get(field)
        if amount is None:
            continue
        if isinstance(amount, Mapping):
            yield Fault(field, "names its currency twice; leave one of them out")
            continue
        values[field] = {"amount": amount, "currency": currency}


def _word(cell: Cell, at: str) -> str:
    """An id or a currency. Raises InvalidInput for anything but text, or a number shown as is."""
    if isinstance(cell, Bad):
        raise InvalidInput.at(at, cell.why)
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, Number) and cell.general and cell.digits.isdigit():
        return cell.digits
    raise InvalidInput.at(at, "must be a text; format the column as text, then type")


def _from_objects(
    file: BinaryIO, headings: Headings, spec: Spec, bounds: Bounds
) -> Iterator[Row]:
    known: dict[str, Column | InvalidInput] = {}
    for number, found in json_lines(file, bounds):
        if isinstance(found, Unreadable):
            yield Row(number, None, {}, (Fault("", str(found)),))
            continue
        yield _of_object(number, found, known, headings, bounds)


def _of_object(
    number: int,
    found: Mapping[str, Any],
    known: dict[str, Column | InvalidInput],
    headings: Headings,
    bounds: Bounds,
) -> Row:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    record_id: str | None = None
    for place, (name, value) in enumerate(found.items(), 1):
        if place > bounds.columns:
            faults.append(Fault("", f"has more than {bounds.columns} names"))
            break
        column = known.get(name) or _named(name, headings)
        if len(known) < bounds.columns:
            known[name] = column
        if isinstance(column, InvalidInput):
            faults.append(Fault(f"name {place}", column.fields[0].detail))
        elif column.field == ID and column.known is None:
            if isinstance(value, str):
                record_id = value
            else:
                faults.append(Fault(ID, "must be a text"))
        elif column.currency:
            faults.append(Fault(column.field, 'write it as {"amount": ..., "currency": ...}'))
        elif column.known is not None and column.field in values:
            faults.append(Fault(column.field, "is named twice"))
        elif column.known is not None and value is not None:
            values[column.field] = cast("JsonValue", value)
    return Row(number, record_id, values, tuple(faults[:_MOST_FAULTS]))


def _named(name: str, headings: Headings) -> Column | InvalidInput:
    try:
        return headings.column(name, "name")
    except InvalidInput as error:
        return error


