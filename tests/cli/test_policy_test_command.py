"""`secvault policy test`: files in, an answer for a policy's author out; no vault is touched."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.access.policytest.small import HEADER, OBLIGATIONS, POLICIES, ROLES, TESTS
from tests.cli.program import Program

COLLECTIONS = {
    "hr": """\
department = "hr"
title = { en = "HR", vi = "Nhân sự" }
[collections.payroll]
title = { en = "Payroll", vi = "Bảng lương" }
[collections.payroll.fields.month]
title = { en = "Month", vi = "Tháng" }
type = "text"
max_length = 7
class = "normal"
[collections.payroll.fields.gross]
title = { en = "Gross", vi = "Gộp" }
type = "text"
max_length = 20
class = "salary"
mask = "hidden"
[collections.payroll.fields.account]
title = { en = "Account", vi = "Tài khoản" }
type = "text"
max_length = 20
class = "bank"
mask = "hidden"
[collections.employees]
title = { en = "Employees", vi = "Nhân viên" }
[collections.employees.fields.hired_on]
title = { en = "Hired", vi = "Ngày vào" }
type = "date"
class = "normal"
"""
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A small policy folder of one's own."""
    folder = tmp_path / "policy"
    (folder / "tests").mkdir(parents=True)
    (folder / "collections").mkdir()
    shutil.copy(POLICIES / "model.conf", folder)
    (folder / "roles.csv").write_text(HEADER + ROLES)
    (folder / "obligations.toml").write_text(OBLIGATIONS)
    (folder / "tests" / "payroll.toml").write_text(TESTS)
    for name, text in COLLECTIONS.items():
        (folder / "collections" / f"{name}.toml").write_text(text)
    return folder


def test_a_policy_that_passes_is_said_so_and_no_vault_is_made(
    secvault: Program, policy: Path
) -> None:
    said = secvault.ok("policy", "test", str(policy), "--no-mutation")
    assert "23, 0 failed" in said.out
    assert "100.0 % of 6 rules" in said.out
    assert "mutation" not in said.out
    assert not secvault.data.exists()


def test_the_folder_of_the_settings_is_tested_when_none_is_named(
    secvault: Program, policy: Path
) -> None:
    file = secvault.folder / "mine.toml"
    file.write_text(f'policies = "{policy}"\n')
    said = secvault.ok("--config", str(file), "policy", "test", "--no-mutation", "--json").json
    assert said["passed"] is True
    assert said["files"] == [{"file": "tests/payroll.toml", "title": "Payroll", "entries": 4}]


def test_a_failure_is_told_with_place_and_reason_and_ends_with_1(
    secvault: Program, policy: Path
) -> None:
    tests = policy / "tests" / "payroll.toml"
    tests.write_text(TESTS.replace('["deny", "allow", "deny"]', '"deny"'))
    said = secvault("policy", "test", str(policy))
    assert said.code == 1
    assert "FAILED tests/payroll.toml line 14, matrix 1 (Who sees what)" in said.out
    assert "head record.read payroll, account in hr: expected deny, was allow" in said.out
    assert "held through user:head > grant head-1 > role:hr.head" in said.out
    assert "not measured while tests fail" in said.out
    assert "Not passed: 1 of 23 tests fail." in said.err


def test_a_rule_without_a_test_is_told_with_its_line_and_what_to_add(
    secvault: Program, policy: Path
) -> None:
    more = "p,role:hr.head,hr,*,*,record.delete,always,allow,head-delete\n"
    (policy / "roles.csv").write_text(HEADER + ROLES + more)
    said = secvault("policy", "test", str(policy), "--no-mutation")
    assert said.code == 1
    assert "NOT TESTED roles.csv line 9: head-delete" in said.out
    assert 'actions = ["record.delete"]' in said.out
    assert (
        secvault("policy", "test", str(policy), "--no-mutation", "--min-coverage", "80").code == 0
    )


def test_a_change_that_no_test_notices_is_told_with_whom_it_would_let_do_what(
    secvault: Program, policy: Path
) -> None:
    said = secvault("policy", "test", str(policy))
    assert said.code == 1
    assert "NOT NOTICED roles.csv line 2: clerk-list/" in said.out
    assert "changed policies pass all tests: mutation score" in said.err
    done = secvault("policy", "test", str(policy), "--min-score", "0", "--json")
    assert done.code == 0
    names = {one["name"]: one for one in done.json["mutation"]["survivors"]}
    assert names["clerk-list/also act=record.delete"]["line"] == 2
    assert names["clerk-list/also act=record.delete"]["effect"].startswith(
        "role:hr.clerk of hr may"
    )


def test_junit_names_each_entry_and_what_failed_in_it(secvault: Program, policy: Path) -> None:
    tests = policy / "tests" / "payroll.toml"
    tests.write_text(TESTS.replace('["deny", "allow", "deny"]', '"deny"'))
    file = policy / "out.xml"
    assert secvault("policy", "test", str(policy), "--junit", str(file)).code == 1
    root = ElementTree.parse(file).getroot()
    suite = root.findall("testsuite")[0]
    assert suite.attrib == {
        "name": "tests/payroll.toml",
        "tests": "4",
        "failures": "1",
        "errors": "0",
    }
    (failure,) = suite.iter("failure")
    assert "expected deny, was allow" in failure.attrib["message"]
    assert "1 of 23 tests fail" in root.findall("testsuite")[1].find("testcase").attrib["name"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("tests/payroll.toml", "title = 1\n", "tests/payroll.toml"),
        ("roles.csv", HEADER + "p,x\n", "roles.csv line 2"),
        ("tests/payroll.toml", b"\xff", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_2(
    secvault: Program, policy: Path, file: str, text: str | bytes, named: str
) -> None:
    (policy / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    said = secvault("policy", "test", str(policy))
    assert said.code == 2
    assert named in said.err


def test_so_does_a_folder_that_is_not_there(secvault: Program, tmp_path: Path) -> None:
    said = secvault("policy", "test", str(tmp_path / "nowhere"))
    assert said.code == 2
    assert "nowhere" in said.err
