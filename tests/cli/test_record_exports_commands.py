"""`secvault records export` and `export verify`, as whoever types them."""

from __future__ import annotations

import csv
import json
import stat
import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.cli.program import Program
from tests.running_service import STEP, Hands, House, copied, furnish, join, payslip
from tests.service.policy_house import heads_read_accounts

SALARY = "31500000"


@pytest.fixture(scope="module")
def furnished_now(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault whose people signed in just now."""
    return furnish(
        tmp_path_factory.mktemp("furnished-now"), Hands(float(int(time.time()) - 5 * STEP))
    )


@pytest.fixture
def house(furnished_now: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return copied(furnished_now, tmp_path / "house")


@pytest.fixture
def program(house: House) -> Program:
    """The program, as the operator of the server."""
    return Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))


@pytest.fixture
def head(house: House, program: Program) -> Program:
    """The program, as the head of hr."""
    return program.with_(SECVAULT_TOKEN=house.tokens["head"])


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def test_a_head_writes_a_file_for_themselves_alone_which_anybody_can_verify(
    head: Program, program: Program, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    file = out / "payroll.csv"
    said = head.ok(
        "records", "export", "payroll", "--output", str(file), "--reason", "the audit",
        "--titles", "--language", "vi",
    )  # fmt: skip
    assert "1 records of payroll" in said.out
    assert "bank_account" in said.out
    with file.open(newline="", encoding="utf-8-sig") as read:
        rows = list(csv.reader(read))
    assert SALARY in rows[1]
    assert "Họ và tên" in rows[0]
    assert _modes(out) == dict.fromkeys(
        ["payroll.csv", "payroll.csv.manifest.json", "payroll.csv.manifest.note"], 0o600
    )
    key = program.ok("audit", "keys", "--json").json["evidence"]
    nowhere = Program(tmp_path / "nowhere")
    assert "genuine" in nowhere.ok("records", "export", "verify", str(file), "--key", key).out
    told = nowhere.ok("records", "export", "verify", str(file), "--key", key, "--json").json
    assert told["document"]["reason"] == "the audit"
    file.write_bytes(file.read_bytes().replace(SALARY.encode(), b"41500000"))
    assert nowhere("records", "export", "verify", str(file), "--key", key).code == 5


def test_nothing_is_replaced_unless_it_is_forced_and_nothing_half_stays(
    head: Program, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    file = out / "payroll.jsonl"
    file.write_text("mine")
    arguments = ("records", "export", "payroll", "--output", str(file), "--reason", "x")
    said = head(*arguments)
    assert (said.code, file.read_text()) == (2, "mine")
    assert "--force" in said.err
    head.ok(*arguments, "--force")
    assert json.loads(file.read_text())["id"] == "pay-0042"
    assert len(list(out.iterdir())) == 3
    nowhere = tmp_path / "nowhere" / "payroll.csv"
    assert head("records", "export", "payroll", "-o", str(nowhere), "--reason", "x").code == 2
    assert head("records", "export", "payroll", "-o", str(out / "x.pdf"), "--reason", "x").code == 2
    assert head("records", "export", "payroll", "-o", str(out / "x.csv")).code == 2
    assert len(list(out.iterdir())) == 3


def test_filters_come_from_a_file_and_not_from_the_arguments(
    head: Program, house: House, tmp_path: Path
) -> None:
    with house.open() as service:
        heads_read_accounts(service)
    file = tmp_path / "payroll.xlsx"
    where = json.dumps({"bank_account": "0071000123456"})
    arguments = ("records", "export", "payroll", "-o", str(file), "--reason", "x", "--from", "-")
    told = head.ok(*arguments, "--json", stdin=where).json
    assert told["manifest"]["filters"] == ["bank_account"]
    sheet: Any = openpyxl.load_workbook(file).worksheets[0]
    assert sheet.max_row == 2
    none = head.ok(
        *arguments, "--json", "--force", stdin=json.dumps({"bank_account": "0071000123457"})
    ).json
    assert none["manifest"]["records"] == 0


def test_who_may_not_is_refused_and_no_file_is_made(
    program: Program, house: House, tmp_path: Path
) -> None:
    for who in ("clerk", "auditor"):
        as_them = program.with_(SECVAULT_TOKEN=house.tokens[who])
        file = tmp_path / f"{who}.csv"
        assert as_them("records", "export", "payroll", "-o", str(file), "--reason", "x").code == 3
        assert list(tmp_path.glob(f"{who}*")) == []
    assert program("records", "export", "payroll", "-o", str(tmp_path / "o.csv")).code == 3


def test_an_analyst_exports_what_names_nobody(
    program: Program, house: House, head: Program, tmp_path: Path
) -> None:
    with house.open() as service:
        join(service, house, "phuc", ("role:hr.researcher", "hr"))
    analyst = program.with_(SECVAULT_TOKEN=house.tokens["phuc"])
    file = tmp_path / "payroll.parquet"
    arguments = ("records", "export", "payroll", "-o", str(file), "--reason", "wages")
    few = analyst(*arguments, "--deidentified", "--project", "pay")
    assert few.code == 1
    assert "alike" in few.err
    for number in range(5):
        head.ok(
            "records", "add", "payroll", "--id", f"s-{number}", "--from", "-",
            stdin=json.dumps(payslip(employee=f"nv-{number}")),
        )  # fmt: skip
    said = analyst.ok(*arguments, "--deidentified", "--project", "pay", "--quasi", "status")
    assert "people who are alike" in said.out
    assert b"Oanh" not in file.read_bytes()
    assert analyst(*arguments, "--project", "pay").code == 2
    assert analyst(*arguments, "--deidentified").code == 2


def test_the_help_shows_both_ways(program: Program) -> None:
    said = program.ok("records", "export", "--help")
    assert "verify" in said.out
    assert "COLLECTION" in said.out
    assert "--deidentified" in program.ok("records", "export", "collection", "--help").out
