"""Thousands of inputs with something wrong: each is taken rightly or refused clearly.

SVTEST_FILES: how many files of each form; with 3 the inputs are ten thousand (5,000 otherwise).
The seed of a failing run is in its message.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select

from secvault.errors import InvalidInput
from secvault.records.imports.heading import known_fields
from secvault.records.imports.reading import rows_of
from secvault.records.imports.spec import Bounds, Form, Spec
from secvault.service import Service, authentication, records
from secvault.service.record_imports import requests
from secvault.service.spine import Caller
from secvault.store.tables import record, record_field
from tests.records.imports.sheets import xlsx
from tests.running_service import House
from tests.service.policy_house import heads_read_accounts
from tests.service.record_imports.files import HEADING, PAYROLL, as_csv, imported, payroll_row
from tests.service.record_imports.mutations import (
    CELLS,
    SHEET_CELLS,
    VALUES,
    Mutated,
    damaged,
    objects,
    rows_of_cells,
)

# Not so many that looking at a file ends before its end.
ROWS_OF_A_FILE = {Form.CSV: 900, Form.JSONL: 450, Form.XLSX: 850}
_MANY = int(os.environ.get("SVTEST_FILES", "1"))
FILES = {Form.CSV: _MANY, Form.JSONL: 2 * _MANY, Form.XLSX: _MANY}
WITH_DATE = (*HEADING, "paid_on")


@pytest.fixture
def head(service: Service, house: House) -> Caller:
    """Who may enter everything in hr."""
    heads_read_accounts(service)
    return Caller(authentication.authenticate(service, house.tokens["head"]))


def _csv(rows: Sequence[Mutated]) -> bytes:
    return as_csv([one.row for one in rows], WITH_DATE)


def _jsonl(rows: Sequence[Mutated]) -> bytes:
    return "\n".join(one.line for one in rows).encode()


def _xlsx(rows: Sequence[Mutated]) -> bytes:
    return xlsx([WITH_DATE, *([one.row.get(name) for name in WITH_DATE] for one in rows)])


Make = Callable[[random.Random, int], Sequence[Mutated]]
FORMS: dict[Form, tuple[Make, Callable[[Sequence[Mutated]], bytes], int]] = {
    # How rows are made, how a file of them is, and the number of its first row.
    Form.CSV: (lambda chance, n: [*rows_of_cells(chance, n, CELLS)], _csv, 2),
    Form.JSONL: (lambda chance, n: [*objects(chance, n)], _jsonl, 1),
    Form.XLSX: (lambda chance, n: [*rows_of_cells(chance, n, SHEET_CELLS)], _xlsx, 2),
}


def _stored(service: Service) -> tuple[set[str], set[str]]:
    """The ids of records, and those of records with sealed fields."""
    with service.store.read() as connection:
        ids = connection.execute(select(record.c.id)).scalars()
        sealed = connection.execute(select(record_field.c.record)).scalars()
        return set(ids), set(sealed)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in Form for _ in range(FILES[form])])
def test_rows_are_taken_rightly_or_refused_clearly_and_none_of_a_faulty_file_is_stored(
    service: Service, head: Caller, form: Form
) -> None:
    seed = random.randrange(2**32)
    make, write, first = FORMS[form]
    rows = make(random.Random(seed), ROWS_OF_A_FILE[form])
    before = _stored(service)
    done = imported(service, head, write(rows), form=form)
    assert (done.state, done.total) == ("faulty", len(rows)), seed
    assert _stored(service) == before
    _, faults = requests.import_faults(service, head, done.id)
    at_fault = {fault.line for fault in faults}
    for number, one in enumerate(rows, first):
        assert (number in at_fault) != one.good, (seed, number, one)
    for fault in faults:
        one = rows[fault.line - first]
        told = (one.field, f"{one.field}.currency", f"{one.field}.amount")
        assert not one.field or fault.field in told or fault.field.startswith("name "), (
            seed,
            fault,
        )
        assert len(fault.detail) < 400
        if isinstance(one.value, str) and len(one.value) > 5 and not one.line.startswith("["):
            assert one.value not in fault.detail, (seed, fault)

    # Without these the file is taken, and what is stored is what was meant.
    good = [one for one in rows if one.good]
    done = imported(service, head, write(good), form=form)
    assert (done.state, done.created) == ("done", len(good)), seed
    for one in good:
        fields = records.read_record(service, head, PAYROLL, one.row["id"]).fields
        stored = fields.get(one.field, "absent")
        assert stored == one.stored, (seed, one)


@pytest.mark.slow
def test_files_that_are_damaged_are_read_or_refused_in_one_sentence(service: Service) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    some = [payroll_row(number) for number in range(4)]
    table = [HEADING, *([row[name] for name in HEADING] for row in some)]
    files = {
        Form.CSV: as_csv(some),
        Form.JSONL: "\n".join(json.dumps(row) for row in some).encode(),
        Form.XLSX: xlsx(table),
    }
    known = known_fields(service.collections[PAYROLL])
    refused: list[InvalidInput] = []
    read = 0
    for number in range(1_500):
        form = [*files][number % 3]
        content = damaged(chance, files[form])
        try:
            rows = list(rows_of(io.BytesIO(content), Spec(form), known, Bounds()))
        except InvalidInput as error:
            refused.append(error)
        else:
            read += 1
            assert all(row.values or row.faults or row.id for row in rows), seed
    assert min(read, len(refused)) > 100, (read, len(refused))
    assert all(5 < len(error.detail) < 2_500 and error.fields for error in refused), seed


@pytest.mark.slow
def test_single_records_with_such_values_are_taken_rightly_or_refused_clearly(
    service: Service, head: Caller
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    before = _stored(service)
    taken: set[str] = set()
    refused: list[tuple[str, Any, Any, str]] = []
    for number in range(600):
        values: dict[str, Any] = payroll_row(number)
        record_id = values.pop("id")
        field = chance.choice([name for name in VALUES if name != "id"])
        cases = [*VALUES[field], *(case for case in CELLS.get(field, ()) if case[0] != "")]
        value, stored = chance.choice(cases)
        if field in CELLS and stored is not None and isinstance(value, str):
            # What a cell may mean beside JSON's own forms is the file's matter.
            value = stored
        values[field] = value
        if value is None and field == "nothing_known":
            continue
        try:
            made = records.create_record(service, head, PAYROLL, record_id, values)
        except InvalidInput as error:
            refused.append((field, value, stored, error.fields[0].field))
        else:
            assert made.fields.get(field, "absent") == stored, (seed, field, value)
            taken.add(record_id)
    for field, value, stored, named in refused:
        assert stored is None, (seed, field, value)
        assert named.startswith(field), (seed, field, value, named)
    ids, sealed = _stored(service)
    assert ids - before[0] == sealed - before[1] == taken
