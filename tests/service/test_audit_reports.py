"""The access report: it counts what the questions answer, and is on record with what was made."""

from __future__ import annotations

import threading
import zipfile
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest

from secvault.audit import query, verify_export
from secvault.audit.checkpoints import newest_checkpoint
from secvault.audit.event import Actor, Event
from secvault.audit.question import Question
from secvault.audit.questions.saved import Asked, Page
from secvault.audit.reports.pdf import report_pdf
from secvault.audit.reports.table import ANSWERED
from secvault.audit.reports.words import LANGUAGES, words
from secvault.audit.reports.workbook import report_xlsx
from secvault.errors import InvalidInput, Refused
from secvault.jobs import JobContext
from secvault.service import Service, audit_reports, authentication
from secvault.service.audit_export import Wanted, export_log
from secvault.service.audit_questions import ask
from secvault.service.audit_reports import WantedReport, make_report
from secvault.service.log_signing import sign_now
from secvault.service.spine import Caller
from secvault.service.workflows import schedules, workflows
from tests.audit.tampering import body_of, change, flipped, intrusion
from tests.running_service import House
from tests.service.test_record_exports import caller

MONTH = "2026-09"
PAY = "hr/payroll/pay-0042"
WHO = "f" * 32


@pytest.fixture
def house(house: House) -> House:
    """One that works while the house is furnished, and not two hours later."""
    return replace(house, more={"SECVAULT_CONDITIONS__BUSINESS_HOURS__HOURS": '["21:00-22:00"]'})


@pytest.fixture
def auditor(service: Service, house: House) -> Caller:
    """The auditor, signed in."""
    return caller(service, house, "auditor")


@pytest.fixture
def busy(service: Service, house: House, auditor: Caller) -> Service:
    """The service after a month in which something of all happened, a part of it at night."""
    clerk = caller(service, house, "clerk").principal.subject.partition(":")[2]
    person, stranger, system = Actor("user", clerk), Actor("user", WHO), Actor("svc", WHO)
    for event in (
        Event("record.read", "ok", person, PAY, "hr", ("net_pay",), 1),
        Event("record.list", "ok", person, "hr/payroll", "hr", (), 40),
        Event("record.read", "denied", stranger, PAY, "hr"),
        Event("data.decrypt", "ok", system, "finance/transit/cards", "finance", (), 7),
        Event("record.export", "intent", person, "hr/payroll", "hr"),
        Event("record.export", "ok", person, "hr/payroll", "hr", (), 40, detail={"format": "csv"}),
        Event("auth.sign_in", "denied", stranger, "it/sessions", detail={"reason": "wrong"}),
        Event("auth.locked", "ok", stranger, f"it/people/{WHO}/devices/d-1", "it"),
        Event("grant.add", "ok", person, "it/grants", "hr", detail={"subject": f"user:{WHO}"}),
        Event("approval.give", "ok", person, "it/approvals", "hr", detail={"request": "r-1"}),
        Event("break_glass.start", "ok", stranger, "it/break-glass", detail={"incident": "i-1"}),
        Event("key.rotate", "ok", stranger, "finance/transit/cards", "finance"),
        Event("backup.run", "error", Actor("system", "jobs"), "it/backups/p", detail={"plan": "p"}),
        Event("review.start", "ok", stranger, "it/reviews", detail={"campaign": "c-1"}),
    ):
        service.audit.record(event)
    house.hands.seconds += 2 * 3600
    service.audit.record(Event("field.reveal", "ok", person, PAY, "hr", ("net_pay",), 1))
    return service


def document(service: Service, who: Caller, wanted: WantedReport) -> dict[str, Any]:
    period = audit_reports._period(service, wanted)
    made: dict[str, Any] = audit_reports.document(
        audit_reports._contents(service, who, wanted, period, lambda _done, _of: None)
    )
    return made


def figures(made: dict[str, Any]) -> dict[str, int]:
    return {one["key"]: one["value"] for one in made["figures"]}


def tables(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in made["tables"]}


def text_of(content: bytes) -> str:
    pages = [page.extract_text() for page in pypdf.PdfReader(BytesIO(content)).pages]
    return " ".join(" ".join(pages).replace("\u200b", "").split())


