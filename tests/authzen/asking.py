"""Questions to the AuthZEN paths, with answers that are held to the published schemas."""

from __future__ import annotations

from typing import Any

from tests.authzen.schemas import faults
from tests.running_service import Api

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCHES = {kind: f"/access/v1/search/{kind}" for kind in ("subject", "resource", "action")}
POSTS = (EVALUATION, EVALUATIONS, *SEARCHES.values())


def question(subject: str, action: str, resource: str, kind: str = "record") -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": kind, "id": resource},
    }


def decided(api: Api, who: str, body: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    answer = api.ok("POST", EVALUATION, who, body)
    assert faults("access-evaluation-response", answer) == []
    return answer["decision"], answer["context"]


def found(api: Api, kind: str, body: dict[str, Any], who: str = "portal") -> list[str]:
    answer = api.ok("POST", SEARCHES[kind], who, body)
    assert faults(f"search-{kind}-response", answer) == []
    return [one.get("id", one.get("name")) for one in answer["results"]]
