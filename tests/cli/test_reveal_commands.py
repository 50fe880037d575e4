"""Revealing, and the history of a record, at the command line of people who have just signed in."""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.program import Program
from tests.running_service import PAYSLIP, STEP, Hands, House, furnish

ACCOUNT = "0071000123456"
WHY = "ngân hàng hỏi lại"
RECORD = ("payroll", PAYSLIP)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault whose people signed in a moment ago."""
    return furnish(tmp_path_factory.mktemp("reveal"), Hands(float(int(time.time()) - STEP)))


def _as(house: House, name: str) -> Program:
    program = Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))
    return program.with_(SECVAULT_TOKEN=house.tokens[name]) if name else program


def test_one_value_is_printed_for_a_reason_which_the_history_and_the_auditor_show(
    house: House,
) -> None:
    head, auditor = _as(house, "head"), _as(house, "auditor")
    shown = head.ok("records", "show", *RECORD)
    assert ACCOUNT not in shown.out
    assert f"secvault records reveal payroll {PAYSLIP} bank_account" in shown.err
    assert head.ok("records", "reveal", *RECORD, "bank_account", "--reason", WHY).out == (
        f"{ACCOUNT}\n"
    )
    revealed = head.ok("records", "reveal", *RECORD, "bank_account", "--reason", WHY, "--json")
    assert revealed.json["value"] == ACCOUNT

    history = auditor.ok("records", "history", *RECORD, "--json").json
    # Others are refused elsewhere in this house, and that stands in the history, too.
    events = [
        one for one in history["events"] if (one["kind"], one["who"]) == ("record.reveal", "head")
    ]
    assert [(one["who"], one["fields"], one["reason"]) for one in events] == [
        ("head", ["bank_account"], WHY)
    ] * 2
    assert events[0]["detail"]["reveal"] == revealed.json["reveal"]
    text = auditor.ok("records", "history", *RECORD).out
    assert text.startswith("version 1: record.create by head, ")
    assert text.count(WHY) == 2
    logged = auditor.ok("audit", "events", "--kind", "record.reveal")
    assert WHY in logged.out
    # Who looks after the machine reads the log, and not what people wrote.
    operated = _as(house, "").ok("audit", "events", "--kind", "record.reveal")
    assert WHY not in operated.out
    assert "record.reveal" in operated.out
    assert ACCOUNT not in text + logged.out + operated.out


def test_pages_name_no_record_and_are_shown_when_asked_for(house: House) -> None:
    _as(house, "clerk").ok("records", "list", "payroll")
    auditor = _as(house, "auditor")
    alone = auditor.ok("records", "history", *RECORD, "--json").json["events"]
    wide = auditor.ok("records", "history", *RECORD, "--collection-wide", "--json").json["events"]
    assert "hr/payroll" not in {one["resource"] for one in alone}
    assert "hr/payroll" in {one["resource"] for one in wide}
    first = auditor.ok("records", "history", *RECORD, "--limit", "1")
    assert "--after" in first.err


def test_what_may_not_be_revealed_is_refused_and_a_reason_is_asked_for(house: House) -> None:
    reveal = ("records", "reveal", *RECORD, "bank_account")
    assert _as(house, "head")(*reveal).code == 2
    for name in ("clerk", "auditor", ""):
        refused = _as(house, name)(*reveal, "--reason", WHY)
        assert refused.code == 3
        assert ACCOUNT not in refused.out + refused.err
    assert _as(house, "clerk")("records", "history", *RECORD).code == 3


def test_a_refused_change_names_the_fields(house: House) -> None:
    money = {"amount": "1", "currency": "VND"}
    changes = json.dumps({"status": "paid", "gross_salary": money, "bank_account": "1"})
    change = ("records", "set", *RECORD, "--version", "1", "--from", "-")
    said = _as(house, "clerk")(*change, stdin=changes.replace('"1"}', '"9990001234567"}'))
    assert said.code == 3
    assert "gross_salary, bank_account" in said.err or "bank_account, gross_salary" in said.err
