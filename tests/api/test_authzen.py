"""AuthZEN 1.0 over HTTP: other programs ask, and are told no more than they may know."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from secvault.audit.query import Question, page
from secvault.errors import ConfigurationError
from secvault.identity import people, service_accounts
from secvault.service import opening
from secvault.store.tables import record as record_table
from tests.authzen.demo import (
    CONDITIONS,
    add_record,
    add_somebody,
    policy_folder,
    populate,
    published,
)
from tests.authzen.schemas import faults
from tests.running_service import Api, Front, House, copied, furnish, system_token

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCHES = {kind: f"/access/v1/search/{kind}" for kind in ("subject", "resource", "action")}
POSTS = (EVALUATION, EVALUATIONS, *SEARCHES.values())


@pytest.fixture(scope="module")
def interop(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the people and records of the interop demos, and programs that ask."""
    folder = tmp_path_factory.mktemp("interop")
    more = {"SECVAULT_POLICIES": str(policy_folder(folder / "policies")), **CONDITIONS}
    plain = furnish(folder / "house")
    house = House(plain.folder, plain.hands, plain.tokens, plain.seeds, more)
    with house.open() as service:
        populate(service)
        add_somebody(service, "grace", "careful")
        with service.store.write() as connection:
            for name in ("k1", "k2"):
                service.keyring.create(connection, "transit", name)
        for name, role in (
            ("gateway", "role:it.searcher"),
            ("portal", "role:it.searcher"),
            ("decider", "role:it.decider"),
        ):
            house.tokens[name] = system_token(service, name, "it", role)
    return house


def _copy(interop: House, folder: Path) -> House:
    made = copied(interop, folder)
    return House(made.folder, made.hands, made.tokens, made.seeds, interop.more)


