"""Files of records on pages: saved by who may see them, sent by who may write, shown by nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.console.browsing import OWN, Browsing, signed_in
from tests.running_service import Api

RECORD = "/records/contracts/ct-1"
FILE = f"{RECORD}/fields/document/file"
NEW = f"{FILE}/new"
NAME = "hợp đồng.pdf"
PDF = b"%PDF-1.7\nsalary 28750000\n%%EOF\n"
OTHER = b"%PDF-1.7\nanother\n%%EOF\n"
CONTRACT = {
    "employee": "nv-0042",
    "kind": "indefinite",
    "position": "Accountant",
    "signed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "weekly_hours": 40,
    "base_salary": {"amount": "28750000", "currency": "VND"},
    "workplace": "Hà Nội",
    "status": "in_force",
}


@pytest.fixture
def office(api: Api) -> Api:
    """With a contract that has no document yet."""
    api.ok("POST", "/api/v1/records/contracts", "head", {"id": "ct-1", "fields": CONTRACT})
    return api


def send(browser: Browsing, content: bytes, name: str = NAME, **fields: str) -> Any:
    """Send the form with a file, as a browser does."""
    jar = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return browser.api.client.post(
        NEW,
        headers={**OWN, "Cookie": jar},
        data=fields,
        files={"file": (name, content, "application/octet-stream")},
        follow_redirects=False,
    )


def expected(page: str) -> str:
    """What the page's form is to replace."""
    found = re.search(r'name="expected" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_a_file_is_sent_and_saved_and_replaced_only_by_who_has_seen_it(office: Api) -> None:
    browser = signed_in(office, "head")
    csrf = browser.csrf(RECORD)
    assert expected(browser.get(RECORD).text) == ""
    stored = send(browser, PDF, csrf=csrf, expected="")
    assert (stored.status_code, stored.headers["location"]) == (303, RECORD)
    page = browser.get(RECORD).text
    assert f'href="{FILE}"' in page
    assert NAME in page
    answer = browser.get(FILE)
    assert answer.content == PDF
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert send(browser, OTHER, csrf=csrf, expected="").status_code == 409
    assert send(browser, OTHER, csrf=csrf, expected="0" * 32).status_code == 412
    assert browser.get(FILE).content == PDF
    assert send(browser, OTHER, csrf=csrf, expected=expected(page)).status_code == 303
    assert browser.get(FILE).content == OTHER


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("run.exe", b"MZ", 422),
        ("scan.pdf", b"<script>alert(1)</script>", 422),
        ("scan.pdf", b"%PDF-1.7" + b"x" * 1_100_000, 413),
        ("../../etc/passwd.pdf", b"", 422),
    ],
)
def test_what_is_no_such_file_is_refused_and_leaves_nothing(
    office: Api, name: str, content: bytes, status: int
) -> None:
    browser = signed_in(office, "head")
    assert send(browser, content, name, csrf=browser.csrf(RECORD)).status_code == status
    assert browser.get(FILE).status_code == 404


def test_who_may_not_neither_saves_nor_sends(office: Api) -> None:
    head = signed_in(office, "head")
    assert send(head, PDF).status_code == 403
    assert send(head, PDF, csrf=head.csrf(RECORD)).status_code == 303
    auditor = signed_in(office, "auditor")
    assert auditor.get(FILE).status_code == 403
    assert send(auditor, OTHER, csrf=auditor.csrf("/"), expected="*").status_code == 403
    why = {"csrf": auditor.csrf("/"), "reason": "curious"}
    assert auditor.submit(FILE, **why).status_code == 403
    assert Browsing(office).get(FILE).status_code == 303
    assert head.get("/records/contracts/ct-1/fields/kind/file").status_code == 404
    assert head.get(FILE).content == PDF
