"""Files imported on pages: looked at first, started after, and nothing of them shown."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from secvault.service.record_imports.running import do_import
from tests.console.browsing import OWN, Browsing, signed_in
from tests.running_service import Api
from tests.service.record_imports.files import as_csv, payroll_row

FORM = "/records/payroll/-/import"


def send(browser: Browsing, content: bytes, name: str = "may.csv", **fields: str) -> Any:
    """Send the form with a file, as a browser does."""
    jar = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return browser.api.client.post(
        FORM,
        headers={**OWN, "Cookie": jar},
        data=fields,
        files={"file": (name, content, "text/csv")},
        follow_redirects=False,
    )


def work(api: Api, place: str) -> None:
    """What the worker does."""
    with api.house.open() as service:
        do_import(service, place.rpartition("/")[2], Event())


def test_a_file_is_looked_at_then_started_and_its_records_are_there(api: Api) -> None:
    browser = signed_in(api, "head")
    csrf = browser.csrf(FORM)
    answer = send(browser, as_csv(payroll_row(number) for number in range(20)), csrf=csrf)
    assert answer.status_code == 303, answer.text
    place = answer.headers["location"]
    assert "The file is looked at." in browser.get(place).text
    work(api, place)
    page = browser.get(place).text
    assert "Nothing is stored yet." in page
    assert "<dd>20</dd>" in page
    assert browser.get("/records/payroll/pr-00001").status_code == 404
    clerk = signed_in(api, "clerk")
    assert "/start" not in clerk.get(place).text
    started = browser.submit(f"{place}/start", csrf=csrf)
    assert (started.status_code, started.headers["location"]) == (303, place)
    work(api, place)
    assert "All of it is stored." in browser.get(place).text
    assert browser.get("/records/payroll/pr-00001").status_code == 200
    assert place in browser.get(FORM).text


def test_what_is_wrong_is_told_by_row_without_its_values(api: Api) -> None:
    browser = signed_in(api, "head")
    bad = payroll_row(1) | {"working_days": "<script>alert(1)</script>"}
    answer = send(browser, as_csv([payroll_row(0), bad]), csrf=browser.csrf(FORM))
    work(api, answer.headers["location"])
    page = browser.get(answer.headers["location"]).text
    assert "Something is wrong with the file. Nothing was stored." in page
    assert "Working days" in page
    assert "alert(1)" not in page


@pytest.mark.parametrize(("name", "content"), [("may.pdf", b"%PDF-1.7"), ("may.csv", b"")])
def test_what_is_no_such_file_is_said_and_leaves_nothing_waiting(
    api: Api, name: str, content: bytes
) -> None:
    browser = signed_in(api, "head")
    answer = send(browser, content, name, csrf=browser.csrf(FORM))
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    states = {one["state"] for one in api.ok("GET", "/api/v1/imports", "head")["imports"]}
    assert states <= {"cancelled"}


def test_who_may_not_and_forms_without_the_token_import_nothing(api: Api) -> None:
    auditor, head = signed_in(api, "auditor"), signed_in(api, "head")
    content = as_csv([payroll_row(1)])
    assert auditor.get(FORM).status_code == 403
    assert send(auditor, content, csrf=auditor.csrf("/")).status_code == 403
    assert send(head, content).status_code == 403
    assert send(head, b"x" * 1_100_000, csrf=head.csrf(FORM)).status_code == 413
    assert api.ok("GET", "/api/v1/imports", "head")["imports"] == []


def test_an_import_is_cancelled_and_belongs_to_its_own_collection(api: Api) -> None:
    browser = signed_in(api, "head")
    csrf = browser.csrf(FORM)
    place = send(browser, as_csv([payroll_row(1)]), csrf=csrf).headers["location"]
    elsewhere = place.replace("/payroll/", "/contracts/")
    assert browser.get(elsewhere).status_code == 404
    assert browser.submit(f"{elsewhere}/cancel", csrf=csrf).status_code == 404
    assert browser.submit(f"{place}/cancel", csrf=csrf).status_code == 303
    assert "It was cancelled." in browser.get(place).text
