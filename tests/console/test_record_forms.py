"""Records made and changed on pages: only what was changed, only by who may, never over another."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.console.browsing import Browsing, signed_in
from tests.running_service import PAYSLIP, Api, payslip

LIST = "/records/payroll"
RECORD = f"{LIST}/{PAYSLIP}"
EDIT, NEW = f"{RECORD}/edit", f"{LIST}/-/new"
API = f"/api/v1/records/payroll/{PAYSLIP}"
HOSTILE = '"><script>alert(1)</script>'


def filled(page: str) -> dict[str, str]:
    """The fields of the page's form as a browser would send them back."""
    form = page[page.index('class="record"') :]
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        found = re.search(r'name="([^"]*)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        if found and found[1] != "in_clear":
            fields[found[1]] = value[1] if value else ""
    for name, options in re.findall(
        r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL
    ):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        fields[name] = (chosen[1] or chosen[2]) if chosen else ""
    lines = r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>'
    fields.update(re.findall(lines, form, re.DOTALL))
    return fields


def in_clear(page: str) -> list[str]:
    """The fields whose values the form shows."""
    return re.findall(r'name="in_clear" value="([^"]*)"', page)


def send(browser: Browsing, path: str, fields: dict[str, Any]) -> Any:
    return browser.submit(path, **fields)


def test_only_what_was_changed_is_changed(api: Api) -> None:
    browser = signed_in(api, "clerk")
    page = browser.get(EDIT).text
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page), "f.working_days": "21.5"}
    assert "f.bank_account" not in fields
    assert "f.gross_salary" not in fields
    answer = send(browser, EDIT, fields)
    assert (answer.status_code, answer.headers["location"]) == (303, RECORD)
    (newest, *_) = api.ok("GET", "/api/v1/audit/events?kind=record.update", "auditor")["events"]
    assert newest["fields"] == ["working_days"]
    after = api.ok("GET", API, "head")
    assert (after["version"], after["fields"]["working_days"]) == (2, "21.5")
    assert after["fields"]["full_name"] == payslip()["full_name"]
    again = browser.get(EDIT).text
    unchanged = {**filled(again), "in_clear": in_clear(again)}
    assert send(browser, EDIT, unchanged).status_code == 303
    assert api.ok("GET", API, "head")["version"] == 2


def test_what_is_not_shown_stays_when_it_is_left_empty_and_is_never_in_the_form(api: Api) -> None:
    browser = signed_in(api, "head")
    page = browser.get(EDIT).text
    assert "0071000123456" not in page
    assert "bank_account" not in in_clear(page)
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page), "f.paid_on": "2026-11-30"}
    assert fields["f.bank_account"] == ""
    assert send(browser, EDIT, fields).status_code == 303
    reason = {"reason": "to compare"}
    shown = api.ok("POST", f"{API}/fields/bank_account/reveal", "head", reason)
    assert shown["value"] == "0071000123456"


def test_a_form_that_was_shown_without_a_value_does_not_remove_it_later(api: Api) -> None:
    browser = signed_in(api, "head")
    api.house.hands.seconds += 301
    page = browser.get(EDIT).text
    assert "gross_salary" not in in_clear(page)
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page), "f.working_days": "20"}
    browser = signed_in(api, "head")
    fields["csrf"] = browser.csrf(RECORD)
    assert send(browser, EDIT, fields).status_code == 303
    after = api.ok("GET", API, "head")
    assert after["fields"]["working_days"] == "20"
    assert "gross_salary" in {*after["fields"], *after["masked"]}


def test_a_value_that_was_shown_and_emptied_is_removed(api: Api) -> None:
    browser = signed_in(api, "head")
    page = browser.get(EDIT).text
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page)}
    send(browser, EDIT, {**fields, "f.paid_on": "2026-11-30"})
    page = browser.get(EDIT).text
    assert filled(page)["f.paid_on"] == "2026-11-30"
    fields = {**filled(page), "in_clear": in_clear(page), "f.paid_on": ""}
    assert send(browser, EDIT, fields).status_code == 303
    assert "paid_on" not in api.ok("GET", API, "head")["fields"]


