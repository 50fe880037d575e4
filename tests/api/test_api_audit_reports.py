"""The access report over HTTP."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from io import BytesIO

import pytest

from tests.running_service import Api

REPORTS = "/api/v1/audit/reports"
MONTH = f"{REPORTS}/2026-09"


def test_an_auditor_takes_a_report_whose_digest_is_in_the_log(api: Api) -> None:
    answer = api("POST", f"{MONTH}?language=vi&department=hr", "auditor")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-report-2026-09-hr.vi.pdf" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")
    digest = sha256(answer.content).hexdigest()
    assert answer.headers["x-content-sha256"] == digest
    [done, begun] = api.ok("GET", "/api/v1/audit/events?kind=audit.report", "auditor")["events"]
    assert (begun["outcome"], done["outcome"]) == ("intent", "ok")
    assert done["detail"]["digest"] == digest
    assert (done["detail"]["month"], done["detail"]["language"]) == ("2026-09", "vi")


def test_the_workbook_is_an_answer_too_and_lies_in_packages(api: Api) -> None:
    answer = api("POST", f"{MONTH}?format=xlsx&names=false", "auditor")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert "xl/workbook.xml" in archive.namelist()
    pack = api("POST", "/api/v1/audit/exports", "auditor", {"reports": ["vi", "en"]})
    with zipfile.ZipFile(BytesIO(pack.content)) as archive:
        assert {
            f"report.{language}.{form}" for language in ("vi", "en") for form in ("pdf", "xlsx")
        } <= {*archive.namelist()}


@pytest.mark.parametrize(
    "path",
    [
        f"{REPORTS}/2026-13",
        f"{REPORTS}/october",
        f"{MONTH}?language=fr",
        f"{MONTH}?format=docx",
        f"{MONTH}?department=nowhere",
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_trace(api: Api, path: str) -> None:
    assert api("POST", path, "auditor").status_code == 422
    assert api.ok("GET", "/api/v1/audit/events?kind=audit.report", "auditor")["events"] == []


def test_nobody_takes_a_report_who_may_not_read_the_log(api: Api) -> None:
    for who in ("clerk", "head", "admin", "system"):
        assert api("POST", MONTH, who).status_code == 403
    assert api("POST", MONTH, None).status_code == 401
