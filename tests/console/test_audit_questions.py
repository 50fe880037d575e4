"""Questions to the log in pages: asked, saved, forgotten, and taken along as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from secvault.audit.questions.shipped import SHIPPED
from tests.console.browsing import Browsing, signed_in
from tests.running_service import PAYSLIP, Api

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def auditor(api: Api) -> Browsing:
    """The auditor's browser."""
    return signed_in(api, "auditor")


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_question_has_its_form_and_is_answered(auditor: Browsing, language: str) -> None:
    auditor.submit("/language", language=language)
    page = auditor.get("/audit/questions").text
    for name, question in SHIPPED.items():
        assert f'href="/audit/questions/{name}"' in page
        form = auditor.get(f"/audit/questions/{name}").text
        assert 'name="asked"' in form
        assert ('name="who"' in form) == ("who" in question.takes)
        assert ('name="days"' in form) == ("days" in question.takes)
        asked = f"/audit/questions/{name}?asked=1&who=&on=&department=&since=&until=&days="
        answer = auditor.get(asked)
        assert answer.status_code == (422 if question.needs else 200), name


def test_who_saw_a_record_is_answered_with_names(api: Api, auditor: Browsing) -> None:
    api.ok("GET", f"/api/v1/records/payroll/{PAYSLIP}", "head")
    page = auditor.get(f"/audit/questions/who-saw?asked=1&on=hr/payroll/{PAYSLIP}").text
    assert ">head</bdi>" in page
    assert "Looked at records" in page
    assert 'href="/audit/events/' in page


def test_the_csv_has_the_whole_answer(api: Api, auditor: Browsing) -> None:
    api.ok("GET", f"/api/v1/records/payroll/{PAYSLIP}", "head")
    answer = auditor.get("/audit/questions/what-did/csv?who=user:head")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="what-did.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert list(rows[0]) == list(SHIPPED["what-did"].columns.values())
    assert any(row["On"] == f"hr/payroll/{PAYSLIP}" for row in rows)
    assert auditor.get("/audit/questions/what-did/csv").status_code == 422
    assert auditor.get("/audit/questions/none-such/csv").status_code == 404
    assert auditor.get("/audit/questions/dormant-accounts/csv?days=x").status_code == 422


def test_a_view_is_saved_as_a_question_asked_and_forgotten(auditor: Browsing) -> None:
    form = auditor.get("/audit/save?what=record.&department=hr").text
    assert 'name="what" value="record."' in form
    fields = {"what": "record.", "department": "hr", "title": HOSTILE, "name": "hr-records"}
    assert auditor.submit("/audit/save", **fields).status_code == 403
    csrf = auditor.csrf()
    wrong = auditor.submit("/audit/save", csrf=csrf, **{**fields, "name": "Not A Name"})
    assert wrong.status_code == 422
    assert 'value="Not A Name"' in wrong.text
    kept = auditor.submit("/audit/save", csrf=csrf, **fields)
    assert (kept.status_code, kept.headers["location"]) == (
        303,
        "/audit/questions/hr-records?asked=1",
    )
    page = auditor.get(kept.headers["location"]).text
    listed = auditor.get("/audit/questions").text
    assert "<script" not in page + listed
    assert "&lt;script&gt;" in page
    assert "Created a record" in page
    forget = "/audit/questions/hr-records/forget"
    assert forget in listed
    assert auditor.submit(forget).status_code == 403
    assert auditor.submit(forget, csrf=csrf).status_code == 303
    assert auditor.get("/audit/questions/hr-records").status_code == 404


def test_who_may_not_cannot_save_or_forget(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    fields = {"csrf": clerk.csrf(), "title": "t", "name": "n"}
    assert clerk.submit("/audit/save", **fields).status_code == 403
    assert clerk.submit("/audit/questions/n/forget", **fields).status_code == 403


def test_long_answers_go_on(api: Api, auditor: Browsing) -> None:
    for _ in range(60):
        api.ok("GET", "/api/v1/audit/keys", "auditor")
    page = auditor.get("/audit/questions/what-did?asked=1&who=user:auditor").text
    assert 'rel="next"' in page
    link = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "who=user%3Aauditor" in link
    more = auditor.get(link).text
    assert "To the beginning" in more
    assert "/audit/events/" in more
