"""Exported files: every value comes back, no text becomes a formula, programs read the types."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from secvault.errors import InvalidInput
from secvault.records.exports.column import distinct
from secvault.tabular.column import Cell, Column, Kind
from secvault.tabular.csv_file import plain_text
from secvault.tabular.guard import guarded, unguarded
from secvault.tabular.writer import Format, Style, open_writer
from secvault.tabular.xlsx_file import MOST_CHARACTERS

COLUMNS = (
    Column("id", "Id", Kind.TEXT),
    Column("number", "Số căn cước", Kind.TEXT),
    Column("salary", "Gross salary", Kind.DECIMAL, 2),
    Column("salary_currency", "Gross salary (currency)", Kind.TEXT),
    Column("days", "Days", Kind.INTEGER),
    Column("hired_on", "Hired on", Kind.DATE),
    Column("seen_at", "Seen", Kind.DATETIME),
    Column("active", "Active", Kind.BOOLEAN),
)
SEEN = datetime(2026, 11, 3, 10, 0, 0, 250_000, tzinfo=UTC)
HOA: Sequence[Cell] = (
    "nv-1", "001099000123", Decimal("31500000.50"), "VND", 22, date(2020, 2, 29), SEEN, True,
)  # fmt: skip
NOTHING: Sequence[Cell] = ("nv-2", *(None,) * 7)
NASTY: Sequence[Cell] = (
    '=HYPERLINK("http://evil")', "\uff0b84, \"x\"\nnext", Decimal("-1"), "USD", -3,
    date(1980, 1, 1), SEEN, False,
)  # fmt: skip
ROWS = (HOA, NOTHING, NASTY)
STYLE = Style("Payroll: [2026]")
SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'"


def written(
    format_: Format, rows: Sequence[Sequence[Cell]], folder: Path, style: Style = STYLE
) -> Path:
    """A file of these rows, given in two batches."""
    writer = open_writer(format_, COLUMNS, style)
    content = writer.add(rows[:1]) + writer.add(rows[1:]) + b"".join(writer.end())
    file = folder / f"out.{format_}"
    file.write_bytes(content)
    return file


def excel(file: Path) -> Any:
    """The workbook."""
    return openpyxl.load_workbook(file)


texts = st.text() | st.text(st.sampled_from(SIGNS + "aé 1\u202e\0"), max_size=6)


@given(texts)
def test_no_text_begins_like_a_formula_in_csv_and_every_text_comes_back(text: str) -> None:
    cell = plain_text(text)
    assert not cell or cell[0] not in SIGNS.replace("'", "")
    assert unguarded(cell) == text
    assert guarded(text) == cell


@given(st.lists(st.lists(texts, min_size=8, max_size=8), max_size=5))
def test_a_csv_file_has_the_cells_that_were_written_whatever_is_in_them(
    rows: list[list[str]],
) -> None:
    writer = open_writer(Format.CSV, COLUMNS, STYLE)
    content = (writer.add(rows) + b"".join(writer.end())).decode("utf-8-sig", "surrogatepass")
    read = list(csv.reader(io.StringIO(content, newline=""), strict=True))
    assert read[0] == [column.name for column in COLUMNS]
    assert [[unguarded(cell) for cell in row] for row in read[1:]] == rows


def test_csv_is_rfc_4180_with_a_byte_order_mark_unless_that_is_not_wanted(tmp_path: Path) -> None:
    with_mark = written(Format.CSV, ROWS, tmp_path).read_bytes()
    assert with_mark.startswith(b'\xef\xbb\xbf"id","number"')
    assert with_mark.count(b"\r\n") == 4
    bare = written(Format.CSV, ROWS, tmp_path, Style("x", mark=False)).read_bytes()
    assert bare == with_mark.removeprefix(b"\xef\xbb\xbf")
    titled = written(Format.CSV, ROWS, tmp_path, Style("x", titles=True)).read_text("utf-8-sig")
    assert titled.splitlines()[0].startswith('"Id","Số căn cước","Gross salary"')


def test_pandas_and_duckdb_read_the_csv_with_its_types(tmp_path: Path) -> None:
    file = written(Format.CSV, ROWS, tmp_path)
    frame = pandas.read_csv(file, dtype={"number": str}, parse_dates=["hired_on", "seen_at"])
    assert frame["number"][0] == "001099000123"
    assert frame["salary"].tolist()[0] == 31500000.5
    assert frame["hired_on"][0] == pandas.Timestamp(2020, 2, 29)
    assert frame["seen_at"][0] == pandas.Timestamp(SEEN)
    assert unguarded(frame["id"][2]) == NASTY[0]
    told = duckdb.sql(
        f"SELECT hired_on, salary, number FROM read_csv('{file}', types={{'number': 'VARCHAR'}})"
    )
    assert told is not None
    assert told.fetchall()[0] == (date(2020, 2, 29), 31500000.5, "001099000123")


def test_excel_has_dates_amounts_and_flags_as_such_and_texts_as_texts(tmp_path: Path) -> None:
    book = excel(written(Format.XLSX, ROWS, tmp_path))
    sheet = book["Payroll 2026"]
    rows = [list(row) for row in sheet.iter_rows(min_row=2)]
    hoa = [cell.value for cell in rows[0]]
    assert hoa == [
        "nv-1", "001099000123", 31500000.5, "VND", 22,
        datetime(2020, 2, 29),  # noqa: DTZ001 - cells have no zone
        SEEN.replace(tzinfo=None), True,
    ]  # fmt: skip
    assert [cell.data_type for cell in rows[0]] == ["s", "s", "n", "s", "n", "d", "d", "b"]
    assert rows[0][1].number_format == "@"
    assert rows[0][5].is_date
    assert [cell.value for cell in rows[1]] == [*NOTHING]
    assert [cell.value for cell in rows[2]][:2] == [*NASTY[:2]]
    assert all(cell.data_type != "f" for row in rows for cell in row)
    assert sheet.freeze_panes == "A2"


@settings(max_examples=20)
@given(
    texts.filter(lambda text: "\0" not in text and "\r" not in text and "\ud800" not in text).map(
        lambda text: text.encode("utf-8", "ignore").decode()
    )
)
def test_no_text_is_a_formula_in_excel(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Format.XLSX, [(text, *(None,) * 7)], Path(folder))
        cell = excel(file).worksheets[0]["A2"]
    assert cell.data_type != "f"


@pytest.mark.parametrize(
    "amount", ["12345678901234567.89", "0.1234567890123456789", "1000000000000000000000"]
)
def test_what_excel_would_round_stays_a_text(tmp_path: Path, amount: str) -> None:
    row = (None, None, Decimal(amount), *(None,) * 5)
    sheet = excel(written(Format.XLSX, [row], tmp_path)).worksheets[0]
    assert sheet["C2"].value == amount


def test_a_day_before_excels_calendar_stays_a_text(tmp_path: Path) -> None:
    row = (*(None,) * 5, date(1899, 3, 1), None, None)
    sheet = excel(written(Format.XLSX, [row], tmp_path)).worksheets[0]
    assert sheet["F2"].value == "1899-03-01"


def test_a_text_that_no_cell_holds_is_refused_without_being_shown(tmp_path: Path) -> None:
    secret = "s" * (MOST_CHARACTERS + 1)
    with pytest.raises(InvalidInput) as refused:
        written(Format.XLSX, [(None, secret, *(None,) * 6)], tmp_path)
    assert refused.value.fields[0].field == "number"
    assert "sss" not in str(refused.value)


def test_a_workbook_of_too_many_records_is_refused_with_what_to_take_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.tabular.xlsx_file.MOST_RECORDS", 3)
    rows = [(f"r{number}", *(None,) * 7) for number in range(4)]
    (sheet,) = excel(written(Format.XLSX, rows[:3], tmp_path))
    assert [cell.value for cell in sheet["A"]] == ["id", "r0", "r1", "r2"]
    more = tmp_path / "more"
    more.mkdir()
    with pytest.raises(InvalidInput, match="csv, jsonl or parquet"):
        written(Format.XLSX, rows, more)


def test_json_lines_have_every_column_and_no_rounded_number(tmp_path: Path) -> None:
    lines = written(Format.JSONL, ROWS, tmp_path).read_text().splitlines()
    assert json.loads(lines[0]) == {
        "id": "nv-1",
        "number": "001099000123",
        "salary": "31500000.50",
        "salary_currency": "VND",
        "days": 22,
        "hired_on": "2020-02-29",
        "seen_at": "2026-11-03T10:00:00.250000Z",
        "active": True,
    }
    assert [*json.loads(lines[1]).values()] == [*NOTHING]
    assert json.loads(lines[2])["id"] == NASTY[0]


def test_parquet_has_the_types_and_the_titles_and_pandas_and_duckdb_read_it(
    tmp_path: Path,
) -> None:
    file = written(Format.PARQUET, ROWS, tmp_path)
    schema = parquet.read_schema(file)
    assert [str(field.type) for field in schema] == [
        "string", "string", "decimal128(20, 2)", "string", "int64", "date32[day]",
        "timestamp[us, tz=UTC]", "bool",
    ]  # fmt: skip
    assert schema.field("number").metadata == {b"title": "Số căn cước".encode()}
    frame = pandas.read_parquet(file)
    assert frame["number"].tolist()[::2] == ["001099000123", NASTY[1]]
    assert frame["salary"][0] == Decimal("31500000.50")
    found = duckdb.sql(f"SELECT sum(salary), count(hired_on) FROM '{file}'")
    assert found is not None
    assert found.fetchall() == [(Decimal("31499999.50"), 2)]


def test_a_number_that_no_column_holds_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        written(Format.PARQUET, [(None, None, Decimal("1.2345"), *(None,) * 5)], tmp_path)
    assert "1.2345" not in str(refused.value)


def test_columns_have_names_and_titles_of_their_own() -> None:
    doubled = distinct([*COLUMNS[:2], Column("id", "ID", Kind.TEXT)])
    assert [column.name for column in doubled] == ["id", "number", "id_"]
    assert doubled[2].title != doubled[0].title


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12
    )
)
def test_amounts_in_csv_are_numbers_and_stay_exact(amount: Decimal) -> None:
    text = plain_text(amount)
    assert Decimal(text) == amount
    assert math.isfinite(float(text))


_UTF8 = "Text - txt - csv (StarCalc):44,34,76"


@pytest.mark.slow
@pytest.mark.real
def test_libreoffice_opens_excel_and_csv_without_a_formula(soffice: str, tmp_path: Path) -> None:
    for format_ in (Format.XLSX, Format.CSV):
        folder = tmp_path / format_
        folder.mkdir()
        file = written(format_, ROWS, folder)
        done = subprocess.run(
            [
                soffice,
                f"-env:UserInstallation=file://{tmp_path}/profile",
                "--headless",
                # Without a person to ask, LibreOffice does not look for the mark.
                *([f"--infilter={_UTF8}"] if format_ is Format.CSV else []),
                "--convert-to",
                "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,true,true",
                "--outdir",
                str(folder / "read"),
                str(file),
            ],
            capture_output=True,
            check=True,
            timeout=300,
        )
        assert b"Error" not in done.stderr
        with (folder / "read" / "out.csv").open(newline="", encoding="utf-8-sig") as read:
            rows: list[list[Any]] = list(csv.reader(read))
        assert rows[0][0] == "id"
        # The text itself, not what a formula would come to.
        assert unguarded(rows[3][0]) == NASTY[0]
        assert rows[1][2] in ("31500000.5", "31500000.50")
        if format_ is Format.XLSX:
            assert rows[1][1] == "001099000123"
            assert rows[1][5] == "2020-02-29"