def test_the_numbers_are_those_of_the_questions(busy: Service, auditor: Caller) -> None:
    made = document(busy, auditor, WantedReport(month=MONTH))
    period = audit_reports._period(busy, WantedReport(month=MONTH))
    for key, question in ANSWERED.items():
        asked = Asked(since=period.since, until=period.until)
        answer = ask(busy, auditor, question, asked, Page(None, 1000))
        found = tables(made)[key]
        assert found["total"] == len(answer.rows), key
        assert found["question"] == question
        numbers = [row["seq"] for row in answer.rows if "seq" in row]
        if numbers:
            assert [row[found["columns"].index("seq")] for row in found["rows"]] == numbers, key
    assert figures(made) == {
        "entries": made["log"]["size"],
        "accesses": 5,
        "items": 89,
        "refused": 1,
        "unclear": 0,
        "after_hours": 1,
        "people": 2,
        "failures": 1,
        "locks": 1,
        "exports": 1,
        "privilege_changes": tables(made)["privilege_changes"]["total"],
        "approved": 1,
        "alerts": tables(made)["alerts"]["total"],
        "glass": 1,
        "backups_wrong": 1,
        "drills_passed": 0,
        "drills_failed": 0,
        "dormant": tables(made)["dormant"]["total"],
    }
    assert tables(made)["seen_by_collection"]["rows"][0][:4] == ["hr/payroll", 1, 4, 82]
    assert (made["log"]["intact"], made["log"]["complete"]) == (True, True)


