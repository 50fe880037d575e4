"""Reports on drills over HTTP: pages and PDF in two languages, for those who may read drills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import insert, update

from secvault.service import Service, drill_evidence
from secvault.store import tables
from tests.backup.drills.results import PASSED
from tests.running_service import Api, Front, House

REPORT = f"/api/v1/drills/{PASSED.id}/report"


@contextmanager
def drilled(front: Front, house: House) -> Iterator[tuple[Api, Service]]:
    """The application over a vault that was drilled, and its service."""
    inside: list[Service] = []

    def keep(service: Service) -> Service:
        inside.append(service)
        return service

    with front.serving(house, keep) as api:
        (service,) = inside
        made = drill_evidence.sign(service, PASSED)
        with service.store.write() as connection:
            connection.execute(
                insert(tables.drill).values(
                    id=PASSED.id,
                    plan=PASSED.plan,
                    state="done",
                    phase="done",
                    requested_by=PASSED.requested_by,
                    started_at=PASSED.started_at,
                    finished_at=PASSED.finished_at,
                    passed=True,
                    document=made.document,
                    note=made.note,
                    node="n",
                    beat_at=PASSED.finished_at,
                )
            )
        yield api, service


def test_a_report_is_a_page_or_a_pdf_in_either_language(front: Front, house: House) -> None:
    with drilled(front, house) as (api, _):
        page = api("GET", REPORT, "auditor")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Restore drill" in page.text
        assert "Diễn tập khôi phục" in api("GET", f"{REPORT}?language=vi", "auditor").text
        pdf = api("GET", f"{REPORT}?format=pdf&language=vi", "auditor")
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF-")
        assert pdf.headers["content-disposition"] == (
            'attachment; filename="drill-drill-nightly-2026-11-24T04-00-00Z.vi.pdf"'
        )
        for wrong in ("format=docx", "language=fr"):
            assert api("GET", f"{REPORT}?{wrong}", "auditor").status_code == 422
        assert api("GET", "/api/v1/drills/none/report", "auditor").status_code == 404
        assert api("GET", REPORT, "clerk").status_code == 403
        assert api("GET", REPORT).status_code == 401


def test_evidence_that_was_changed_is_not_shown(front: Front, house: House) -> None:
    with drilled(front, house) as (api, service):
        with service.store.write() as connection:
            connection.execute(update(tables.drill).values(document=b"{}"))
        for form in ("html", "pdf"):
            answer = api("GET", f"{REPORT}?format={form}", "auditor")
            assert answer.status_code == 500
            assert "drill-nightly" not in answer.text
