"""How backups stand and what is in them, over HTTP, on a real repository."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from secvault.service import Service, authentication, backups
from secvault.service.spine import Caller
from secvault.store import tables
from tests import quick_repository
from tests.running_service import Api, Front, House, copied

pytestmark = pytest.mark.real

PLANS = "/api/v1/backups/plans/nightly"


@pytest.fixture(scope="module")
def opened() -> list[Service]:
    """The open service."""
    return []


@pytest.fixture(scope="module")
def backed_up(
    furnished: House,
    front: Front,
    opened: list[Service],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    """The application over a vault whose plan saved a folder twice."""
    folder = tmp_path_factory.mktemp("backed-up")
    documents = folder / "documents"
    documents.mkdir()
    more = {"SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS": f'["{documents}"]'}
    house = replace(copied(furnished, folder / "house"), more=more)

    def saved(service: Service) -> Service:
        operator = Caller(authentication.local_operator(service))
        for number in range(2):
            (documents / f"letter {number}.txt").write_text("Kính gửi")
            backups.run_backup(service, operator, "nightly", _unseen, threading.Event())
        opened.append(service)
        return service

    with quick_repository.made_quickly(), front.serving(house, saved) as api:
        yield api


def _unseen(_progress: object) -> None:
    """Nobody watches."""


def documents(api: Api) -> Path:
    return api.house.folder.parent / "documents"


def test_an_auditor_sees_how_plans_stand_and_every_snapshot_with_its_size(backed_up: Api) -> None:
    (plan,) = backed_up.ok("GET", "/api/v1/backups/status", "auditor")["plans"]
    assert (plan["plan"], plan["state"], plan["behind"]) == ("nightly", "good", False)
    assert plan["age_seconds"] == 0
    listed = backed_up.ok("GET", f"{PLANS}/snapshots", "auditor")
    first, second = listed["snapshots"]
    assert second["id"] == plan["newest_snapshot"]
    assert second["grown"] == second["bytes"] - first["bytes"]
    assert first["run"] != second["run"]
    assert (listed["trouble"], listed["repository"]) == ("", "local")
    assert backed_up.ok("GET", f"{PLANS}/snapshots?refresh=true", "auditor")["as_of"]


def test_folders_names_and_differences_are_looked_at_without_any_content(backed_up: Api) -> None:
    folder = documents(backed_up)
    path = f"{PLANS}/snapshots/latest/entries?folder={folder}&limit=1"
    page = backed_up.ok("GET", path, "admin")
    assert [entry["name"] for entry in page["entries"]] == ["letter 0.txt"]
    assert page["after"] == "letter 0.txt"
    page = backed_up.ok("GET", f"{path}&after={page['after']}", "admin")
    assert ([entry["name"] for entry in page["entries"]], page["after"]) == (["letter 1.txt"], None)
    found = backed_up.ok("GET", f"{PLANS}/files?name=LETTER*", "admin")
    in_snapshots = {Path(one["path"]).name: one["snapshots"] for one in found["versions"]}
    assert in_snapshots == {"letter 0.txt": 2, "letter 1.txt": 1}
    assert found["snapshots_searched"] == 2
    changed = backed_up.ok("GET", f"{PLANS}/snapshots/latest/changes", "admin")
    assert {"path": f"{folder}/letter 1.txt", "change": "+"} in changed["changes"]
    assert changed["added"]["files"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/backups/plans/weekly/snapshots", 404),
        (f"{PLANS}/snapshots?repository=elsewhere", 422),
        (f"{PLANS}/snapshots/ffffffff/entries", 404),
        (f"{PLANS}/snapshots/latest/entries?folder=documents", 422),
        (f"{PLANS}/snapshots/latest/entries?folder=/a/../../etc", 422),
        (f"{PLANS}/snapshots/--help/entries", 422),
        (f"{PLANS}/snapshots/latest/changes?before=--help", 422),
        (f"{PLANS}/files?name={'x' * 300}", 422),
        (f"{PLANS}/files?name=a%00b", 422),
        (f"{PLANS}/files?name=x&snapshots=1000", 422),
    ],
)
def test_what_cannot_be_answered_is_said_and_nothing_is_run(
    backed_up: Api, path: str, status: int
) -> None:
    assert backed_up("GET", path, "admin").status_code == status


def test_whoever_may_not_look_learns_nothing_and_what_was_looked_at_is_on_record(
    backed_up: Api, opened: list[Service]
) -> None:
    paths = (
        "/api/v1/backups/status",
        f"{PLANS}/snapshots",
        f"{PLANS}/snapshots/latest/entries",
        f"{PLANS}/snapshots/latest/changes",
        f"{PLANS}/files?name=x",
        "/api/v1/backups/plans/weekly/snapshots",
    )
    for path in paths:
        for who in ("clerk", "system"):
            assert backed_up("GET", path, who).status_code == 403
        assert backed_up("GET", path).status_code == 401
    service = opened[-1]
    newest = backed_up.ok("GET", f"{PLANS}/snapshots", "admin")["snapshots"][-1]["id"]
    backed_up.ok("GET", f"{PLANS}/snapshots/latest/entries", "auditor")
    service.audit.drain()
    asked = select(tables.audit_event.c.body).where(tables.audit_event.c.kind == "backup.read")
    with service.store.read() as connection:
        last = connection.execute(asked.order_by(tables.audit_event.c.seq.desc())).scalars().first()
    assert last is not None
    assert newest.encode() in last
