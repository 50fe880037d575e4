"""AuthZEN 1.0 over HTTP: other programs ask, and are told no more than they may know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secvault.identity import people, service_accounts
from tests.authzen.asking import (
    EVALUATION,
    EVALUATIONS,
    decided,
    found,
    question,
)
from tests.authzen.demo import add_somebody, published
from tests.authzen.schemas import faults
from tests.running_service import Api, Front, House


def test_a_yes_has_the_decision_id_and_a_no_its_reason_for_the_user(asking: Api) -> None:
    allowed, context = decided(asking, "decider", question("alice", "view", "101"))
    assert allowed
    assert context.keys() == {"id"}
    allowed, context = decided(asking, "decider", question("bob", "edit", "101"))
    assert not allowed
    assert len(context["id"]) == 32
    assert context["reason"] == context["reason_user"]["en"]
    assert "library-own-update" not in json.dumps(context)


def test_the_reason_for_administrators_is_for_who_may_search(asking: Api) -> None:
    body = question("alice", "view", "101")
    _, of_searcher = decided(asking, "portal", body)
    assert "role:administration.library" in of_searcher["reason_admin"]["en"]
    _, of_decider = decided(asking, "decider", body)
    assert "reason_admin" not in of_decider


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (question("nobody-here", "view", "101"), "no such subject"),
        (question("alice", "borrow", "101"), "no such action"),
        (question("alice", "view", "1", "spaceship"), "no such type of resource"),
        (question("alice", "view", "999"), "no such record"),
        (question("alice", "view", "Not An Id"), "no such record"),
        (question("alice", "record.read", "library/101", "collection"), "no such collection"),
        (question("alice", "key.read", "transit/", "key"), "no such key"),
        (question("alice", "key.read", "records/library", "key"), "no such key"),
        (question("a\ud800".encode("utf-8", "replace").decode(), "view", "1"), "no such subject"),
    ],
)
def test_what_is_not_there_is_a_no_that_says_so(
    asking: Api, body: dict[str, Any], message: str
) -> None:
    allowed, context = decided(asking, "portal", body)
    assert not allowed
    assert context["error"]["status"] == 404
    assert message in context["error"]["message"]


def test_who_may_not_anyway_learns_nothing_of_what_is_there(asking: Api) -> None:
    there, gone = (
        decided(asking, "decider", question("erin", "delete", one))[1] for one in ("101", "999")
    )
    assert "error" not in there
    assert "error" not in gone


def test_nobody_who_is_not_active_may_anything(front: Front, mine: House) -> None:
    with mine.open() as service, service.store.write() as connection:
        alice = people.find_person(connection, "alice")
        people.disable_person(connection, service.clock, alice.id)
        portal = service_accounts.by_name_or_id(connection, "portal")
        service_accounts.disable_account(connection, service.clock, portal.id)
    with front.serving(mine) as api:
        allowed, context = decided(api, "gateway", question("alice", "view", "101"))
        assert (allowed, context["error"]["message"]) == (False, "The subject is not in use.")
        assert found(api, "resource", question("alice", "view", "x"), "gateway") == []
        assert "alice" not in found(api, "subject", question("x", "view", "101"), "gateway")
        of_system = {
            "subject": {"type": "svc", "id": "portal"},
            "action": {"name": "access.search"},
            "resource": {"type": "access", "id": "*"},
        }
        assert decided(api, "gateway", of_system)[0] is False
        assert found(api, "subject", of_system, "gateway") == ["gateway"]


def test_our_own_names_need_no_file(asking: Api) -> None:
    def ask(*of: str) -> tuple[bool, dict[str, Any]]:
        return decided(asking, "portal", question(*of))

    assert ask("head", "record.list", "payroll", "collection")[0]
    assert not ask("head", "record.list", "invoices", "collection")[0]
    assert not ask("clerk", "key.read", "transit/payroll", "key")[0]
    assert ask("auditor", "key.read", "transit/payroll", "key")[0]
    assert ask("auditor", "backup.read", "nightly", "plan")[0]
    assert ask("admin", "person.create", "*", "people")[0]
    assert not ask("clerk", "person.create", "*", "people")[0]


def test_a_field_is_decided_by_its_class(asking: Api) -> None:
    body = question("clerk", "record.read", "payroll", "collection")
    for field, expected in (("bank_account", False), ("month", True), ("no_such_field", False)):
        body["resource"]["properties"] = {"field": field}
        assert decided(asking, "portal", body)[0] is expected
    body["resource"] = {"type": "record", "id": "payroll/pay-0042"}
    body["resource"]["properties"] = {"field": "month"}
    # The file makes `record` something else here.
    assert not decided(asking, "portal", body)[0]


def test_where_nothing_is_missing_but_a_second_factor_it_is_said(asking: Api) -> None:
    allowed, context = decided(
        asking, "decider", question("admin", "approval.give", "*", "approvals")
    )
    assert not allowed
    assert context["acr_values"] == "urn:secvault:acr:second-factor"
    assert context["max_age"] == 300
    assert "second factor" in context["reason"]


def test_a_person_is_known_by_name_and_by_a_providers_name_as_the_file_says(asking: Api) -> None:
    letter = published("todo/decisions-1.1-preview.json")["evaluation"][0]["request"]["subject"]
    for known in (letter["id"], "rick@the-citadel.com", "RICK@the-citadel.com"):
        assert decided(asking, "portal", question(known, "can_read_user", "x", "user"))[0]
    # The file names no ids for people.
    searched = {**question("x", "view", "101"), "subject": {"type": "svc"}}
    assert found(asking, "subject", searched) == []


def test_what_can_be_two_people_is_nobody(front: Front, mine: House) -> None:
    with mine.open() as service:
        add_somebody(service, "impostor", external_id="alice")
    with front.serving(mine) as api:
        assert not decided(api, "portal", question("alice", "view", "101"))[0]


def document(subject: str, action: str, **properties: str) -> dict[str, Any]:
    body = question(subject, action, "of the caller's own", "document")
    body["resource"]["properties"] = properties
    return body


def test_facts_of_a_thing_count_where_the_file_says_so(asking: Api) -> None:
    assert decided(asking, "portal", document("bob", "edit", author="bob"))[0]
    assert decided(asking, "portal", document("bob", "edit", author=" BOB "))[0]
    assert not decided(asking, "portal", document("bob", "edit", author="alice"))[0]
    assert not decided(asking, "portal", document("bob", "edit"))[0]
    assert decided(asking, "portal", document("bob", "view", unit="LEGAL"))[0]
    assert not decided(asking, "portal", document("bob", "view", unit="Sales"))[0]
    # Of records that are kept here, nobody's word counts.
    body = question("bob", "edit", "101")
    body["resource"]["properties"] = {"owner": "bob", "author": "bob", "department": "Legal"}
    body["subject"]["properties"] = {"department": "Legal", "role": "manager"}
    assert not decided(asking, "portal", body)[0]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("create", {"context": {"second_factor_age": 299}}),
        ("delete", {"context": {"ticket": "OPS-77"}}),
        ("edit", {"properties": {"ip_address": "10.20.3.4"}}),
    ],
)
def test_how_somebody_asks_is_believed_of_a_named_caller_alone(
    asking: Api, action: str, said: dict[str, Any]
) -> None:
    body = document("grace", action)
    for who in ("gateway", "portal"):
        assert not decided(asking, who, body)[0]
    body["context"] = said.get("context", {})
    body["subject"]["properties"] = said.get("properties", {})
    assert decided(asking, "gateway", body)[0]
    assert not decided(asking, "portal", body)[0]
    # The name is that of a system; a person who is called so is not it.
    assert not decided(asking, "auditor", body)[0]


@pytest.mark.parametrize("age", [301, 86_400])
def test_a_second_factor_that_is_too_old_does_not_count(asking: Api, age: int) -> None:
    body = {**document("grace", "create"), "context": {"second_factor_age": age}}
    allowed, context = decided(asking, "gateway", body)
    assert not allowed
    assert context["max_age"] == 300


@pytest.mark.parametrize("age", [-1, 86_401, 1.5, "60", True, [1]])
def test_a_second_factor_age_that_is_none_is_refused(asking: Api, age: object) -> None:
    body = {**document("grace", "create"), "context": {"second_factor_age": age}}
    answer = asking("POST", EVALUATION, "gateway", body)
    assert answer.status_code == 400
    assert "context.second_factor_age: must be whole seconds" in answer.text


def test_defaults_are_taken_part_by_part_and_never_a_property(asking: Api) -> None:
    body = {
        "subject": {"type": "user", "id": "bob"},
        "action": {"name": "edit"},
        "resource": {"type": "document", "properties": {"author": "bob"}},
        "evaluations": [
            {"resource": {"id": "1", "properties": {"author": "bob"}}},
            {"resource": {"id": "1"}},
            {"subject": {"id": "alice"}, "resource": {"id": "1", "properties": {"author": "bob"}}},
            {"action": {"name": "view"}, "resource": {"type": "record", "id": "101"}},
            {},
            {"resource": "101"},
            {"action": {"name": 3}},
        ],
    }
    answer = asking.ok("POST", EVALUATIONS, "portal", body)
    assert faults("access-evaluations-response", answer) == []
    decisions = [one["decision"] for one in answer["evaluations"]]
    assert decisions == [True, False, False, True, False, False, False]
    errors = [one["context"].get("error", {}).get("status") for one in answer["evaluations"]]
    assert errors == [None, None, None, None, 400, 400, 400]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_evaluations_end_where_the_semantic_says(
    asking: Api, semantic: str | None, expected: list[bool]
) -> None:
    body: dict[str, Any] = {
        "subject": {"type": "user", "id": "bob"},
        "action": {"name": "edit"},
        "evaluations": [
            {"resource": {"type": "record", "id": one}} for one in ("102", "101", "108")
        ],
    }
    if semantic:
        body["options"] = {"evaluations_semantic": semantic, "another_option": "value"}
    assert faults("access-evaluations-request", body) == []
    answer = asking.ok("POST", EVALUATIONS, "decider", body)
    assert [one["decision"] for one in answer["evaluations"]] == expected


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
def test_without_evaluations_it_is_a_single_one(asking: Api, more: dict[str, Any]) -> None:
    body = {**question("alice", "view", "101"), **more}
    assert asking.ok("POST", EVALUATIONS, "decider", body)["decision"] is True
    del body["subject"]
    assert asking("POST", EVALUATIONS, "decider", body).status_code == 400


def test_there_is_a_most_of_evaluations(asking: Api) -> None:
    one = {"resource": {"type": "record", "id": "101"}}
    body = {**question("alice", "view", "1"), "evaluations": [one] * 1000}
    answers = asking.ok("POST", EVALUATIONS, "decider", body)["evaluations"]
    assert sum(each["decision"] for each in answers) == 1000
    body["evaluations"] = [one] * 1001
    assert asking("POST", EVALUATIONS, "decider", body).status_code == 400
