"""Files in records from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.test_api_attachments import CONTRACT
from tests.cli.program import Program

AT = ("contracts", "ct-1", "document")
PDF = b"%PDF-1.7\nthe salary is 28750000\n%%EOF\n"
NAME = "Hợp đồng.pdf"


@pytest.fixture
def head(as_system: Callable[..., Program]) -> Program:
    """The program as a system that keeps contracts, one of which is there."""
    made = as_system("role:hr.head", "hr")
    said = json.dumps(CONTRACT)
    made.ok("records", "add", "contracts", "--id", "ct-1", "--from", "-", stdin=said)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "files" / NAME
    made.parent.mkdir()
    made.write_bytes(PDF)
    return made


@pytest.fixture
def stored(head: Program, file: Path) -> Program:
    said = head.ok("records", "attach", *AT, str(file))
    assert (
        said.out
        == f"contracts/ct-1/document: {NAME}, 38 B, application/pdf, version 2 of the record\n"
    )
    return head


def test_a_file_goes_in_is_shown_and_comes_out(stored: Program, tmp_path: Path) -> None:
    (row,) = stored.ok("records", "attachments", "show", "contracts", "ct-1", "--json").json[
        "attachments"
    ]
    assert (row["field"], row["name"], row["size"], row["shown"]) == ("document", NAME, 38, "clear")
    assert NAME in stored.ok("records", "attachments", "show", "contracts", "ct-1").out
    assert f"{NAME} (38 B)" in stored.ok("records", "show", "contracts", "ct-1").out
    out = tmp_path / "out"
    out.mkdir()
    said = stored.ok("records", "attachments", "fetch", *AT, "--out", str(out))
    assert str(out / NAME) in said.out
    assert (out / NAME).read_bytes() == PDF
    assert (out / NAME).stat().st_mode & 0o777 == 0o600
    assert [one.name for one in out.iterdir()] == [NAME]
    piped = stored.in_a_process().ok("records", "attachments", "fetch", *AT, "--out", "-")
    assert piped.out == PDF.decode()


def test_nothing_is_overwritten_unasked(stored: Program, file: Path, tmp_path: Path) -> None:
    again = stored("records", "attach", *AT, str(file))
    assert again.code == 1
    assert "already" in again.err
    file.write_bytes(PDF + b"more\n")
    assert "version 3" in stored.ok("records", "attach", *AT, str(file), "--replace").out
    taken = tmp_path / "taken.pdf"
    taken.write_text("mine")
    refused = stored("records", "attachments", "fetch", *AT, "--out", str(taken))
    assert (refused.code, taken.read_text()) == (1, "mine")
    assert "--force" in refused.err
    stored.ok("records", "attachments", "fetch", *AT, "--out", str(taken), "--force")
    assert taken.read_bytes() == PDF + b"more\n"


def test_what_cannot_be_stored_is_said_with_its_mend(head: Program, tmp_path: Path) -> None:
    odd = tmp_path / "program.pdf"
    odd.write_bytes(b"MZ\x90\x00")
    said = head("records", "attach", *AT, str(odd))
    assert said.code == 2
    assert "is not of the type application/pdf" in said.err
    unknown = tmp_path / "file.xyz"
    unknown.write_bytes(b"x")
    assert "--type" in head("records", "attach", *AT, str(unknown)).err
    missing = head("records", "attach", *AT, str(tmp_path / "no.pdf"))
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    folder = tmp_path / "folder.pdf"
    folder.mkdir()
    assert head("records", "attach", *AT, str(folder)).code == 2
    elsewhere = ("contracts", "ct-1", "position", str(odd))
    assert head("records", "attach", *elsewhere).code == 1


def test_a_damaged_file_gives_exit_code_5_and_no_file(stored: Program, tmp_path: Path) -> None:
    (content,) = (one for one in (stored.data / "attachments").rglob("*") if one.is_file())
    damaged = bytearray(content.read_bytes())
    damaged[-1] ^= 1
    content.write_bytes(damaged)
    out = tmp_path / "out"
    out.mkdir()
    for target in (str(out), "-"):
        program = stored.in_a_process() if target == "-" else stored
        said = program("records", "attachments", "fetch", *AT, "--out", target)
        assert said.code == 5
        assert "damaged" in said.err.lower()
        assert "28750000" not in said.out
    assert list(out.iterdir()) == []


def test_a_removed_file_is_gone_for_everybody_and_collected_in_time(stored: Program) -> None:
    assert stored("records", "attachments", "remove", *AT).code == 2
    stored.ok("records", "attachments", "remove", *AT, "--yes")
    assert stored("records", "attachments", "fetch", *AT).code == 1
    assert "no file" in stored.ok("records", "attachments", "show", "contracts", "ct-1").err
    operator = stored.with_(SECVAULT_TOKEN="")
    kept = operator.ok("records", "attachments", "collect", "--json").json
    assert (kept["removed"], kept["waiting"], kept["strays"]) == (0, 1, None)
    now = operator.with_(SECVAULT_ATTACHMENTS__KEEP_DAYS="0")
    assert (
        "contents removed: 1, kept until they are due: 0"
        in now.ok("records", "attachments", "collect", "--strays").out
    )
    assert stored("records", "attachments", "collect").code == 3


def test_who_may_not_see_the_field_gets_no_file(stored: Program, file: Path) -> None:
    operator = stored.with_(SECVAULT_TOKEN="")
    for command in (("attach", *AT, str(file), "--replace"), ("attachments", "fetch", *AT)):
        assert operator("records", *command).code == 3
