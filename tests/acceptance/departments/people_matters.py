"""What human resources and administration do all day, and what others see of it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import openpyxl

from tests.acceptance.departments.office import HIDDEN, NO_BANK, Office, money

NUMBERS = range(101, 107)
SEPTEMBER, OCTOBER = "2026-09", "2026-10"
NAMES = {
    101: "Nguyễn Thị Hạnh",
    102: "Lê Văn Đức",
    103: "Phạm Thu Trang",
    104: "Hoàng Minh Quân",
    105: "Vũ Ngọc Ánh",
    106: "Đặng Quốc Bảo",
}
GROSS = {
    SEPTEMBER: {number: 18_400_000 + 1_000_000 * (number - 101) for number in NUMBERS},
    OCTOBER: {number: 19_100_000 + 1_000_000 * (number - 101) for number in NUMBERS},
}
BASE = {number: 15_000_000 + 2_000_000 * (number % 2) for number in NUMBERS}
INSURANCE, TAX = 1_932_000, 64_000
HEADING = (
    *("id", "Mã nhân viên", "Họ và tên", "Tháng", "Ngày công", "Lương gộp", "insurance"),
    *("income_tax", "Lương thực nhận", "bank", "Số tài khoản", "status", "Ghi chú nội bộ"),
)
IMPORT = {"collection": "payroll", "format": "xlsx", "mapping": {"Ghi chú nội bộ": ""}}
PROJECT = "pay-2026"
PDF = b"%PDF-1.7\npurchase of a laptop\n%%EOF\n"


def account(number: int) -> str:
    return f"9990000000{number:03d}"


def slip_id(month: str, number: int) -> str:
    return f"{month}-nv-0{number}"


def slip(month: str, number: int) -> dict[str, Any]:
    gross = GROSS[month][number]
    return {
        "employee": f"nv-0{number}",
        "full_name": NAMES[number],
        "month": month,
        "working_days": "22",
        "gross_salary": money(gross),
        "insurance": money(INSURANCE),
        "income_tax": money(TAX),
        "net_salary": money(gross - INSURANCE - TAX),
        "bank": "Ngân hàng Mẫu Việt",
        "bank_account": account(number),
        "status": "approved",
    }


def contract(number: int) -> dict[str, Any]:
    return {
        "employee": f"nv-0{number}",
        "kind": "indefinite",
        "position": "Kế toán viên",
        "signed_on": "2025-01-02",
        "starts_on": "2025-01-06",
        "weekly_hours": 40,
        "base_salary": money(BASE[number]),
        "workplace": "Trụ sở chính",
        "status": "in_force",
    }


def workbook(*, careless: bool = False) -> bytes:
    """The payroll of October as an accountant keeps it in Excel."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Tháng 10"
    sheet.append(HEADING)
    for number in NUMBERS:
        one = slip(OCTOBER, number)
        amounts = {name: int(one[name]["amount"]) for name in one if isinstance(one[name], dict)}
        sheet.append(
            (
                slip_id(OCTOBER, number),
                one["employee"],
                one["full_name"],
                OCTOBER,
                22,
                amounts["gross_salary"],
                amounts["insurance"],
                amounts["income_tax"],
                amounts["net_salary"],
                one["bank"],
                one["bank_account"],
                "approved",
                "đã đối chiếu",
            )
        )
    if careless:
        sheet["I3"] = "=F3-G3-H3"
        sheet["K4"] = 9990000000103
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def hr(office: Office, tmp_path: Path) -> None:
    """A month is paid, and only those who must see what somebody earns."""
    for number in NUMBERS:
        office.store("hr-clerk", "contracts", f"hd-{number}", contract(number))
        office.store(
            "payroll-clerk", "payroll", slip_id(SEPTEMBER, number), slip(SEPTEMBER, number)
        )
    _import_october(office)
    _look_at_a_payslip(office)
    _reveal_one_account(office)
    office.sees_nothing("logistics-clerk", "payroll", slip_id(OCTOBER, 101), "bank_account")
    office.sees_nothing("accounting-head", "payroll", slip_id(OCTOBER, 101), "bank_account")
    _analyse_two_months(office, tmp_path)


