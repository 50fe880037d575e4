"""`auth/approle` and `auth/userpass` over HTTP: who may, what is logged, what is never said."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.running_service import PASSWORD, STEP, Api, House, system_token

ROLE = "/v1/auth/approle/role/worker"
LOGIN = "/v1/auth/approle/login"
METHOD = "0b7c58a2-6a0e-4d0b-9d5c-5ec0a17707b5"
WRONG = {"errors": ["invalid username or password"]}


@pytest.fixture
def admin(api: Api, house: House) -> str:
    """The token of a system that administers; there is a system `worker` beside it."""
    with house.open() as service:
        system_token(service, "worker", "it", "role:it.cryptor", "role:it.encryptor")
        return system_token(service, "deployer", "it", "role:it.admin")


@pytest.fixture
def role_id(api: Api, admin: str) -> str:
    """The role id of an AppRole `worker`."""
    assert api("POST", ROLE, admin, {"token_policies": ["it.encryptor"]}).status_code == 204
    found: str = api.ok("GET", f"{ROLE}/role-id", admin)["data"]["role_id"]
    return found


def _secret(api: Api, admin: str, **wanted: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", f"{ROLE}/secret-id", admin, wanted)["data"]
    return made


def _first(api: Api, name: str, password: str = PASSWORD, **headers: str) -> Any:
    path = f"/v1/auth/userpass/login/{name}"
    return api("POST", path, None, {"password": password}, headers=headers)


def test_a_role_is_for_a_system_that_there_is_and_stays_with_it(api: Api, admin: str) -> None:
    answer = api("POST", "/v1/auth/approle/role/nobody", admin, {})
    assert answer.status_code == 400
    assert "system" in answer.json()["errors"][0]
    assert api("POST", "/v1/auth/approle/role/night", admin, {"system": "worker"}).is_success
    assert api.ok("GET", "/v1/auth/approle/role/night", admin)["data"]["system"] == "worker"
    moved = api("POST", "/v1/auth/approle/role/night", admin, {"system": "deployer"})
    assert moved.status_code == 400
    refused = api("POST", "/v1/auth/approle/role/night", admin, {"token_policies": ["it.admin"]})
    assert "it.admin is not among its roles" in refused.json()["errors"][0]


def test_only_administrators_make_roles_and_secret_ids(api: Api, admin: str, role_id: str) -> None:
    secret = _secret(api, admin)
    asked = [
        ("POST", ROLE, {}),
        ("GET", ROLE, None),
        ("DELETE", ROLE, None),
        ("LIST", "/v1/auth/approle/role", None),
        ("GET", f"{ROLE}/role-id", None),
        ("POST", f"{ROLE}/role-id", {"role_id": "x"}),
        ("POST", f"{ROLE}/secret-id", {}),
        ("LIST", f"{ROLE}/secret-id", None),
        ("POST", f"{ROLE}/custom-secret-id", {"secret_id": "x"}),
        ("POST", f"{ROLE}/secret-id/lookup", {"secret_id": secret["secret_id"]}),
        ("POST", f"{ROLE}/secret-id/destroy", {"secret_id": secret["secret_id"]}),
        ("POST", f"{ROLE}/secret-id-accessor/lookup", {"secret_id_accessor": "x"}),
        ("POST", f"{ROLE}/secret-id-accessor/destroy", {"secret_id_accessor": "x"}),
        ("POST", "/v1/auth/approle/tidy/secret-id", {}),
    ]
    for who in ("system", "head", "auditor"):
        for method, path, body in asked:
            assert api(method, path, who, body).status_code == 403, (who, method, path)
    for method, path, body in asked:
        assert api(method, path, None, body).status_code == 403


def test_a_system_signs_in_and_is_in_the_log_without_its_secret(
    api: Api, admin: str, role_id: str, log: io.StringIO
) -> None:
    secret = _secret(api, admin, metadata="a=b")
    shown = {"role_id": role_id, "secret_id": secret["secret_id"]}
    auth = api.ok("POST", LOGIN, None, shown)["auth"]
    assert auth["policies"] == ["default", "it.encryptor"]
    assert api("POST", LOGIN, None, {**shown, "secret_id": "x"}).status_code == 400
    events = api.ok("GET", "/api/v1/audit/events?kind=auth.sign_in", "auditor")["events"]
    mine = [each for each in events if each["resource"] == "it/approles/worker"]
    assert {each["outcome"] for each in mine} == {"ok", "denied"}
    assert auth["accessor"] in str(mine)
    assert "wrong_secret" in str(mine)
    made = api.ok("GET", "/api/v1/audit/events?kind=secret_id.create", "auditor")["events"]
    assert secret["secret_id_accessor"] in str(made)
    everything = str(api.ok("GET", "/api/v1/audit/events?limit=500", "auditor")) + log.getvalue()
    assert secret["secret_id"].split("_")[2] not in everything
    assert role_id not in everything


def test_removing_a_role_ends_its_tokens_in_the_same_process_at_once(
    api: Api, admin: str, role_id: str
) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    shown = {"role_id": role_id, "secret_id": _secret(api, admin)["secret_id"]}
    token = api.ok("POST", LOGIN, None, shown)["auth"]["client_token"]
    body = {"plaintext": "MQ=="}
    for _ in range(3):
        api.ok("POST", "/v1/transit/encrypt/payroll", token, body)
    assert api("DELETE", ROLE, admin).status_code == 204
    assert api("POST", "/v1/transit/encrypt/payroll", token, body).status_code == 403
    assert api("POST", LOGIN, None, shown).status_code == 400


def test_a_token_bound_to_networks_is_refused_from_elsewhere_on_the_lean_path_too(
    api: Api, admin: str
) -> None:
    # The test's client has no address: it lies in no network.
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    assert api("POST", ROLE, admin, {"token_bound_cidrs": ["10.0.0.0/8"]}).is_success
    role_id = api.ok("GET", f"{ROLE}/role-id", admin)["data"]["role_id"]
    shown = {"role_id": role_id, "secret_id": _secret(api, admin)["secret_id"]}
    token = api.ok("POST", LOGIN, None, shown)["auth"]["client_token"]
    for _ in range(3):
        answer = api("POST", "/v1/transit/encrypt/payroll", token, {"plaintext": "MQ=="})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"token_type": "batch"},
        {"token_strictly_bind_ip": True},
        {"local_secret_ids": True},
        {"token_bound_cidrs": ["x"]},
        {"token_bound_cidrs": ["10.0.0.0/8"] * 1 + [f"10.0.{n}.0/24" for n in range(70)]},
        {"token_ttl": "366d"},
        {"token_policies": ["it.nobody"]},
        {"bind_secret_id": False},
        {"token_num_uses": "many"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_and_change_nothing(
    api: Api, admin: str, role_id: str, body: Any
) -> None:
    before = api.ok("GET", ROLE, admin)["data"]
    assert api("POST", ROLE, admin, body).status_code == 400
    assert api.ok("GET", ROLE, admin)["data"] == before


def test_guessing_at_a_role_is_slowed_down(api: Api, role_id: str) -> None:
    shown = {"role_id": role_id, "secret_id": "x"}
    statuses = [api("POST", LOGIN, None, shown).status_code for _ in range(12)]
    assert statuses[:10] == [400] * 10
    assert statuses[10:] == [429, 429]


def test_a_person_signs_in_by_two_steps_and_is_who_they_are(api: Api, house: House) -> None:
    house.hands.seconds += STEP
    needed = _first(api, "head").json()["auth"]["mfa_requirement"]
    code = house.hands.code(house.seeds["head"])
    body = {"mfa_request_id": needed["mfa_request_id"], "mfa_payload": {METHOD: [code]}}
    auth = api.ok("POST", "/v1/sys/mfa/validate", None, body)["auth"]
    assert auth["client_token"].startswith("svs_")
    assert auth["policies"] == ["default", "hr.clerk", "hr.head"]
    assert auth["token_policies"] == ["default"]
    token = auth["client_token"]
    assert api.ok("GET", "/api/v1/sessions/self", token)["name"] == "head"
    known = api.ok("GET", "/v1/auth/token/lookup-self", token)["data"]
    assert known["ttl"] == auth["lease_duration"] == 8 * 3600
    assert known["path"] == "auth/userpass/login/head"
    events = str(api.ok("GET", "/api/v1/audit/events?limit=50", "auditor")["events"])
    assert "auth.first_factor" in events
    assert "userpass" in events
    assert api("POST", "/v1/auth/token/revoke-self", token).status_code == 204
    assert api("GET", "/v1/auth/token/lookup-self", token).status_code == 403


@pytest.mark.parametrize("method", [METHOD, "totp"])
def test_a_person_signs_in_by_one_step_with_the_header(api: Api, house: House, method: str) -> None:
    house.hands.seconds += STEP
    code = house.hands.code(house.seeds["clerk"])
    answer = _first(api, "clerk", **{"X-Vault-MFA": f"{method}:{code}"})
    assert answer.status_code == 200
    again = _first(api, "clerk", **{"X-Vault-MFA": f"{method}:{code}"})
    assert (again.status_code, again.json()) == (400, WRONG)


@pytest.mark.parametrize("header", ["", "totp", "totp:", "000000", "other:000000", "totp:x", "::"])
def test_a_header_that_cannot_be_read_is_a_wrong_code(api: Api, header: str) -> None:
    answer = _first(api, "clerk", **{"X-Vault-MFA": header})
    assert (answer.status_code, answer.json()) == (400, WRONG)


def test_known_and_unknown_people_are_answered_alike_and_slowed_down_alike(api: Api) -> None:
    seen = []
    for name in ("clerk", "nobody", "không ai"):
        answers = [_first(api, name, "wrong password") for _ in range(5)]
        seen.append([(each.status_code, each.json()) for each in answers])
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == (400, WRONG)
    assert seen[0][4][0] == 429


def test_a_wrong_code_is_told_from_an_unknown_request(api: Api, house: House) -> None:
    request = _first(api, "clerk").json()["auth"]["mfa_requirement"]["mfa_request_id"]
    for payload in ({}, {METHOD: ["000000"]}, {METHOD: []}, {"other": ["000000"]}):
        body = {"mfa_request_id": request, "mfa_payload": payload}
        answer = api("POST", "/v1/sys/mfa/validate", None, body)
        assert answer.status_code == 403
    for body in ({}, {"mfa_request_id": "x"}, {"mfa_request_id": request, "mfa_payload": 7}):
        assert api("POST", "/v1/sys/mfa/validate", None, body).status_code == 400


def test_nothing_that_should_be_wrapped_leaves_unwrapped_by_the_lean_path_either(api: Api) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    path, body = "/v1/transit/encrypt/payroll", {"plaintext": "MQ=="}
    for _ in range(3):
        api.ok("POST", path, "system", body)
    answer = api("POST", path, "system", body, headers={"X-Vault-Wrap-TTL": "60s"})
    assert answer.status_code == 400
    assert "wrapping is not offered" in answer.json()["errors"][0]


def test_the_ways_to_sign_in_are_listed_and_stay(api: Api) -> None:
    listed = api.ok("GET", "/v1/sys/auth", "system")["data"]
    assert set(listed) == {"approle/", "token/", "userpass/"}
    assert api.ok("GET", "/v1/sys/auth/approle", "system")["data"]["type"] == "approle"
    assert api.ok("GET", "/v1/sys/auth/token/tune", "system")["data"]["max_lease_ttl"]
    for method in ("POST", "DELETE"):
        answer = api(method, "/v1/sys/auth/ldap", "system")
        assert answer.status_code == 400
        assert "built in" in answer.json()["errors"][0]
    assert api("GET", "/v1/sys/auth").status_code == 403
