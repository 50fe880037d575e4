"""The policy over HTTP: looked at by those who may, changed by two."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running_service import Api
from tests.service.policy_house import BANK, SHIPPED, WHOLE, body_of, changed, less, more

PATH = "/api/v1/policy"


def test_auditors_see_what_is_in_force_and_what_was_and_staff_do_not(api: Api) -> None:
    shown = api.ok("GET", PATH, "auditor")
    assert (shown["number"], shown["digest"]) == (1, WHOLE.digest)
    assert shown["files"] == body_of(WHOLE)
    (version,) = api.ok("GET", f"{PATH}/versions", "auditor")["policies"]
    assert (version["number"], version["published_by"]) == (1, "system:secvault")
    assert api.ok("GET", f"{PATH}/versions/1", "auditor") == shown
    assert api.ok("GET", f"{PATH}/verification", "auditor") == {
        "passed": True,
        "versions": 1,
        "problems": [],
    }
    assert api("GET", f"{PATH}/versions/7", "auditor").status_code == 404
    for who in ("clerk", "system"):
        assert api("GET", PATH, who).status_code == 403
    given = {"files": body_of(more()), "note": "mine"}
    assert api("POST", f"{PATH}/versions", "auditor", given).status_code == 403


def test_a_policy_is_planned_applied_and_rolled_back(api: Api) -> None:
    plan = api.ok("POST", f"{PATH}/plan", "admin", {"files": body_of(more())})
    assert plan["rows"] == [f"+ {BANK.strip()}"]
    assert {one["name"] for one in plan["gains"]} == {
        *("role:hr.clerk", "role:hr.payroll_clerk", "clerk"),
        *("role:hr.head", "head"),
    }
    assert (plan["losses"], plan["blockers"]) == ([], [])
    given = {"files": body_of(more()), "note": "for the new bank", "plan": plan["plan"]}
    made = api.ok("POST", f"{PATH}/versions", "admin", given)
    assert (made["number"], made["digest"]) == (2, plan["after"])
    again = api("POST", f"{PATH}/versions", "admin", given)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "conflict")
    payslip = api.ok("GET", "/api/v1/records/payroll/pay-0042", "clerk")
    assert "bank_account" in payslip["fields"]
    back = api.ok("POST", f"{PATH}/versions/1/plan", "admin")
    assert {one["name"] for one in back["losses"]} == {
        *("role:hr.clerk", "role:hr.payroll_clerk", "clerk"),
        *("role:hr.head", "head"),
    }
    rollback = {"note": "too much", "plan": back["plan"]}
    assert api.ok("POST", f"{PATH}/versions/1/rollback", "admin", rollback)["number"] == 3


def test_what_is_changed_needs_a_fresh_second_factor(api: Api) -> None:
    api.house.hands.seconds += 301
    answer = api("POST", f"{PATH}/versions", "admin", {"files": body_of(more()), "note": "x"})
    assert answer.status_code in (401, 403)
    assert api.ok("GET", PATH, "admin")["number"] == 1


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, "model.conf"),
        ({**body_of(SHIPPED), "x.toml": ""}, "x.toml"),
        ({**body_of(SHIPPED), "roles.csv": "p,x"}, "roles.csv line 1"),
        ({**body_of(SHIPPED), "obligations.toml": "version = 2"}, "obligations.toml"),
    ],
)
def test_faults_of_the_files_are_named_as_fields(api: Api, files: Any, named: str) -> None:
    for path, more_of in ((f"{PATH}/plan", {}), (f"{PATH}/versions", {"note": "x"})):
        answer = api("POST", path, "admin", {"files": files, **more_of})
        assert answer.status_code == 422
        assert named in {error["field"] for error in answer.json()["errors"]}


def test_what_stands_in_the_way_is_said_in_the_plan_and_in_the_refusal(api: Api) -> None:
    files = body_of(less("role:hr.clerk"))
    (blocker,) = api.ok("POST", f"{PATH}/plan", "admin", {"files": files})["blockers"]
    refused = api("POST", f"{PATH}/versions", "admin", {"files": files, "note": "x"})
    assert refused.status_code == 409
    assert blocker in refused.json()["detail"]


def test_readiness_tells_when_the_files_are_not_what_is_in_force(api: Api) -> None:
    assert api.ok("GET", "/health/ready")["policy_files"] is True
    api.ok("POST", f"{PATH}/versions", "admin", {"files": body_of(more()), "note": "x"})
    answer = api("GET", "/health/ready")
    assert (answer.status_code, answer.json()["policy_files"]) == (200, False)


def test_a_title_is_a_change_of_the_files_that_gives_nobody_anything(api: Api) -> None:
    titled = changed({"collections/hr.toml": lambda text: text.replace("Payroll", "Wages")})
    plan = api.ok("POST", f"{PATH}/plan", "admin", {"files": body_of(titled)})
    assert (plan["changed"], plan["gains"], plan["losses"]) == (True, [], [])
    assert plan["collections"] == [
        f"{name}: words changed" for name in ("contracts", "employees", "payroll")
    ]
