"""People as CSV: every fault by its place, no formula for spreadsheets, nothing lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.identity import names
from secvault.identity.people_file import (
    GIVEN,
    SHOWN,
    guarded,
    read_people,
    unguarded,
    write_people,
)

DEPARTMENTS = ("hr", "it")
HEAD = "name,display_name,department,contact,notes\n"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''+x")


def read(text: str) -> list[tuple[str, ...]]:
    rows = read_people(text.encode(), DEPARTMENTS)
    return [tuple(getattr(row.new, name) or "" for name in GIVEN) for row in rows]


def faults(content: bytes) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        read_people(content, DEPARTMENTS)
    return {fault.field: fault.detail for fault in refused.value.fields}


def test_the_columns_may_stand_in_any_order_with_a_mark_before_them() -> None:
    assert read("\ufeffDepartment,name\r\nhr,Mai\r\n\r\nit,An\r\n") == [
        ("mai", "Mai", "hr", "", "", "", "", ""),
        ("an", "An", "it", "", "", "", "", ""),
    ]


def test_a_file_says_who_people_are_in_the_form_that_is_compared() -> None:
    [row] = read_people(
        "name,department,employee,teams\nmai,hr,ＮＶ-0042,Line  A; line a ;Kho".encode(), ("hr",)
    )
    assert (row.new.employee, row.new.teams) == ("nv-0042", "kho\nline a")
    with pytest.raises(InvalidInput) as refused:
        read("name,department,employee\nmai,hr,NV-1\nan,it,nv-1\nbo,it,n\x07\n")
    assert [fault.field for fault in refused.value.fields] == [
        "line 4, employee",
        "line 3, employee",
    ]
    with pytest.raises(InvalidInput, match="line 3, employee: is the same as in line 2"):
        read("name,department,employee\nmai,hr,NV-1\nan,it,nv-1\n")


def test_every_fault_is_told_by_line_and_column_and_no_value_is_repeated() -> None:
    content = (
        HEAD
        + 'mai,"Trần\nMai",hr,,\n'
        + "an!,An,sales,nowhere,secret-note\n"
        + "lan,Lan,hr\n"
        + "duc,Đức,hr,,\n"
        + "ĐUC,Duc,hr,,\n"
        + "DUC,Duc,hr,,\n"
    )
    found = faults(content.encode())
    assert list(found) == [
        "line 2, display_name",
        "line 4, department",
        "line 4, name",
        "line 4, contact",
        "line 5",
        "line 8, name",
    ]
    assert "line 6" in found["line 8, name"]
    assert "secret-note" not in str(found)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "line 1"),
        (b"\n\n", "line 1"),
        (b"name\nmai\n", "line 1"),
        (b"name,department,password\n", "line 1, column 3"),
        (b"name,department,name\n", "line 1, column 3"),
        (b"name,department\nmai,hr\nl\xffn,hr\n", "line 3"),
        (b"name,department\nma\0i,hr\n", "line 2"),
        (b'name,department\nmai,hr\n"an,hr\nlan,hr\n', "line 3"),
        (b'name,department\nmai,"h"r\n', "line 2"),
        (HEAD.encode() + b"x" * (8 * 1024 * 1024), "file"),
        (b"name,department\n" + b"mai,hr\n" * 5_002, "file"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_place(content: bytes, where: str) -> None:
    assert where in faults(content)


def test_a_file_full_of_faults_names_the_first_fifty() -> None:
    assert len(faults(b"name,department\n" + b"!,hr\n" * 200)) == 50


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_begins_like_a_formula_and_each_comes_back(cell: str) -> None:
    assert guarded(cell)[0] == "'"
    assert unguarded(guarded(cell)) == cell


@given(st.text())
def test_guarding_loses_nothing(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in {*"=+-@\t\r\n＝＋－＠"}


_SHOWN_TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]), min_size=1, max_size=60
)


def _is_name(text: str) -> bool:
    try:
        return bool(names.display_name(text))
    except InvalidInput:
        return False


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            _SHOWN_TEXT.filter(_is_name),
            st.sampled_from(DEPARTMENTS),
            st.sampled_from(["", "mai@example.vn"]),
            st.one_of(_SHOWN_TEXT.filter(_is_name), st.sampled_from([*FORMULAS, "a\nb\t", ""])),
        ),
        unique_by=lambda each: each[0],
        max_size=8,
    )
)
def test_what_is_written_is_read_back(people: list[tuple[int, str, str, str, str]]) -> None:
    rows = [
        {
            "name": f"p{number}",
            "display_name": names.display_name(shown),
            "department": department,
            "contact": contact,
            "language": "vi" if contact else "",
            "notes": names.notes(notes),
            "employee": names.compared(f"NV-{number}") if notes else "",
            "teams": names.compared(f"Tổ {number}"),
        }
        for number, shown, department, contact, notes in people
    ]
    written = write_people(rows)
    assert read(written) == [tuple(row[name] for name in GIVEN) for row in rows]
    assert read("\ufeff" + written) == read(written)
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert len(cells) == (len(rows) + 1) * len((*GIVEN, *SHOWN))
    assert not any(cell[:1] in {*"=+-@\t\r\n＝＋－＠"} for cell in cells if cell)
