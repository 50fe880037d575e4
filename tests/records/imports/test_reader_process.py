"""A file is read by a process of its own, which has no secret and may use so much and no more."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from secvault.errors import Damaged, InvalidInput
from secvault.records.imports.program import Asked, decoder, frames
from secvault.records.imports.reader_process import rows_apart
from secvault.records.imports.spec import Bounds, Form, Spec
from tests.records.imports.sheets import FIELDS, read, xlsx

CSV = Spec(Form.CSV)
TABLE = b"id,name\n" + b"".join(b"p-%d,An %d\n" % (n, n) for n in range(1_000))


def _pieces(content: bytes, size: int = 777) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("form", [Form.CSV, Form.XLSX, Form.JSONL])
def test_its_rows_are_those_of_the_file_however_it_comes(form: Form, tmp_path: Path) -> None:
    content = {
        Form.CSV: TABLE,
        Form.XLSX: xlsx([("id", "name"), *((f"p-{n}", f"An {n}") for n in range(600))]),
        Form.JSONL: b'{"id": "p-1", "name": "An"}\n' * 600,
    }[form]
    here = read(content, form)
    assert len(here) >= 600
    assert list(rows_apart(lambda: _pieces(content), Spec(form), FIELDS)) == here
    file = tmp_path / "file"
    file.write_bytes(content)
    with file.open("rb") as opened:
        assert list(rows_apart(opened, Spec(form), FIELDS, after=301)) == [
            row for row in here if row.number > 301
        ]


def test_whoever_looks_at_some_rows_only_ends_the_process() -> None:
    endless = iter(lambda: b"An\n" * 10_000, b"")
    with closing(rows_apart(lambda: chain([b"name\n"], endless), CSV, FIELDS)) as rows:
        assert next(rows).values == {"name": "An"}


def test_whoever_sends_a_long_file_that_is_refused_at_once_is_not_kept_waiting() -> None:
    with pytest.raises(InvalidInput, match="its heading is no field"):
        list(rows_apart(lambda: iter(lambda: b"x\n" * 10_000, b""), CSV, FIELDS))


def test_what_breaks_on_the_way_to_it_is_told_and_not_what_it_made_of_the_torn_end() -> None:
    def torn() -> Iterator[bytes]:
        yield TABLE[:4_000]
        raise Damaged("part 2 is damaged")

    with pytest.raises(Damaged, match="part 2"):
        list(rows_apart(torn, CSV, FIELDS))


def test_a_file_that_takes_more_memory_or_time_than_is_allowed_is_refused() -> None:
    greedy = b"name\n" + b'"' + b"x" * 40_000_000
    with pytest.raises(InvalidInput):
        list(rows_apart(lambda: [greedy], CSV, FIELDS, bounds=Bounds(line=2**30)))
    tight = Bounds(memory=120 * 1024 * 1024, line=2**30, cell=2**30)
    with pytest.raises(InvalidInput, match="memory"):
        list(rows_apart(lambda: [greedy * 2 + b'"\n'], CSV, FIELDS, bounds=tight))


def test_nothing_of_the_environment_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECVAULT_STORE__URL", "postgresql://secret@host/db")

    def looking() -> Iterator[bytes]:
        yield TABLE[:100]
        me, end = os.getpid(), time.monotonic() + 30
        # The kernel may leave out one while another one ends.
        while not looked and time.monotonic() < end:
            for child in Path(f"/proc/{me}/task/{me}/children").read_text().split():
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"secvault.records.imports.program" in words:
                    seen = Path(f"/proc/{child}/environ").read_bytes()
                    looked.append(b"SECVAULT" in seen or b"secret" in seen)
        yield TABLE[100:]

    looked: list[bool] = []
    assert len(list(rows_apart(looking, CSV, FIELDS))) == 1_000
    # One that an earlier test has not let go of may be among them.
    assert looked
    assert not any(looked)


def test_what_is_no_json_at_all_is_named_by_its_field() -> None:
    content = b'{"name": "\\ud800", "count": 99999999999999999999999, "days": "1"}\n'
    asked = Asked(0, 0, Spec(Form.JSONL), list(FIELDS), Bounds(), 0)
    (frame,) = frames(asked, io.BytesIO(content))
    (row,) = frame.rows
    assert [fault.field for fault in row.faults] == ["name", "count"]
    assert decoder() is not None
