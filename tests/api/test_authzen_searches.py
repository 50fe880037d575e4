"""AuthZEN searches: who may, on what, and what; in pages, and only what is allowed."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from secvault.store.tables import record as record_table
from tests.authzen.asking import (
    SEARCHES,
    decided,
    found,
    question,
)
from tests.authzen.demo import CONDITIONS, add_record, add_somebody, policy_folder
from tests.authzen.schemas import faults
from tests.running_service import Api, Front, House, furnish, system_token


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_pages_put_together_are_the_whole(asking: Api, kind: str) -> None:
    body = question("dan", "view", "104")
    if kind == "action":
        del body["action"]
    whole = found(asking, kind, body)
    for limit in (1, 2, 1000):
        parts: list[str] = []
        page: dict[str, Any] = {"limit": limit}
        for _ in range(50):
            asked = {**body, "page": page}
            assert faults(f"search-{kind}-request", asked) == []
            answer = asking.ok("POST", SEARCHES[kind], "portal", asked)
            assert answer["page"]["count"] == len(answer["results"]) <= limit
            parts += [one.get("id", one.get("name")) for one in answer["results"]]
            if not answer["page"]["next_token"]:
                break
            page = {"token": answer["page"]["next_token"]}
        assert parts == whole


@pytest.mark.parametrize(
    "own",
    [
        question("head", "record.list", "x"),
        question("auditor", "key.read", "x", "key"),
        question("head", "record.read", "x", "collection"),
        question("auditor", "backup.read", "x", "plan"),
        question("auditor", "audit.read", "x", "log"),
    ],
)
def test_what_is_found_is_what_is_allowed(asking: Api, own: dict[str, Any]) -> None:
    if own["resource"]["type"] == "record":
        own["resource"]["type"] = "collection"
    results = found(asking, "resource", own)
    assert results
    for one in results:
        body = {**own, "resource": {**own["resource"], "id": one}}
        assert decided(asking, "portal", body)[0], one


def test_a_token_is_good_for_its_own_search_only(asking: Api) -> None:
    body = {**question("dan", "view", "x"), "page": {"limit": 1}}
    token = asking.ok("POST", SEARCHES["resource"], "portal", body)["page"]["next_token"]
    for other in (
        {**question("alice", "view", "x"), "page": {"token": token}},
        {**question("dan", "edit", "x"), "page": {"token": token}},
        {**question("dan", "view", "x"), "page": {"token": token, "limit": 2}},
        {**question("dan", "view", "x"), "context": {"a": 1}, "page": {"token": token}},
        {**question("dan", "view", "x"), "page": {"token": "made up"}},
        {**question("dan", "view", "x"), "page": {"token": token[:-4]}},
        {**question("dan", "view", "x"), "page": {"token": "é"}},
        {**question("dan", "view", "x"), "page": {"limit": -1}},
        {**question("dan", "view", "x"), "page": {"limit": "2"}},
    ):
        answer = asking("POST", SEARCHES["resource"], "portal", other)
        assert answer.status_code == 400, other
        assert answer.text.startswith("page.") or "page" in answer.text


def test_a_limit_of_nothing_finds_nothing_and_does_not_say_it_is_the_end(asking: Api) -> None:
    body = {**question("dan", "view", "x"), "page": {"limit": 0}}
    answer = asking.ok("POST", SEARCHES["resource"], "portal", body)
    assert answer["results"] == []
    assert answer["page"]["next_token"]


def test_names_that_are_not_known_find_nothing(asking: Api) -> None:
    for body in (
        question("nonexistent-user", "view", "x"),
        question("alice", "borrow", "x"),
        question("alice", "view", "x", "spaceship"),
        question("alice", "can_update_todo", "x", "todo"),
    ):
        assert found(asking, "resource", body) == []
    assert found(asking, "action", {**question("nobody", "", "101"), "action": {}}) == []
    searched = question("x", "view", "101")
    assert found(asking, "subject", {**searched, "subject": {"type": "spaceship"}}) == []
    answer = asking.ok("POST", SEARCHES["subject"], "portal", {**searched, "action": {"name": "x"}})
    assert answer == {"results": []}


def test_a_page_of_records_is_asked_of_the_store_and_never_sorted_out_of_all(
    front: Front, mine: House
) -> None:
    with mine.open() as service:
        for number in range(60):
            owner = "bob" if number % 30 == 0 else "alice"
            add_record(service, f"r{number:03}", owner=owner, department="Sales", title="t")
        with service.store.write() as connection:
            # Whoever opens one of the others meets damage.
            others = record_table.c.id.not_in(["r000", "r030"])
            connection.execute(update(record_table).where(others).values(tag=b"x"))
    with front.serving(mine) as api:
        body = {**question("bob", "edit", "x"), "page": {"limit": 2}}
        body["resource"]["properties"] = {}
        for earlier in ("102", "108", "114", "120"):
            with mine.open() as service, service.store.write() as connection:
                of_bob = record_table.c.id == earlier
                connection.execute(delete(record_table).where(of_bob))
        seen = [
            one["id"] for one in api.ok("POST", SEARCHES["resource"], "portal", body)["results"]
        ]
        assert seen == ["r000", "r030"]


CERTIFIED = """
version = 1
[resources.record]
collection = "library"
[resources.record.actions]
read = "record.read"
write = "record.update"
"""


def test_the_core_of_the_certification_scenario(front: Front, tmp_path: Path) -> None:
    policies = policy_folder(tmp_path / "policies", CERTIFIED)
    more = {"SECVAULT_POLICIES": str(policies), **CONDITIONS}
    house = furnish(tmp_path / "house", more=more)
    with house.open() as service:
        add_somebody(service, "alice", "library_staff")
        add_somebody(service, "bob", "library_staff", team="shared")
        for name in ("record-1", "record-2"):
            add_record(service, name, owner="alice", department="shared", title="t")
        house.tokens["portal"] = system_token(service, "portal", "it", "role:it.searcher")
    with front.serving(house) as api:
        required = {("alice", "read"): True, ("alice", "write"): True}
        required |= {("bob", "read"): True, ("bob", "write"): False}
        for (who, action), expected in itertools.chain(required.items(), required.items()):
            assert decided(api, "portal", question(who, action, "record-1"))[0] is expected
        subjects = found(api, "subject", question("x", "read", "record-1"))
        assert sorted(subjects) == ["alice", "bob"]
        assert "record-1" in found(api, "resource", question("alice", "read", "x"))
        body = {**question("alice", "", "record-1"), "action": {}}
        assert found(api, "action", body) == ["read", "write"]
