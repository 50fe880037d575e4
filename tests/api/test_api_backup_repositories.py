"""Repositories over HTTP: who may add them, what they may say, and that no secret comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup import plans
from secvault.config import PlanSettings
from secvault.errors import ApprovalRequired
from secvault.service import Service
from secvault.service.approval import Asked, Proposal
from secvault.service.spine import Spine
from tests.running_service import Api, Front, House

HERE = "/api/v1/backups/repositories"
CANARY = "cAnary-9d2e-secret-key"
OFFSITE = {
    "name": "offsite",
    "location": "s3:https://s3.example.com/company",
    "access_key_id": "AKSAVES",
    "secret_access_key": CANARY,
    "prune_access_key_id": "AKPRUNES",
    "prune_secret_access_key": f"{CANARY}-too",
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Where the settings let repositories lie."""
    made = tmp_path / "repositories"
    made.mkdir()
    return made


@pytest.fixture
def opened(front: Front, house: House, folders: Path) -> Iterator[Api]:
    """The application where folders may be added below one."""
    more = {"SECVAULT_BACKUP__REPOSITORY_FOLDERS": json.dumps([str(folders)])}
    with front.serving(replace(house, more=more)) as served:
        yield served


def test_a_repository_is_added_shown_and_removed_and_its_secrets_are_never_shown(
    opened: Api, house: House
) -> None:
    answer = opened("POST", HERE, "admin", OFFSITE)
    assert answer.status_code == 201
    listed = opened.ok("GET", HERE, "auditor")["repositories"]
    assert [(one["name"], one["kind"]) for one in listed] == [
        ("local", "declared"),
        ("offsite", "added"),
    ]
    shown = opened.ok("GET", f"{HERE}/offsite", "auditor")
    assert shown == answer.json() == listed[1]
    assert shown["data_keys"] == "s3:https://s3.example.com/company/secvault-data-keys"
    assert (shown["access_key_id"], shown["prune_access_key_id"]) == ("AKSAVES", "AKPRUNES")
    events = opened.ok("GET", "/api/v1/audit/events", "auditor")
    assert CANARY not in json.dumps([answer.json(), listed, events])
    for file in (house.folder / "vault").rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file
    assert opened("DELETE", f"{HERE}/offsite", "admin").status_code == 204
    assert opened("GET", f"{HERE}/offsite", "admin").status_code == 404


def test_only_administrators_change_anything(opened: Api) -> None:
    opened.ok("POST", HERE, "admin", OFFSITE)
    for who in ("auditor", "clerk", "head"):
        assert opened("POST", HERE, who, {**OFFSITE, "name": "x"}).status_code == 403
        assert opened("DELETE", f"{HERE}/offsite", who).status_code == 403
        assert opened("POST", f"{HERE}/offsite/access-check", who).status_code == 403
        assert opened("POST", f"{HERE}/offsite/password-rotation", who).status_code == 403
        assert opened("POST", "/api/v1/backups/escrow", who).status_code == 403
    assert opened("GET", HERE, "clerk").status_code == 403


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"name": "local"}, 409, None),
        ({"name": "Off Site"}, 422, "name"),
        ({"location": "/etc"}, 422, "location"),
        ({"location": "s3:https://host"}, 422, "location"),
        ({"location": f"s3:https://x:{CANARY}@host/bucket"}, 422, "location"),
        ({"location": "sftp:host:/x"}, 422, "location"),
        ({"keys_location": "/root/keys"}, 422, "keys_location"),
        ({"secret_access_key": None}, 422, "access_key_id"),
        ({"access_key_id": "", "secret_access_key": None}, 422, "access_key_id"),
        ({"prune_access_key_id": ""}, 422, "prune_access_key_id"),
        ({"storage_class": "cold"}, 422, "storage_class"),
        ({"ca_file": "/etc/shadow"}, 422, "ca_file"),
        ({"secret_access_key_file": "/etc/shadow"}, 422, "secret_access_key_file"),
    ],
)
def test_what_an_added_repository_may_not_say_is_refused_and_changes_nothing(
    opened: Api, changed: dict[str, Any], status: int, field: str | None
) -> None:
    answer = opened("POST", HERE, "admin", {**OFFSITE, **changed})
    assert answer.status_code == status, answer.text
    assert CANARY not in answer.text
    if field is not None:
        assert field in json.dumps(answer.json()["errors"])
    assert len(opened.ok("GET", HERE, "admin")["repositories"]) == 1


def test_a_folder_is_added_below_one_that_the_settings_open(
    opened: Api, house: House, folders: Path
) -> None:
    inside = {"name": "disk", "location": str(folders / "one")}
    opened.ok("POST", HERE, "admin", inside)
    assert opened("POST", HERE, "admin", inside).status_code == 409
    (folders / "way-out").symlink_to("/etc")
    for place in (folders.parent, folders / "way-out" / "x", house.folder / "vault" / "x"):
        refused = opened("POST", HERE, "admin", {"name": "other", "location": str(place)})
        assert refused.status_code == 422
    with_password = {"name": "there", "location": str(folders / "none"), "password": "x" * 20}
    assert opened("POST", HERE, "admin", with_password).status_code == 404
    assert opened("GET", f"{HERE}/there", "admin").status_code == 404


