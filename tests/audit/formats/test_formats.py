"""Exported events: every event comes back, no text is a formula, programs read the types."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import tracemalloc
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import duckdb
import openpyxl
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.audit.event import Actor, DecisionNote, Event
from secvault.audit.formats import FORMATS, ExportFacts, format_named
from secvault.audit.formats.cells import COLUMNS
from secvault.audit.formats.csv_format import lines
from secvault.audit.leaf import Number, StoredEvent, decode, encode
from secvault.audit.question import Question
from secvault.errors import Damaged, InvalidInput
from secvault.tabular.column import Cell
from secvault.tabular.guard import guarded, unguarded

FACTS = ExportFacts("vault.example.com/audit", 1_790_000_000_000_000, question=Question("record."))
READ = Event(
    kind="record.read",
    outcome="ok",
    actor=Actor("user", "u-7", "s-1", ("password", "totp"), ("role:hr.clerk", "role:any")),
    resource="hr/employees/e-7",
    department="hr",
    fields=("salary", "iban"),
    count=2,
    decision=DecisionNote("hr.read", "ab" * 32, "cd" * 16),
    request="r-1",
    detail={"collection": "employees", "version": 3},
)
NASTY = Event(
    kind="record.list",
    outcome="denied",
    actor=Actor("svc", "robot"),
    resource='=HYPERLINK("http://evil")|a=b,\\ Nguy\u1ec5n',
    detail={"reason": "not_allowed"},
)
BARE = Event(kind="auth.sign_in", outcome="error", actor=Actor("system", "jobs"), resource="")


def stored(event: Event, seq: int = 0) -> StoredEvent:
    """The event as it lies in the log."""
    body = encode(
        event,
        id=f"0190aaaa-0000-7000-8000-{seq:012}",
        t=1_790_000_000_123_456 + seq,
        number=Number("node-1", "s", seq),
    )
    return decode(body, seq=seq)


EVENTS = [stored(event, seq) for seq, event in enumerate((READ, NASTY, BARE))]


def written(name: str, folder: Path, events: Sequence[StoredEvent] = EVENTS) -> Path:
    """A file of these events."""
    file = folder / f"events{FORMATS[name].suffix}"
    assert FORMATS[name].write(iter(events), file, facts=FACTS) == len(events)
    return file


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(newline="", encoding="utf-8-sig") as read:
        return [*csv.DictReader(read, strict=True)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_for_its_owner_alone_and_may_be_empty(name: str, tmp_path: Path) -> None:
    file = written(name, tmp_path, [])
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_format_that_there_is_none_of_and_a_folder_that_is_gone_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidInput, match="csv, xlsx, jsonl"):
        format_named("docx")
    for format_ in FORMATS.values():
        with pytest.raises(InvalidInput, match="cannot be written"):
            format_.write(EVENTS, tmp_path / "gone" / "file", facts=FACTS)


def test_json_lines_are_the_exact_leaves(tmp_path: Path) -> None:
    lines = written("jsonl", tmp_path).read_bytes().splitlines()
    assert lines == [one.body for one in EVENTS]
    broken = StoredEvent(1, EVENTS[0].leaf, b"{\n}")
    with pytest.raises(Damaged):
        written("jsonl", tmp_path, [broken])


def test_csv_has_all_of_an_event_in_both_times_and_no_formula(tmp_path: Path) -> None:
    file = written("csv", tmp_path)
    read, nasty, bare = rows(file)
    assert read == {
        "seq": "0",
        "id": EVENTS[0].id,
        "time": "2026-09-21T14:13:20.123456Z",
        "local_time": "2026-09-21T21:13:20.123456+07:00",
        "kind": "record.read",
        "outcome": "ok",
        "actor": "user:u-7",
        "session": "s-1",
        "factors": "password;totp",
        "roles": "role:hr.clerk;role:any",
        "resource": "hr/employees/e-7",
        "department": "hr",
        "fields": "salary;iban",
        "count": "2",
        "rule": "hr.read",
        "decision": "cd" * 16,
        "policy": "ab" * 32,
        "refused_because": "",
        "request": "r-1",
        "correlation": "",
        "detail": '{"collection":"employees","version":3}',
        "node": "node-1",
        "leaf_hash": sha256(b"\0" + EVENTS[0].body).hexdigest(),
    }
    assert nasty["resource"] == f"'{NASTY.resource}"
    assert unguarded(nasty["resource"]) == NASTY.resource
    assert bare["count"] == ""
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    frame = pandas.read_csv(file, parse_dates=["time"])
    assert frame["time"][0] == pandas.Timestamp("2026-09-21T14:13:20.123456Z")
    found = duckdb.sql(f"SELECT actor, count FROM read_csv('{file}') ORDER BY seq").fetchall()
    assert found == [("user:u-7", 2), ("svc:robot", None), ("system:jobs", None)]


texts = st.text() | st.text(st.sampled_from("=+-@\t\r\n\uff1d'\",;| a1"), max_size=5)


cells_of_a_row = st.lists(texts, min_size=len(COLUMNS), max_size=len(COLUMNS))


@given(st.lists(cells_of_a_row, min_size=1, max_size=3))
def test_rows_of_csv_are_what_a_careful_writer_makes_of_them(many: list[list[Cell]]) -> None:
    text = lines(many)
    read = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert list(read) == [[guarded(cell) for cell in cells] for cells in many]
    assert text.endswith("\r\n")


def test_excel_has_numbers_as_such_texts_as_texts_and_says_what_it_is_of(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(written("xlsx", tmp_path))
    sheet = book["Events"]
    titles = [cell.value for cell in sheet[1]]
    assert titles == [column.title for column in COLUMNS]
    nasty = dict(zip(titles, sheet[3], strict=True))
    assert nasty["On"].value == NASTY.resource
    assert nasty["On"].data_type == "s"
    assert sheet["A2"].value == 0
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert about["Log"] == FACTS.origin
    assert about["Events"] == "3"
    assert json.loads(about["Asked"]) == {"kind": "record."}
    assert about["Made at (Asia/Ho_Chi_Minh)"].endswith("+07:00")


def test_excel_goes_on_in_a_further_sheet_when_one_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.tabular.xlsx_file.MOST_ROWS", 3)
    book = openpyxl.load_workbook(written("xlsx", tmp_path))
    assert book.sheetnames == ["Events", "Events 2", "About"]
    assert [cell.value for cell in book["Events 2"]["A"]] == ["Number in the log", 2]


def test_pandas_and_duckdb_read_parquet_with_its_types(tmp_path: Path) -> None:
    file = written("parquet", tmp_path)
    frame = pandas.read_parquet(file)
    assert frame["time"][0] == pandas.Timestamp("2026-09-21T14:13:20.123456Z")
    assert frame["resource"][1] == NASTY.resource
    found = duckdb.sql(
        f"SELECT typeof(time), count, detail->>'$.collection' FROM '{file}' WHERE seq = 0"
    ).fetchall()
    assert found == [("TIMESTAMP WITH TIME ZONE", 2, "employees")]


def test_cef_escapes_what_would_end_a_field(tmp_path: Path) -> None:
    text = written("cef", tmp_path).read_text("utf-8")
    read, nasty, _ = text.splitlines()
    assert read.startswith("CEF:0|secvault|secvault|")
    assert "|record.read|record.read ok|2|rt=1790000000123 " in read
    assert " suid=user:u-7 spriv=role:hr.clerk,role:any " in read
    assert ' filePath=\\=HYPERLINK("http://evil")|a\\=b,\\\\ Nguy\u1ec5n ' in nasty
    assert " reason=not_allowed " in nasty
    assert nasty.split("|")[6] == "6"


def test_memory_does_not_grow_with_the_events(tmp_path: Path) -> None:
    def many(count: int) -> Iterator[StoredEvent]:
        return (stored(READ, seq) for seq in range(count))

    def most(name: str, count: int) -> int:
        tracemalloc.start()
        FORMATS[name].write(many(count), tmp_path / "file", facts=FACTS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for name in ("csv", "jsonl", "ocsf", "cef"):
        most(name, 10)
        assert most(name, 4_000) < 6 << 20, name


_AS_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,true,true"


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_libreoffice_opens_it_without_a_formula(soffice: str, tmp_path: Path, name: str) -> None:
    file = written(name, tmp_path)
    infilter = ["--infilter=Text - txt - csv (StarCalc):44,34,76"] if name == "csv" else []
    subprocess.run(
        [soffice, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", *infilter,
         "--convert-to", _AS_CSV, "--outdir", str(tmp_path / "read"), str(file)],
        capture_output=True, check=True, timeout=300,
    )  # fmt: skip
    with (tmp_path / "read" / "events.csv").open(newline="", encoding="utf-8-sig") as read:
        found = [*csv.reader(read)]
    at = [column.name for column in COLUMNS].index("resource")
    assert unguarded(found[2][at]) == NASTY.resource
    assert found[1][0] == "0"
