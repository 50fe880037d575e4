"""Why, who and what over HTTP, and the id by which a refusal is explained."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from secvault.clock import timestamp
from tests.running_service import NOON, PAYSLIP, Api, Front, House

EXPLAIN, WHO, WHAT, REPLAY = (
    f"/api/v1/access/{name}" for name in ("explain", "who-can", "what-can", "replay")
)
BANK = {"action": "record.read", "department": "hr", "object": "payroll", "field": "bank_account"}


def get(api: Api, path: str, who: str, **query: Any) -> Any:
    return api("GET", path, who, params=query)


def test_a_refusal_names_its_decision_by_which_it_is_explained_and_replayed(api: Api) -> None:
    refused = api("GET", f"/api/v1/records/payroll/{PAYSLIP}/fields/bank_account", "clerk")
    assert refused.status_code == 403
    decision = refused.json()["decision_id"]
    own = get(api, EXPLAIN, "clerk", decision=decision).json()
    assert own["verdict"] == "may_not"
    assert own["full"] is None
    assert own["reason"].keys() == {"en", "vi"}
    whole = get(api, EXPLAIN, "auditor", decision=decision).json()
    assert whole["full"]["event"]["outcome"] == "denied"
    assert whole["full"]["near_misses"]
    again = get(api, f"{REPLAY}/{decision}", "auditor").json()
    assert (again["verdict"], again["differences"]) == ("same", [])
    assert get(api, EXPLAIN, "head", decision=decision).status_code == 403
    assert get(api, f"{REPLAY}/{decision}", "clerk").status_code == 403


def test_a_step_up_that_is_asked_for_names_its_decision_too(api: Api, house: House) -> None:
    house.hands.seconds += 900
    refused = api("POST", "/api/v1/people/clerk/factors/reset", "admin")
    assert refused.status_code == 401
    explained = get(api, EXPLAIN, "admin", decision=refused.json()["decision_id"]).json()
    assert explained["kind"] == "condition_failed"
    assert explained["full"]["decisive"]["condition"]["needed"] == {"max_age": 300}
    assert explained["full"]["decisive"]["condition"]["actual"]["age"] >= 900
    assert explained["remedies"][0] == {"type": "step_up", "acr": "aal2", "max_age": 300}


def test_what_is_not_decided_has_no_decision(api: Api) -> None:
    assert "decision_id" not in api("GET", "/api/v1/people/nobody-here", "admin").json()
    assert "decision_id" not in api("GET", "/api/v1/people", "no-token").json()


def test_an_explanation_by_names_and_of_the_past(api: Api) -> None:
    explained = get(api, EXPLAIN, "auditor", subject="clerk", **BANK).json()
    assert (explained["kind"], explained["request"]["name"]) == ("field_class", "clerk")
    past = get(api, EXPLAIN, "auditor", subject="clerk", at="2001-01-01T00:00Z", **BANK)
    assert (past.status_code, "history begins later" in past.text) == (404, True)
    then = timestamp(int(NOON * 1_000_000))
    past = get(api, EXPLAIN, "auditor", subject="clerk", at=then, **BANK)
    assert past.json()["kind"] == "field_class"
    supposed = get(
        api,
        EXPLAIN,
        "auditor",
        subject="admin",
        action="approval.give",
        department="it",
        object="approvals",
        factor_age=10,
    ).json()
    assert supposed["verdict"] == "may"


def test_who_can_and_what_can(api: Api) -> None:
    found = get(api, WHO, "admin", action="record.delete", object="payroll")
    (holder,) = (one for one in found.json()["holders"] if one["name"] == "head")
    assert (holder["name"], holder["department"], holder["path"]) == (
        "head",
        "hr",
        ["role:hr.head"],
    )
    assert holder["grant"]["granted_by"] == "local:operator"
    theirs = get(api, WHAT, "auditor", subject="head", department="hr").json()
    assert any("class:bank" in one["fields"] for one in theirs["entitlements"])
    own = get(api, WHAT, "clerk").json()
    assert own["name"] == "clerk"
    assert get(api, WHO, "clerk", action="record.read").status_code == 403
    assert get(api, WHAT, "clerk", subject="head").status_code == 403


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (EXPLAIN, {}, "action"),
        (EXPLAIN, {"action": "record.read"}, "department"),
        (EXPLAIN, {**BANK, "at": "yesterday"}, "at"),
        (EXPLAIN, {**BANK, "subject": "nobody-here"}, "subject"),
        (EXPLAIN, {**BANK, "factor_age": "-1"}, "query.factor_age"),
        (EXPLAIN, {"decision": "no-id"}, "decision"),
        (WHO, {}, "query.action"),
        (WHO, {"action": "burn"}, "action"),
        (WHO, {"action": "record.read", "object": "pay"}, "object"),
        (WHAT, {"department": "sales"}, "department"),
        (f"{REPLAY}/no-id", {}, "path.decision"),
    ],
)
def test_bad_questions_are_told_what_to_mend(
    api: Api, path: str, query: dict[str, str], field: str
) -> None:
    answer = get(api, path, "auditor", **query)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_an_answer_of_the_lean_path_is_replayed(
    api: Api, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    body = {"plaintext": base64.b64encode(b"x").decode()}
    # Made by this process, so that its memory knows of it at once.
    made = api.ok("POST", "/v1/auth/token/create", "system", {"policies": ["it.cryptor"]})
    tokens = ("system", made["auth"]["client_token"])
    for token in tokens:
        api.ok("POST", "/v1/transit/encrypt/payroll", token, body)

    async def unreachable(*_: Any) -> None:
        raise AssertionError("the framework was asked")

    with monkeypatch.context() as patched:
        patched.setattr(type(front.routes), "__call__", unreachable)
        for token in tokens:
            api.ok("POST", "/v1/transit/encrypt/payroll", token, body)
    events = api.ok("GET", "/api/v1/audit/events?kind=data.encrypt", "auditor")["events"]
    assert len(events) == 4
    for event in events:
        again = get(api, f"{REPLAY}/{event['decision']}", "auditor").json()
        assert (again["verdict"], again["recorded"]["kind"]) == ("same", "allow_rule")
