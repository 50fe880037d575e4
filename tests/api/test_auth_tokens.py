"""`auth/token/`: what the bearer of a token does with it and with those below it, and no others."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from tests.running_service import Api, House, system_token

PATH = "/v1/auth/token"
PLAIN = {"plaintext": base64.b64encode(b"1").decode()}


@pytest.fixture
def token(api: Api, house: House) -> str:
    """The token of a system that may encrypt."""
    with house.open() as service:
        return system_token(service, "worker", "it", "role:it.cryptor")


def _made(api: Api, by: str, **body: Any) -> dict[str, Any]:
    auth: dict[str, Any] = api.ok("POST", f"{PATH}/create", by, body)["auth"]
    return auth


def test_a_child_works_until_its_parent_is_revoked(api: Api, token: str) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    child = _made(api, token, ttl="1h", meta={"tổ": "đêm"}, display_name="đêm")
    grandchild = _made(api, child["client_token"])
    assert child["lease_duration"] == 3600
    assert child["renewable"] is True
    assert child["orphan"] is False
    assert child["metadata"] == {"tổ": "đêm"}
    for each in (child, grandchild):
        for _ in range(3):
            api.ok("POST", "/v1/transit/encrypt/payroll", each["client_token"], PLAIN)
    assert api("POST", f"{PATH}/revoke-self", child["client_token"]).status_code == 204
    for each in (child, grandchild):
        path = "/v1/transit/encrypt/payroll"
        assert api("POST", path, each["client_token"], PLAIN).status_code == 403
    api.ok("POST", "/v1/transit/encrypt/payroll", token, PLAIN)


def test_uses_are_counted_once_for_each_request(api: Api, token: str) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    child = _made(api, token, num_uses=4)["client_token"]
    for _ in range(4):
        api.ok("POST", "/v1/transit/encrypt/payroll", child, PLAIN)
    assert api("POST", "/v1/transit/encrypt/payroll", child, PLAIN).status_code == 403


def test_a_token_is_looked_up_by_itself_its_text_and_its_accessor(api: Api, token: str) -> None:
    child = _made(api, token, ttl=120, period="2h", explicit_max_ttl="5h")
    text, accessor = child["client_token"], child["accessor"]
    by_self = api.ok("GET", f"{PATH}/lookup-self", text)["data"]
    assert by_self["period"] == 7200
    assert by_self["explicit_max_ttl"] == 18000
    assert by_self["ttl"] == 7200
    assert by_self["id"] == text
    for who in (token, text):
        assert api.ok("POST", f"{PATH}/lookup", who, {"token": text})["data"] == by_self
        by_accessor = api.ok("POST", f"{PATH}/lookup-accessor", who, {"accessor": accessor})["data"]
        assert by_accessor == {**by_self, "id": ""}, "who has shown no token gets none"


def test_a_renewal_is_shown_and_takes_the_increment(api: Api, house: House, token: str) -> None:
    child = _made(api, token, ttl=100)
    house.hands.seconds += 50
    for path, who, body in (
        ("renew-self", child["client_token"], {"increment": "90s"}),
        ("renew", token, {"token": child["client_token"], "increment": 90}),
        ("renew-accessor", token, {"accessor": child["accessor"], "increment": 90}),
    ):
        renewed = api.ok("POST", f"{PATH}/{path}", who, body)["auth"]
        assert renewed["lease_duration"] == 90
    assert api.ok("GET", f"{PATH}/lookup-self", child["client_token"])["data"]["last_renewal_time"]
    answer = api("POST", f"{PATH}/renew-self", token)
    assert answer.status_code == 400
    assert answer.json() == {"errors": ["lease is not renewable"]}


def test_nobody_reaches_another_systems_tokens(api: Api, house: House, token: str) -> None:
    with house.open() as service:
        other = system_token(service, "other", "it", "role:it.cryptor")
    child = _made(api, token)
    for path in ("lookup", "renew", "revoke"):
        body = {"token": child["client_token"]}
        assert api("POST", f"{PATH}/{path}", other, body).status_code == 403
        body = {"accessor": child["accessor"]}
        assert api("POST", f"{PATH}/{path}-accessor", other, body).status_code == 403
    # Not even what made it.
    parent = api.ok("GET", f"{PATH}/lookup-self", token)["data"]["accessor"]
    for path in ("lookup", "revoke"):
        answer = api("POST", f"{PATH}/{path}-accessor", child["client_token"], {"accessor": parent})
        assert answer.status_code == 403
    api.ok("GET", f"{PATH}/lookup-self", token)


def test_those_who_administer_tokens_reach_all(api: Api, house: House, token: str) -> None:
    with house.open() as service:
        admin = system_token(service, "admin-tool", "it", "role:it.admin")
    child = _made(api, token)
    found = api.ok("POST", f"{PATH}/lookup-accessor", admin, {"accessor": child["accessor"]})
    assert found["data"]["id"] == ""
    body = {"accessor": child["accessor"]}
    api.ok("POST", f"{PATH}/renew-accessor", admin, {**body, "increment": 60})
    # A change is answered when its entry is durable, which comes into the log a moment later.
    deadline = time.monotonic() + 20
    while child["accessor"] not in str(
        api.ok("GET", "/api/v1/audit/events?kind=token.extend", "auditor")["events"]
    ):
        assert time.monotonic() < deadline, "its renewal is not in the log"
    assert api("POST", f"{PATH}/revoke-accessor", admin, body).status_code == 204
    assert api("GET", f"{PATH}/lookup-self", child["client_token"]).status_code == 403
    answer = api("POST", f"{PATH}/lookup-accessor", admin, body)
    assert (answer.status_code, answer.json()) == (400, {"errors": ["invalid accessor"]})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("create", {"policies": ["root"]}),
        ("create", {"policies": ["it.admin"]}),
        ("create", {"policies": 7}),
        ("create/any", {}),
        ("roles/any", {}),
        ("tidy", {}),
        ("revoke-orphan", {"token": "x"}),
        ("create", {"no_parent": True}),
        ("create", {"id": "mine"}),
        ("create", {"type": "batch"}),
        ("create", {"ttl": "soon"}),
        ("create", {"num_uses": -1}),
        ("create", {"meta": {"a": 1}}),
        ("lookup", {}),
        ("lookup-accessor", {}),
        ("renew-self", {"increment": "x"}),
    ],
)
def test_what_is_not_offered_is_refused_and_makes_nothing(
    api: Api, token: str, path: str, body: dict[str, Any]
) -> None:
    before = len(api.ok("GET", "/api/v1/tokens", "admin")["tokens"])
    answer = api("POST", f"{PATH}/{path}", token, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert len(api.ok("GET", "/api/v1/tokens", "admin")["tokens"]) == before


@pytest.mark.parametrize("text", ["x", "svt_", "s.hvac", "không"])
def test_a_text_that_is_no_token_is_not_found(api: Api, token: str, text: str) -> None:
    for path, status in (("lookup", 403), ("renew", 404), ("revoke", 404)):
        answer = api("POST", f"{PATH}/{path}", token, {"token": text})
        assert answer.status_code == status
        assert answer.json() == {"errors": ["bad token"]}


def test_a_session_makes_no_tokens(api: Api) -> None:
    answer = api("POST", f"{PATH}/create", "head", {})
    assert answer.status_code == 400


def test_making_renewing_and_ending_are_in_the_log(api: Api, token: str) -> None:
    child = _made(api, token)
    api.ok("POST", f"{PATH}/renew-self", child["client_token"])
    api("POST", f"{PATH}/revoke-self", child["client_token"])
    for kind in ("token.create", "token.renew", "token.end"):
        events = api.ok("GET", f"/api/v1/audit/events?kind={kind}", "auditor")["events"]
        assert child["accessor"] in str(events)
        assert child["client_token"].split("_")[2] not in str(events)