def _import_october(office: Office) -> None:
    careless = office.sent("payroll-clerk", workbook(careless=True), **IMPORT)
    office.ok("POST", f"{careless}/check", "payroll-clerk")
    assert office.ended(careless, "payroll-clerk", "checking")["state"] == "faulty"
    told = office.ok("GET", f"{careless}/faults", "payroll-clerk")
    assert told == {
        "complete": True,
        "faults": [
            {
                "row": 3,
                "field": "net_salary",
                "detail": "holds a formula; copy the column and paste it as values",
            },
            {
                "row": 4,
                "field": "bank_account",
                "detail": "holds a number, where zeros in front are lost; format the column as "
                "text, then type",
            },
        ],
    }
    # A clerk who may not say where money goes imports no payroll.
    refused = office.sent("hr-clerk", workbook(), **IMPORT)
    office.ok("POST", f"{refused}/start", "hr-clerk")
    assert office.ended(refused, "hr-clerk", "checking", "importing")["state"] == "faulty"
    (fault,) = office.ok("GET", f"{refused}/faults", "hr-clerk")["faults"]
    assert (fault["row"], fault["field"]) == (2, "bank_account")
    place = office.sent("payroll-clerk", workbook(), **IMPORT)
    office.ok("POST", f"{place}/start", "payroll-clerk")
    done = office.ended(place, "payroll-clerk", "checking", "importing")
    counts = {name: done[name] for name in ("state", "total", "created", "updated", "faults")}
    assert counts == {"state": "done", "total": 6, "created": 6, "updated": 0, "faults": 0}
    found = office.found("payroll-clerk", "payroll", {"month": OCTOBER})
    assert found == [slip_id(OCTOBER, number) for number in NUMBERS]


def _look_at_a_payslip(office: Office) -> None:
    stored = slip(OCTOBER, 101)
    salaries = ("gross_salary", "insurance", "income_tax", "net_salary")
    clear = {
        name: value for name, value in stored.items() if name not in (*salaries, "bank_account")
    }
    for who in ("payroll-clerk", "hr-clerk"):
        seen = office.read(who, "payroll", slip_id(OCTOBER, 101))
        assert seen["fields"] == clear
        assert seen["masked"] == dict.fromkeys(salaries, HIDDEN)
        assert seen["withheld"] == {"bank_account": f"The field bank_account {NO_BANK}"}
        assert seen["revealable"] == []
        # Nobody finds out by trying what they do not see.
        office.no("refused", "POST", "/records/payroll/search", who,
                  {"where": {"bank_account": account(101)}})  # fmt: skip
    seen = office.read("hr-head", "payroll", slip_id(OCTOBER, 101))
    assert seen["fields"] == clear
    assert seen["masked"] == {**dict.fromkeys(salaries, HIDDEN), "bank_account": "•••0101"}
    assert seen["withheld"] == {}
    assert seen["revealable"] == ["bank_account"]


def _reveal_one_account(office: Office) -> None:
    place = f"/records/payroll/{slip_id(OCTOBER, 101)}"
    reveal = f"{place}/fields/bank_account/reveal"
    why = {"reason": "Ngân hàng trả lại lệnh chuyển, hỏi số tài khoản"}
    office.no("step-up-required", "POST", reveal, "hr-head", why)
    office.show_factor("hr-head")
    office.no("invalid-input", "POST", reveal, "hr-head", {"reason": " "})
    shown = office.ok("POST", reveal, "hr-head", why)
    assert (shown["field"], shown["value"]) == ("bank_account", "9990000000101")
    office.no("refused", "POST", reveal, "payroll-clerk", why)
    # With a factor shown just now salaries are read in clear; accounts stay masked.
    seen = office.read("hr-head", "payroll", slip_id(OCTOBER, 101))
    assert seen["fields"]["net_salary"] == money(17_104_000)
    assert seen["masked"] == {"bank_account": "•••0101"}
    assert office.reveals("payroll", slip_id(OCTOBER, 101)) == [
        ("hr-head", ["bank_account"], why["reason"])
    ]
    told = office("GET", f"{place}/history", "auditor")
    assert "9990000000101" not in told.text
    office.no("refused", "GET", place, "auditor")
    report = office.ok("GET", "/subjects/nv-0101/report", "hr-head")
    held = {
        section["collection"]: [one["id"] for one in section["records"]]
        for section in report["sections"]
    }
    assert held == {
        "contracts": ["hd-101"],
        "payroll": [slip_id(SEPTEMBER, 101), slip_id(OCTOBER, 101)],
    }
    office.no("refused", "GET", "/subjects/nv-0101/report", "payroll-clerk")


