"""AuthZEN requests as such: bad ones, their callers, their headers, what the log keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.audit.query import Question, page
from secvault.errors import ConfigurationError
from secvault.identity import people
from secvault.service import opening
from tests.authzen.asking import (
    EVALUATION,
    EVALUATIONS,
    POSTS,
    SEARCHES,
    decided,
    found,
    question,
)
from tests.authzen.demo import policy_folder
from tests.running_service import Api, Front, House
from tests.service.policy_house import without_policies


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


def test_a_service_that_would_first_publish_a_faulty_file_does_not_open(
    mine: House, tmp_path: Path
) -> None:
    with mine.open() as service:
        without_policies(service)
    policies = policy_folder(tmp_path / "faulty", "version = 1\n[resources.r]\n")
    more = {**mine.more, "SECVAULT_POLICIES": str(policies)}
    faulty = House(mine.folder, mine.hands, mine.tokens, mine.seeds, more)
    with pytest.raises(ConfigurationError, match=r"authzen\.toml: resources\.r"), faulty.open():
        pass
    with pytest.raises(ConfigurationError, match=r"authzen\.toml: resources\.r"):
        opening.check(faulty.settings)


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
