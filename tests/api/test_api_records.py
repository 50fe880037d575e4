"""Records over HTTP: what each role sees, versions, pages, refusals with their reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running_service import PAYSLIP, Api, payslip

PLACE = f"/api/v1/records/payroll/{PAYSLIP}"
SALARIES = {"gross_salary", "insurance", "income_tax", "net_salary"}


def in_clear(**changed: Any) -> dict[str, Any]:
    """What the head sees of a payslip without revealing anything."""
    return {name: value for name, value in payslip(**changed).items() if name != "bank_account"}


def test_a_clerk_sees_the_salary_masked_and_the_account_withheld_with_the_reason(api: Api) -> None:
    seen = api.ok("GET", PLACE, "clerk")
    assert set(seen["masked"]) == SALARIES
    assert set(seen["withheld"]) == {"bank_account"}
    assert len(seen["withheld"]["bank_account"]) > 20
    assert set(seen["fields"]) == set(payslip()) - SALARIES - {"bank_account"}
    assert "31500000" not in str(seen)
    assert "0071000123456" not in str(seen)


def test_the_head_of_the_department_sees_all_but_the_account_which_may_be_revealed(
    api: Api,
) -> None:
    seen = api.ok("GET", PLACE, "head")
    assert seen["fields"] == in_clear()
    assert seen["masked"] == {"bank_account": "•••3456"}
    assert (seen["withheld"], seen["revealable"]) == ({}, ["bank_account"])


def test_salaries_are_masked_again_when_the_code_of_the_head_is_old(api: Api) -> None:
    api.house.hands.seconds += 301
    seen = api.ok("GET", PLACE, "head")
    assert set(seen["masked"]) == {*SALARIES, "bank_account"}
    assert seen["revealable"] == ["bank_account"]


def test_a_refusal_says_why_and_names_nothing_hidden(api: Api) -> None:
    answer = api("GET", f"{PLACE}/fields/bank_account", "clerk")
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["type"] == "urn:secvault:problem:refused"
    assert len(problem["detail"]) > 20
    assert "0071000123456" not in answer.text
    salary = payslip()["gross_salary"]
    assert api.ok("GET", f"{PLACE}/fields/gross_salary", "head") == {"value": salary}
    assert api("GET", f"{PLACE}/fields/bank_account", "head").status_code == 403


def test_who_is_of_another_department_or_no_department_sees_nothing(api: Api) -> None:
    for who in ("admin", "auditor", "system"):
        assert api("GET", PLACE, who).status_code == 403
        assert api("GET", "/api/v1/records/payroll", who).status_code == 403
        assert api("GET", f"{PLACE}/fields/bank", who).status_code == 403
        assert api("POST", "/api/v1/records/payroll", who, {"fields": {}}).status_code == 403


def test_the_collections_are_those_that_the_caller_may_work_with(api: Api) -> None:
    names = {one["name"] for one in api.ok("GET", "/api/v1/collections", "clerk")["collections"]}
    assert {"payroll", "employees", "contracts", "insurance"} <= names
    assert api.ok("GET", "/api/v1/collections", "auditor")["collections"] == []


def test_a_record_is_made_read_changed_and_deleted(api: Api) -> None:
    made = api("POST", "/api/v1/records/payroll", "head", {"id": "pay-1", "fields": payslip()})
    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    place = made.headers["location"]
    assert place == "/api/v1/records/payroll/pay-1"
    change = {"fields": {"status": "approved", "note": "bonus paid"}}
    changed = api("PATCH", place, "head", change, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["fields"] == in_clear(status="approved", note="bonus paid")
    removed = api("PATCH", place, "head", {"fields": {"note": None}}, headers={"If-Match": '"2"'})
    assert "note" not in removed.json()["fields"]
    assert api("DELETE", place, "head", headers={"If-Match": '"3"'}).status_code == 204
    assert api("GET", place, "head").status_code == 404


def test_an_id_is_made_when_the_caller_leaves_it_out(api: Api) -> None:
    made = api.ok("POST", "/api/v1/records/payroll", "head", {"fields": payslip()})
    assert api.ok("GET", f"/api/v1/records/payroll/{made['id']}", "head") == made


def test_an_id_is_given_once(api: Api) -> None:
    answer = api("POST", "/api/v1/records/payroll", "head", {"id": PAYSLIP, "fields": payslip()})
    assert answer.status_code == 409
    assert api.ok("GET", PLACE, "head")["version"] == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_must_name_the_version_that_was_seen(api: Api, method: str) -> None:
    body = {"fields": {"status": "paid"}} if method == "PATCH" else None
    assert api(method, PLACE, "head", body).status_code == 428
    for wrong in ('"2"', "0", '"999999999"'):
        answer = api(method, PLACE, "head", body, headers={"If-Match": wrong})
        assert answer.status_code == 412, wrong
    for unread in ("*", 'W/"1"', "-1", '"1", "2"', "", "1e9", "9" * 10_000, "١"):
        answer = api(method, PLACE, "head", body, headers={"If-Match": unread.encode()})
        assert answer.status_code == 422, unread
        assert answer.json()["errors"][0]["field"] == "If-Match"
    assert api.ok("GET", PLACE, "head") == {
        **api.ok("GET", PLACE, "head"), "version": 1, "fields": in_clear(),
    }  # fmt: skip


def test_a_field_that_one_may_not_write_stops_the_whole_change(api: Api) -> None:
    change = {"fields": {"status": "approved", "bank_account": "9990001234567"}}
    answer = api("PATCH", PLACE, "clerk", change, headers={"If-Match": '"1"'})
    assert answer.status_code == 403
    assert api.ok("GET", PLACE, "head")["fields"] == in_clear()
    allowed = {"fields": {"status": "approved"}}
    assert api("PATCH", PLACE, "clerk", allowed, headers={"If-Match": '"1"'}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "month"),
        (payslip(extra=1), "extra"),
        (payslip(working_days=21.5), "working_days"),
        (payslip(working_days="9" * 10_000), "working_days"),
        (payslip(gross_salary={"amount": "1", "currency": "XXX"}), "gross_salary.currency"),
        (payslip(month="2" * 1_000), "month"),
        (payslip(status=None), "status"),
        (payslip(bank="a\u0000b"), "bank"),
        (payslip(bank="a\u202eb"), "bank"),
        (payslip(paid_on="2026-02-30"), "paid_on"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Api, fields: dict[str, Any], named: str
) -> None:
    answer = api("POST", "/api/v1/records/payroll", "head", {"id": "new", "fields": fields})
    assert answer.status_code == 422
    assert named in {fault["field"] for fault in answer.json()["errors"]}
    assert api("GET", "/api/v1/records/payroll/new", "head").status_code == 404


def test_a_change_of_nothing_is_told_so(api: Api) -> None:
    answer = api("PATCH", PLACE, "head", {"fields": {}}, headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "fields"


def test_pages_follow_one_another_without_gap_or_repetition(api: Api) -> None:
    for number in range(7):
        body = {"id": f"r-{number}", "fields": payslip()}
        api.ok("POST", "/api/v1/records/payroll", "head", body)
    everything = [PAYSLIP, *(f"r-{number}" for number in range(7))]
    for limit in (1, 3, 7, 8, 500):
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = api.ok("GET", f"/api/v1/records/payroll?limit={limit}&after={after}", "head")
            assert 0 < len(page["records"]) <= limit
            seen += [record["id"] for record in page["records"]]
            after = page["next"]
        assert seen == everything
    past = api.ok("GET", "/api/v1/records/payroll?after=zzz", "head")
    assert past == {"records": [], "next": None}


def test_a_page_hides_from_a_clerk_what_a_record_hides(api: Api) -> None:
    (record,) = api.ok("GET", "/api/v1/records/payroll", "clerk")["records"]
    assert record == api.ok("GET", PLACE, "clerk")


def test_every_read_and_refusal_is_in_the_log_with_its_fields(api: Api) -> None:
    answer = api("GET", PLACE, "clerk")
    refused = api("GET", f"{PLACE}/fields/bank_account", "clerk")
    events = api.ok("GET", "/api/v1/audit/events?resource=hr/payroll", "auditor")["events"]
    by_request = {event["request"]: event for event in events}
    read = by_request[answer.headers["x-request-id"]]
    assert (read["kind"], read["outcome"], read["resource"]) == (
        "record.list", "ok", f"hr/payroll/{PAYSLIP}",
    )  # fmt: skip
    assert "gross_salary" in read["fields"]
    assert "bank_account" not in read["fields"]
    denied = by_request[refused.headers["x-request-id"]]
    assert (denied["kind"], denied["outcome"]) == ("record.read", "denied")
    assert denied["resource"] == f"hr/payroll/{PAYSLIP}/bank_account"
