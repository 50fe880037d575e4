"""Revealing one value over HTTP, and who did what to a record."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing

import pytest

from tests.running_service import PAYSLIP, Api, payslip

PLACE = f"/api/v1/records/payroll/{PAYSLIP}"
REVEAL = f"{PLACE}/fields/bank_account/reveal"
ACCOUNT = "0071000123456"
WHY = {"reason": "Lương bị trả về, ngân hàng hỏi"}


def test_a_head_reveals_one_account_with_a_reason_and_the_auditor_sees_who_and_why(
    api: Api,
) -> None:
    seen = api.ok("GET", PLACE, "head")
    assert seen["masked"] == {"bank_account": "•••3456"}
    assert seen["revealable"] == ["bank_account"]
    answer = api("POST", REVEAL, "head", WHY)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["etag"] == '"1"'
    shown = answer.json()
    assert (shown["value"], shown["version"]) == (ACCOUNT, 1)

    for path in (f"{PLACE}/history", "/api/v1/audit/events?kind=record.reveal"):
        found = api.ok("GET", path, "auditor")
        (event,) = [one for one in found["events"] if one["kind"] == "record.reveal"]
        assert event["reason"] == WHY["reason"]
        assert event["fields"] == ["bank_account"]
        assert event["detail"] == {"reveal": shown["reveal"], "version": 1}
        assert ACCOUNT not in str(found)
    assert found["events"][0]["resource"] == f"hr/payroll/{PAYSLIP}/bank_account"
    assert found["events"][0]["actor"].startswith("user:")


def test_the_log_itself_holds_no_word_of_the_reason(api: Api, log: io.StringIO) -> None:
    api.ok("POST", REVEAL, "head", WHY)
    api.ok("GET", "/api/v1/audit/events", "auditor")
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        bodies = [body for (body,) in database.execute("SELECT body FROM audit_event")]
        kept = database.execute("SELECT * FROM record_reveal").fetchall()
    assert len(bodies) > 3
    assert not any("ngân hàng".encode() in bytes(body) for body in bodies)
    assert len(kept) == 1
    assert "ngân hàng".encode() not in b"".join(x for x in kept[0] if isinstance(x, bytes))
    assert "ngân hàng" not in log.getvalue()


def test_nothing_is_revealed_without_a_fresh_second_factor(api: Api) -> None:
    api.house.hands.seconds += 301
    assert api.ok("GET", PLACE, "head")["revealable"] == ["bank_account"]
    answer = api("POST", REVEAL, "head", WHY)
    assert answer.status_code == 401
    assert 'max_age="300"' in answer.headers["www-authenticate"]
    assert ACCOUNT not in answer.text


@pytest.mark.parametrize("who", ["clerk", "auditor", "admin", "system"])
def test_nobody_else_reveals_it(api: Api, who: str) -> None:
    answer = api("POST", REVEAL, who, WHY)
    assert answer.status_code == 403
    assert ACCOUNT not in answer.text
    if who == "clerk":
        assert api.ok("GET", PLACE, who)["revealable"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.reason"),
        ({"reason": ""}, "reason"),
        ({"reason": " \t "}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": "a\nb"}, "reason"),
        ({"reason": "a\u202eb"}, "reason"),
        ({"reason": 1}, "body.reason"),
        ({"reason": "x", "ticket": "none of ours"}, "ticket"),
        ({"reason": "x", "more": 1}, "body.more"),
    ],
)
def test_a_bad_reason_is_named_and_reveals_nothing(
    api: Api, body: dict[str, object], field: str
) -> None:
    answer = api("POST", REVEAL, "head", body)
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["errors"]} == {field}
    events = api.ok("GET", f"{PLACE}/history", "auditor")["events"]
    assert not [one for one in events if (one["kind"], one["outcome"]) == ("record.reveal", "ok")]


def test_what_is_not_there_is_said_so(api: Api) -> None:
    for path in (
        f"{PLACE}/fields/no_such_field/reveal",
        "/api/v1/records/payroll/no-such-record/fields/bank_account/reveal",
        "/api/v1/records/no_such_collection/pay-1/fields/bank_account/reveal",
    ):
        assert api("POST", path, "head", WHY).status_code == 404
    assert api("GET", "/api/v1/records/payroll/never-asked-for/history", "head").status_code == 404


def test_one_person_reveals_only_so_much_in_an_hour(api: Api) -> None:
    most = 60
    for _ in range(most):
        api.ok("POST", REVEAL, "head", WHY)
    answer = api("POST", REVEAL, "head", WHY)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3600"
    assert ACCOUNT not in answer.text
    assert len(api.ok("GET", f"{PLACE}/history?limit=1000", "head")["events"]) > most


def test_the_history_says_who_made_changed_and_read_it_and_which_fields(api: Api) -> None:
    change = {"fields": {"status": "approved", "working_days": "21"}}
    assert api("PATCH", PLACE, "clerk", change, headers={"If-Match": '"1"'}).is_success
    api.ok("GET", PLACE, "clerk")
    found = api.ok("GET", f"{PLACE}/history", "head")
    assert [(one["action"], one["version"]) for one in found["deeds"]] == [
        ("record.create", 1),
        ("record.update", 2),
    ]
    names = found["names"]
    assert [names[one["who"]] for one in found["deeds"]] == ["head", "clerk"]
    said = [(one["kind"], names[one["actor"]]) for one in found["events"]]
    assert said[:2] == [("record.list", "clerk"), ("record.update", "clerk")]
    assert ("record.create", "head") in said
    update = found["events"][1]
    assert set(update["fields"]) == {"status", "working_days"}
    assert update["detail"] == {"from_version": 1, "version": 2}

    pages, after = [], ""
    while True:
        page = api.ok("GET", f"{PLACE}/history?limit=1{after}", "auditor")
        pages += [one["seq"] for one in page["events"] if one["seq"] <= found["events"][0]["seq"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert pages == [one["seq"] for one in found["events"]]


def test_pages_that_name_no_records_are_in_the_history_when_asked_for(api: Api) -> None:
    api.ok("GET", "/api/v1/records/payroll", "clerk")
    alone = api.ok("GET", f"{PLACE}/history", "auditor")["events"]
    wide = api.ok("GET", f"{PLACE}/history?collection_wide=true", "auditor")["events"]
    assert "hr/payroll" not in {one["resource"] for one in alone}
    assert "hr/payroll" in {one["resource"] for one in wide}


@pytest.mark.parametrize("who", ["clerk", "admin", "system"])
def test_only_auditors_and_heads_see_a_history(api: Api, who: str) -> None:
    assert api("GET", f"{PLACE}/history", who).status_code == 403


def test_a_record_that_is_gone_has_a_history_without_reasons(api: Api) -> None:
    api.ok("POST", REVEAL, "head", WHY)
    assert api("DELETE", PLACE, "head", headers={"If-Match": '"1"'}).status_code == 204
    found = api.ok("GET", f"{PLACE}/history", "auditor")
    assert found["deeds"] == []
    kinds = [one["kind"] for one in found["events"]]
    assert {"record.create", "record.reveal", "record.delete"} <= set(kinds)
    assert [one["reason"] for one in found["events"] if one["kind"] == "record.reveal"] == [None]


def test_a_refusal_names_every_field_that_one_may_not_write(api: Api) -> None:
    change = {
        "fields": {
            "status": "approved",
            "bank_account": "9990001234567",
            "gross_salary": {"amount": "1", "currency": "VND"},
        }
    }
    answer = api("PATCH", PLACE, "clerk", change, headers={"If-Match": '"1"'})
    assert answer.status_code == 403
    problem = answer.json()
    assert {fault["field"] for fault in problem["errors"]} == {"bank_account", "gross_salary"}
    assert "bank_account" in problem["detail"]
    assert api.ok("GET", PLACE, "head")["version"] == 1
    denied = api.ok("GET", "/api/v1/audit/events?kind=record.update&outcome=denied", "auditor")
    assert {one["resource"].rpartition("/")[2] for one in denied["events"]} == {
        "bank_account",
        "gross_salary",
    }


def test_what_a_mask_shows_is_not_written_back(api: Api) -> None:
    seen = api.ok("GET", PLACE, "head")
    change = {"fields": {"status": "approved", **seen["masked"]}}
    answer = api("PATCH", PLACE, "head", change, headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["errors"]} == {"bank_account"}
    new = {"id": "new", "fields": payslip(bank_account="•••3456")}
    assert api("POST", "/api/v1/records/payroll", "head", new).status_code == 422
    assert api.ok("POST", REVEAL, "head", WHY)["value"] == ACCOUNT


def test_a_change_that_leaves_out_what_is_masked_keeps_it(api: Api) -> None:
    change = {"fields": {"status": "approved"}}
    assert api("PATCH", PLACE, "clerk", change, headers={"If-Match": '"1"'}).is_success
    assert api.ok("POST", REVEAL, "head", WHY)["value"] == ACCOUNT
