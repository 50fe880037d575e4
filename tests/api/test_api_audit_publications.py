"""Where the log is published, over HTTP; and the rotation of its key, with a second person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.audit import verify_export
from secvault.clock import timestamp
from secvault.service import audit_keys, authentication
from secvault.service.spine import Caller, Spine
from tests.running_service import Api, Front, House, copied, join


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that the log is published to."""
    made = tmp_path / "published"
    made.mkdir()
    return made


@pytest.fixture
def published(furnished: House, front: Front, tmp_path: Path, place: Path) -> Iterator[Api]:
    """The application over a vault with one publication, and an administrator in it."""
    more = {"SECVAULT_AUDIT__PUBLICATIONS__SECOND__LOCATION": str(place)}
    house = replace(copied(furnished, tmp_path / "house"), more=more)
    with house.open() as service:
        join(service, house, "keeper", ("role:it.admin", "it"))
    with front.serving(house) as api:
        yield api


def test_an_administrator_publishes_and_an_auditor_sees_how_far_it_is(
    published: Api, place: Path
) -> None:
    before = published.ok("GET", "/api/v1/audit/publications", "auditor")["publications"]
    assert [(each["name"], each["size"], each["published"]) for each in before] == [
        ("second", 0, None)
    ]
    done = published.ok("POST", "/api/v1/audit/publications/second", "keeper")
    assert (done["fault"], done["size"] > 0) == ("", True)
    after = published.ok("GET", "/api/v1/audit/publications", "auditor")["publications"]
    assert (after[0]["size"], after[0]["location"]) == (done["size"], str(place))
    keys = published.ok("GET", "/api/v1/audit/keys", "auditor")
    (folder,) = place.glob("*/audit")
    assert verify_export.verify(folder, keys["audit"], [])["intact"]


def test_who_reads_the_log_does_not_publish_it_and_clerks_see_nothing_of_it(
    published: Api,
) -> None:
    assert published("POST", "/api/v1/audit/publications/second", "auditor").status_code == 403
    assert published("GET", "/api/v1/audit/publications", "clerk").status_code == 403
    # Nor does the answer tell them what publications there are.
    for name in ("second", "third"):
        answer = published("POST", f"/api/v1/audit/publications/{name}", "clerk")
        assert answer.status_code == 403
    assert published("POST", "/api/v1/audit/keys/rotation", "auditor", {}).status_code == 403
    missing = published("POST", "/api/v1/audit/publications/third", "keeper")
    assert missing.status_code == 404
    assert published("POST", "/api/v1/audit/publications/No!", "keeper").status_code == 422


def test_a_rotated_key_is_listed_with_the_one_before(published: Api) -> None:
    first = published.ok("GET", "/api/v1/audit/keys", "auditor")["audit"]
    with published.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        alone = replace(service, spine=Spine(
            service.store, service.clock, service.policy, service.audit
        ))  # fmt: skip
        done = audit_keys.rotate_key(alone, operator, 5)
    listed = published.ok("GET", "/api/v1/audit/keys", "auditor")
    assert listed["audit"] == done.key.vkey
    assert [(each["number"], each["key"]) for each in listed["audit_keys"]] == [
        (2, done.key.vkey),
        (1, first),
    ]
    assert listed["audit_keys"][1]["until"] == timestamp(done.until)
    note = published("POST", "/api/v1/audit/checkpoint", "auditor").text
    assert note.count("\u2014 ") == 2


def test_one_person_alone_rotates_no_key(published: Api) -> None:
    answer = published("POST", "/api/v1/audit/keys/rotation", "keeper", {"overlap_days": 5})
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("approval-required")
    assert len(published.ok("GET", "/api/v1/audit/keys", "auditor")["audit_keys"]) == 1
    for days in (-1, 366):
        answer = published("POST", "/api/v1/audit/keys/rotation", "keeper", {"overlap_days": days})
        assert answer.status_code == 422
