"""People, grants, systems and the log over HTTP, as an administrator and an auditor use them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.running_service import Api

PEOPLE = "/api/v1/people"


def _new(name: str = "mai.tran", **changed: Any) -> dict[str, Any]:
    return {"name": name, "display_name": "Trần Thị Mai", "department": "hr", **changed}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "x"}, "name"),
        ({"name": "with space"}, "name"),
        ({"display_name": "two\nlines"}, "display_name"),
        ({"department": "sales"}, "department"),
        ({"contact": "nowhere"}, "contact"),
        ({"notes": "\u0007"}, "notes"),
        ({"send": True}, "send"),
        ({"password": "an administrator's choice"}, "body.password"),
    ],
)
def test_a_person_that_cannot_be_is_not_made(api: Api, changed: dict[str, Any], field: str) -> None:
    before = api.ok("GET", PEOPLE, "admin")
    answer = api("POST", PEOPLE, "admin", _new(**changed))
    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}
    assert api.ok("GET", PEOPLE, "admin") == before


def test_a_name_is_given_once_however_it_is_written(api: Api) -> None:
    api.ok("POST", PEOPLE, "admin", _new())
    for name in ("mai.tran", "MAI.TRAN", "ｍai.tran"):
        assert api("POST", PEOPLE, "admin", _new(name)).status_code == 409


def test_people_are_paged_filtered_and_searched(api: Api) -> None:
    api.house.hands.seconds += 1
    api.ok("POST", PEOPLE, "admin", _new(contact="mai@example.vn", notes="Từ tháng 3"))
    seen, after = [], ""
    while True:
        page = api.ok("GET", f"{PEOPLE}?limit=2&after={after}", "admin")
        seen += [one["name"] for one in page["people"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert sorted(seen) == ["admin", "auditor", "clerk", "head", "mai.tran"]
    [mai] = api.ok("GET", f"{PEOPLE}?search=tran%20MAI&status=invited", "admin")["people"]
    assert (mai["contact"], mai["notes"]) == ("mai@example.vn", "Từ tháng 3")
    assert (mai["state"], mai["factors"], mai["last_sign_in_at"]) == ("invited", [], None)
    assert mai["invitation_expires_at"]
    in_hr = api.ok("GET", f"{PEOPLE}?department=hr&status=active", "auditor")["people"]
    assert {(one["name"], *one["factors"]) for one in in_hr} == {
        ("clerk", "totp"),
        ("head", "totp"),
    }
    assert all(one["last_sign_in_at"] for one in in_hr)
    assert api("GET", f"{PEOPLE}?status=gone", "admin").status_code == 422


def test_administrators_set_an_address_only_until_the_account_is_somebodys(api: Api) -> None:
    api.ok("POST", PEOPLE, "admin", _new(contact="mai@exampel.vn", language="vi"))
    place = f"{PEOPLE}/mai.tran"
    right, tag = {"contact": "mai@example.vn"}, {"If-Match": '"1"'}
    mended = api("PATCH", place, "admin", right, headers=tag)
    assert (mended.json()["contact"], mended.json()["language"]) == ("mai@example.vn", "vi")
    own = {"address": "clerk@example.vn"}
    assert api.ok("PATCH", "/api/v1/contact", "clerk", own)["address"] == own["address"]
    seen = api("GET", f"{PEOPLE}/clerk", "admin")
    tag = {"If-Match": seen.headers["ETag"]}
    for address in ("thief@example.vn", ""):
        turned = {"contact": address, "notes": "unseen"}
        assert api("PATCH", f"{PEOPLE}/clerk", "admin", turned, headers=tag).status_code == 409
    assert api.ok("GET", f"{PEOPLE}/clerk", "admin") == seen.json()
    assert seen.json()["contact"] == own["address"]
    exported = api("GET", f"{PEOPLE}.csv", "admin").text
    assert '"mai@example.vn","vi"' in exported
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        dump = "\n".join(database.iterdump())
    assert not [text for text in ("example.vn", "exampel.vn") if text in dump]


def test_a_person_is_changed_in_the_version_that_was_seen(api: Api) -> None:
    seen = api("GET", f"{PEOPLE}/clerk", "admin")
    tag = {"If-Match": seen.headers["ETag"]}
    moved = {"department": "accounting", "display_name": "Lê Hoà", "notes": "in private"}
    place = f"{PEOPLE}/clerk"
    assert api("PATCH", place, "admin", moved).status_code == 428
    assert api("PATCH", place, "auditor", moved, headers=tag).status_code == 403
    changed = api("PATCH", place, "admin", moved, headers=tag)
    assert changed.status_code == 200, changed.text
    assert changed.json()["department"] == "accounting"
    [grant] = changed.json()["grants_elsewhere"]
    assert (grant["role"], grant["department"]) == ("role:hr.clerk", "hr")
    assert api("PATCH", place, "admin", moved, headers=tag).status_code == 412
    assert api("PATCH", place, "admin", {"department": "x"}, headers=tag).status_code == 422
    now = api("GET", place, "admin")
    assert now.headers["ETag"] == changed.headers["ETag"] != seen.headers["ETag"]
    [event, *_] = api.ok("GET", "/api/v1/audit/events?kind=person.update", "auditor")["events"][-1:]
    assert "in private" not in str(event)
    events = api.ok("GET", "/api/v1/audit/events?kind=person.update&outcome=ok", "auditor")
    assert events["events"][0]["fields"] == ["department", "display_name", "notes"]


def test_a_disabled_person_is_out_at_once_and_signs_in_anew_when_enabled(api: Api) -> None:
    api.ok(
        "POST",
        "/api/v1/systems",
        "admin",
        {"name": "sync", "department": "hr", "owner": "clerk", "roles": []},
    )
    done = api.ok("POST", f"{PEOPLE}/clerk/disable", "admin")
    assert (done["state"], done["sessions_ended"], done["systems"]) == ("disabled", 1, ["sync"])
    assert api("GET", "/api/v1/sessions/self", "clerk").status_code == 401
    assert api.ok("POST", f"{PEOPLE}/clerk/enable", "admin")["state"] == "active"
    assert api("GET", "/api/v1/sessions/self", "clerk").status_code == 401


def test_nobody_gives_a_role_to_themselves(api: Api) -> None:
    grant = {"subject": "user:admin", "role": "role:hr.head", "department": "hr"}
    answer = api("POST", "/api/v1/grants", "admin", grant)
    assert answer.status_code == 403
    assert "themselves" in answer.json()["detail"]


def test_only_who_administers_may_administer(api: Api) -> None:
    for who in ("clerk", "head", "auditor", "system"):
        assert api("POST", "/api/v1/people", who, _new()).status_code == 403
        assert api("POST", "/api/v1/people/head/invitation", who, {}).status_code == 403
        assert api("POST", "/api/v1/people.csv", who, {"file": ""}).status_code == 403
        assert api("GET", "/api/v1/people.csv", who).status_code == 403
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
