"""Who calls is found out before anything else, and an ended credential ends at once."""

from __future__ import annotations

import pytest

from tests.running_service import PASSWORD, Api

SELF = "/api/v1/sessions/self"
LOOKUP = "/v1/auth/token/lookup-self"


def test_a_session_and_a_token_are_known_by_the_header(api: Api) -> None:
    assert api.ok("GET", SELF, "clerk")["name"] == "clerk"
    assert api.ok("GET", SELF, "system")["kind"] == "svc"
    vault_header = {"X-Vault-Token": api.house.tokens["system"]}
    assert api("GET", LOOKUP, headers=vault_header).status_code == 200


def test_the_transit_header_is_not_known_on_native_paths(api: Api) -> None:
    assert api("GET", SELF, headers={"X-Vault-Token": api.house.tokens["clerk"]}).status_code == 401


def test_two_credentials_that_differ_are_refused_and_two_that_agree_are_one(api: Api) -> None:
    token = api.house.tokens["system"]
    other = api.house.tokens["clerk"]
    for bearer, vault, status in [
        (token, token, 200),
        (token, other, 403),
        (other, token, 403),
        ("svt_x", token, 403),
    ]:
        headers = {"Authorization": f"Bearer {bearer}", "X-Vault-Token": vault}
        assert api("GET", LOOKUP, headers=headers).status_code == status


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer svs_",
        "Bearer svt_0000000000_" + "0" * 43 + "_000000",
        "Bearer \u00ff\u00fe",
        "Bearer " + "x" * 20_000,
        "bearer svx_a_b_c",
    ],
)
def test_what_is_no_credential_gets_the_one_answer(api: Api, header: str) -> None:
    answer = api("GET", SELF, headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:secvault:problem:not-authenticated"
    answer = api("GET", LOOKUP, headers={"X-Vault-Token": header.encode("latin-1")})
    assert answer.status_code == 403
    assert answer.json() == {"errors": ["permission denied"]}


def test_a_credential_in_the_address_is_not_looked_at(api: Api) -> None:
    token = api.house.tokens["clerk"]
    for name in ("token", "access_token", "X-Vault-Token", "Authorization"):
        assert api("GET", f"{SELF}?{name}={token}").status_code == 401


def test_signing_out_ends_the_session(api: Api) -> None:
    assert api("DELETE", SELF, "clerk").status_code == 204
    assert api("GET", SELF, "clerk").status_code == 401
    assert api("DELETE", SELF, "clerk").status_code == 401


def test_a_token_is_not_signed_out_but_revoked(api: Api) -> None:
    answer = api("DELETE", SELF, "system")
    assert answer.status_code == 422
    assert "revoke" in answer.json()["detail"]


def test_a_disabled_person_is_refused_at_once(api: Api) -> None:
    shown = api.ok("POST", "/api/v1/people/clerk/disable", "admin")
    assert shown["state"] == "disabled"
    assert api("GET", SELF, "clerk").status_code == 401
    assert api("GET", "/api/v1/records/payroll", "clerk").status_code == 401
    assert api.ok("POST", "/api/v1/people/clerk/enable", "admin")["state"] == "active"
    # The sessions from before stay ended.
    assert api("GET", SELF, "clerk").status_code == 401


def test_a_revoked_token_is_refused_at_once(api: Api) -> None:
    (token,) = api.ok("GET", "/api/v1/tokens", "admin")["tokens"]
    assert api("DELETE", f"/api/v1/tokens/{token['key_id']}", "admin").status_code == 204
    assert api("GET", LOOKUP, "system").status_code == 403
    assert api("DELETE", f"/api/v1/tokens/{token['key_id']}", "admin").status_code == 409


def test_a_disabled_system_is_refused_at_once(api: Api) -> None:
    assert api("POST", "/api/v1/systems/system/disable", "admin").status_code == 204
    assert api("GET", LOOKUP, "system").status_code == 403


def test_a_session_ends_by_itself_when_it_is_not_used(api: Api) -> None:
    api.house.hands.seconds += 29 * 60
    assert api("GET", SELF, "clerk").status_code == 200
    api.house.hands.seconds += 30 * 60
    assert api("GET", SELF, "clerk").status_code == 401


def test_a_session_that_is_used_all_the_time_ends_after_a_working_day(api: Api) -> None:
    for _ in range(23):
        api.house.hands.seconds += 20 * 60
        assert api("GET", SELF, "clerk").status_code == 200
    api.house.hands.seconds += 20 * 60
    assert api("GET", SELF, "clerk").status_code == 401


def test_a_token_ends_on_its_day(api: Api) -> None:
    api.house.hands.seconds += 86_399
    assert api("GET", LOOKUP, "system").status_code == 200
    api.house.hands.seconds += 1
    assert api("GET", LOOKUP, "system").status_code == 403


def test_a_revoked_grant_opens_nothing_from_then_on(api: Api) -> None:
    held = api.ok("GET", "/api/v1/grants", "admin")["grants"]
    (grant,) = [one for one in held if one["role"] == "role:hr.head"]
    assert api("GET", "/api/v1/records/payroll", "head").status_code == 200
    assert api("DELETE", f"/api/v1/grants/{grant['id']}", "admin").status_code == 204
    assert api("GET", "/api/v1/records/payroll", "head").status_code == 403
    assert api("DELETE", f"/api/v1/grants/{grant['id']}", "admin").status_code == 409


def test_signing_in_answers_every_fault_alike(api: Api) -> None:
    api.ok("POST", "/api/v1/people/auditor/disable", "admin")
    house = api.house
    house.hands.seconds += 60
    attempts = [
        ("nobody", PASSWORD, "000000"),
        ("clerk", "not the password", house.hands.code(house.seeds["clerk"])),
        ("head", PASSWORD, "000000"),
        ("auditor", PASSWORD, house.hands.code(house.seeds["auditor"])),
        ("no such name!", PASSWORD, "000000"),
    ]
    answers = []
    for name, password, code in attempts:
        body = {"name": name, "password": password, "code": code}
        answer = api("POST", "/api/v1/sessions", body=body)
        assert answer.status_code == 401
        problem = answer.json()
        del problem["request_id"]
        answers.append((problem, sorted(answer.headers)))
    assert all(answer == answers[0] for answer in answers)


def test_signing_in_gives_a_session_and_the_code_is_used_up(api: Api) -> None:
    house = api.house
    house.hands.seconds += 60
    given = {"name": "clerk", "password": PASSWORD, "code": house.hands.code(house.seeds["clerk"])}
    session = api.ok("POST", "/api/v1/sessions", body=given)
    assert session["name"] == "clerk"
    assert session["expires_at"] > "2026"
    assert api.ok("GET", SELF, session["token"])["subject"] == session["subject"]
    assert api("POST", "/api/v1/sessions", body=given).status_code == 401


def test_guessing_is_slowed_down_and_says_for_how_long(api: Api) -> None:
    guess = {"name": "clerk", "password": "wrong password", "code": "000000"}
    statuses = [api("POST", "/api/v1/sessions", body=guess).status_code for _ in range(12)]
    assert statuses[0] == 401
    assert 429 in statuses
    delayed = api("POST", "/api/v1/sessions", body=guess)
    assert int(delayed.headers["retry-after"]) >= 1
