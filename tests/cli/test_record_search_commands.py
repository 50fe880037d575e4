"""`secvault records search`, `leakage`, `check` and `reindex`, as one types them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from secvault.service import authentication, records
from secvault.service.spine import Caller
from secvault.store import tables
from tests.cli.program import Program
from tests.running_service import Hands, House, system_token
from tests.service.policy_house import heads_read_accounts

ACCOUNT = "99909551549{:02}"


@pytest.fixture(scope="module")
def payslips(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program as a system that may do all that the head of HR may, with five payslips; to be
    copied.
    """
    folder = shutil.copytree(made_once, tmp_path_factory.mktemp("payslips"), dirs_exist_ok=True)
    made = Program(folder)
    house = House(folder, Hands(time.time()), {}, {}, {"SECVAULT_DATA": str(made.data)})
    with house.open() as service:
        heads_read_accounts(service)
        token = system_token(service, "system-head-hr", "hr", "role:hr.head")
        head = Caller(authentication.authenticate(service, token))
        for number in range(5):
            fields: dict[str, Any] = {
                "employee": "emp-0001",
                "full_name": "Trần Thị Mai",
                "month": f"2026-0{number + 1}",
                "gross_salary": {"amount": f"{number + 1}0000000", "currency": "VND"},
                "net_salary": {"amount": "1000000", "currency": "VND"},
                "insurance": {"amount": "1", "currency": "VND"},
                "income_tax": {"amount": "1", "currency": "VND"},
                "bank": "Ngân hàng Thí Điểm",
                "bank_account": ACCOUNT.format(number),
                "status": "paid" if number else "draft",
                "working_days": "22.5",
            }
            records.create_record(service, head, "payroll", f"p-{number}", fields)
    return made.with_(SECVAULT_TOKEN=token)


@pytest.fixture
def vault(payslips: Program, tmp_path: Path) -> Program:
    """A vault of this test's own with the payslips, as its operator uses it."""
    shutil.copytree(payslips.folder, tmp_path, dirs_exist_ok=True)
    return Program(tmp_path)


@pytest.fixture
def head(payslips: Program, vault: Program) -> Program:
    """The program as the system, on the same vault."""
    return vault.with_(**payslips.given)


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found["records"]]


def search(program: Program, *arguments: str, stdin: str = "") -> list[str]:
    found = program.ok("records", "search", "payroll", *arguments, "--json", stdin=stdin)
    return ids(found.json)


def test_normal_fields_are_arguments_and_sensitive_ones_are_asked_for(head: Program) -> None:
    assert search(head, "--where", "month=2026-02", "--where", "month=2026-03") == ["p-1", "p-2"]
    assert search(head, "--where", "month>=2026-04", "--sort", "-month") == ["p-4", "p-3"]
    ranged = ("--where", "month>=2026-02", "--where", "month<=2026-03", "--where", "status=paid")
    assert search(head, *ranged) == ["p-1", "p-2"]
    assert search(head, "--ask", "bank_account", stdin=f"{ACCOUNT.format(3)}\n") == ["p-3"]
    assert search(head, "--ask", "bank_account$=", stdin="4902\n") == ["p-2"]
    between = ("--ask", "gross_salary>=", "--ask", "gross_salary<=")
    assert search(head, *between, stdin="15000000 VND\n40000000\n") == ["p-1", "p-2", "p-3"]
    conditions = json.dumps({"full_name": {"prefix": "trần"}, "month": {"from": "2026-05"}})
    assert search(head, "--from", "-", "--where", "status=paid", stdin=conditions) == ["p-4"]


def test_a_sensitive_value_among_the_arguments_is_refused_and_not_repeated(head: Program) -> None:
    said = head("records", "search", "payroll", "--where", f"bank_account={ACCOUNT.format(1)}")
    assert said.code == 2
    assert "--ask bank_account" in said.err
    assert ACCOUNT.format(1) not in said.err + said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--where", "month"),
        ("--where", "month=2026-01", "--where", "month>=2026-01"),
        ("--where", "month>=2026-01", "--where", "month>=2026-02"),
        ("--where", "nothing=1"),
        ("--ask", "bank account"),
        ("--sort", "bank_account"),
        ("--limit", "0"),
        ("--after", "nothing"),
    ],
)
def test_what_makes_no_search_is_wrong_usage(head: Program, arguments: tuple[str, ...]) -> None:
    said = head("records", "search", "payroll", *arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_pages_are_continued_where_they_ended(head: Program) -> None:
    first = head.ok("records", "search", "payroll", "--limit", "3", "--json").json
    assert ids(first) == ["p-0", "p-1", "p-2"]
    assert search(head, "--limit", "3", "--after", first["next"]) == ["p-3", "p-4"]
    talk = head.ok("records", "search", "payroll", "--limit", "3")
    assert "p-0" in talk.out
    assert "--after" in talk.err


def test_who_sees_a_field_masked_cannot_search_by_it(
    head: Program, as_system: Callable[..., Program]
) -> None:
    clerk = as_system("role:hr.clerk", "hr")
    for number in (1, 77):
        value = f"{ACCOUNT.format(number)}\n"
        said = clerk("records", "search", "payroll", "--ask", "bank_account", stdin=value)
        assert (said.code, said.out) == (3, "")
    assert head is not clerk


def test_the_leakage_report_shows_every_index_and_no_value(head: Program, vault: Program) -> None:
    shown = vault.ok("records", "leakage", "payroll")
    assert "bank_account exact" in shown.out
    assert "too few to judge" in shown.out
    report = vault.ok("records", "leakage", "payroll", "bank_account", "--json").json["indexes"]
    assert [(one["kind"], one["records"], one["tokens"]) for one in report] == [
        ("exact", 5, 5),
        ("last", 5, 5),
    ]
    assert report[0]["groups"] == [{"least": 1, "most": 1, "tokens": 5, "records": 5}]
    assert vault("records", "leakage", "payroll", "status").code == 1
    assert head("records", "leakage", "payroll").code == 3


def test_a_check_that_finds_damage_ends_with_5_and_indexing_anew_mends_it(
    head: Program, vault: Program
) -> None:
    assert vault.ok("records", "check", "payroll", "--json").json["sound"]
    with vault.opened() as service, service.store.write() as connection:
        column = tables.record_index.c
        here = (column.record == "p-3") & (column.field == "bank_account")
        connection.execute(delete(tables.record_index).where(here))
    said = vault("records", "check", "payroll")
    assert said.code == 5
    assert "p-3: 2 tokens of bank_account missing" in said.out
    assert vault("records", "check", "payroll", "--json").json["faults"] == [
        {"record": "p-3", "field": "bank_account", "what": "missing", "tokens": 2}
    ]
    assert vault.ok("records", "reindex", "payroll", "--json").json["changed"] == 1
    assert "5 records read" in vault.ok("records", "check", "payroll").out
    assert head("records", "check", "payroll").code == 3
