"""What production, quality control and logistics do all day, and what others see of it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from secvault.crypto.streaming import SEGMENT_BYTES
from tests.acceptance.departments.office import HIDDEN, NO_SECRET, Office, money

FORMULA = {
    "code": "CT-SOY-7",
    "product": "Nước tương đậu nành",
    "version": 7,
    "composition": "đậu nành 38 %\nnước 51 %\nmuối 11 %",
    "process": "Ủ 90 ngày ở 28 °C",
    "yield_percent": "92.5",
    "unit_cost": money(11_250),
    "status": "draft",
}
SECRETS = ("composition", "process", "yield_percent")
MACHINE = {
    "tag": "MC-07",
    "name": "Máy chiết rót",
    "maker": "Máy Mẫu",
    "line": "Dây chuyền 2",
    "critical": True,
    "commissioned_on": "2021-04-01",
    "status": "running",
}
DRAWING = b"%PDF-1.7\n" + bytes(at * 7 % 251 for at in range(2 * SEGMENT_BYTES + 999))


def production(office: Office) -> None:
    """Formulas stay secret, and drawings are at hand."""
    _make_a_formula(office)
    _keep_a_drawing(office)
    office.sees_nothing("quality-head", "formulas", "ct-7", "composition")
    office.sees_nothing("accounting-head", "equipment", "mc-7", "drawings")


def _make_a_formula(office: Office) -> None:
    # Whoever runs the orders enters no secret.
    office.no("refused", "POST", "/records/formulas", "production-clerk",
              {"id": "ct-8", "fields": FORMULA})  # fmt: skip
    office.store("production-head", "formulas", "ct-7", FORMULA)
    plain = {name: FORMULA[name] for name in ("code", "product", "version", "status")}
    seen = office.read("production-clerk", "formulas", "ct-7")
    assert seen["fields"] == plain
    assert seen["masked"] == {"unit_cost": HIDDEN}
    assert seen["withheld"] == {name: f"The field {name} {NO_SECRET}" for name in SECRETS}
    late = office.read("production-head", "formulas", "ct-7")
    assert late["fields"] == {**plain, "unit_cost": money(11_250)}
    assert late["masked"] == dict.fromkeys(SECRETS, HIDDEN)
    office.show_factor("production-head")
    assert office.read("production-head", "formulas", "ct-7")["fields"] == FORMULA
    approval = "/records/formulas/ct-7/approval"
    office.no("refused", "POST", approval, "production-head", If_Match='"1"')
    released = office.ok("POST", approval, "production-deputy", If_Match='"1"')
    assert released["release"]["approved_by"] == office.subjects["production-deputy"]
    place = "/records/formulas/ct-7"
    better = {"fields": {"yield_percent": "93.25", "version": 8}}
    changed = office.ok("PATCH", place, "production-head", better, If_Match='"1"')
    assert changed["fields"] == {**FORMULA, "yield_percent": "93.25", "version": 8}
    assert changed["release"]["state"] == "draft"
    made = [
        ("record.create", 1, "production-head"),
        ("record.approve", 1, "production-deputy"),
        ("record.update", 2, "production-head"),
    ]
    assert office.deeds("production-head", "formulas", "ct-7") == made
    assert office.deeds("auditor", "formulas", "ct-7") == made
    told = office("GET", f"{place}/history", "auditor")
    events = [(one["kind"], one["outcome"]) for one in reversed(told.json()["events"])]
    assert events == [
        ("record.create", "ok"),
        # The clerk, then the head twice: without a factor shown just now, and with one.
        *[("record.list", "ok")] * 3,
        ("record.approve", "denied"),
        ("record.approve", "ok"),
        ("record.update", "ok"),
        # The head and the auditor, who see themselves look.
        *[("record.history", "ok")] * 2,
    ]
    for secret in ("đậu nành 38", "28 °C", "93.25", "11250"):
        assert secret not in told.text
    office.no("refused", "GET", f"{place}/history", "production-clerk")


def _keep_a_drawing(office: Office) -> None:
    office.store("production-clerk", "equipment", "mc-7", MACHINE)
    place = "/records/equipment/mc-7/fields/drawings/content"
    says = {
        "Content_Type": "application/pdf",
        "Content_Disposition": "attachment; filename*=UTF-8''B%E1%BA%A3n%20v%E1%BA%BD.pdf",
        "If_None_Match": "*",
    }
    assert office("PUT", place, "production-clerk", content=DRAWING, **says).status_code == 403
    stored = office("PUT", place, "production-head", content=DRAWING, **says)
    assert stored.json() == {
        "name": "Bản vẽ.pdf",
        "size": len(DRAWING),
        "type": "application/pdf",
        "sha256": hashlib.sha256(DRAWING).hexdigest(),
        "version": 2,
    }
    first, last = SEGMENT_BYTES - 100, 2 * SEGMENT_BYTES + 100
    part = office("GET", place, "production-head", Range=f"bytes={first}-{last}")
    assert (part.status_code, part.content) == (206, DRAWING[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(DRAWING)}"
    digest = base64.b64encode(hashlib.sha256(DRAWING).digest()).decode()
    assert part.headers["repr-digest"] == f"sha-256=:{digest}:"
    again = office("GET", place, "production-head", If_None_Match=part.headers["etag"])
    assert again.status_code == 304
    seen = office.read("production-clerk", "equipment", "mc-7")
    assert seen["fields"] == MACHINE
    assert [*seen["withheld"]] == ["drawings"]
    # The deputy has shown no factor of late.
    assert office.read("production-deputy", "equipment", "mc-7")["masked"] == {"drawings": HIDDEN}
    assert office("GET", place, "production-deputy").status_code == 401
    for who in ("production-clerk", "quality-head", "auditor"):
        answer = office("GET", place, who)
        assert (answer.status_code, b"PDF" in answer.content) == (403, False)


INSPECTION = {
    "work_order": "wo-0815",
    "inspected_at": "2026-11-24T07:00:00.000000Z",
    "inspector": "nv-0103",
    "sample_size": 50,
    "defects": 1,
    "method": "Đo pH và độ nhớt",
    "measurements": "pH = 4.93\nđộ ẩm = 6.1 %",
    "result": "passed",
    "released": True,
}
COMPLAINT = {
    "received_on": "2026-11-21",
    "product": "Nước tương đậu nành",
    "customer": "Chu Thị Mận",
    "phone": "+84912000777",
    "description": "Nắp chai hở.",
    "injury": "Nổi mẩn đỏ ở tay trong hai ngày",
    "severity": "critical",
    "status": "open",
}


def quality(office: Office) -> None:
    """An inspection is corrected, and nobody overwrites another."""
    made = office.store("quality-clerk", "inspections", "kt-1", INSPECTION)
    plain = {name: value for name, value in INSPECTION.items() if name != "measurements"}
    assert made["fields"] == plain
    assert made["withheld"] == {"measurements": f"The field measurements {NO_SECRET}"}
    _correct(office)
    office.no("refused", "POST", "/records/inspections", "production-head",
              {"id": "kt-9", "fields": INSPECTION})  # fmt: skip
    office.sees_nothing("production-head", "inspections", "kt-1", "measurements")
    _take_a_complaint(office)


def _correct(office: Office) -> None:
    place = "/records/inspections/kt-1"
    found_more: dict[str, Any] = {"fields": {"defects": 4, "result": "rework", "released": False}}
    office.no("precondition-required", "PATCH", place, "quality-clerk", found_more)
    seen = office.ok("PATCH", place, "quality-clerk", found_more, If_Match='"1"')
    assert (seen["version"], seen["fields"]["defects"]) == (2, 4)
    measured = {"fields": {"measurements": "pH = 5.02\nđộ ẩm = 6.4 %"}}
    office.no("refused", "PATCH", place, "quality-clerk", measured, If_Match='"2"')
    # The head has seen the first version only, and learns that there is another.
    office.no("version-mismatch", "PATCH", place, "quality-head", measured, If_Match='"1"')
    office.show_factor("quality-head")
    unchanged = office.read("quality-head", "inspections", "kt-1")
    assert unchanged["fields"] == {**INSPECTION, **found_more["fields"]}
    corrected = office.ok("PATCH", place, "quality-head", measured, If_Match='"2"')
    assert corrected["fields"] == {**INSPECTION, **found_more["fields"], **measured["fields"]}
    # Whoever changed it does not release it, be they head or not.
    approval = f"{place}/approval"
    office.no("refused", "POST", approval, "quality-head", If_Match='"3"')
    office.no("version-mismatch", "POST", approval, "quality-deputy", If_Match='"2"')
    released = office.ok("POST", approval, "quality-deputy", If_Match='"3"')
    assert released["release"]["approved_by"] == office.subjects["quality-deputy"]
    assert office.deeds("quality-head", "inspections", "kt-1") == [
        ("record.create", 1, "quality-clerk"),
        ("record.update", 2, "quality-clerk"),
        ("record.update", 3, "quality-head"),
        ("record.approve", 3, "quality-deputy"),
    ]


def _take_a_complaint(office: Office) -> None:
    # What is known of somebody's health is for the head.
    office.no("refused", "POST", "/records/complaints", "quality-clerk",
              {"id": "kn-1", "fields": COMPLAINT})  # fmt: skip
    office.store("quality-head", "complaints", "kn-1", COMPLAINT)
    clerk = office.read("quality-clerk", "complaints", "kn-1")
    assert clerk["fields"] == {name: it for name, it in COMPLAINT.items() if name != "injury"}
    assert [*clerk["withheld"]] == ["injury"]
    assert office.found("quality-clerk", "complaints", {"customer": "chu thị mận"}) == ["kn-1"]
    assert office.read("quality-head", "complaints", "kn-1")["masked"] == {"injury": HIDDEN}
    reveal = "/records/complaints/kn-1/fields/injury/reveal"
    why = {"reason": "Bác sĩ của công ty hỏi"}
    assert office.ok("POST", reveal, "quality-head", why)["value"] == COMPLAINT["injury"]
    assert office.reveals("complaints", "kn-1") == [("quality-head", ["injury"], why["reason"])]
    office.sees_nothing("logistics-head", "complaints", "kn-1", "customer")


SHIPMENT = {
    "carrier": "Vận tải Mẫu",
    "address": "12 Đường Mẫu, Hà Nội",
    "goods": "Nước tương đậu nành",
    "weight_kg": "120.5",
    "status": "on_the_way",
}
SHIPMENTS = {
    # Recipient, telephone, day, freight.
    "vd-1": ("Trần Thị Bích", "+84912004567", "2026-10-30", 450_000),
    "vd-2": ("Trần Văn Cường", "+84912994567", "2026-11-02", 1_250_000),
    "vd-3": ("Ngô Thị Dung", "+84912004567", "2026-11-09", 1_900_000),
    "vd-4": ("Phan Văn Em", "+84912008888", "2026-11-09", 2_100_000),
    "vd-5": ("Trần Thị Bích", "+84912004567", "2026-12-01", 150_000),
}
NOTE = b"%PDF-1.7\nsigned for by Ngo Thi Dung\n%%EOF\n"


def logistics(
    office: Office,
) -> None:
    """A shipment is found by its day and the last digits of a telephone."""
    for record, (recipient, phone, day, freight) in SHIPMENTS.items():
        of_this = {"recipient": recipient, "phone": phone, "shipped_on": day}
        fields = {**SHIPMENT, **of_this, "number": record, "freight_cost": money(freight)}
        office.store("logistics-clerk", "shipments", record, fields)
    _search(office)
    _deliver(office)
    for who in ("accounting-clerk", "hr-head"):
        office.sees_nothing(who, "shipments", "vd-3", "phone")


def _search(office: Office) -> None:
    november = {"shipped_on": {"from": "2026-11-01", "to": "2026-11-30"}}
    called = {"phone": {"last": "4567"}}
    assert office.found("logistics-clerk", "shipments", {**november, **called}) == ["vd-2", "vd-3"]
    assert office.found("logistics-clerk", "shipments", called, sort="-shipped_on", limit=2) == [
        "vd-5",
        "vd-3",
        "vd-2",
        "vd-1",
    ]
    assert office.found("logistics-clerk", "shipments", {"phone": "0912 004 567"}) == [
        *("vd-1", "vd-3", "vd-5")
    ]
    assert office.found(
        "logistics-clerk", "shipments", {"recipient": {"prefix": "trần"}, **november}
    ) == ["vd-2"]
    freight = {"freight_cost": {"from": money(1_200_000), "to": money(2_000_000)}}
    office.no("refused", "POST", "/records/shipments/search", "logistics-clerk",
              {"where": freight})  # fmt: skip
    assert office.found("logistics-head", "shipments", freight) == ["vd-2", "vd-3"]
    page = office.ok("POST", "/records/shipments/search", "logistics-clerk",
                     {"where": {**november, **called}})  # fmt: skip
    first = page["records"][0]
    assert first["fields"] == {
        **SHIPMENT,
        "number": "vd-2",
        "recipient": "Trần Văn Cường",
        "phone": "+84912994567",
        "shipped_on": "2026-11-02",
    }
    assert first["masked"] == {"freight_cost": HIDDEN}


def _deliver(office: Office) -> None:
    place = "/records/shipments/vd-3"
    arrived = {"fields": {"status": "delivered", "delivered_on": "2026-11-11"}}
    seen = office.ok("PATCH", place, "logistics-clerk", arrived, If_Match='"1"')
    assert seen["fields"]["delivered_on"] == "2026-11-11"
    dearer = {"fields": {"freight_cost": money(1)}}
    office.no("refused", "PATCH", place, "logistics-clerk", dearer, If_Match='"2"')
    content = f"{place}/fields/delivery_note/content"
    says = {
        "Content_Type": "application/pdf",
        "Content_Disposition": 'attachment; filename="note.pdf"',
        "If_None_Match": "*",
    }
    assert office("PUT", content, "logistics-clerk", content=NOTE, **says).status_code == 201
    assert office("GET", content, "logistics-clerk").content == NOTE
    assert office("GET", content, "logistics-head", Range="bytes=-6").content == b"%%EOF\n"
    assert office("GET", content, "accounting-head").status_code == 403
    assert office.deeds("logistics-head", "shipments", "vd-3") == [
        ("record.create", 1, "logistics-clerk"),
        ("record.update", 2, "logistics-clerk"),
        ("record.update", 3, "logistics-clerk"),
    ]
    gone = {"shipped_on": {"from": "2026-11-01", "to": "2026-11-30"}, "status": "on_the_way"}
    assert office.found("logistics-clerk", "shipments", gone) == ["vd-2", "vd-4"]
