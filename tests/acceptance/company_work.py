"""What the company has done: its records, keys, systems, questions, reviews and requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from threading import Event

import pytest

from secvault.audit.detection.rules import Alert
from secvault.audit.questions.own import OwnQuestion
from secvault.crypto.canonical import JsonValue
from secvault.errors import ApprovalRequired
from secvault.sample import SampleRecord, back_office
from secvault.service import (
    Service,
    attachment_upload,
    audit_questions,
    detecting,
    grants,
    records,
    reveals,
    role_requests,
    systems,
    transit,
)
from secvault.service.attachment_upload import Sent
from secvault.service.attachments import NONE_YET
from secvault.service.record_imports import requests
from secvault.service.record_imports.running import do_import
from secvault.service.reviews import starting
from secvault.service.reviews.facts import Scope
from secvault.service.role_requests import WantedRole
from secvault.service.spine import Caller
from secvault.service.systems import issue_token
from tests.acceptance.company_people import LONG_NAME, MARKUP
from tests.service.record_imports.files import as_csv, imported, payroll_row, sent

STAFF = 12
"""People of the sample, about forty records for each."""
COLLECTION, RECORD = "payroll", "luong-2026-11-phuong"
CONTRACT, FIELD, FILE = "hop-dong-1", "document", "Hợp đồng lao động (bản ký).pdf"
PDF = b"%PDF-1.7\n% a contract\n%%EOF\n"
QUESTION = "salary-at-night"
SYSTEM = "payroll-sync"
KEYS = (
    ("bang-luong", "aes256-gcm96", 3),
    ("chu-ky-hoa-don", "ed25519", 2),
    ("doi-tac", "rsa-2048", 1),
    ("kiem-tra-" + "rat-dai-" * 8 + "x", "hmac", 1),
)
PAYSLIP: Mapping[str, JsonValue] = {
    "employee": "nv-0042",
    "full_name": LONG_NAME[:110],
    "month": "2026-11",
    "working_days": "22",
    "gross_salary": {"amount": "31500000", "currency": "VND"},
    "insurance": {"amount": "3307500", "currency": "VND"},
    "income_tax": {"amount": "1250000", "currency": "VND"},
    "net_salary": {"amount": "26942500", "currency": "VND"},
    "bank": "Ngân hàng TMCP Ngoại thương Việt Nam " + "<b>Sở giao dịch</b>",
    "bank_account": "0071000123456",
    "status": "draft",
}
EMPLOYMENT: Mapping[str, JsonValue] = {
    "employee": "nv-0042",
    "kind": "indefinite",
    "position": "Kế toán trưởng",
    "signed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "weekly_hours": 40,
    "base_salary": {"amount": "28750000", "currency": "VND"},
    "workplace": "Khu công nghiệp " + "Thăng-Long-" * 8 + "Hà Nội",
    "status": "in_force",
}


def keep_records(service: Service, heads: Mapping[str, Caller]) -> None:
    """The sample's records of these departments, entered by their heads."""
    sample = sorted(back_office(people=STAFF), key=lambda one: (one.department, one.collection))
    for (department, collection), found in groupby(
        sample, key=lambda one: (one.department, one.collection)
    ):
        if department in heads:
            records.create_records(service, heads[department], collection, _batch(found))


def work_on_records(service: Service, head: Caller, clerk: Caller) -> dict[str, str]:
    """One payslip with a history, a contract with a file, an import done and one looked at."""
    made = records.create_record(service, head, COLLECTION, RECORD, PAYSLIP)
    records.update_record(service, head, COLLECTION, RECORD, {"working_days": "21"}, made.version)
    reveals.reveal_field(
        service, head, COLLECTION, RECORD, "bank_account", "chuyển lương tháng 11 " + MARKUP
    )
    records.read_record(service, clerk, COLLECTION, RECORD)
    records.create_record(service, head, "contracts", CONTRACT, EMPLOYMENT)
    with attachment_upload.uploading(
        lambda: attachment_upload.begin_upload(
            service,
            head,
            "contracts",
            CONTRACT,
            FIELD,
            Sent(FILE, "application/pdf", len(PDF)),
            NONE_YET,
        )
    ) as upload:
        upload.write(PDF)
        upload.finish()
    imported(service, head, as_csv(payroll_row(number) for number in range(30)))
    faulty = payroll_row(31, working_days="<script>alert(1)</script>", month="tháng mười")
    looked = sent(service, head, as_csv([payroll_row(30), faulty]))
    requests.check_import(service, head, looked, by_worker=False)
    do_import(service, looked, Event())
    return {"collection": COLLECTION, "record": RECORD, "import_id": looked}


def keep_keys(service: Service, operator: Caller) -> dict[str, str]:
    """Keys of several kinds and ages."""
    for name, kind, versions in KEYS:
        size = 32 if kind == "hmac" else 0
        options = transit.KeyOptions(kind=kind, key_size=size)
        transit.create_key(service, operator, "transit", name, options)
        for _ in range(versions - 1):
            transit.rotate_key(service, operator, "transit", name)
    return {"mount": "transit", "name": KEYS[0][0]}


def keep_systems(service: Service, operator: Caller) -> dict[str, str]:
    """Systems that call, each with tokens, one of which ends soon."""
    for name, owner in ((SYSTEM, "hoa"), ("invoice-" + "gateway-" * 6 + "x", "phuoc")):
        systems.create_account(
            service, operator, name=name, department="it", owner=owner, roles=("role:it.cryptor",)
        )
        for called, days in (("máy chủ lương", 2), ("máy dự phòng", 90)):
            issue_token(service, operator, account=name, display_name=called, days=days)
    return {"system": SYSTEM}


def ask_for_things(service: Service, asker: Caller, clerk: Caller) -> dict[str, str]:
    """A change that a second person must approve, and a role that somebody asks for."""
    with pytest.raises(ApprovalRequired) as caught:
        grants.add_grant(
            service,
            Caller(asker.principal, reason="bà Thúy thay ông Phước tháng này " + MARKUP),
            subject="user:thuy",
            role="role:it.approver",
            department="it",
            days=30,
        )
    assert caught.value.request is not None
    wanted = WantedRole("role:it.monitor", "it", 86_400, "xem bảng sao lưu cuối năm")
    asked = role_requests.ask(service, clerk, wanted)
    return {"approval": caught.value.request, "role_request": asked.request.id}


def review_access(service: Service, asker: Caller) -> dict[str, str]:
    """A review that is open: heads are asked about the people of their departments."""
    plan = starting.Plan(
        name="Rà soát quý IV " + MARKUP[:60],
        scope=Scope(("hr", "accounting", "logistics"), (), privileged_only=False),
        days=20,
    )
    return {"review": starting.start(service, asker, plan).campaign.id}


def keep_questions(service: Service, auditor: Caller) -> dict[str, str]:
    """A question saved by the auditor, and alerts that nobody has looked at."""
    audit_questions.keep_question(
        service,
        auditor,
        OwnQuestion(QUESTION, "Ai xem lương ban đêm? <b>gấp</b>", resource="hr/payroll/*"),
    )
    with service.store.write() as connection:
        at = service.clock.micros()
        for rule, subject, count in (
            ("many_reads", auditor.principal.subject, 1_200),
            ("volume_drop", "log", 10),
        ):
            raised = Alert(rule, subject, at, None, count, 1_000)  # type: ignore[arg-type]
            detecting.raise_alert(service, connection, raised)
    return {"question": QUESTION}


def _batch(found: Iterable[SampleRecord]) -> dict[str, Mapping[str, JsonValue]]:
    return {one.id: one.values for one in found}
