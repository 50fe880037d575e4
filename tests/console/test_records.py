"""Records on pages: shown as the visitor may see them, revealed one by one, found, with history."""

from __future__ import annotations

import pytest

from secvault.console.page import POLICY
from tests.console.browsing import Browsing, signed_in
from tests.running_service import PAYSLIP, Api, payslip

LIST = "/records/payroll"
RECORD = f"{LIST}/{PAYSLIP}"
REVEAL = f"{RECORD}/fields/bank_account/reveal"
SEARCH = f"{LIST}/-/search"
ACCOUNT = "0071000123456"
SALARY = ("31,500,000", "31500000")
HOSTILE = '"><script>alert(1)</script>'


def shows_none(text: str, values: tuple[str, ...]) -> bool:
    """Whether none of the values is anywhere in a page."""
    return not any(value in text for value in values)


def test_who_may_work_with_records_finds_the_collections_by_department(api: Api) -> None:
    page = signed_in(api, "clerk").get("/records").text
    assert "<h2>Human resources" in page
    assert f'href="{LIST}"' in page
    assert "Accounting" not in page
    of_auditor = signed_in(api, "auditor").get("/records").text
    assert "There are no records that you may work with" in of_auditor
    assert LIST not in of_auditor


@pytest.mark.parametrize("path", ["/records", LIST, RECORD, f"{RECORD}/history", f"{LIST}/-/new"])
def test_who_is_not_signed_in_sees_none_of_it(api: Api, path: str) -> None:
    sent = Browsing(api).get(path)
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "path", [LIST, RECORD, f"{RECORD}/edit", f"{LIST}/-/new", f"{RECORD}/fields/bank_account/file"]
)
def test_who_may_not_is_told_so_and_shown_nothing(api: Api, path: str) -> None:
    answer = signed_in(api, "auditor").get(path)
    assert answer.status_code in (403, 404)
    assert shows_none(answer.text, (ACCOUNT, *SALARY, "Oanh"))


def test_a_list_shows_what_is_open_and_none_of_the_rest(api: Api) -> None:
    answer = signed_in(api, "clerk").get(LIST)
    assert answer.headers["content-security-policy"] == POLICY
    assert f'href="{RECORD}"' in answer.text
    assert "Phạm Thị Kiều Oanh" in answer.text
    assert shows_none(answer.text, (ACCOUNT, *SALARY))


def test_a_list_comes_in_pages_whose_place_is_in_the_address(api: Api) -> None:
    for number in range(60):
        new = {"id": f"a-{number:03}", "fields": payslip()}
        api.ok("POST", "/api/v1/records/payroll", "head", new)
    browser = signed_in(api, "clerk")
    first = browser.get(LIST).text
    assert f'href="{LIST}?after=a-049"' in first
    second = browser.get(f"{LIST}?after=a-049").text
    assert "a-050" in second
    assert "a-049<" not in second
    assert PAYSLIP in second
    assert "Next page" not in second
    assert browser.get(f"{LIST}?after={HOSTILE}").status_code == 422


def test_a_record_is_shown_as_far_as_its_visitor_may_see_it(api: Api) -> None:
    page = signed_in(api, "clerk").get(RECORD).text
    assert "Phạm Thị Kiều Oanh" in page
    assert "masked" in page
    assert "withheld" in page
    assert "/reveal" not in page
    assert "/history" not in page
    assert shows_none(page, (ACCOUNT, "3456", *SALARY))
    of_head = signed_in(api, "head").get(RECORD).text
    assert "31,500,000 VND" in of_head
    assert "•••3456" in of_head
    assert f'action="{REVEAL}"' in of_head
    assert ACCOUNT not in of_head


def test_a_record_is_whole_in_vietnamese(api: Api) -> None:
    browser = signed_in(api, "head")
    browser.submit("/language", language="vi")
    page = browser.get(RECORD).text
    for words in ("Bảng lương", "Số tài khoản", "31.500.000 VND", "đã che", "Phiên bản 1"):
        assert words in page
    assert "Nhân sự" in browser.get("/records").text


