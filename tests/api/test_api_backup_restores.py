"""Restores over HTTP: seen beforehand, asked for, listed, stopped; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from secvault.service import authentication, backups
from secvault.service.spine import Caller
from tests.quick_repository import made_quickly
from tests.running_service import Api, Front, House, copied, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

RESTORES = "/api/v1/backups/restores"
OF_PLAN = "/api/v1/backups/plans/nightly/restores"


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with a snapshot of a folder with one file."""
    folder = tmp_path_factory.mktemp("restores")
    (folder / "share").mkdir()
    (folder / "share" / "a.txt").write_text("this is a")
    more = {
        "SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS": json.dumps([str(folder / "share")]),
        "SECVAULT_BACKUP__PLANS__NIGHTLY__VAULT": "false",
    }
    house = furnish(folder, more=more)
    with made_quickly(), house.open() as service:
        operator = Caller(authentication.local_operator(service))
        backups.run_backup(service, operator, "nightly", lambda _: None, Event())
    return house


@pytest.fixture
def house(saved_once: House, tmp_path: Path) -> House:
    """A vault of this test's own, with that snapshot."""
    return replace(copied(saved_once, tmp_path / "house"), more=saved_once.more)


@pytest.fixture
def admin(house: House) -> str:
    """The token of a system that may restore."""
    with house.open() as service:
        return system_token(service, "it-admin", "it", "role:it.admin")


@pytest.fixture
def api(front: Front, house: House, admin: str) -> Iterator[Api]:
    """The application over it. admin: made before."""
    assert admin
    with front.serving(house) as served:
        yield served


def test_a_restore_is_seen_beforehand_asked_for_listed_and_stopped(
    api: Api, admin: str, saved_once: House
) -> None:
    file = str(saved_once.folder / "share" / "a.txt")
    seen = api.ok("POST", f"{OF_PLAN}/preview", admin, {"paths": [file]})
    assert (seen["files"], seen["bytes"], seen["new"], seen["missing"]) == (1, 9, 1, [])
    assert (seen["enough_room"], seen["needs_approval"]) == (True, False)
    back = {"paths": [file], "original": True, "snapshot": seen["snapshot"]}
    over = api.ok("POST", f"{OF_PLAN}/preview", admin, back)
    assert (over["existing"], over["existing_first"]) == (1, [file])
    assert over["needs_approval"]
    asked = api("POST", OF_PLAN, admin, {"paths": [file]})
    assert asked.status_code == 202
    run = asked.json()
    assert (run["state"], run["snapshot"], run["result"]) == ("requested", seen["snapshot"], None)
    assert "/restored/nightly-" in run["target"]
    assert api.ok("GET", f"{RESTORES}/{run['id']}", "auditor") == run
    assert api.ok("GET", RESTORES, "auditor") == {"restores": [run]}
    stopped = api("DELETE", f"{RESTORES}/{run['id']}", admin)
    assert (stopped.status_code, stopped.json()["state"]) == (202, "stopping")


REFUSED = (
    ({"folder": "/etc"}, 422),
    ({"folder": "relative"}, 422),
    ({"paths": ["../x"]}, 422),
    ({"paths": ["/nothing/of/it"]}, 404),
    ({"sources": ["nothing"]}, 404),
    ({"snapshot": "not hexadecimal"}, 422),
    ({"snapshot": "ffffffff"}, 404),
    ({"original": True}, 422),
    ({"into": "nothing", "sources": ["x"]}, 404),
    ({"into": "nothing"}, 422),
    ({"existing": "whatever"}, 422),
    ({"more": 1}, 422),
)


def test_what_cannot_be_done_is_refused_and_nothing_is_asked_for(api: Api, admin: str) -> None:
    for body, status in REFUSED:
        assert api("POST", OF_PLAN, admin, body).status_code == status, body
        assert api("POST", f"{OF_PLAN}/preview", admin, body).status_code == status, body
    assert api.ok("GET", RESTORES, admin) == {"restores": []}


def test_who_may_not_restore_learns_nothing_and_asks_for_nothing(api: Api, admin: str) -> None:
    run = api.ok("POST", OF_PLAN, admin, {})["id"]
    for who in ("clerk", "auditor"):
        assert api("POST", OF_PLAN, who, {}).status_code == 403
        assert api("POST", f"{OF_PLAN}/preview", who, {}).status_code == 403
        assert api("DELETE", f"{RESTORES}/{run}", who).status_code == 403
    assert api("GET", RESTORES, "clerk").status_code == 403
    assert api("GET", f"{RESTORES}/nothing", admin).status_code == 404


def test_an_auditor_sees_which_programs_are_there(api: Api) -> None:
    found = api.ok("GET", "/api/v1/backups/programs", "auditor")
    assert [one["program"] for one in found["programs"]] == ["restic", "setpriv"]
    assert found["complete"]
    assert found["cache"].endswith("/restic-cache")
    assert api("GET", "/api/v1/backups/programs", "clerk").status_code == 403
