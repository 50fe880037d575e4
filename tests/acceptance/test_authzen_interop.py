"""The published interop decision sets of AuthZEN, asked of a running service from outside.

What they are and where they come from: tests/authzen/interop/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.acceptance.furnished import answering
from tests.acceptance.installation import new_installation, system_token
from tests.authzen.demo import CONDITIONS, policy_folder, populate, published

pytestmark = [pytest.mark.real]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A program that asks the running service."""
    folder = tmp_path_factory.mktemp("interop")
    policies = policy_folder(folder / "policies")
    installation = new_installation(folder, SECVAULT_POLICIES=str(policies), **CONDITIONS)
    with installation.opened() as service:
        populate(service)
        token = system_token(service, "gateway", "it", "role:it.searcher")
    with answering(installation):
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "asked-by-interop"}
        with httpx2.Client(base_url=installation.address, headers=headers, timeout=150) as client:
            yield client


def _asked(gateway: httpx2.Client, path: str, body: Any) -> Any:
    answer = gateway.post(f"/access/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "asked-by-interop"
    return answer.json()


def test_the_decisions_of_the_todo_demo(gateway: httpx2.Client) -> None:
    published_set = published("todo/decisions-1.1-preview.json")["evaluation"]
    assert len(published_set) == 40
    wrong = [
        one
        for one in published_set
        if _asked(gateway, "evaluation", one["request"])["decision"] is not one["expected"]
    ]
    assert wrong == []


def test_the_boxcarred_decisions_of_the_todo_demo(gateway: httpx2.Client) -> None:
    published_set = published("todo/decisions-1.1-preview.json")["evaluations"]
    assert len(published_set) == 3
    for one in published_set:
        # The preview numbered them; in 1.0 they are a list (section 7.1).
        listed = list(one["request"]["evaluations"].values())
        answer = _asked(gateway, "evaluations", {**one["request"], "evaluations": listed})
        expected = [each["decision"] for each in one["expected"].values()]
        assert [each["decision"] for each in answer["evaluations"]] == expected


@pytest.mark.parametrize(("kind", "size"), [("subject", 60), ("resource", 18), ("action", 120)])
def test_the_results_of_the_search_demo(gateway: httpx2.Client, kind: str, size: int) -> None:
    published_set = published(f"search/{kind}/results.json")["evaluation"]
    assert len(published_set) == size
    wrong = [
        (one["request"], found)
        for one in published_set
        if (found := _asked(gateway, f"search/{kind}", one["request"])) != one["expected"]
    ]
    assert wrong == []


def test_a_search_and_an_evaluation_say_the_same(gateway: httpx2.Client) -> None:
    published_set = published("search/action/results.json")["evaluation"]
    names = ("view", "edit", "delete")
    evaluations = [
        {**one["request"], "action": {"name": name}} for one in published_set for name in names
    ]
    answers = _asked(gateway, "evaluations", {"evaluations": evaluations})["evaluations"]
    expected = [
        {"name": name} in one["expected"]["results"] for one in published_set for name in names
    ]
    assert [answer["decision"] for answer in answers] == expected
