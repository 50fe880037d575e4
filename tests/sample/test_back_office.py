"""The sample company: valid, coherent, nobody's, and the same at every run."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from secvault.crypto.canonical import canonical_json
from secvault.errors import InvalidInput
from secvault.records.collection import parse_record
from secvault.records.collection_files import load_collections
from secvault.records.value import FieldType
from secvault.sample import SampleRecord, back_office
from secvault.sample.record import TODAY

ROOT = Path(__file__).parents[2]
COLLECTIONS = load_collections(ROOT / "policies" / "collections")

# Fields that name a record of another collection.
REFERENCES = {
    ("contracts", "employee"): "employees",
    ("insurance", "employee"): "employees",
    ("payroll", "employee"): "employees",
    ("payments", "invoice"): "invoices",
    ("payments", "approved_by"): "employees",
    ("tax_filings", "prepared_by"): "employees",
    ("work_orders", "formula"): "formulas",
    ("work_orders", "lead"): "employees",
    ("formulas", "approved_by"): "employees",
    ("inspections", "work_order"): "work_orders",
    ("inspections", "inspector"): "employees",
    ("complaints", "work_order"): "work_orders",
    ("datasets", "owner"): "employees",
    ("data_requests", "requested_by"): "employees",
    ("data_requests", "decided_by"): "employees",
    ("data_requests", "dataset"): "datasets",
    ("disputes", "transaction"): "transactions",
    ("assets", "assigned_to"): "employees",
    ("visitors", "host"): "employees",
    ("shipments", "invoice"): "invoices",
    ("warehouse", "counted_by"): "employees",
}


@pytest.fixture(scope="module")
def records() -> list[SampleRecord]:
    return list(back_office())


@pytest.fixture(scope="module")
def by_id(records: list[SampleRecord]) -> dict[str, dict[str, dict[str, Any]]]:
    """Collection, then id, then values."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        found[record.collection][record.id] = record.values
    return found


def amount(value: Any) -> Decimal:
    return Decimal(value["amount"])


def digest(records: list[SampleRecord]) -> str:
    whole = hashlib.sha256()
    for record in records:
        whole.update(f"{record.department}/{record.collection}/{record.id}\n".encode())
        whole.update(canonical_json(record.values))
    return whole.hexdigest()


@pytest.mark.parametrize(("seed", "people"), [(2026, 80), (1, 10), (7, 137)])
def test_every_record_is_valid_and_already_in_its_stored_form(seed: int, people: int) -> None:
    for record in back_office(seed, people):
        collection = COLLECTIONS[record.collection]
        assert record.department == collection.department
        assert parse_record(collection, record.values, partial=False) == record.values


def test_there_are_a_few_thousand_records_over_all_collections(
    records: list[SampleRecord],
) -> None:
    counts = Counter(record.collection for record in records)
    assert set(counts) == set(COLLECTIONS)
    assert 2_500 <= len(records) <= 4_000
    assert min(counts.values()) >= 20


def test_ids_are_safe_in_paths_and_unique_in_their_collection(
    records: list[SampleRecord], by_id: dict[str, dict[str, dict[str, Any]]]
) -> None:
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", record.id) for record in records)
    assert sum(map(len, by_id.values())) == len(records)
    assert "emp-0001" in by_id["employees"]
    assert any(id_.startswith("pay-2026-01-") for id_ in by_id["payroll"])


def test_every_field_of_every_collection_is_used_somewhere(records: list[SampleRecord]) -> None:
    used = {(record.collection, name) for record in records for name in record.values}
    # Attachments are files, which come after their records.
    assert used == {
        (collection.name, field.name)
        for collection in COLLECTIONS.values()
        for field in collection.fields.values()
        if field.type is not FieldType.ATTACHMENT
    }