def test_nobody_overwrites_what_somebody_else_has_changed_meanwhile(api: Api) -> None:
    browser = signed_in(api, "clerk")
    page = browser.get(EDIT).text
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page), "f.working_days": "19"}
    version = {"If-Match": '"1"'}
    change = {"fields": {"working_days": "18"}}
    assert api("PATCH", API, "head", change, headers=version).status_code == 200
    answer = send(browser, EDIT, fields)
    assert answer.status_code == 412
    assert "Somebody else changed the record meanwhile" in answer.text
    assert "<dd><bdi>19</bdi></dd>" in answer.text
    assert filled(answer.text)["f.working_days"] == "18"
    assert filled(answer.text)["version"] == "2"
    assert api.ok("GET", API, "head")["fields"]["working_days"] == "18"


def test_what_does_not_fit_is_said_beside_the_field_with_what_was_typed(api: Api) -> None:
    browser = signed_in(api, "clerk")
    page = browser.get(EDIT).text
    fields: dict[str, Any] = {**filled(page), "in_clear": in_clear(page), "f.working_days": "many"}
    answer = send(browser, EDIT, fields)
    assert answer.status_code == 422
    assert 'href="#f-working_days"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert filled(answer.text)["f.working_days"] == "many"
    assert api.ok("GET", API, "head")["version"] == 1


@pytest.mark.parametrize("who", ["clerk", "auditor"])
def test_a_form_writes_nothing_that_its_sender_may_not(api: Api, who: str) -> None:
    browser = signed_in(api, who)
    fields = {"csrf": browser.csrf("/"), "version": "1", "f.bank_account": "0071000999999"}
    assert send(browser, EDIT, fields).status_code == 403
    fields.pop("csrf")
    assert send(browser, EDIT, {**fields, "f.working_days": "1"}).status_code == 403
    assert api.ok("GET", API, "head")["version"] == 1


def made(page: str, **changed: str) -> dict[str, Any]:
    """A whole new payslip in the form's fields."""
    fields: dict[str, Any] = filled(page)
    for name, value in payslip().items():
        fields[f"f.{name}"] = value["amount"] if isinstance(value, dict) else value
    return fields | changed


def test_a_record_is_made_once_also_by_a_form_that_is_sent_twice(api: Api) -> None:
    browser = signed_in(api, "head")
    page = browser.get(NEW).text
    fields = made(page, **{"f.full_name": f"Lê {HOSTILE}"})
    first = send(browser, NEW, fields)
    assert first.status_code == 303, first.text
    second = send(browser, NEW, fields)
    assert second.headers["location"] == first.headers["location"]
    shown = browser.get(first.headers["location"]).text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown
    listed = browser.get(LIST).text
    assert listed.count('scope="row"') == 2
    assert "<script>alert" not in listed


def test_a_new_record_that_lacks_something_is_not_made_and_keeps_what_was_typed(api: Api) -> None:
    browser = signed_in(api, "head")
    fields = made(browser.get(NEW).text, **{"f.month": "", "record_id": "pay-0043"})
    answer = send(browser, NEW, fields)
    assert answer.status_code == 422
    assert 'href="#f-month"' in answer.text
    assert filled(answer.text)["f.full_name"] == payslip()["full_name"]
    fields["f.month"] = "2026-12"
    done = send(browser, NEW, fields)
    assert done.headers["location"] == f"{LIST}/pay-0043"
    taken = send(browser, NEW, made(browser.get(NEW).text, record_id="pay-0043"))
    assert taken.status_code == 409


def test_who_cannot_fill_in_what_is_required_is_told_before(api: Api) -> None:
    page = signed_in(api, "clerk").get(NEW).text
    assert "which you may not fill in" in page
    assert "Bank account" in page
    assert 'name="f.bank_account"' not in page
