"""People, grants, systems and the log over HTTP, as an administrator and an auditor use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running_service import PASSWORD, Api


def _new(name: str = "mai.tran", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": "Trần Thị Mai",
        "department": "hr",
        "password": PASSWORD,
        **changed,
    }


def test_a_person_is_made_enrolled_granted_and_let_in(api: Api) -> None:
    hands = api.house.hands
    made = api.ok("POST", "/api/v1/people", "admin", _new())
    assert (made["name"], made["state"]) == ("mai.tran", "active")
    begun = api.ok("POST", "/api/v1/people/mai.tran/devices", "admin", {"name": "phone"})
    assert begun["uri"].startswith("otpauth://totp/")
    codes = {"first": hands.code(begun["seed"], -2), "second": hands.code(begun["seed"], -1)}
    place = f"/api/v1/people/{made['id']}/devices/{begun['device']}/confirmation"
    backwards = {"first": codes["second"], "second": codes["first"]}
    assert api("POST", place, "admin", backwards).status_code == 422
    assert api("POST", place, "admin", codes).status_code == 204
    assert api("POST", place, "admin", codes).status_code == 409
    grant = {"subject": "user:mai.tran", "role": "role:hr.clerk", "department": "hr", "days": 1}
    given = api.ok("POST", "/api/v1/grants", "admin", grant)
    assert given["subject"] == f"user:{made['id']}"
    assert api("POST", "/api/v1/grants", "admin", grant).status_code == 409
    signing_in = {"name": "mai.tran", "password": PASSWORD, "code": hands.code(begun["seed"])}
    session = api.ok("POST", "/api/v1/sessions", body=signing_in)
    assert api("GET", "/api/v1/records/payroll", session["token"]).status_code == 200


def test_no_answer_holds_a_password_or_a_second_look_at_a_seed(api: Api) -> None:
    made = api("POST", "/api/v1/people", "admin", _new())
    begun = api.ok("POST", "/api/v1/people/mai.tran/devices", "admin", {"name": "phone"})
    listed = api("GET", "/api/v1/people", "admin").text
    assert PASSWORD not in made.text + listed
    assert begun["seed"] not in listed


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "x"}, "name"),
        ({"name": "with space"}, "name"),
        ({"display_name": "two\nlines"}, "display_name"),
        ({"department": "sales"}, "department"),
        ({"password": "short"}, "password"),
        ({"password": "mai.tran mai.tran"}, "password"),
        ({"state": "admin"}, "body.state"),
    ],
)
def test_a_person_that_cannot_be_is_not_made(api: Api, changed: dict[str, Any], field: str) -> None:
    before = api.ok("GET", "/api/v1/people", "admin")
    answer = api("POST", "/api/v1/people", "admin", _new(**changed))
    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}
    assert api.ok("GET", "/api/v1/people", "admin") == before


def test_a_name_is_given_once_however_it_is_written(api: Api) -> None:
    api.ok("POST", "/api/v1/people", "admin", _new())
    for name in ("mai.tran", "MAI.TRAN", "ｍai.tran"):
        assert api("POST", "/api/v1/people", "admin", _new(name)).status_code == 409


def test_nobody_gives_a_role_to_themselves(api: Api) -> None:
    grant = {"subject": "user:admin", "role": "role:hr.head", "department": "hr"}
    answer = api("POST", "/api/v1/grants", "admin", grant)
    assert answer.status_code == 403
    assert "themselves" in answer.json()["detail"]


def test_only_who_administers_may_administer(api: Api) -> None:
    for who in ("clerk", "head", "auditor", "system"):
        assert api("POST", "/api/v1/people", who, _new()).status_code == 403
        assert api("POST", "/api/v1/people/clerk/disable", who).status_code == 403
        grant = {"subject": f"user:{who}", "role": "role:it.admin", "department": "it"}
        assert api("POST", "/api/v1/grants", who, grant).status_code == 403
        assert api("GET", "/api/v1/tokens", who).status_code == 403


def test_a_token_is_shown_once(api: Api) -> None:
    api.ok(
        "POST",
        "/api/v1/systems",
        "admin",
        {"name": "sync", "department": "it", "owner": "admin", "roles": ["role:it.encryptor"]},
    )
    new = {"account": "sync", "display_name": "nightly", "days": 2}
    issued = api.ok("POST", "/api/v1/tokens", "admin", new)
    assert issued["token"].startswith(f"svt_{issued['key_id']}_")
    assert api.ok("GET", "/v1/auth/token/lookup-self", issued["token"])["data"]["ttl"] == 172_800
    listed = api("GET", "/api/v1/tokens", "admin")
    assert issued["key_id"] in listed.text
    assert issued["token"] not in listed.text


def test_a_system_with_a_role_that_is_none_is_not_half_made(api: Api) -> None:
    new = {"name": "sync", "department": "it", "owner": "admin", "roles": ["role:it.nothing"]}
    assert api("POST", "/api/v1/systems", "admin", new).status_code == 422
    names = {one["name"] for one in api.ok("GET", "/api/v1/systems", "admin")["systems"]}
    assert names == {"system"}


def test_the_auditor_reads_and_proves_the_log_and_the_administrator_only_proves_it(
    api: Api,
) -> None:
    assert api("GET", "/api/v1/audit/events", "admin").status_code == 403
    for who in ("auditor", "admin"):
        verdict = api.ok("POST", "/api/v1/audit/verification", who)
        assert verdict["ok"]
        assert verdict["problems"] == []
    note = api("POST", "/api/v1/audit/checkpoint", "auditor")
    assert note.headers["content-type"].startswith("text/plain")
    origin = note.text.splitlines()[0]
    assert api.ok("GET", "/api/v1/audit/keys", "auditor")["audit"].startswith(f"{origin}+")


def test_pages_of_the_log_follow_one_another(api: Api) -> None:
    api.ok("POST", "/api/v1/audit/verification", "auditor")
    seen: list[int] = []
    after = ""
    while True:
        page = api.ok("GET", f"/api/v1/audit/events?limit=3{after}", "auditor")
        seen += [event["seq"] for event in page["events"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == list(range(seen[0], -1, -1))
    denied = api.ok("GET", "/api/v1/audit/events?outcome=denied", "auditor")["events"]
    assert all(event["outcome"] == "denied" for event in denied)


def test_a_backup_is_asked_for_and_not_waited_for(api: Api) -> None:
    asked = api("POST", "/api/v1/backups/plans/nightly/runs", "admin")
    assert asked.status_code == 202
    assert asked.json()["id"]
    assert api("POST", "/api/v1/backups/plans/other/runs", "admin").status_code == 404
    assert api("POST", "/api/v1/backups/plans/nightly/drills", "auditor").status_code == 403
    assert api.ok("GET", "/api/v1/backups/runs", "auditor") == {"runs": []}
    assert api.ok("GET", "/api/v1/drills", "auditor") == {"drills": []}
    assert api("GET", "/api/v1/drills/none/evidence", "auditor").status_code == 404
    assert api("GET", "/api/v1/drills/none/report?language=xx", "auditor").status_code == 422
