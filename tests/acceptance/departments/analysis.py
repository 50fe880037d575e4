"""What data analysis does all day: it counts and joins without learning who is who."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas

from tests.acceptance.departments.office import HIDDEN, Office, money

SUPPLIERS = tuple(f"Công ty Nguyên Liệu {name}" for name in ("An", "Bình", "Chi", "Dũng", "Én"))
LOT = {
    "sku": "NL-001",
    "product": "Đậu nành hạt",
    "location": "B-01-1",
    "quantity": "500",
    "unit": "kg",
    "counted_on": "2026-11-20",
    "counted_by": "nv-0105",
}
INVOICE = {
    "direction": "purchase",
    "issued_on": "2026-11-02",
    "due_on": "2026-12-02",
    "vat_rate": "8",
    "status": "open",
}
PLACE = "/exports/deidentified"
STOCK = {"collection": "warehouse", "reason": "what stock costs", "project": "stock-2026"}
BILLS = {**STOCK, "collection": "invoices"}


def analysis(office: Office) -> None:
    """What others keep is counted and joined, and nobody's name is learned."""
    for number, supplier in enumerate(SUPPLIERS):
        lot = {**LOT, "lot": f"N-{number}", "supplier": supplier, "unit_cost": money(31_500)}
        office.store("logistics-head", "warehouse", f"lot-{number}", lot)
        bill = {
            **INVOICE,
            "number": f"HD-{number}",
            "counterparty": supplier,
            "contact_email": f"ke.toan{number}@example.vn",
            "net_amount": money(10_000_000 + 1_300_000 * number),
            "total": money(10_800_000 + 1_404_000 * number),
        }
        office.store("accounting-clerk", "invoices", f"inv-{number}", bill)
    _join(office)
    _stand_out(office)
    _keep_books(office)


def _join(office: Office) -> None:
    stock, manifest = office.exported("researcher", {**STOCK, "format": "csv"}, PLACE)
    bills, told = office.exported("researcher", {**BILLS, "format": "csv"}, PLACE)
    assert (manifest["records"], told["records"]) == (5, 5)
    assert manifest["exported_by"]["subject"] == office.subjects["researcher"]
    assert manifest["fields"]["supplier"] == told["fields"]["counterparty"] == "pseudonym company"
    assert told["fields"]["contact_email"] == told["fields"]["number"] == "absent"
    assert manifest["deidentified"]["k_achieved"] == 5
    for content in (stock, bills):
        for secret in ("Nguyên Liệu", "example.vn", "nv-0105", "lot-", "inv-", "HD-", "31500"):
            assert secret.encode() not in content, secret
    lots, invoices = (pandas.read_csv(io.BytesIO(one)) for one in (stock, bills))
    joined = lots.merge(invoices, left_on="supplier", right_on="counterparty")
    assert sorted(joined["net_amount_from"]) == [
        *(10_000_000, 11_000_000, 12_000_000, 13_000_000, 15_000_000)
    ]
    assert set(joined["unit_cost_from"]) == {30_000}
    assert joined["supplier"].nunique() == 5
    # Another project knows the same companies by other names.
    other = {**STOCK, "project": "another-one", "format": "csv"}
    elsewhere = pandas.read_csv(io.BytesIO(office.exported("researcher", other, PLACE)[0]))
    assert not set(elsewhere["supplier"]) & set(lots["supplier"])


def _stand_out(office: Office) -> None:
    rare = {**LOT, "product": "Nghệ tây", "lot": "N-9", "unit_cost": money(9_000_000)}
    office.store("logistics-head", "warehouse", "lot-9", rare)
    refused = office.no("conflict", "POST", PLACE, "researcher",
                        {**STOCK, "small_groups": "refuse"})  # fmt: skip
    assert "product (1)" in refused["detail"]
    assert "Nghệ tây" not in refused["detail"]
    for weaker in ({"k": 4}, {"project": ""}, {"quasi_identifiers": ["unit_cost_from"]}):
        office.no("invalid-input", "POST", PLACE, "researcher", {**STOCK, **weaker})
    content, manifest = office.exported("researcher", {**STOCK, "format": "jsonl"}, PLACE)
    told = manifest["deidentified"]
    assert (manifest["records"], told["records_left_out"], told["k_achieved"]) == (5, 1, 5)
    assert told["values_left_blank"]["product"] == 1
    rows: list[dict[str, Any]] = [json.loads(line) for line in content.splitlines()]
    assert {row["product"] for row in rows} == {"Đậu nành hạt"}
    assert "Nghệ tây".encode() not in content
    # A right to this is none to anything else, nor one over other departments.
    for who in ("logistics-head", "analyst", "analysis-head"):
        office.no("refused", "POST", PLACE, who, STOCK)
    office.no("refused", "POST", "/exports", "researcher",
              {"collection": "warehouse", "reason": "to see more"})  # fmt: skip
    office.no("refused", "GET", "/records/warehouse", "researcher")
    office.no("refused", "POST", PLACE, "researcher", {**STOCK, "collection": "formulas"})


def _keep_books(office: Office) -> None:
    """What the department keeps itself: its data sets, and what others asked of it."""
    dataset = {
        "name": "Giá nguyên liệu 2026",
        "purpose": "Dự báo giá",
        "sources": "warehouse, invoices",
        "owner": "nv-0105",
        "rows": 5,
        "de_identified": True,
        "refreshed_at": "2026-11-25T02:00:00.000000Z",
        "keep_until": "2027-11-30",
        "location": "s3://analysis/gia-2026.parquet",
        "method": "Hồi quy theo tháng",
    }
    plain = {name: it for name, it in dataset.items() if name not in ("location", "method")}
    made = office.store("analysis-clerk", "datasets", "ds-1", dataset)
    assert made["fields"] == plain
    assert sorted(made["withheld"]) == ["location", "method"]
    seen = office.read("analyst", "datasets", "ds-1")
    assert seen["fields"] == plain
    assert seen["masked"] == {"location": HIDDEN, "method": HIDDEN}
    assert seen["revealable"] == []
    # Who only analyses changes nothing.
    office.no("refused", "PATCH", "/records/datasets/ds-1", "analyst",
              {"fields": {"rows": 6}}, If_Match='"1"')  # fmt: skip
    office.no("step-up-required", "POST", "/records/datasets/search", "analysis-head",
              {"where": {"location": dataset["location"]}})  # fmt: skip
    office.show_factor("analysis-head")
    assert office.found("analysis-head", "datasets", {"location": dataset["location"]}) == ["ds-1"]
    assert office.read("analysis-head", "datasets", "ds-1")["fields"] == dataset
    asked = {
        "requested_by": "nv-0101",
        "purpose": "So sánh lương",
        "sources": "payroll",
        "basis": "de_identified",
        "requested_on": "2026-11-20",
        "status": "asked",
    }
    office.store("analysis-clerk", "data_requests", "yc-1", asked)
    decided = {"fields": {"status": "granted", "decided_on": "2026-11-25", "dataset": "ds-1"}}
    office.ok("PATCH", "/records/data_requests/yc-1", "analysis-clerk", decided, If_Match='"1"')
    assert office.found("analyst", "data_requests", {"status": "granted"}) == ["yc-1"]
    office.sees_nothing("hr-clerk", "datasets", "ds-1", "location")
    office.sees_nothing("settlement-head", "data_requests", "yc-1", "purpose")
