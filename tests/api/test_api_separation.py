"""Separation of duties, and records that somebody else approves, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.running_service import Api, Front, House, join
from tests.service.test_record_release import TAX

RULE = "payroll-and-release-payments"
PLACE = "/api/v1/records/tax_filings/vat-1"
TREASURER = {
    "subject": "user:clerk",
    "role": "role:accounting.treasurer",
    "department": "accounting",
}


@pytest.fixture
def office(front: Front, house: House) -> Iterator[Api]:
    """The application with two heads of accounting, and a draft that the first has entered."""
    with house.open() as service:
        for name in ("lan", "minh"):
            join(service, house, name, ("role:accounting.head", "accounting"))
    with front.serving(house) as api:
        api.ok("POST", "/api/v1/records/tax_filings", "lan", {"id": "vat-1", "fields": TAX})
        yield api


def approve(api: Api, who: str, version: int | None = 1) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return api("POST", f"{PLACE}/approval", who, headers=headers)


def test_a_draft_is_approved_by_another_in_the_version_that_they_saw(office: Api) -> None:
    draft = {"state": "draft", "approved_by": None, "approved_at": None}
    assert office.ok("GET", PLACE, "lan")["release"] == draft
    own = approve(office, "lan")
    assert (own.status_code, own.json()["type"]) == (403, "urn:secvault:problem:refused")
    assert "only to somebody who is known not to have made" in own.json()["detail"]
    assert approve(office, "minh", None).status_code == 428
    assert approve(office, "minh", 2).status_code == 412
    given = approve(office, "minh")
    assert given.status_code == 201
    assert given.headers["etag"] == '"1"'
    assert given.json()["release"]["state"] == "approved"
    assert office.ok("GET", PLACE, "lan")["release"] == given.json()["release"]
    assert approve(office, "minh").status_code == 409
    changed = office(
        "PATCH", PLACE, "lan", {"fields": {"period": "2026-12"}}, headers={"If-Match": '"1"'}
    )
    assert changed.json()["release"] == draft


def test_who_may_not_approve_learns_nothing_and_other_collections_have_no_release(
    office: Api,
) -> None:
    for who in ("clerk", "admin", "system"):
        assert approve(office, who).status_code == 403
    assert office.ok("GET", "/api/v1/records/payroll/pay-0042", "head")["release"] is None
    listed = office.ok("GET", "/api/v1/collections", "lan")["collections"]
    assert {one["name"]: one["release"] for one in listed}["payments"] == "second_person"


def test_a_role_that_is_kept_apart_is_refused_with_the_rule_and_excepted_for_a_while(
    api: Api,
) -> None:
    refused = api("POST", "/api/v1/grants", "admin", TREASURER)
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:secvault:problem:separation-of-duties"
    assert refused.json()["separation"] == {"rules": [RULE]}
    said = {"subject": "user:clerk", "rule": RULE, "days": 30, "note": "looked at weekly"}
    made = api.ok("POST", "/api/v1/separation/exceptions", "admin", said)
    assert (made["name"], made["granted_by_name"], made["in_force"]) == ("clerk", "admin", True)
    api.ok("POST", "/api/v1/grants", "admin", {**TREASURER, "days": 20})
    (found,) = api.ok("GET", "/api/v1/separation/conflicts?subject=user:clerk", "auditor")[
        "conflicts"
    ]
    assert (found["rule"], found["exception"]) == (RULE, made["id"])
    assert found["sides"][1][0]["policy_rule"] == "accounting-treasurer-approve-payments"
    place = f"/api/v1/separation/exceptions/{made['id']}"
    assert api.ok("DELETE", place, "admin")["in_force"] is False
    assert api("DELETE", place, "admin").status_code == 409
    assert api.ok("GET", "/api/v1/separation/exceptions", "auditor") == {"exceptions": []}
    (kept,) = api.ok("GET", "/api/v1/separation/exceptions?all=true", "auditor")["exceptions"]
    assert kept["ended_by"].startswith("user:")
    (now,) = api.ok("GET", "/api/v1/separation/conflicts", "auditor")["conflicts"]
    assert now["exception"] is None


def test_rules_and_moments_are_read_by_who_reviews_and_by_nobody_else(api: Api) -> None:
    rules = api.ok("GET", "/api/v1/separation/rules", "auditor")["rules"]
    assert {one["mode"] for one in rules} == {"deny", "warn"}
    assert all(one["title"]["vi"] for one in rules)
    conflicts = "/api/v1/separation/conflicts"
    assert api.ok("GET", f"{conflicts}?at=2026-01-01T00:00:00Z", "auditor") == {"conflicts": []}
    assert api("GET", f"{conflicts}?at=yesterday", "auditor").status_code == 422
    assert api("GET", f"{conflicts}?at=1900-01-01T00:00:00Z", "auditor").status_code == 422
    assert api("GET", f"{conflicts}?subject=user:nobody", "auditor").status_code == 422
    for path in ("rules", "conflicts", "exceptions"):
        for who in ("clerk", "head", "system"):
            assert api("GET", f"/api/v1/separation/{path}", who).status_code == 403
    said = {"subject": "user:clerk", "rule": RULE, "days": 30, "note": "n"}
    assert api("POST", "/api/v1/separation/exceptions", "auditor", said).status_code == 403
