"""Files as people have them: their columns find their fields, and nothing is guessed."""

from __future__ import annotations

import json

import pytest

from secvault.errors import InvalidInput
from secvault.records.imports.spec import Bounds, Dates, Encoding, Form, Numbers
from tests.records.imports.sheets import read, refusal, xlsx

CSV = "name,citizen,salary,born\nAn,001203004567,12500000,1990-05-31\n"
VALUES = {"name": "An", "citizen": "001203004567", "salary": "12500000", "born": "1990-05-31"}


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        CSV.encode("utf-8-sig"),
        CSV.encode("utf-16"),
        CSV.replace(",", ";").encode(),
        CSV.replace(",", "\t").encode(),
        CSV.replace("\n", "\r\n").encode(),
        CSV.replace("name", "Họ và tên").replace("salary", "Salary").encode(),
        CSV.replace("name", " họ  VÀ tên ").encode("utf-16"),
        (b"name,citizen,salary,born,,\nAn,001203004567,12500000,1990-05-31,,\n,,,,,\n"),
    ],
)
def test_csv_is_read_in_every_form_that_spreadsheets_write(content: bytes) -> None:
    (row,) = read(content, Form.CSV)
    assert (row.number, row.id, row.values, row.faults) == (2, None, VALUES, ())


def test_windows_1258_is_read_where_it_is_said_and_refused_where_not() -> None:
    # As older programs wrote it: letters and their tone marks apart.
    content = "name\nTrâ\u0300n Thi\u0323 Lan\n".encode("cp1258")
    (row,) = read(content, Form.CSV, encoding=Encoding.WINDOWS_1258)
    assert row.values == {"name": "Trâ\u0300n Thi\u0323 Lan"}
    assert "say its encoding" in refusal(content, Form.CSV)


def test_columns_are_mapped_left_out_and_told_with_what_was_meant() -> None:
    content = "mã,Người,tiền\nnv-1,An,5\n".encode()
    mapping = {"mã": "id", "Người": "name", "tiền": ""}
    (row,) = read(content, Form.CSV, mapping=mapping)
    assert (row.id, row.values) == ("nv-1", {"name": "An"})
    said = refusal(b"name,Luong\nAn,1\n", Form.CSV)
    assert said == (
        'column 2: its heading is no field; did you mean "Lương"? Else map it to a field, or to '
        "nothing to leave it out"
    )
    # A file without headings: what stands there is somebody's, and is not repeated.
    assert "Trần" not in refusal("Trần Thị Lan,001203004567\n".encode(), Form.CSV)
    assert "goes to what is no field" in refusal(content, Form.CSV, mapping={"mã": "nothing"})
    assert "columns that the file does not have" in refusal(
        b"name\nAn\n", Form.CSV, mapping={"gone": ""}
    )
    assert "as column 1 does" in refusal(b"name,Name\na,b\n", Form.CSV)
    assert "uploaded one by one" in refusal(b"name,file\na,b\n", Form.CSV)


def test_money_takes_its_currency_from_the_cell_or_from_a_column_beside_it() -> None:
    content = b"salary,salary.currency\n100,USD\n200 EUR,\n300,\n"
    amounts = [row.values["salary"] for row in read(content, Form.CSV)]
    assert amounts[:2] == [
        {"amount": "100", "currency": "USD"},
        {"amount": "200", "currency": "EUR"},
    ]
    assert amounts[2] == "300"
    (row,) = read(b"salary,salary.currency\n100 USD,EUR\n", Form.CSV)
    assert row.faults[0].detail == "names its currency twice; leave one of them out"


@pytest.mark.parametrize(
    ("written", "numbers", "value"),
    [
        ("12500000.5", Numbers.PLAIN, "12500000.5"),
        ("12.500.000,5", Numbers.DOT_THOUSANDS, "12500000.5"),
        ("12,500,000.5", Numbers.COMMA_THOUSANDS, "12500000.5"),
        ("-1.000", Numbers.DOT_THOUSANDS, "-1000"),
        ("12.500", Numbers.PLAIN, "could mean thousands or a fraction"),
        ("1,5", Numbers.PLAIN, "is not a number in digits and a point"),
        ("12.50.000", Numbers.DOT_THOUSANDS, "is not a number as you said"),
        ("1e9", Numbers.PLAIN, "is not a number"),
        ("NaN", Numbers.PLAIN, "is not a number"),
        ("٣", Numbers.PLAIN, "is not a number"),
    ],
)
def test_numbers_are_read_as_was_said_and_never_guessed(
    written: str, numbers: Numbers, value: str
) -> None:
    (row,) = read(f'name,days\nx,"{written}"\n'.encode(), Form.CSV, numbers=numbers)
    assert row.values.get("days", row.faults[0].detail if row.faults else "") == value or (
        row.faults and row.faults[0].detail.startswith(value)
    )
    assert all(written not in fault.detail for fault in row.faults)


