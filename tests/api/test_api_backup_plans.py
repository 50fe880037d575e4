"""Backup plans over HTTP, as an administrator, an auditor and others use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.running_service import Api, Front, House

PLANS = "/api/v1/backups/plans"
CANARY = "cAnary-7c1f9e-value"
BUCKET = {
    "kind": "bucket",
    "location": "s3:https://s3.example.com/uploads",
    "access_key_id": "AK",
    "secret_access_key": CANARY,
}


@pytest.fixture
def api(front: Front, house: House) -> Iterator[Api]:
    """The application over a vault whose settings open a folder to plans."""
    files = house.folder / "files"
    files.mkdir()
    more = {**house.more, "SECVAULT_BACKUP__OPEN_FOLDERS": f'["{files}"]'}
    with front.serving(replace(house, more=more)) as served:
        yield served


def new(api: Api, **more: Any) -> dict[str, Any]:
    folders = [str(api.house.folder / "files")]
    return {"name": "files", "settings": {"vault": False, "folders": folders, **more}}


def matched(api: Api, method: str, path: str, version: str, body: Any = None) -> Any:
    headers = {
        "Authorization": f"Bearer {api.house.tokens['admin']}",
        "If-Match": version,
    }
    more = {} if body is None else {"json": body}
    return api.client.request(method, path, headers=headers, **more)


def test_a_plan_is_made_read_changed_paused_and_removed_by_its_version(api: Api) -> None:
    made = api("POST", PLANS, "admin", new(api, sources={"uploads": BUCKET}))
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.json()["secrets"] == ["sources.uploads.secret_access_key"]
    assert CANARY not in made.text
    assert set(made.json()["due"]) == {"backup", "check", "drill"}
    read = api("GET", f"{PLANS}/files", "auditor")
    assert (read.headers["ETag"], read.json()) == ('"1"', made.json())
    # What was read can be sent back as it is, without the secrets.
    settings = {**read.json()["settings"], "keep_daily": 30}
    changed = matched(api, "PUT", f"{PLANS}/files", '"1"', {"settings": settings})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["settings"]["keep_daily"] == 30
    assert changed.json()["secrets"] == made.json()["secrets"]
    paused = matched(api, "POST", f"{PLANS}/files/pause", '"2"')
    assert (paused.json()["state"], paused.json()["due"]) == ("paused", {})
    resumed = matched(api, "POST", f"{PLANS}/files/resume", '"3"')
    assert resumed.json()["state"] == "active"
    assert matched(api, "DELETE", f"{PLANS}/files", '"4"').status_code == 204
    assert api("GET", f"{PLANS}/files", "admin").status_code == 404


def test_a_change_says_which_version_it_is_based_on(api: Api) -> None:
    api.ok("POST", PLANS, "admin", new(api))
    body = {"settings": new(api)["settings"]}
    assert api("PUT", f"{PLANS}/files", "admin", body).status_code == 428
    assert api("DELETE", f"{PLANS}/files", "admin").status_code == 428
    assert api("POST", f"{PLANS}/files/pause", "admin").status_code == 428
    assert matched(api, "PUT", f"{PLANS}/files", '"2"', body).status_code == 412
    assert matched(api, "PUT", f"{PLANS}/files", "two", body).status_code == 422


def test_the_list_holds_declared_plans_too_which_are_changed_elsewhere(api: Api) -> None:
    api.ok("POST", PLANS, "admin", new(api))
    listed = api.ok("GET", PLANS, "auditor")["plans"]
    assert [(one["name"], one["declared"]) for one in listed] == [
        ("files", False),
        ("nightly", True),
    ]
    assert "ETag" not in api("GET", f"{PLANS}/nightly", "admin").headers
    answer = matched(api, "PUT", f"{PLANS}/nightly", '"1"', {"settings": {}})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"nope": CANARY}, "nope"),
        ({"sources": {"u": {**BUCKET, "hots": CANARY}}}, "sources.u.hots"),
        ({"sources": {"c": {"kind": "command", "command": [CANARY]}}}, "sources.c.kind"),
        ({"folders": [f"/{CANARY}"]}, "folders.0"),
        ({"sources": [[[CANARY]]]}, "sources"),
        (CANARY, "body.settings"),
        ([CANARY], "body.settings"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_its_fields_without_its_values(
    api: Api, settings: Any, field: str
) -> None:
    answer = api("POST", PLANS, "admin", {"name": "files", "settings": settings})
    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}
    assert CANARY not in answer.text
    assert len(api.ok("GET", PLANS, "admin")["plans"]) == 1


@pytest.mark.parametrize("name", ["../x", "", "Big", "a" * 64, "a b", "a,b", "a-"])
def test_a_name_that_cannot_be_is_refused(api: Api, name: str) -> None:
    answer = api("POST", PLANS, "admin", {**new(api), "name": name})
    assert answer.status_code == 422


def test_who_may_not_gets_nothing(api: Api) -> None:
    api.ok("POST", PLANS, "admin", new(api))
    for who in ("clerk", "system", None):
        status = 401 if who is None else 403
        assert api("GET", PLANS, who).status_code == status
        assert api("POST", PLANS, who, new(api)).status_code == status
    assert api("POST", PLANS, "auditor", new(api)).status_code == 403
    # The right is asked for before anything is said of the settings.
    refused = api("POST", PLANS, "clerk", {"name": "x", "settings": {"nope": 1}})
    assert refused.status_code == 403
