"""Roles over time by HTTP: given from when until when, activated, asked for and claimed."""

from __future__ import annotations

from typing import Any

import pytest

from secvault.clock import timestamp
from tests.running_service import Api, House, join

GRANTS, ACTIVATIONS, ASKED = (f"/api/v1/{n}" for n in ("grants", "activations", "role-requests"))
ELIGIBLE = "/api/v1/eligibilities"
CLERK = {"subject": "user:clerk", "role": "role:quality.clerk", "department": "quality"}


def at(house: House, seconds: float) -> str:
    return timestamp(int((house.hands.seconds + seconds) * 1_000_000))


def test_a_role_is_given_from_a_moment_until_another(api: Api, house: House) -> None:
    begins, ends = at(house, 60), at(house, 3660)
    made = api.ok("POST", GRANTS, "admin", {**CLERK, "not_before": begins, "hours": 1})
    assert (made["not_before"], made["expires_at"]) == (begins, ends)
    assert made["id"] not in {each["id"] for each in api.ok("GET", GRANTS, "admin")["grants"]}
    assert api.ok("GET", f"{GRANTS}?to_come=true", "admin")["grants"] == [made]
    own = api.ok("GET", f"{GRANTS}/own", "clerk")
    assert {each["role"] for each in own["grants"]} == {"role:hr.clerk", "role:quality.clerk"}
    renewed = api.ok("POST", f"{GRANTS}/{made['id']}/renewal", "admin", {"days": 3})
    assert renewed["expires_at"] == at(house, 3 * 86_400)
    assert api.ok("GET", f"{GRANTS}?without_end=true", "admin") == {"grants": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"not_before": "2026-12-01"}, "not_before"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"not_before": "0001-01-01T00:00:00+14:00"}, "not_before"),
        ({"not_before": "9999-12-31T23:59:59-14:00"}, "not_before"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"days": 1, "hours": 1}, "hours"),
        ({"days": 1, "expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_time_that_cannot_be_is_said_by_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    for path, more in ((GRANTS, {}), (ELIGIBLE, {"claim_by": "2030-01-01T00:00:00Z"})):
        answer = api("POST", path, "admin", {**CLERK, **body, **more})
        assert answer.status_code == 422, answer.text
        assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_role_is_activated_and_put_off(api: Api, house: House) -> None:
    new = {**CLERK, "minutes": 30, "claim_by": at(house, 3600)}
    made = api.ok("POST", ELIGIBLE, "admin", new)
    assert (made["state"], made["minutes"], made["running"]) == ("usable", 30, None)
    use = {"role": CLERK["role"], "department": "quality", "reason": "kiểm tra lô hàng"}
    done = api.ok("POST", ACTIVATIONS, "clerk", use)
    assert done["grant"]["expires_at"] == at(house, 1800)
    assert done["grant"]["source"] == f"activation:{made['id']}"
    assert api("POST", ACTIVATIONS, "clerk", use).status_code == 409
    (listed,) = api.ok("GET", ELIGIBLE, "auditor")["eligibilities"]
    assert listed["running"] == done["grant"]["id"]
    (used,) = api.ok("GET", ACTIVATIONS, "auditor")["activations"]
    assert used["reason"] == "kiểm tra lô hàng"
    assert api("DELETE", f"{ACTIVATIONS}/{done['grant']['id']}", "head").status_code == 404
    assert api("DELETE", f"{ACTIVATIONS}/{done['grant']['id']}", "clerk").status_code == 204
    assert api("DELETE", f"{ELIGIBLE}/{made['id']}", "admin").status_code == 204
    assert api("POST", ACTIVATIONS, "clerk", use).status_code == 404
    for path in (ELIGIBLE, ACTIVATIONS):
        assert api("GET", path, "clerk").status_code == 403


def test_a_role_is_asked_for_approved_and_claimed(api: Api, house: House) -> None:
    with house.open() as service:
        # Not the auditor, whom a rule of separation keeps from working with records.
        join(service, house, "mai")
    wanted = {"role": "role:hr.clerk", "department": "hr", "days": 2, "reason": "thay chị Lan"}
    asked = api.ok("POST", ASKED, "mai", wanted)
    assert (asked["missing"], asked["terms"]["seconds"]) == (2, 172_800)
    claim = f"{ASKED}/{asked['id']}/claim"
    refused = api("POST", claim, "mai", {})
    assert refused.status_code == 403
    assert refused.json()["approval"]["request"] == asked["id"]
    # The head sees it among what waits, and exactly what it is.
    (waiting,) = api.ok("GET", "/api/v1/approvals?pending=true", "head")["requests"]
    assert waiting["terms"] == asked["terms"]
    for who in ("head", "admin"):
        path = f"/api/v1/approvals/{asked['id']}/approval"
        api.ok("POST", path, who, {"digest": asked["digest"]})
    (mine,) = api.ok("GET", ASKED, "mai")["requests"]
    assert (mine["missing"], len(mine["approvals"])) == (0, 2)
    house.hands.seconds += 200
    given = api.ok("POST", claim, "mai", {})
    assert given["expires_at"] == at(house, 172_800)
    assert given["source"] == f"request:{asked['id']}"
    assert api("POST", claim, "mai", {}).status_code == 409
    assert api("POST", ASKED, "mai", {**wanted, "days": None}).status_code == 422


def test_a_factor_that_was_shown_long_ago_is_asked_for_again(api: Api, house: House) -> None:
    house.hands.seconds += 301
    wanted = {"role": "role:hr.clerk", "department": "hr", "days": 2, "reason": "x"}
    for path, body in (
        (ASKED, wanted),
        (ACTIVATIONS, {k: wanted[k] for k in wanted if k != "days"}),
    ):
        answer = api("POST", path, "auditor", body)
        assert answer.status_code == 401
        assert 'max_age="300"' in answer.headers["WWW-Authenticate"]