@pytest.fixture(scope="module")
def asking(interop: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An application over a copy of it, for tests that change nothing."""
    with Front().serving(_copy(interop, tmp_path_factory.mktemp("asking"))) as served:
        yield served


@pytest.fixture
def mine(interop: House, tmp_path: Path) -> House:
    """A copy of it of a test's own."""
    return _copy(interop, tmp_path / "mine")


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


# --- what is answered


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


# --- our own names


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


# --- whose word counts


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


# --- several at once


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


# --- searching


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


# --- errors, headers, the caller


def test_a_request_that_cannot_be_understood_is_a_400_with_a_sentence(asking: Api) -> None:
    whole = question("alice", "view", "101")
    bodies: list[Any] = [{key: whole[key] for key in whole if key != part} for part in whole]
    bodies += [
        {**whole, "subject": {"id": "alice"}},
        {**whole, "subject": {"type": "user"}},
        {**whole, "action": {}},
        {**whole, "resource": {"id": "101"}},
        {**whole, "resource": {"type": "record"}},
        {**whole, "subject": "alice"},
        {**whole, "action": {"name": 123}},
        {**whole, "context": "now"},
        {**whole, "subject": {"type": "user", "id": "a" * 513}},
        {**whole, "subject": {"type": "user", "id": ""}},
        [],
        "text",
    ]
    for body in bodies:
        answer = asking("POST", EVALUATION, "decider", body)
        assert answer.status_code == 400, body
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert 10 < len(answer.text) < 600
    for more in (
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
        {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
        {"content": json.dumps(whole).encode(), "headers": {"Content-Type": "text/plain"}},
        {"content": json.dumps(whole).encode()},
        {"content": b'{"a":' * 50_000, "headers": {"Content-Type": "application/json"}},
    ):
        answer = asking("POST", EVALUATION, "decider", **more)
        assert answer.status_code in (400, 413), more
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_unknown_members_are_ignored(asking: Api) -> None:
    body = {**question("alice", "view", "101"), "foo": "bar", "future": {"nested": True}}
    body["subject"]["foo"] = body["resource"]["bar"] = 1
    body["context"] = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
    assert decided(asking, "decider", body)[0]


def test_the_callers_request_id_comes_back_on_these_paths_alone(asking: Api) -> None:
    whole = question("alice", "view", "101")
    headers = {"X-Request-ID": "bfe9eb29-ab87/4ca3 be83"}
    for body in (whole, {}):
        answer = asking("POST", EVALUATION, "decider", body, headers=headers)
        assert answer.headers["x-request-id"] == headers["X-Request-ID"]
        assert answer.headers.get_list("x-request-id") == [headers["X-Request-ID"]]
    assert len(asking("POST", EVALUATION, "decider", whole).headers["x-request-id"]) == 36
    other = asking("GET", "/health/live", headers=headers)
    assert other.headers["x-request-id"] != headers["X-Request-ID"]


@pytest.mark.parametrize("path", POSTS)
def test_a_status_of_401_or_403_is_about_the_caller(asking: Api, path: str) -> None:
    body = question("alice", "view", "101")
    for who, status in ((None, 401), ("svt_made_up", 401), ("clerk", 403), ("system", 403)):
        answer = asking("POST", path, who, body)
        assert answer.status_code == status, (who, answer.text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert ("www-authenticate" in answer.headers) == (status == 401)
    assert asking("POST", path, None, {}).status_code == 401


def test_a_decider_may_not_search(asking: Api) -> None:
    for kind, path in SEARCHES.items():
        assert asking("POST", path, "decider", question("a", "view", "101")).status_code == 403, (
            kind
        )
    assert asking("GET", EVALUATION, "decider").status_code == 405
    assert asking("POST", "/access/v1/elsewhere", "decider", {}).status_code == 404


def test_the_configuration_names_every_endpoint_to_everybody(asking: Api) -> None:
    told = asking.ok("GET", "/.well-known/authzen-configuration")
    here = asking.house.settings.public_url
    assert told.pop("policy_decision_point") == here
    assert {path for _, path in sorted(told.items())} == {f"{here}{path}" for path in POSTS}


def test_a_service_with_a_faulty_file_does_not_open(mine: House, tmp_path: Path) -> None:
    policies = policy_folder(tmp_path / "faulty", "version = 1\n[resources.r]\n")
    more = {**mine.more, "SECVAULT_POLICIES": str(policies)}
    faulty = House(mine.folder, mine.hands, mine.tokens, mine.seeds, more)
    with pytest.raises(ConfigurationError, match=r"authzen\.toml: resources\.r"), faulty.open():
        pass
    with pytest.raises(ConfigurationError, match=r"authzen\.toml: resources\.r"):
        opening.check(faulty.settings)


# --- what stays in the log


def test_each_request_is_one_event_and_holds_nothing_that_the_caller_wrote(
    front: Front, mine: House
) -> None:
    with front.serving(mine) as api:
        _, context = decided(api, "portal", question("rick@the-citadel.com", "view", "101"))
        decided(api, "portal", question("nobody@example.com", "view", "secret-title"))
        evaluations = [{"resource": {"type": "record", "id": one}} for one in ("101", "104", "107")]
        body = {**question("bob", "view", "x"), "evaluations": evaluations}
        api.ok("POST", EVALUATIONS, "portal", body)
        found(api, "subject", question("x", "view", "101"))
        assert api("POST", SEARCHES["subject"], "decider", body).status_code == 403
    with mine.open() as service:
        with service.store.read() as connection:
            rick = people.find_person(connection, "rick@the-citadel.com").subject
        whole = [
            one.event
            for kind in ("access.evaluate", "access.search")
            for one in reversed(page(service.store, Question(kind=kind)).events)
        ]
    told = [(one.kind, one.outcome, one.count, dict(one.detail)) for one in whole]
    library = {"operation": "record.read", "collection": "library", "target": "101"}
    assert told == [
        (
            "access.evaluate",
            "ok",
            1,
            {**library, "subject": rick, "passed": False, "answered": context["id"]},
        ),
        ("access.evaluate", "ok", 1, {"passed": False}),
        ("access.evaluate", "ok", 3, {"allowed": 1}),
        ("access.search", "ok", 4, library),
        ("access.search", "denied", None, {}),
    ]


# --- whatever is sent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "name", "properties", "token", "limit", "owner", "field"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TYPES = [
    "user",
    "svc",
    "record",
    "todo",
    "document",
    "collection",
    "key",
    "plan",
    "people",
    "session",
]
REFS = ["alice", "101", "view", "record.read", "library/101", "transit/k", "*", "/", "a/"]
NAMES = st.sampled_from([*TYPES, *REFS, "", "\x00"])
PARTS = st.fixed_dictionaries(
    {}, optional={"type": NAMES, "id": NAMES, "name": NAMES, "properties": VALUES}
)
BODIES = st.dictionaries(
    st.sampled_from(["subject", "action", "resource", "context", "page", "evaluations", "options"]),
    PARTS | VALUES | st.lists(st.dictionaries(NAMES, PARTS, max_size=3), max_size=3),
    max_size=6,
)


@given(body=BODIES, path=st.sampled_from(POSTS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_sent_is_answered_or_refused_clearly(
    asking: Api, body: dict[str, Any], path: str
) -> None:
    # JSON of Python, which also has NaN and halves of surrogate pairs.
    sent = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = asking("POST", path, "gateway", content=sent, headers=headers)
    assert answer.status_code in (200, 400), (answer.status_code, answer.text)
    if answer.status_code == 400:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    else:
        answer.json()


# --- the certification scenario's core

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
    plain = furnish(tmp_path / "house")
    more = {"SECVAULT_POLICIES": str(policies), **CONDITIONS}
    house = House(plain.folder, plain.hands, plain.tokens, plain.seeds, more)
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
