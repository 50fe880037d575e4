"""Records from the command line: what is shown is what the caller's role allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.program import Program

PAYROLL: dict[str, Any] = {
    "employee": "emp-0001",
    "full_name": "Trần Thị Mai",
    "month": "2026-10",
    "gross_salary": {"amount": "55000000", "currency": "VND"},
    "net_salary": {"amount": "46668800", "currency": "VND"},
    "insurance": {"amount": "4914000", "currency": "VND"},
    "income_tax": {"amount": "3417200", "currency": "VND"},
    "bank": "Ngân hàng Thí Điểm",
    "bank_account": "9990955154968",
    "status": "paid",
    "working_days": "22.5",
}


@pytest.fixture
def head(as_system: Callable[..., Program]) -> Program:
    """The program as a system that may do all that the head of HR may."""
    return as_system("role:hr.head", "hr")


@pytest.fixture
def clerk(as_system: Callable[..., Program]) -> Program:
    """The program as a system that may do what a clerk of HR may."""
    return as_system("role:hr.clerk", "hr")


@pytest.fixture
def payroll_line(head: Program) -> str:
    """The id of a stored record."""
    said = head.ok(
        "records", "add", "payroll", "--id", "pay-1", "--from", "-", stdin=json.dumps(PAYROLL)
    )
    assert "version 1" in said.out
    return "pay-1"


def test_the_operator_of_the_machine_sees_no_record(vault: Program, payroll_line: str) -> None:
    for arguments in (("list", "payroll"), ("show", "payroll", payroll_line)):
        said = vault("records", *arguments)
        assert said.code == 3
        assert said.out == ""


def test_a_program_sees_salary_and_account_masked_whatever_its_role(
    head: Program, payroll_line: str
) -> None:
    shown = head.ok("records", "show", "payroll", payroll_line, "--json").json
    assert {"gross_salary", "bank_account"} <= set(shown["masked"])
    assert shown["revealable"] == []
    assert shown["fields"]["full_name"] == PAYROLL["full_name"]
    name = head.ok("records", "field", "payroll", payroll_line, "full_name")
    assert name.out == f"{PAYROLL['full_name']}\n"


def test_a_clerk_sees_the_salary_masked_and_is_told_why_the_account_is_withheld(
    clerk: Program, payroll_line: str
) -> None:
    shown = clerk.ok("records", "show", "payroll", payroll_line, "--json").json
    assert "gross_salary" in shown["masked"]
    assert shown["withheld"]["bank_account"]
    text = clerk.ok("records", "show", "payroll", payroll_line).out
    assert "(masked)" in text
    assert f"withheld: {shown['withheld']['bank_account']}" in text
    assert "9990955154968" not in text
    assert "55000000" not in text
    refused = clerk("records", "field", "payroll", payroll_line, "bank_account")
    assert refused.code == 3
    assert "9990955154968" not in refused.err + refused.out


def test_a_list_has_all_in_json_and_a_few_columns_for_a_person(
    head: Program, payroll_line: str
) -> None:
    head.ok("records", "add", "payroll", "--id", "pay-2", "--from", "-", stdin=json.dumps(PAYROLL))
    page = head.ok("records", "list", "payroll", "--limit", "1", "--json").json
    assert [one["id"] for one in page["records"]] == [payroll_line]
    rest = head.ok("records", "list", "payroll", "--after", page["next_after"], "--json").json
    assert [one["id"] for one in rest["records"]] == ["pay-2"]
    assert rest["next_after"] is None
    table = head.ok("records", "list", "payroll", "--limit", "1")
    assert payroll_line in table.out
    assert "--after pay-1" in table.err


def test_a_change_names_its_version_and_comes_too_late_when_somebody_was_faster(
    head: Program, payroll_line: str
) -> None:
    change = ("records", "set", "payroll", payroll_line, "--version", "1", "--from", "-")
    first = head(*change, stdin='{"full_name": "Trần Thị Mai Anh"}')
    assert first.code == 0
    late = head(*change, stdin='{"full_name": "Lê Thị Ba"}')
    assert late.code == 1
    assert "Lê Thị Ba" not in late.err
    name = head.ok("records", "field", "payroll", payroll_line, "full_name", "--json").json
    assert name["value"] == "Trần Thị Mai Anh"


def test_a_record_is_deleted_only_with_yes_where_nobody_can_be_asked(
    head: Program, payroll_line: str
) -> None:
    gone = ("records", "delete", "payroll", payroll_line, "--version", "1")
    assert head(*gone).code == 2
    head.ok(*gone, "--yes")
    assert head("records", "show", "payroll", payroll_line).code == 1


@pytest.mark.parametrize(
    ("stdin", "mend"),
    [
        ('{"bank_acount": "1"}', "did you mean bank_account"),
        ('{"working_days": "many"}', "working_days"),
        ("[]", "--from"),
        ("{", "--from"),
        ("{}", "required"),
    ],
)
def test_bad_fields_are_named_and_nothing_is_stored(head: Program, stdin: str, mend: str) -> None:
    said = head("records", "add", "payroll", "--id", "pay-9", "--from", "-", stdin=stdin)
    assert said.code == 2
    assert mend in said.err
    assert head("records", "show", "payroll", "pay-9").code == 1


def test_the_collections_of_a_caller_are_those_of_its_department(head: Program) -> None:
    listed = head.ok("records", "collections", "--json").json["collections"]
    assert {one["department"] for one in listed} == {"hr"}
    payroll = next(one for one in listed if one["name"] == "payroll")
    classes = {field["name"]: field["class"] for field in payroll["fields"]}
    assert classes["bank_account"] == "bank"


def test_a_collection_or_record_that_is_not_there_is_said_so(head: Program) -> None:
    assert head("records", "list", "salaries").code == 1
    assert head("records", "show", "payroll", "../etc/passwd").code == 2


@pytest.mark.slow
def test_the_sample_is_loaded_once(vault: Program) -> None:
    stored = vault.ok("records", "load-sample", "--json").json["records"]
    assert stored > 2_000
    again = vault("records", "load-sample")
    assert again.code == 1
    [system] = vault.ok("systems", "list", "--json").json["systems"][:1]
    assert system["state"] == "disabled"


def test_a_record_is_added_once_under_a_key(head: Program) -> None:
    add = ("records", "add", "payroll", "--idempotency-key", "line-1", "--from", "-", "--json")
    first, again = (head.ok(*add, stdin=json.dumps(PAYROLL)).json for _ in range(2))
    assert first == again
    other = json.dumps({**PAYROLL, "status": "draft"})
    assert head(*add, stdin=other).code == 2


def test_no_program_reveals_anything(head: Program, payroll_line: str) -> None:
    asked = ("records", "reveal", "payroll", payroll_line, "bank_account")
    refused = head(*asked, "--reason", "the bank asks")
    assert refused.code == 3
    assert PAYROLL["bank_account"] not in refused.out + refused.err
    assert head(*asked).code == 2