def _analyse_two_months(office: Office, folder: Path) -> None:
    files: dict[str, Path] = {}
    for name in ("payroll", "contracts"):
        body = {"collection": name, "reason": "how wages move", "project": PROJECT}
        path = "/exports/deidentified"
        content, manifest = office.exported("researcher", {**body, "format": "parquet"}, path)
        files[name] = folder / f"{name}.parquet"
        files[name].write_bytes(content)
        told = manifest["deidentified"]
        assert (told["k"], told["k_achieved"], told["records_left_out"]) == (5, 5, 0)
        plain, _ = office.exported("researcher", {**body, "format": "jsonl"}, path)
        for number in NUMBERS:
            for secret in (*NAMES[number].split(), f"nv-0{number}", account(number)):
                assert secret.encode() not in plain, secret
    with duckdb.connect() as database:
        columns = database.sql(f"DESCRIBE SELECT * FROM '{files['payroll']}'").fetchall()
        rows = database.sql(
            "SELECT CAST(s.gross_salary_from AS BIGINT), CAST(o.gross_salary_from AS BIGINT), "
            f"CAST(c.base_salary_from AS BIGINT) FROM '{files['payroll']}' s "
            f"JOIN '{files['payroll']}' o USING (employee) "
            f"JOIN '{files['contracts']}' c USING (employee) "
            f"WHERE s.month = '{SEPTEMBER}' AND o.month = '{OCTOBER}' ORDER BY ALL"
        ).fetchall()
    assert {name for name, *_ in columns} == {
        *("employee", "month", "working_days", "paid_on", "status"),
        *("gross_salary_from", "gross_salary_currency", "insurance_from", "insurance_currency"),
        *("income_tax_from", "income_tax_currency", "net_salary_from", "net_salary_currency"),
    }
    assert rows == sorted(
        (
            GROSS[SEPTEMBER][number] // 1_000_000 * 1_000_000,
            GROSS[OCTOBER][number] // 1_000_000 * 1_000_000,
            BASE[number],
        )
        for number in NUMBERS
    )
    office.sees_nothing("analyst", "payroll", slip_id(OCTOBER, 101), "bank_account")
    office.no("refused", "GET", f"/records/payroll/{slip_id(OCTOBER, 101)}", "researcher")


LAPTOP = {
    "tag": "TS-0042",
    "kind": "computer",
    "name": "Máy tính xách tay",
    "licence_key": "ABCD-EFGH-IJKL-9042",
    "assigned_to": "nv-0101",
    "location": "Tầng 3",
    "bought_on": "2026-02-10",
    "price": money(24_900_000),
    "status": "in_use",
}


def visitor(name: str, identity: str, arrived_at: datetime) -> dict[str, Any]:
    return {
        "full_name": name,
        "company": "Công ty Giao Nhận",
        "identity_number": identity,
        "phone": "0912345678",
        "host": "nv-0101",
        "purpose": "Giao hàng",
        "badge": "K-07",
        "arrived_at": f"{arrived_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def administration(
    office: Office,
) -> None:
    """What was bought is kept, and visitors are forgotten when it is time."""
    _buy_a_laptop(office)
    now = datetime.now(UTC)
    visits = {
        "vis-1": visitor("Trần Văn Khách", "099088000001", now - timedelta(days=400)),
        "vis-2": visitor("Mai Thị Lan", "099088000002", now - timedelta(days=300)),
        "vis-3": visitor("Đỗ Văn Tư", "099088000003", now - timedelta(days=3)),
    }
    for record, fields in visits.items():
        made = office.store("administration-clerk", "visitors", record, fields)
        assert made["fields"]["full_name"] == fields["full_name"]
        assert made["masked"] == {"identity_number": f"•••{fields['identity_number'][-4:]}"}
    found = office.found("administration-clerk", "visitors", {"phone": {"last": "5678"}},
                         sort="-arrived_at")  # fmt: skip
    assert found == ["vis-3", "vis-2", "vis-1"]
    office.sees_nothing("hr-head", "visitors", "vis-1", "identity_number")
    _hold(office)
    _forget(office)


