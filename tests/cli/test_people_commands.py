"""`secvault people`: invitations, changes, lists and files at the command line."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

import pytest

from tests.cli.program import Program

FILE = "\ufeffname,display_name,department,notes\r\nmai,Trần Thị Mai,hr,=1+1\r\nan,,it,\r\n"


def test_an_invitation_is_printed_alone_on_stdout_renewed_and_voided(vault: Program) -> None:
    said = vault.ok("people", "invite", "mai", "--department", "hr", "--contact", "mai@example.vn")
    code = said.out.strip()
    assert code.startswith("sva_")
    assert code not in said.err
    again = vault.ok("people", "reinvite", "mai", "--json").json
    assert again["code"] not in ("", code)
    shown = vault.ok("people", "show", "mai", "--json").json
    assert (shown["status"], shown["contact"]) == ("invited", "mai@example.vn")
    assert shown["invitation_expires_at"] == again["expires_at"]
    vault.ok("people", "uninvite", "mai")
    assert vault("people", "uninvite", "mai").code == 1
    assert vault("people", "reinvite", "admin").code == 1
    assert vault("people", "invite", "x y", "--department", "hr").code == 2
    said = vault("people", "reinvite", "mai", "--send")
    assert (said.code, said.out) == (2, "")


def test_a_person_moves_to_another_department_and_is_found_there(
    vault: Program, tmp_path: Path
) -> None:
    vault.ok("people", "invite", "mai", "--department", "hr", "--display-name", "Trần Thị Mai")
    vault.ok("grants", "add", "user:mai", "role:hr.clerk", "hr")
    (tmp_path / "notes").write_text("Từ tháng 3\n")
    said = vault.ok(
        "people", "change", "mai", "--department", "accounting",
        "--notes-from", str(tmp_path / "notes"),
    )  # fmt: skip
    assert "role:hr.clerk in hr" in said.err
    [mai] = vault.ok(
        "people", "list", "--search", "tran mai", "--department", "accounting", "--json"
    ).json["people"]
    assert (mai["notes"], mai["version"]) == ("Từ tháng 3", 2)
    assert vault("people", "change", "mai", "--version", "1", "--contact", "").code == 1
    assert vault("people", "change", "mai").code == 2
    assert vault("people", "list", "--status", "gone").code == 2
    page = vault.ok("people", "list", "--limit", "1", "--json").json
    rest = vault.ok("people", "list", "--after", page["next"], "--json").json
    assert [one["name"] for one in page["people"] + rest["people"]] == ["admin", "mai"]
    assert "Trần Thị Mai" in vault.ok("people", "list").out


def test_a_file_is_tried_imported_once_and_exported(vault: Program, tmp_path: Path) -> None:
    file, codes = tmp_path / "staff.csv", tmp_path / "codes.csv"
    file.write_text(FILE + "x,,sales,\r\n", encoding="utf-8")
    said = vault("people", "import", str(file), "--codes-to", str(codes))
    assert said.code == 2
    assert "line 4, department" in said.err
    assert not codes.exists()
    file.write_text(FILE, encoding="utf-8")
    assert "2 would be invited" in vault.ok("people", "import", str(file), "--dry-run").out
    said = vault.ok("people", "import", str(file), "--codes-to", str(codes), "--json")
    assert [one["name"] for one in said.json["invited"]] == ["mai", "an"]
    assert "sva_" not in said.out + said.err
    assert stat.S_IMODE(codes.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(codes.read_text("utf-8"))))
    assert [row["name"] for row in rows] == ["mai", "an"]
    assert all(row["code"].startswith("sva_") for row in rows)
    assert vault("people", "import", str(file), "--codes-to", str(codes)).code == 2
    again = vault.ok("people", "import", str(file))
    assert "mai is there already" in again.err
    assert "sva_" not in again.out
    exported = vault.ok("people", "export").out
    assert '"\'=1+1"' in exported
    assert "sva_" not in exported
    vault.ok("people", "export", "--bom", "--to", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text("utf-8").replace("\n", "").startswith('\ufeff"name"')
    assert vault("people", "export", "--to", str(tmp_path / "out.csv")).code == 2


@pytest.mark.parametrize("arguments", [("people", "add", "x"), ("people", "enrol", "admin")])
def test_the_ways_by_which_administrators_chose_secrets_are_gone(
    vault: Program, arguments: tuple[str, ...]
) -> None:
    assert vault(*arguments).code == 2
