"""A draft of a record is approved on its page by somebody else than its makers."""

from __future__ import annotations

from tests.console.browsing import signed_in
from tests.running_service import Api, join

RECORD = "/records/tax_filings/vat-1"
MONEY = {"amount": "1000", "currency": "VND"}
TAX = {
    "tax": "value_added",
    "period": "2026-11",
    "tax_code": "0100109106",
    "taxable_amount": MONEY,
    "tax_due": MONEY,
    "due_on": "2026-12-20",
    "prepared_by": "lan",
    "status": "draft",
}


def test_who_made_a_draft_sees_no_button_and_cannot_press_it(api: Api) -> None:
    with api.house.open() as service:
        for name in ("lan", "minh"):
            join(service, api.house, name, ("role:accounting.head", "accounting"))
    api.ok("POST", "/api/v1/records/tax_filings", "lan", {"id": "vat-1", "fields": TAX})
    lan, minh = signed_in(api, "lan"), signed_in(api, "minh")
    page = lan.get(RECORD).text
    assert "draft" in page
    assert "/approve" not in page
    assert lan.submit(f"{RECORD}/approve", csrf=lan.csrf(RECORD), version="1").status_code == 403
    csrf = minh.csrf(RECORD)
    assert "Approve this version" in minh.get(RECORD).text
    assert minh.submit(f"{RECORD}/approve", version="1").status_code == 403
    assert minh.submit(f"{RECORD}/approve", csrf=csrf, version="2").status_code == 412
    done = minh.submit(f"{RECORD}/approve", csrf=csrf, version="1")
    assert (done.status_code, done.headers["location"]) == (303, RECORD)
    after = minh.get(RECORD).text
    assert "<strong>approved" in after.replace("\n", "")
    assert "Approve this version" not in after
    listed = minh.get("/records/tax_filings").text
    assert 'class="approved"' in listed
