"""`secvault records import` and `imports`: files checked, stored, taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.records.imports.sheets import xlsx

HEADING = ("id", "Họ và tên", "Người tiếp", "purpose", "badge", "Số căn cước", "Giờ đến")


def _visitors(count: int, **changed: str) -> list[tuple[str, ...]]:
    row = {
        "name": "Trần Thị Lan",
        "host": "nv-0001",
        "purpose": "Giao hàng",
        "badge": "K-7",
        "citizen": "001203004567",
        "arrived": "2026-10-01T08:30:00+07:00",
        **changed,
    }
    return [(f"v-{number}", *row.values()) for number in range(count)]


def _file(folder: Path, rows: list[tuple[str, ...]]) -> str:
    file = folder / "visitors.csv"
    lines = [";".join(row) for row in (HEADING, *rows)]
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    return str(file)


@pytest.fixture
def desk(as_system: Callable[..., Program]) -> Program:
    """The program as whoever keeps the list of visitors."""
    return as_system("role:administration.head", "administration")


def test_a_file_is_tried_and_imported(desk: Program, tmp_path: Path) -> None:
    file = _file(tmp_path, _visitors(30))
    said = desk.ok("records", "import", "visitors", file, "--dry-run")
    assert said.out == "nothing is wrong with the 30 rows; nothing was stored\n"
    assert "There is no record" in desk.ok("records", "list", "visitors").err
    said = desk.ok("records", "import", "visitors", file)
    assert said.out == "30 records of visitors stored\n"
    shown = desk.ok("records", "show", "visitors", "v-7", "--json").json
    assert shown["masked"]["identity_number"].endswith("567")
    said = desk("records", "import", "visitors", file)
    assert said.code == 1
    assert "secvault: Nothing was imported: 30 faults in the file" in said.err
    said = desk.ok("records", "import", "visitors", file, "--on-conflict", "skip", "--json")
    assert (said.json["state"], said.json["skipped"], said.json["created"]) == ("done", 30, 0)
    listed = desk.ok("records", "imports", "list", "--json").json["imports"]
    assert [one["state"] for one in listed] == ["done", "faulty", "done", "cancelled"]


def test_faults_are_shown_by_row_and_written_to_a_sheet(desk: Program, tmp_path: Path) -> None:
    file = _file(tmp_path, [*_visitors(1), ("v-2", "An", "", "x", "K", "1203004567", "gestern")])
    said = desk("records", "import", "visitors", file, "--dry-run", "--json")
    assert said.code == 1
    assert [(one["row"], one["field"]) for one in said.json["found"]] == [
        (3, "identity_number"),
        (3, "host"),
        (3, "arrived_at"),
    ]
    assert "1203004567" not in said.out + said.err
    sheet = tmp_path / "faults.csv"
    shown = desk.ok("records", "imports", "show", said.json["id"], "--faults-to", str(sheet))
    assert "host" in shown.out
    assert sheet.read_text("utf-8-sig").splitlines()[1].startswith("3,identity_number,")


def test_workbooks_json_lines_and_mapped_columns_are_taken(desk: Program, tmp_path: Path) -> None:
    book = tmp_path / "visitors.xlsx"
    book.write_bytes(xlsx([("Mã", *HEADING[1:], "Ghi chú"), *((*r, "x") for r in _visitors(2))]))
    said = desk.ok(
        *("records", "import", "visitors", str(book), "--map", "Mã=id", "--map", "Ghi chú=")
    )
    assert said.out == "2 records of visitors stored\n"
    fields = {"full_name": "An", "host": "nv-1", "purpose": "x", "badge": "1"}
    fields["arrived_at"] = "2026-10-01T08:30:00Z"
    lines = "\n".join(json.dumps({"id": f"j-{n}", **fields}) for n in range(3))
    said = desk.ok("records", "import", "visitors", "-", "--format", "jsonl", stdin=lines)
    assert said.out == "3 records of visitors stored\n"


def test_the_worker_is_asked_and_an_import_is_resumed_and_cancelled(
    desk: Program, tmp_path: Path
) -> None:
    file = _file(tmp_path, _visitors(5))
    desk.ok("records", "import", "visitors", file, "--dry-run")
    with pytest.raises(AssertionError, match="code=2"):
        desk.ok("records", "import", "visitors", file, "--dry-run", "--worker")
    with desk.opened() as service:
        assert service is not None
    (one,) = desk.ok("records", "imports", "list", "--json").json["imports"]
    assert desk("records", "imports", "resume", one["id"]).code == 1
    assert desk("records", "imports", "cancel", one["id"]).code == 1
    assert desk("records", "imports", "show", "0" * 32).code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visitors", "no-such.csv"), "cannot be read"),
        (("visitors", "visitors.doc"), "say csv, xlsx or jsonl"),
        (("visitors", "-"), "say what comes on stdin"),
        (("visitors", "x.csv", "--map", "Mã"), "HEADING=FIELD"),
        (("visitors", "x.csv", "--map", "a=id", "--map", "a="), "names a heading twice"),
        (("visitors", "x.csv", "--dates", "yesterday"), "dates"),
    ],
)
def test_wrong_usage_is_told_with_the_mend(
    desk: Program, arguments: tuple[str, ...], words: str
) -> None:
    said = desk("records", "import", *arguments)
    assert said.code == 2
    assert words in said.err


def test_the_operator_of_the_machine_imports_nothing(vault: Program, tmp_path: Path) -> None:
    said = vault("records", "import", "visitors", _file(tmp_path, _visitors(1)))
    assert said.code == 3