def test_a_department_has_its_own_accesses_and_the_keys_of_the_house(
    busy: Service, auditor: Caller
) -> None:
    made = document(busy, auditor, WantedReport(month=MONTH, department="finance"))
    assert (figures(made)["accesses"], figures(made)["items"]) == (1, 7)
    found = tables(made)
    assert [row[0] for row in found["seen_by_department"]["rows"]] == ["finance"]
    assert found["exports"]["narrowed"]
    assert found["exports"]["rows"] == []
    assert not found["backups"]["narrowed"]
    assert found["backups"]["total"] == 1
    with pytest.raises(InvalidInput):
        make_report(busy, auditor, WantedReport(month=MONTH, department="nowhere"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_of_the_pdf_is_text_with_its_diacritics(
    busy: Service, auditor: Caller, language: str
) -> None:
    (file,) = make_report(busy, auditor, WantedReport(month=MONTH, languages=(language,)))
    assert file.name == f"access-report-{MONTH}.{language}.pdf"
    text, book = text_of(file.content), words(language)
    for said in (
        *(one["title"] for one in book["tables"].values()),
        book["log"]["intact"],
        book["log"]["complete"],
        book["limits"]["title"],
        book["controls"]["vietnam"],
    ):
        assert said in text
    none = book["report"]["none"].format(what=book["tables"]["drills"]["looked"], count=0)
    assert none in text
    pages = len(pypdf.PdfReader(BytesIO(file.content)).pages)
    assert f"{book['report']['page']} {pages} {book['report']['of']} {pages}" in text
    assert "2026-09-01 00:00:00 +07:00 (2026-08-31 17:00:00 UTC)" in text


def test_the_workbook_has_every_table_and_no_formula(busy: Service, auditor: Caller) -> None:
    busy.audit.record(
        Event("record.read", "ok", Actor("svc", WHO), "hr/=1+1/x", "hr", ("net_pay",), 1)
    )
    wanted = WantedReport(month=MONTH, languages=("vi",), formats=("xlsx",))
    (file,) = make_report(busy, auditor, wanted)
    book = openpyxl.load_workbook(BytesIO(file.content))
    assert len(book.sheetnames) == len(words("vi")["tables"]) + 4
    cells = [cell for sheet in book for row in sheet for cell in row if cell.value is not None]
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    rows = [[cell.value for cell in row] for row in book["Theo tập dữ liệu"]]
    assert ["hr/payroll", 1, 4, 82] in [row[:4] for row in rows]


def test_what_was_made_is_on_record_with_its_digest(busy: Service, auditor: Caller) -> None:
    wanted = WantedReport(month=MONTH, languages=("en", "vi"), formats=("pdf", "xlsx"))
    files = make_report(busy, auditor, wanted)
    busy.audit.drain()
    first, *done = (one.event for one in query.events(busy.store, Question(kind="audit.report")))
    assert first.outcome == "intent"
    assert [(one.detail["format"], one.detail["language"]) for one in done] == [
        ("pdf", "en"),
        ("pdf", "vi"),
        ("xlsx", "en"),
        ("xlsx", "vi"),
    ]
    assert [one.detail["digest"] for one in done] == [
        sha256(file.content).hexdigest() for file in files
    ]
    assert {one.detail["month"] for one in done} == {MONTH}


@pytest.mark.parametrize("who", ["admin", "clerk", "head", "system"])
def test_who_may_not_read_the_log_gets_no_report(service: Service, house: House, who: str) -> None:
    with pytest.raises(Refused):
        make_report(service, caller(service, house, who), WantedReport(month=MONTH))


def test_what_cannot_be_is_said_before_anything_is_made(service: Service, auditor: Caller) -> None:
    for wanted in (
        WantedReport(month="2026-13"),
        WantedReport(month=MONTH, since=1),
        WantedReport(since=2, until=2),
        WantedReport(month=MONTH, languages=("fr",)),
        WantedReport(month=MONTH, formats=("docx",)),
    ):
        with pytest.raises(InvalidInput):
            make_report(service, auditor, wanted)
    service.audit.drain()
    assert [*query.events(service.store, Question(kind="audit.report"))] == []


def test_a_damaged_log_is_reported_as_damaged_and_not_signed(
    busy: Service, auditor: Caller
) -> None:
    busy.audit.drain()
    sign_now(busy)
    before = newest_checkpoint(busy.store)
    with intrusion(busy.store) as connection:
        change(connection, 3, body=flipped(body_of(connection, 3)))
    made = document(busy, auditor, WantedReport(month=MONTH))
    log = made["log"]
    assert (log["intact"], log["complete"]) == (False, True)
    assert log["problems"][0]["seq"] == 3
    assert before is not None
    assert log["signed"]["root"] == before.root.hex()
    assert newest_checkpoint(busy.store) == before
    for render in (report_pdf, report_xlsx):
        assert render(made, "vi")


def test_names_are_shown_to_who_may_see_people_and_never_by_the_calendar(
    busy: Service, auditor: Caller
) -> None:
    shown = document(busy, auditor, WantedReport(month=MONTH))
    assert shown["names"]
    assert "Clerk (user:" in str(shown["tables"])
    jobs = Caller(authentication.jobs())
    for who, wanted in ((jobs, WantedReport(month=MONTH)), (jobs, WantedReport(names=False))):
        hidden = document(busy, who, wanted)
        assert not hidden["names"]
        assert "Clerk" not in str(hidden)
        assert "name" not in tables(hidden)["dormant"]["columns"]


def test_a_package_carries_the_report_and_its_manifest_the_digest(
    busy: Service, auditor: Caller, tmp_path: Path
) -> None:
    with export_log(busy, auditor, Wanted(Question(), reports=("vi",))) as export:
        pack = b"".join(export.parts())
    file = tmp_path / "pack.zip"
    file.write_bytes(pack)
    found = verify_export.verify(file, busy.signing.audit.verifier().vkey, [])
    assert found["problems"] == []
    with zipfile.ZipFile(file) as archive:
        assert words("vi")["report"]["title"] in text_of(archive.read("report.vi.pdf"))
        assert archive.read("report.vi.xlsx")
    with pytest.raises(InvalidInput):
        export_log(busy, auditor, Wanted(Question(), pseudonyms=True, reports=("en",)))


def test_the_calendar_makes_the_report_on_the_month_before(
    busy: Service, house: House, tmp_path: Path
) -> None:
    more = {
        "SECVAULT_AUDIT__REPORTS__SCHEDULE": "0 6 2 * *",
        "SECVAULT_AUDIT__REPORTS__FOLDER": str(tmp_path / "reports"),
        "SECVAULT_AUDIT__REPORTS__FORMATS": '["pdf"]',
    }
    assert "report" not in {one.kind for one in schedules(busy)}
    house.hands.seconds += 12 * 86_400
    with replace(house, more=more).open() as service:
        (due,) = [one for one in schedules(service) if one.kind == "report"]
        assert due.cron == "0 6 2 * *"
        (work,) = [one for one in workflows(service) if one.kind == "report"]
        context = JobContext("report:monthly:1", "report", "monthly", "schedule", threading.Event())
        for _ in range(2):
            done = work.steps[0].act(context, {})
        names = sorted(file.name for file in (tmp_path / "reports").iterdir())
        assert names == [f"access-report-{MONTH}.en.pdf", f"access-report-{MONTH}.vi.pdf"]
        assert done == {"month": MONTH, "files": [names[1], names[0]]}
        assert (tmp_path / "reports" / names[0]).stat().st_mode & 0o077 == 0
