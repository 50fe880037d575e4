"""Tokens over HTTP: bound to networks and scopes on both paths, rotated, reported as leaked."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from secvault.audit.query import Question, page
from secvault.errors import InvalidInput, TooManyAttempts
from secvault.service import authentication, leaked_tokens, systems
from secvault.service.spine import Caller
from secvault.service.token_life import warn_of_expiring
from secvault.service.transit.warm import warmed
from tests.running_service import Api, House

PLAIN = {"plaintext": "aGVsbG8="}
ENCRYPT = "/v1/transit/encrypt/payroll"
# Where the requests of these tests come from, as the test client says.
HERE = "testclient"


@pytest.fixture
def admin(house: House) -> str:
    return house.tokens["admin"]


@pytest.fixture
def issued(api: Api) -> Any:
    """Issue a token of the system `worker`, which may encrypt and decrypt in `it`."""
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    body = {"name": "worker", "department": "it", "owner": "clerk", "roles": ["role:it.cryptor"]}
    api.ok("POST", "/api/v1/systems", "admin", body)

    def issue(**said: Any) -> Any:
        return api.ok(
            "POST", "/api/v1/tokens", "admin", {"account": "worker", "display_name": "x", **said}
        )

    return issue


def events(house: House, kind: str) -> list[Any]:
    with house.open() as service:
        return list(page(service.store, Question(kind=kind), newest_first=False).events)


def test_a_violation_of_the_networks_is_refused_on_both_paths_and_recorded_once_each(
    api: Api, issued: Any, house: House
) -> None:
    token = issued(networks=["203.0.113.0/24"])
    assert token["networks"] == ["203.0.113.0/24"]
    for _ in range(2):
        assert api("POST", ENCRYPT, token["token"], PLAIN).status_code == 403
    assert api("GET", "/v1/auth/token/lookup-self", token["token"]).status_code == 403
    found = events(house, "token.refused")
    assert [each.event.detail["reason"] for each in found] == ["wrong_address"] * 3
    assert {each.event.detail["token"] for each in found} == {token["key_id"]}


def test_a_bound_token_is_remembered_and_still_looked_at_by_each_request(
    house: House, issued: Any
) -> None:
    text = issued(networks=["10.0.0.0/8"])["token"]
    with house.open() as service, warmed(service) as warm:
        asked = (text, "data.encrypt", "transit", "payroll")
        end = time.monotonic() + 10
        while warm.find(*asked, "r", "10.0.0.1") is None:
            assert time.monotonic() < end
            warm.load(*asked, "10.0.0.1")
        assert warm.find(*asked, "r", "::ffff:10.9.9.9") is not None
        assert warm.find(*asked, "r", "11.0.0.1") is None
        assert warm.find(*asked, "r", "") is None


@pytest.mark.parametrize("networks", [["10.0.0.0/33"], ["nowhere"], ["10.0.0.1/8"] * 65])
def test_networks_that_are_none_are_refused(api: Api, issued: Any, networks: list[str]) -> None:
    body = {"account": "worker", "display_name": "x", "networks": networks}
    assert api("POST", "/api/v1/tokens", "admin", body).status_code == 422


def test_a_scope_takes_away_on_both_paths(api: Api, issued: Any) -> None:
    api.ok("POST", "/v1/transit/keys/other", "system")
    token = issued(actions=["data.encrypt"], objects=["transit/payroll"])
    assert token["scope"] == ["action:data.encrypt", "object:transit/payroll"]
    text = token["token"]
    sealed = api.ok("POST", ENCRYPT, text, PLAIN)["data"]["ciphertext"]
    api.ok("POST", ENCRYPT, text, PLAIN)
    answer = api("POST", "/v1/transit/decrypt/payroll", text, {"ciphertext": sealed})
    assert answer.status_code == 403
    assert api("POST", "/v1/transit/encrypt/other", text, PLAIN).status_code == 403
    elsewhere = issued(departments=["hr"])["token"]
    assert api("POST", ENCRYPT, elsewhere, PLAIN).status_code == 403


def test_a_child_keeps_the_scope_and_the_networks_of_its_parent(api: Api, issued: Any) -> None:
    parent = issued(actions=["data.encrypt", "token.create", "session.self"])["token"]
    child = api.ok("POST", "/v1/auth/token/create", parent, {})["auth"]["client_token"]
    api.ok("POST", ENCRYPT, child, PLAIN)
    body = {"ciphertext": "vault:v1:AAAA"}
    assert api("POST", "/v1/transit/decrypt/payroll", child, body).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [{"actions": ["data.burn"]}, {"departments": ["sales"]}, {"objects": ["transit/*"]}],
)
def test_a_scope_of_unknown_words_is_refused(
    api: Api, issued: Any, wrong: dict[str, list[str]]
) -> None:
    body = {"account": "worker", "display_name": "x", **wrong}
    answer = api("POST", "/api/v1/tokens", "admin", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(wrong))


def test_a_token_is_rotated_over_http_and_the_late_user_of_the_old_one_is_recorded(
    api: Api, issued: Any, house: House
) -> None:
    old = issued()
    path = f"/api/v1/tokens/{old['key_id']}/rotation"
    new = api.ok("POST", path, "admin", {"overlap_hours": 1, "days": 20})
    assert (new["replaces"], new["ended"]) == (old["key_id"], None)
    again = api("POST", path, "admin", {})
    assert again.status_code == 409
    assert old["token"] not in again.text
    for text in (old["token"], new["token"]):
        api.ok("POST", ENCRYPT, text, PLAIN)
    house.hands.seconds += 3600
    assert api("POST", ENCRYPT, old["token"], PLAIN).status_code == 403
    api.ok("POST", ENCRYPT, new["token"], PLAIN)
    assert [each.event.detail["reason"] for each in events(house, "token.refused")] == ["replaced"]


def test_tokens_that_end_soon_are_listed_and_their_warnings_recorded_once(
    api: Api, issued: Any, house: House
) -> None:
    made = issued(days=10)
    listed = api.ok("GET", "/api/v1/tokens/expiring?days=11", "admin")["tokens"]
    assert made["key_id"] in {each["key_id"] for each in listed}
    house.hands.seconds += 3 * 24 * 3600 + 1
    with house.open() as service:
        assert warn_of_expiring(service) == (made["key_id"],)
        assert warn_of_expiring(service) == ()
    (told,) = events(house, "token.warn")
    assert (told.event.detail["days"], told.event.detail["token"]) == (7, made["key_id"])


def test_a_system_is_handed_over_when_its_owner_is_gone(api: Api, issued: Any) -> None:
    api.ok("POST", "/api/v1/people/clerk/disable", "admin")

    def worker() -> Any:
        listed = api.ok("GET", "/api/v1/systems", "admin")["systems"]
        return next(each for each in listed if each["name"] == "worker")

    assert (worker()["owner_name"], worker()["owner_active"]) == ("clerk", False)
    refused = api("POST", "/api/v1/tokens", "admin", {"account": "worker", "display_name": "x"})
    assert refused.status_code == 409
    assert api("PATCH", "/api/v1/systems/worker", "admin", {"owner": "clerk"}).status_code == 422
    api.ok("PATCH", "/api/v1/systems/worker", "admin", {"owner": "head"})
    assert (worker()["owner_name"], worker()["owner_active"]) == ("head", True)
    issued()


def test_a_leaked_token_ends_at_once_and_the_answer_tells_nothing(
    api: Api, issued: Any, house: House
) -> None:
    genuine, other = issued(), issued()
    text = genuine["token"]
    wrong_secret = text[:20] + ("A" if text[20] != "A" else "B") + text[21:]
    api.ok("POST", ENCRYPT, text, PLAIN)
    answers = [
        api("POST", "/api/v1/leaked-tokens", None, {"tokens": [each]})
        for each in (wrong_secret, "svt_", "nonsense", text, text)
    ]
    assert {(each.status_code, each.text) for each in answers} == {(202, '{"received":1}')}
    assert api("POST", ENCRYPT, text, PLAIN).status_code == 403
    api.ok("POST", ENCRYPT, other["token"], PLAIN)
    found = events(house, "token.leaked")
    assert [(e.event.detail["token"], e.event.detail["state"]) for e in found] == [
        (genuine["key_id"], "revoked"),
        (genuine["key_id"], "ended_before"),
    ]


def test_reports_from_one_network_wait_when_there_are_many(house: House) -> None:
    with house.open() as service:
        for _ in range(leaked_tokens.LIMITS.burst):
            leaked_tokens.report_leak(service, ["svt_x"], address="203.0.113.7")
        with pytest.raises(TooManyAttempts):
            leaked_tokens.report_leak(service, ["svt_x"], address="203.0.113.8")
        # Neither another network nor those who sign in from this one are kept out.
        leaked_tokens.report_leak(service, ["svt_x"], address="198.51.100.1")
        house.hands.seconds += leaked_tokens.LIMITS.forget_seconds
        leaked_tokens.report_leak(service, ["svt_x"], address="203.0.113.8")


@pytest.mark.parametrize("tokens", [[], ["x"] * 101, ["x" * 1025], "svt_", [7]])
def test_a_report_that_is_none_is_refused_without_an_echo(api: Api, tokens: object) -> None:
    answer = api("POST", "/api/v1/leaked-tokens", None, {"tokens": tokens})
    assert answer.status_code == 422
    assert "x" * 30 not in answer.text


def test_tokens_are_found_in_any_text_by_the_documented_expression(house: House) -> None:
    text = house.tokens["system"]
    assert leaked_tokens.tokens_in(f"key = '{text}'\n{text}") == (text,)
    documented = re.search(r"svt_\[0-9A-Za-z\]\S+", _reference())
    assert documented is not None
    assert re.findall(documented[0].rstrip("`"), f"x={text};") == [text]


def _reference() -> str:
    page = Path(__file__).parents[2] / "docs" / "reference" / "service-accounts.md"
    return page.read_text("utf-8")


def test_the_settings_bound_how_long_a_token_lives(house: House) -> None:
    with house.open() as service:
        limits = service.settings.identity.model_copy(update={"token_most_days": 10})
        settings = service.settings.model_copy(update={"identity": limits})
        object.__setattr__(service, "settings", settings)
        operator = Caller(authentication.local_operator(service))
        with pytest.raises(InvalidInput, match="1 to 10"):
            systems.issue_token(service, operator, account="system", display_name="x", days=11)
