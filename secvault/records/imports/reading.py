"""From a file to rows: cells under their headings, as the types of the fields take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

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
        rows = _from_objects(file, headings, limits)
    else:
        lines = (
            xlsx_lines(file, spec.sheet, limits)
            if spec.form is Form.XLSX
            else csv_lines(file, spec.delimiter, spec.encoding, limits)
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
        found = _row(line.number, cells, columns, spec, bounds)
        if found is not None:
            yield found


def _without_end(cells: Iterable[Cell]) -> list[Cell]:
    """The heading without the empty cells after its last one, which spreadsheets leave."""
    found = list(cells)
    while found and (found[-1] is None or found[-1] == ""):
        found.pop()
    return found


class _Gathered:
    """One record while it is put together from its cells."""

    def __init__(self, number: int, bounds: Bounds) -> None:
        self._number = number
        self._bounds = bounds
        self._values: dict[str, Any] = {}
        self._currencies: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._id: str | None = None

    def fault(self, field: str, detail: str) -> None:
        """Something is wrong."""
        self._faults.append(Fault(field, detail))

    def identify(self, record_id: str) -> None:
        """The record is called so."""
        self._id = record_id

    def add(self, column: Column, cell: Cell, spec: Spec) -> None:
        """Take a cell of a table, which is not empty."""
        try:
            if isinstance(cell, str) and len(cell) > self._bounds.cell:
                self.too_long(column.field)
            elif column.known is None:
                self.identify(_word(cell, ID))
            elif column.currency:
                self._currencies[column.field] = _word(cell, column.field)
            else:
                value = value_of(cell, column.known.type, spec, column.field)
                self.put(column.field, value)
        except InvalidInput as error:
            self._faults.extend(Fault(each.field, each.detail) for each in error.fields)

    def put(self, field: str, value: Any) -> None:
        """Take a value, unless there is none."""
        if isinstance(value, str) and len(value) > self._bounds.cell:
            self.too_long(field)
        elif field in self._values:
            self.fault(field, "is named twice")
        elif value is not None:
            self._values[field] = value

    def too_long(self, field: str) -> None:
        """A text has too many characters."""
        self.fault(field, f"is longer than {self._bounds.cell} characters")

    def row(self, *, with_id: bool) -> Row:
        """The record. with_id: the file has a column for ids."""
        if with_id and self._id is None and not any(one.field == ID for one in self._faults):
            self.fault(ID, "is empty; give each record an id, or leave the column out")
        self._join_currencies()
        return Row(self._number, self._id, self._values, tuple(self._faults[:_MOST_FAULTS]))

    def _join_currencies(self) -> None:
        for field, currency in self._currencies.items():
            amount = self._values.get(field)
            if isinstance(amount, Mapping):
                self.fault(field, "names its currency twice; leave one of them out")
            elif amount is not None:
                self._values[field] = {"amount": amount, "currency": currency}


def _row(
    number: int, cells: list[Cell], columns: tuple[Column, ...], spec: Spec, bounds: Bounds
) -> Row | None:
    """None for a row in which there is nothing."""
    gathered = _Gathered(number, bounds)
    empty = True
    for place, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and (not cell or cell.isspace())):
            continue
        column = columns[place] if place < len(columns) else Column(LEAVE_OUT, headed=False)
        if column.field == LEAVE_OUT and column.headed:
            continue
        empty = False
        if column.headed:
            gathered.add(column, cell, spec)
        else:
            gathered.fault(f"column {place + 1}", "holds a value, but has no heading")
    if empty:
        return None
    return gathered.row(with_id=any(column.field == ID for column in columns))


def _word(cell: Cell, at: str) -> str:
    """An id or a currency. Raises InvalidInput for anything but text, or a number shown as is."""
    if isinstance(cell, Bad):
        raise InvalidInput.at(at, cell.why)
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, Number) and cell.general and cell.digits.isdigit():
        return cell.digits
    raise InvalidInput.at(at, "must be a text; format the column as text, then type")


def _from_objects(file: BinaryIO, headings: Headings, bounds: Bounds) -> Iterator[Row]:
    known: dict[str, Column | InvalidInput] = {}
    for number, found in json_lines(file, bounds):
        if isinstance(found, Unreadable):
            yield Row(number, None, {}, (Fault("", str(found)),))
        else:
            yield _of_object(number, found, known, headings, bounds)


def _of_object(
    number: int,
    found: Mapping[str, Any],
    known: dict[str, Column | InvalidInput],
    headings: Headings,
    bounds: Bounds,
) -> Row:
    gathered = _Gathered(number, bounds)
    for place, (name, value) in enumerate(found.items(), 1):
        if place > bounds.columns:
            gathered.fault("", f"has more than {bounds.columns} names")
            break
        column = known.get(name) or _named(name, headings)
        if len(known) < bounds.columns:
            known[name] = column
        if isinstance(column, InvalidInput):
            gathered.fault(f"name {place}", column.fields[0].detail)
        elif column.currency:
            gathered.fault(column.field, 'write it as {"amount": ..., "currency": ...}')
        elif column.known is not None:
            gathered.put(column.field, value)
        elif column.field == ID:
            if isinstance(value, str):
                gathered.identify(value)
            else:
                gathered.fault(ID, "must be a text")
    return gathered.row(with_id=False)


def _named(name: str, headings: Headings) -> Column | InvalidInput:
    try:
        return headings.column(name, "name")
    except InvalidInput as error:
        return error
