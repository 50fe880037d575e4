"""Searching over HTTP: pages, refusals, and no value in an answer that may not hold it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running_service import PAYSLIP, Api, payslip
from tests.service.policy_house import heads_read_accounts

SEARCH = "/api/v1/records/payroll/search"


@pytest.fixture
def paid(api: Api) -> Api:
    """With pay-1 to pay-3, each of a month and an account of its own, which heads read."""
    with api.house.open() as service:
        heads_read_accounts(service)
    for number in (1, 2, 3):
        fields = payslip(month=f"2026-{number:02}", bank_account=f"00710009999{number:02}")
        body = {"id": f"pay-{number}", "fields": fields}
        assert api("POST", "/api/v1/records/payroll", "head", body).status_code == 201
    return api


def ids(page: dict[str, Any]) -> list[str]:
    return [one["id"] for one in page["records"]]


def test_a_search_by_a_sealed_and_a_plain_field_gives_records_as_a_list_does(paid: Api) -> None:
    body = {"where": {"bank_account": "0071 0009 99902", "month": "2026-02"}}
    page = paid.ok("POST", SEARCH, "head", body)
    listed = paid.ok("GET", "/api/v1/records/payroll", "head")["records"]
    assert page == {"records": [one for one in listed if one["id"] == "pay-2"], "next": None}


def test_pages_are_continued_by_the_same_search(paid: Api) -> None:
    body: dict[str, Any] = {"where": {}, "sort": "-month", "limit": 3}
    first = paid.ok("POST", SEARCH, "head", body)
    assert ids(first) == [PAYSLIP, "pay-3", "pay-2"]
    second = paid.ok("POST", SEARCH, "head", {**body, "after": first["next"]})
    assert ids(second) == ["pay-1"]
    assert second["next"] is None
    for other in ({**body, "sort": "month"}, {**body, "where": {"status": "draft"}}):
        answer = paid("POST", SEARCH, "head", {**other, "after": first["next"]})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "after"


def test_a_masked_field_is_no_oracle(paid: Api) -> None:
    answers = []
    for account in ("0071000999901", "0071000999999"):
        answer = paid("POST", SEARCH, "clerk", {"where": {"bank_account": account}})
        assert answer.status_code == 403
        problem = answer.json()
        answers.append((problem["detail"], problem["title"]))
    assert answers[0] == answers[1]
    assert ids(paid.ok("POST", SEARCH, "clerk", {"where": {"month": "2026-02"}})) == ["pay-2"]
    for who in ("admin", "auditor", "system"):
        assert paid("POST", SEARCH, who, {"where": {}}).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"where": {"extra": "secret words"}}, "extra"),
        ({"where": {"month": 5}}, "month"),
        ({"where": {"full_name": {"last": "Oanh"}}}, "full_name"),
        ({"where": {"gross_salary": {"from": {"amount": "1", "currency": "VND"}}}}, "gross_salary"),
        ({"where": {}, "sort": "gross_salary"}, "sort"),
        ({"where": {}, "limit": 0}, "limit"),
        ({"where": {}, "limit": 501}, "limit"),
        ({"where": {}, "after": "not a cursor"}, "after"),
    ],
)
def test_what_cannot_be_searched_for_is_said_at_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    answer = api("POST", SEARCH, "head", body)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["errors"][0]["field"]
    assert "secret words" not in answer.text


def test_the_leakage_of_a_collection_is_for_administrators(api: Api) -> None:
    place = "/api/v1/collections/payroll/leakage"
    found = api.ok("GET", place, "auditor")["indexes"]
    assert {one["field"] for one in found} >= {"bank_account", "full_name"}
    only = api.ok("GET", f"{place}?field=bank_account", "auditor")["indexes"]
    assert [(one["kind"], one["records"], one["commonest"]) for one in only] == [
        ("exact", 1, 1.0),
        ("last", 1, 1.0),
    ]
    assert only[0]["advice"]
    assert api("GET", place, "head").status_code == 403
    assert api("GET", f"{place}?field=status", "auditor").status_code == 404
