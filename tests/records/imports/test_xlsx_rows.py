"""Workbooks: what they show is read, what they could do is refused."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook

from secvault.records.imports.spec import Bounds, Form
from tests.records.imports.sheets import SHEET, read, refusal, saved, with_part, xlsx


def _one(*cells: object, heading: tuple[str, ...], **styles: str) -> object:
    (row,) = read(xlsx([heading, cells], **styles), Form.XLSX, time_zone="Asia/Ho_Chi_Minh")
    return row.values if not row.faults else [(one.field, one.detail) for one in row.faults]


def test_cells_become_values_by_the_type_of_their_field() -> None:
    heading = ("name", "Số căn cước", "Lương", "days", "count", "born", "seen", "active")
    given = (
        "An",
        "001203004567",
        12_500_000,
        0.1 + 0.2,
        7.0,
        date(1990, 5, 31),
        datetime(2026, 5, 31, 8, 30),  # noqa: DTZ001 - cells know no zone
        True,
    )
    assert _one(*given, heading=heading) == {
        "name": "An",
        "citizen": "001203004567",
        "salary": "12500000",
        "days": "0.3",
        "count": 7,
        "born": "1990-05-31",
        "seen": "2026-05-31T08:30:00+07:00",
        "active": True,
    }


@pytest.mark.parametrize(
    ("cell", "field", "words"),
    [
        ("=1+1", "salary", "holds a formula; copy the column and paste it as values"),
        ('=HYPERLINK("http://x")', "name", "holds a formula"),
        ("#N/A", "days", "holds an error that Excel shows"),
        (1_203_004_567, "citizen", "zeros in front are lost; format the column as text"),
        (9_999_999_999_999_999, "salary", "more than 15 digits"),
        (1.5, "count", "must be a whole number"),
        (45_000, "born", "holds a number, not a date"),
        (time(8, 30), "seen", "holds a time without a day"),
        (datetime(2026, 1, 1, 8), "born", "holds a day with a time"),  # noqa: DTZ001
        (date(2026, 1, 1), "name", "holds a date, which this field does not"),
        (True, "name", "holds true or false"),
        (1, "active", "holds a number, not true or false"),
    ],
)
def test_what_a_cell_cannot_mean_is_refused_without_repeating_it(
    cell: object, field: str, words: str
) -> None:
    found = _one(cell, heading=(field,))
    assert isinstance(found, list)
    assert found[0][0] == field
    assert words in found[0][1]
    assert str(cell) not in found[0][1]


def test_a_number_shown_with_zeros_in_front_is_not_taken_for_a_text() -> None:
    content = xlsx([("name",), (42,)], A2="00000")
    (row,) = read(content, Form.XLSX)
    assert "zeros in front are lost" in row.faults[0].detail
    (row,) = read(xlsx([("name",), (42,)]), Form.XLSX)
    assert row.values == {"name": "42"}


def test_the_only_visible_sheet_is_read_and_of_several_the_named_one() -> None:
    book = Workbook()
    first = book.active
    assert first is not None
    first.append(["name"])
    first.append(["An"])
    hidden = book.create_sheet("Data")
    hidden.append(["name"])
    hidden.append(["Binh"])
    hidden.sheet_state = "hidden"
    (row,) = read(saved(book), Form.XLSX)
    assert row.values == {"name": "An"}
    (row,) = read(saved(book), Form.XLSX, sheet="Data")
    assert row.values == {"name": "Binh"}
    hidden.sheet_state = "visible"
    assert "shows 2 sheets; name the one to read" in refusal(saved(book), Form.XLSX)
    assert "no sheet of that name" in refusal(saved(book), Form.XLSX, sheet="Nothing")


def test_merged_cells_are_refused() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["name", "days"], ["An", 1], ["Binh", 2]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    assert "has merged cells (A2:A3)" in refusal(saved(book), Form.XLSX)


BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>'
)
OUTSIDE = BILLION_LAUGHS.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "/etc/passwd">')


@pytest.mark.parametrize("content", [BILLION_LAUGHS, OUTSIDE, b"<worksheet", b"", b"\xff" * 99])
def test_xml_with_entities_and_broken_xml_is_refused(content: bytes) -> None:
    workbook = with_part(xlsx([("name",), ("An",)]), SHEET, content)
    assert "is no workbook that can be read" in refusal(workbook, Form.XLSX)


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    workbook = xlsx([("name",), ("An",)])
    bomb = with_part(workbook, "xl/media/bomb.bin", bytes(64 * 1024 * 1024))
    assert len(bomb) < 200_000
    assert "packed more than 300 times" in refusal(bomb, Form.XLSX)
    small = Bounds(expanded=1024 * 1024)
    many = with_part(workbook, "xl/media/a.bin", bytes(range(256)) * 8192)
    assert "unpacks to more than 1 MiB" in refusal(many, Form.XLSX, small)


def test_a_bomb_that_lies_about_its_size_is_read_no_further_than_it_says() -> None:
    bomb = bytearray(with_part(xlsx([("name",), ("An",)]), SHEET, b" " * 50_000_000))
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as parts:
        size = parts.getinfo(SHEET).file_size
    lie = (1000).to_bytes(4, "little")
    content = bytes(bomb).replace(size.to_bytes(4, "little"), lie)
    assert "is no workbook that can be read" in refusal(content, Form.XLSX)


def test_too_many_parts_are_refused() -> None:
    out = io.BytesIO(xlsx([("name",), ("An",)]))
    with zipfile.ZipFile(out, "a") as parts:
        for number in range(5_001):
            parts.writestr(f"xl/media/{number}", b"")
    assert "more than 5000 parts" in refusal(out.getvalue(), Form.XLSX)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no workbook"),
        (b"PK\x03\x04" + bytes(100), "is no workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "is an old workbook (.xls) or has a password"),
        (b"name,days\nAn,1\n", "is no workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(content: bytes, words: str) -> None:
    assert words in refusal(content, Form.XLSX)


def test_cells_far_to_the_right_and_rows_out_of_order_are_refused() -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c></row>%s'
        b"</sheetData></worksheet>"
    )
    far = b'<row r="2"><c r="XFD2" t="inlineStr"><is><t>x</t></is></c></row>'
    back = b'<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'
    workbook = xlsx([("name",), ("An",)])
    assert "more than 256 columns" in refusal(with_part(workbook, SHEET, sheet % far), Form.XLSX)
    assert "rows out of order" in refusal(with_part(workbook, SHEET, sheet % back), Form.XLSX)