def test_dates_are_read_as_was_said_and_never_guessed() -> None:
    content = b"born,seen\n03/04/1990,03/04/2026 08:30\n"
    (row,) = read(content, Form.CSV, dates=Dates.DAY_FIRST, time_zone="Asia/Ho_Chi_Minh")
    assert row.values == {"born": "1990-04-03", "seen": "2026-04-03T08:30:00+07:00"}
    (row,) = read(content, Form.CSV, dates=Dates.MONTH_FIRST, time_zone="Asia/Ho_Chi_Minh")
    assert row.values["born"] == "1990-03-04"
    (row,) = read(content, Form.CSV)
    assert "day or month first" in row.faults[0].detail
    (row,) = read(b"seen\n2026-10-25 02:30\n", Form.CSV, time_zone="Europe/Berlin")
    assert "twice or not at all" in row.faults[0].detail
    (row,) = read(b"born\n31/02/1990\n", Form.CSV, dates=Dates.DAY_FIRST)
    assert "is not a day of the calendar" in row.faults[0].detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "its first row is empty"),
        (b"\n\nname\n", "its first row is empty"),
        (b"name\n\xff\xfe\n", "is not text in UTF-8"),
        (b"\x00\x00\xfe\xff\x00\x00\x00n", "is UTF-32"),
        (b'name\n"An\nBinh\n', "a quotation mark is open or misplaced"),
        (b'name\n"An"x\n', "a quotation mark is open or misplaced"),
        (b"name;days,count\nAn;1,1\n", "could be cut in two ways"),
    ],
)
def test_what_is_no_table_is_refused_with_the_mend(content: bytes, words: str) -> None:
    assert words in refusal(content, Form.CSV)


def test_rows_that_do_not_fit_the_heading_are_told_by_their_number() -> None:
    short, long = read(b"name,days\nAn\nBinh,1,5\n", Form.CSV)
    assert (short.number, short.faults[0].detail.split(";")[0]) == (
        2,
        "has 1 cells, and the heading 2",
    )
    assert (long.number, long.faults[0].field) == (3, "column 3")


def test_what_is_larger_than_the_settings_allow_is_refused() -> None:
    rows = b"name\n" + b"An\n" * 11
    assert "more than 10 rows" in refusal(rows, Form.CSV, Bounds(rows=10))
    assert "longer than 100 characters" in refusal(
        b"name\n" + b"x" * 200, Form.CSV, Bounds(line=100)
    )
    (row,) = read(b"name\n" + b"x" * 200, Form.CSV, Bounds(cell=100))
    assert row.faults[0].detail == "is longer than 100 characters"
    assert "more than 2 columns" in refusal(b"a,b,c\n", Form.CSV, Bounds(columns=2))


def test_json_lines_are_read_and_what_is_ambiguous_in_json_is_refused() -> None:
    good = {"id": "p-1", "name": "An", "salary": {"amount": "5", "currency": "VND"}, "days": None}
    lines = [
        json.dumps(good),
        "",
        '{"name": "An", "name": "Binh"}',
        '{"days": NaN}',
        '{"days": -Infinity}',
        '{"count": ' + "9" * 401 + "}",
        '["An"]',
        "An",
        '{"id": 7, "name": "An"}',
        '{"Lương": "5", "salary": "6"}',
        '{"nothing": 1}',
        '{"name": "' + "[" * 5000 + '"}',
    ]
    rows = read("\n".join(lines).encode(), Form.JSONL, Bounds(cell=4000))
    assert (rows[0].id, rows[0].values) == (
        "p-1",
        {"name": "An", "salary": {"amount": "5", "currency": "VND"}},
    )
    told = {row.number: row.faults[0].detail for row in rows[1:]}
    assert told == {
        3: "names something twice in one object",
        4: "holds NaN or Infinity, which are no JSON",
        5: "holds NaN or Infinity, which are no JSON",
        6: "holds a number of more than 400 digits",
        7: 'is no JSON object; write it like {"id": "pr-1", "name": "An"}',
        8: "is no JSON; write one object a line",
        9: "must be a text",
        10: "is named twice",
        11: "its heading is no field; map it to a field, or to nothing to leave it out",
        12: "is longer than 4000 characters",
    }
    assert "deep" not in str(read(b'{"name": ' + b"[" * 100_000, Form.JSONL)[0].values)


def test_the_same_rows_come_from_each_form() -> None:
    cells = [("id", "name", "count"), ("p-1", "An", "3"), ("p-2", "Bình", "4")]
    as_csv = "\n".join(",".join(row) for row in cells).encode()
    as_json = "\n".join(
        json.dumps({"id": i, "name": n, "count": int(c)}) for i, n, c in cells[1:]
    ).encode()
    found = [
        [(row.id, row.values) for row in read(content, form)]
        for content, form in (
            (as_csv, Form.CSV),
            (as_json, Form.JSONL),
            (xlsx([cells[0], ("p-1", "An", 3), ("p-2", "Bình", 4)]), Form.XLSX),
        )
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"sheet": "x"}, "sheet"),
        ({"mapping": {"a": "name", " a ": "days"}}, "mapping"),
    ],
)
def test_a_wrong_way_of_reading_is_refused_at_its_option(
    how: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(b"name\n", Form.CSV, **how)
    assert refused.value.fields[0].field == field