def _buy_a_laptop(office: Office) -> None:
    made = office.store("administration-head", "assets", "ts-42", {**LAPTOP})
    assert made["masked"] == {"licence_key": "•••9042"}
    assert office.found(
        "administration-head",
        "assets",
        {"price": {"from": money(20_000_000), "to": money(30_000_000)}},
    ) == ["ts-42"]
    place = "/records/assets/ts-42/fields/document/content"
    says = {
        "Content_Type": "application/pdf",
        "Content_Disposition": 'attachment; filename="contract.pdf"',
        "If_None_Match": "*",
    }
    refused = office("PUT", place, "administration-clerk", content=PDF, **says)
    assert refused.status_code == 403
    assert office("PUT", place, "administration-head", content=PDF, **says).status_code == 201
    seen = office.read("administration-clerk", "assets", "ts-42")
    assert seen["masked"] == {"price": HIDDEN, "document": HIDDEN}
    assert [*seen["withheld"]] == ["licence_key"]
    assert seen["fields"]["assigned_to"] == "nv-0101"
    assert office("GET", place, "administration-clerk").status_code == 403
    assert office("GET", place, "administration-head").content == PDF
    assert office("GET", place, "hr-head").status_code == 403


def _hold(office: Office) -> None:
    held = {
        "kind": "record",
        "collection": "visitors",
        "target": "vis-1",
        "reason": "Điều tra vụ trộm",
    }
    office.no("refused", "POST", "/holds", "administration-head", held)
    placed = office.approved("POST", "/holds", "privacy", held)
    assert placed.status_code == 201, placed.text
    (hold,) = office.ok("GET", "/holds", "auditor")["holds"]
    assert (hold["target"], hold["placed_by"]) == ("vis-1", office.subjects["privacy"])
    erase = {
        "kind": "record",
        "collection": "visitors",
        "target": "vis-1",
        "reason": "she asked for it",
    }
    office.no("step-up-required", "POST", "/erasures", "administration-head", erase)
    office.show_factor("administration-head")
    answer = office.approved("POST", "/erasures", "administration-head", erase)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:secvault:problem:on-hold")
    seen = office.read("administration-head", "visitors", "vis-1")
    assert seen["fields"]["identity_number"] == "099088000001"


def _forget(office: Office) -> None:
    run = office.ok("POST", "/retention-runs", "privacy", {"collections": ["visitors"]})["run"]
    place = f"/retention-runs/{run['id']}"
    listed = office.ok("GET", place, "privacy")["items"]
    assert [(one["id"], one["state"], one["period"]) for one in listed] == [
        ("vis-1", "held", "6m"),
        ("vis-2", "due", "6m"),
    ]
    office.no("refused", "POST", f"{place}/start", "administration-head")
    office.show_factor("privacy")
    assert office.approved("POST", f"{place}/start", "privacy").status_code == 202
    ended = office.ended(place, "privacy", "erasing")
    assert [(one["id"], one["state"], one["key_destroyed"]) for one in ended["items"]] == [
        ("vis-1", "held", None),
        ("vis-2", "erased", True),
    ]
    assert office.found("administration-head", "visitors", {}) == ["vis-1", "vis-3"]
    gone = office("GET", "/records/visitors/vis-2", "administration-head")
    assert gone.status_code in (404, 410)
    proof = office.ok("GET", f"/erasures/{ended['run']['erasure']}/evidence", "auditor")
    document = office.verified(proof["document"].encode(), proof["note"].encode())
    assert [(one["id"], one["state"]) for one in document["records"]] == [
        ("vis-1", "held"),
        ("vis-2", "erased"),
    ]
    assert "Mai Thị Lan" not in proof["document"]
    assert "099088000002" not in proof["document"]