def test_another_process_with_another_hash_seed_makes_the_same_bytes(
    records: list[SampleRecord],
) -> None:
    program = (
        "import hashlib\n"
        "from secvault.crypto.canonical import canonical_json\n"
        "from secvault.sample import back_office\n"
        "whole = hashlib.sha256()\n"
        "for r in back_office():\n"
        "    whole.update(f'{r.department}/{r.collection}/{r.id}\\n'.encode())\n"
        "    whole.update(canonical_json(r.values))\n"
        "print(whole.hexdigest())\n"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == digest(records)


def test_a_second_call_makes_the_same_and_another_seed_another_company(
    records: list[SampleRecord],
) -> None:
    assert list(back_office()) == records
    assert digest(list(back_office(seed=2027))) != digest(records)


def test_importing_the_sample_does_not_import_faker() -> None:
    program = "import sys, secvault.sample; sys.exit('faker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_what_a_record_refers_to_exists(by_id: dict[str, dict[str, dict[str, Any]]]) -> None:
    followed: Counter[tuple[str, str]] = Counter()
    for (collection, field), target in REFERENCES.items():
        for values in by_id[collection].values():
            if field in values:
                assert values[field] in by_id[target]
                followed[collection, field] += 1
    assert set(followed) == set(REFERENCES)


def test_a_payroll_line_fits_its_employee_and_adds_up(
    by_id: dict[str, dict[str, dict[str, Any]]],
) -> None:
    salaries = {c["employee"]: c["base_salary"] for c in by_id["contracts"].values()}
    for line in by_id["payroll"].values():
        employee = by_id["employees"][line["employee"]]
        assert line["full_name"] == employee["full_name"]
        assert employee["hired_on"] <= f"{line['month']}-01" <= employee.get("left_on", "9999")
        gross, net = amount(line["gross_salary"]), amount(line["net_salary"])
        assert net == gross - amount(line["insurance"]) - amount(line["income_tax"])
        assert Decimal("0.6") * gross < net < gross
        assert amount(salaries[line["employee"]]) < gross < 100_000_000


def test_payments_pay_their_invoices_in_full(
    by_id: dict[str, dict[str, dict[str, Any]]],
) -> None:
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for payment in by_id["payments"].values():
        invoice = by_id["invoices"][payment["invoice"]]
        assert payment["payee"] == invoice["counterparty"]
        assert payment["amount"]["currency"] == invoice["total"]["currency"]
        assert (payment["status"] == "paid") == (invoice["status"] == "paid")
        paid[payment["invoice"]] += amount(payment["amount"])
    assert all(total == amount(by_id["invoices"][id_]["total"]) for id_, total in paid.items())
    assert set(paid) == {
        id_
        for id_, invoice in by_id["invoices"].items()
        if invoice["direction"] == "purchase" and invoice["status"] != "cancelled"
    }


def test_invoice_totals_are_net_plus_tax(by_id: dict[str, dict[str, dict[str, Any]]]) -> None:
    for invoice in by_id["invoices"].values():
        rate = 1 + Decimal(invoice["vat_rate"]) / 100
        assert amount(invoice["total"]) == amount(invoice["net_amount"]) * rate


def test_work_orders_make_the_product_of_their_formula(
    by_id: dict[str, dict[str, dict[str, Any]]],
) -> None:
    for order in by_id["work_orders"].values():
        assert order["product"] == by_id["formulas"][order["formula"]]["product"]
    for inspection in by_id["inspections"].values():
        order = by_id["work_orders"][inspection["work_order"]]
        assert inspection["inspected_at"] > order["ends_at"]


def test_compositions_add_up_to_a_hundred(by_id: dict[str, dict[str, dict[str, Any]]]) -> None:
    for formula in by_id["formulas"].values():
        parts = re.findall(r": ([0-9.]+) %", formula["composition"])
        assert sum(map(Decimal, parts)) == 100


def test_nothing_that_is_done_lies_in_the_future(records: list[SampleRecord]) -> None:
    done = {"paid_on", "filed_on", "issued_on", "hired_on", "left_on", "delivered_on", "closed_on",
            "bought_on", "received_on", "counted_on", "arrived_at", "booked_at"}  # fmt: skip
    for record in records:
        for name in done & set(record.values):
            assert str(record.values[name])[:10] <= TODAY.isoformat(), (record.id, name)


def test_names_are_vietnamese_and_english_and_addresses_are_nobodys(
    by_id: dict[str, dict[str, dict[str, Any]]],
) -> None:
    people = by_id["employees"].values()
    assert sum(not person["full_name"].isascii() for person in people) > 50
    assert sum(person["full_name"].isascii() for person in people) >= 5
    assert len({person["email"] for person in people}) == len(people)
    for person in people:
        assert person["email"].endswith(".example")
        assert person["phone"].startswith(("+8495", "+447700900"))
        assert person.get("identity_number", "099").startswith("099")
        assert unicodedata.is_normalized("NFC", person["full_name"])


@pytest.mark.parametrize("people", [9, 0, -1, 10_000])
def test_a_company_too_small_or_too_large_is_refused(people: int) -> None:
    with pytest.raises(InvalidInput, match="people"):
        back_office(people=people)