def test_a_repository_that_a_plan_names_stays(front: Front, house: House) -> None:
    def planned(service: Service) -> Service:
        with service.store.write() as connection:
            settings = PlanSettings(copies=("offsite",))
            plans.add(connection, "weekly", settings, by="user:x", now=service.clock.micros())
        return service

    with front.serving(house, planned) as api:
        api.ok("POST", HERE, "admin", OFFSITE)
        refused = api("DELETE", f"{HERE}/offsite", "admin")
        assert refused.status_code == 409
        assert "weekly" in refused.text
        assert api("DELETE", f"{HERE}/local", "admin").status_code in {404, 409}
        assert api.ok("GET", f"{HERE}/offsite", "admin")["plans"] == ["weekly"]


class Nobody:
    """Approves nothing."""

    def grant(self, connection: Any, proposal: Proposal) -> str:
        assert "password" in json.dumps(proposal.terms)
        raise ApprovalRequired("nobody has approved this", digest=proposal.digest)

    def ask(self, connection: Any, proposal: Proposal, reason: str) -> Asked:
        raise AssertionError("nobody gave a reason")


def test_passwords_are_taken_out_with_an_approval_only(front: Front, house: House) -> None:
    with front.serving(house) as api:
        assert api("POST", "/api/v1/backups/escrow", "admin").status_code == 404
        service: Service
        with house.open() as service:
            password = service.backups.repository("local").password.text()
        given = api("POST", "/api/v1/backups/escrow", "admin")
        assert [one["password"] for one in given.json()["repositories"]] == [password]
        assert given.headers["cache-control"] == "no-store"
        assert api.ok("GET", f"{HERE}/local", "admin")["escrowed"] is True
        assert password not in api("GET", HERE, "admin").text

    def guarded(service: Service) -> Service:
        spine = Spine(service.store, service.clock, service.policy, service.audit, Nobody())
        return replace(service, spine=spine)

    with front.serving(house, guarded) as api:
        refused = api("POST", "/api/v1/backups/escrow", "admin")
        assert refused.status_code == 403
        assert password not in refused.text


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_a_password_that_one_person_knows_is_given_with_an_approval_only(
    front: Front, house: House, folders: Path
) -> None:
    with house.open() as service:
        known = service.backups.ready_repository("local")
        password = known.password.text()
        shutil.copytree(known.location, folders / "mine")

    def guarded(service: Service) -> Service:
        spine = Spine(service.store, service.clock, service.policy, service.audit, Nobody())
        return replace(service, spine=spine)

    mine = {"name": "mine", "location": str(folders / "mine"), "password": password}
    more = {"SECVAULT_BACKUP__REPOSITORY_FOLDERS": json.dumps([str(folders)])}
    with front.serving(replace(house, more=more), guarded) as api:
        for how, where, body in (
            ("POST", HERE, mine),
            ("PUT", f"{HERE}/local/password", {"password": password}),
        ):
            refused = api(how, where, "admin", body)
            assert refused.status_code == 403
            assert "approv" in refused.text
            assert password not in refused.text
        assert len(api.ok("GET", HERE, "admin")["repositories"]) == 1
    with front.serving(replace(house, more=more)) as api:
        assert api("POST", HERE, "admin", mine).status_code == 201


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_a_password_is_changed_and_the_repository_looked_at(api: Api, house: House) -> None:
    assert api("POST", f"{HERE}/local/password-rotation", "admin").status_code == 404
    assert api("POST", f"{HERE}/none/password-rotation", "admin").status_code == 404
    with house.open() as service:
        service.backups.ready_repository("local")
    changed = api.ok("POST", f"{HERE}/local/password-rotation", "admin")["passwords"]
    assert changed == [
        {"repository": "local", "old_opens": False, "waiting_for": [], "refused": False}
    ]
    wrong = api("PUT", f"{HERE}/local/password", "admin", {"password": CANARY})
    assert wrong.status_code == 500
    assert wrong.json()["type"].endswith("repository-password")
    assert CANARY not in wrong.text
    seen = api.ok("POST", f"{HERE}/local/access-check?days=7", "admin")["repositories"]
    assert [(one["name"], one["made"], one["immutable"]) for one in seen] == [
        ("local", True, False),
        ("local/data-keys", False, False),
    ]
    looked = api.ok("GET", "/api/v1/backups/plans/nightly/buckets", "auditor")["repositories"]
    assert [one["made"] for one in looked] == [None, None]
    assert api.ok("GET", "/api/v1/backups/plans/nightly/copies", "auditor") == {"copies": []}
    moment = {"as_of": "2020-01-01T00:00:00Z"}
    assert api("POST", f"{HERE}/local/bring-back", "admin", moment).status_code == 422
    kinds = {one["kind"] for one in api.ok("GET", "/api/v1/audit/events", "auditor")["events"]}
    assert {"repository.rotate", "repository.check", "backup.read"} <= kinds