def test_a_value_is_revealed_once_for_a_reason_that_its_history_keeps(api: Api) -> None:
    browser = signed_in(api, "head")
    csrf = browser.csrf(RECORD)
    shown = browser.submit(REVEAL, csrf=csrf, reason="the bank asks")
    assert shown.status_code == 200
    assert ACCOUNT in shown.text
    assert shown.headers["cache-control"] == "no-store"
    for path in (LIST, RECORD, REVEAL):
        assert ACCOUNT not in browser.get(path).text
    again = browser.get(REVEAL)
    assert (again.status_code, again.headers["location"]) == (303, RECORD)
    history = browser.get(f"{RECORD}/history").text
    assert "the bank asks" in history
    assert "revealed" in history
    assert "Bank account" in history
    assert ACCOUNT not in history


def test_a_reveal_needs_a_reason_the_right_the_pages_token_and_a_fresh_factor(api: Api) -> None:
    head, clerk = signed_in(api, "head"), signed_in(api, "clerk")
    csrf = head.csrf(RECORD)
    refusals = [
        (head.submit(REVEAL, csrf=csrf), 422),
        (head.submit(REVEAL, reason="the bank asks"), 403),
        (clerk.submit(REVEAL, csrf=clerk.csrf(RECORD), reason="curious"), 403),
    ]
    api.house.hands.seconds += 301
    refusals.append((head.submit(REVEAL, csrf=csrf, reason="the bank asks"), 401))
    for answer, status in refusals:
        assert answer.status_code == status
        assert ACCOUNT not in answer.text
    assert head.get(REVEAL).status_code == 303


def test_a_history_says_who_did_what_to_those_who_may_know(api: Api) -> None:
    signed_in(api, "clerk").get(RECORD)
    page = signed_in(api, "auditor").get(f"{RECORD}/history").text
    assert "entered" in page
    assert "looked at" in page
    assert "clerk" in page
    assert f'href="{RECORD}"' not in page
    assert signed_in(api, "clerk").get(f"{RECORD}/history").status_code == 403
    assert signed_in(api, "head").get(f"{LIST}/nobody-knows/history").status_code == 404


def test_records_are_found_by_what_is_open_and_no_address_says_what_was_sought(api: Api) -> None:
    browser = signed_in(api, "clerk")
    listing = browser.get(LIST).text
    assert 'value="full_name:prefix"' in listing
    assert "bank_account:" not in listing
    assert "gross_salary:" not in listing
    csrf = browser.csrf(LIST)
    found = browser.submit(SEARCH, csrf=csrf, by="full_name:prefix", value="Phạm")
    assert found.status_code == 200
    assert f'href="{RECORD}"' in found.text
    assert "location" not in found.headers
    none = browser.submit(SEARCH, csrf=csrf, by="full_name:exact", value="Lê Văn Tám")
    assert "No record that you may see fits" in none.text
    assert RECORD not in none.text
    assert browser.get(SEARCH).headers["location"] == LIST


def test_amounts_lie_between_and_what_makes_no_sense_is_said(api: Api) -> None:
    browser = signed_in(api, "head")
    csrf = browser.csrf(LIST)
    asked = {"by": "gross_salary:range", "value": "30000000 VND", "to": "32000000 VND"}
    assert f'href="{RECORD}"' in browser.submit(SEARCH, csrf=csrf, **asked).text
    asked["to"] = "31000000 VND"
    assert RECORD not in browser.submit(SEARCH, csrf=csrf, **asked).text.replace(SEARCH, "")
    for by, value in (("gross_salary:range", "much"), ("salary", "1"), ("full_name:exact", "")):
        answer = browser.submit(SEARCH, csrf=csrf, by=by, value=value)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
    hostile = browser.submit(SEARCH, csrf=csrf, by="full_name:exact", value=HOSTILE)
    assert "<script" not in hostile.text


def test_who_may_not_see_a_field_in_clear_cannot_search_by_it(api: Api) -> None:
    browser = signed_in(api, "clerk")
    csrf = browser.csrf(LIST)
    answer = browser.submit(SEARCH, csrf=csrf, by="bank_account:exact", value=ACCOUNT)
    assert answer.status_code == 403
    assert RECORD not in answer.text
    (newest, *_) = api.ok("GET", "/api/v1/audit/events?outcome=denied", "auditor")["events"]
    assert newest["kind"] == "record.search"
    auditor = signed_in(api, "auditor")
    sent = auditor.submit(SEARCH, csrf=auditor.csrf(), by="full_name:exact", value="Phạm")
    assert sent.status_code == 403
    assert PAYSLIP not in sent.text
