"""Narrowed tokens over HTTP: what they may, what they show, and that memory knows of it at once."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.running_service import PAYSLIP, Api, House, system_token

PATH = "/v1/auth/token"
PLAIN = {"plaintext": base64.b64encode(b"1").decode()}
ENCRYPT = "/v1/transit/encrypt/payroll"
DECRYPT = "/v1/transit/decrypt/payroll"


@pytest.fixture
def token(api: Api, house: House) -> str:
    """The token of a system with two roles, and a key."""
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    with house.open() as service:
        return system_token(service, "worker", "it", "role:it.cryptor", "role:it.encryptor")


def _made(api: Api, by: str, **body: Any) -> dict[str, Any]:
    auth: dict[str, Any] = api.ok("POST", f"{PATH}/create", by, body)["auth"]
    return auth


def _sealed(api: Api, token: str) -> dict[str, str]:
    data = api.ok("POST", ENCRYPT, token, PLAIN)["data"]
    return {"ciphertext": data["ciphertext"]}


@pytest.mark.parametrize("name", ["it.encryptor", "role:it.encryptor", " IT.Encryptor "])
def test_a_narrowed_token_may_what_its_roles_allow_warm_and_cold(
    api: Api, token: str, name: str
) -> None:
    sealed = _sealed(api, token)
    child = _made(api, token, policies=[name])["client_token"]
    for _ in range(3):
        # The parent's requests keep the key and the decision in memory.
        api.ok("POST", DECRYPT, token, sealed)
        api.ok("POST", ENCRYPT, child, PLAIN)
        refused = api("POST", DECRYPT, child, sealed)
        assert refused.status_code == 403
        assert "fewer roles than its system" in refused.json()["errors"][0]


def test_it_makes_no_wider_one_by_any_way(api: Api, token: str) -> None:
    child = _made(api, token, policies=["it.encryptor"])["client_token"]
    for body in ({"policies": ["it.cryptor"]}, {"policies": ["it.encryptor", "it.cryptor"]}):
        answer = api("POST", f"{PATH}/create", child, body)
        assert answer.status_code == 400
        words = "child policies must be subset of parent: it.cryptor is not among its roles"
        assert answer.json()["errors"] == [words]
    grandchild = _made(api, child)["client_token"]
    assert api("POST", DECRYPT, grandchild, _sealed(api, token)).status_code == 403


def test_an_administering_system_makes_no_wider_token_for_itself(api: Api, house: House) -> None:
    with house.open() as service:
        roles = ("role:it.admin", "role:it.cryptor")
        whole = system_token(service, "both", "it", *roles)
        system_token(service, "other", "it", "role:it.cryptor")
    admin = _made(api, whole, policies=["it.admin"])["client_token"]
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    made = [
        api.ok(
            "POST", "/api/v1/tokens", admin, {"account": "both", "display_name": "x", "days": 1}
        )["token"],
        api.ok("POST", f"{PATH}/create-orphan", admin, {})["auth"]["client_token"],
    ]
    api("POST", "/v1/auth/approle/role/both", admin, {})
    role_id = api.ok("GET", "/v1/auth/approle/role/both/role-id", admin)["data"]["role_id"]
    secret = api.ok("POST", "/v1/auth/approle/role/both/secret-id", admin, {})["data"]
    shown = {"role_id": role_id, "secret_id": secret["secret_id"]}
    made.append(api.ok("POST", "/v1/auth/approle/login", None, shown)["auth"]["client_token"])
    for each in made:
        assert api("POST", ENCRYPT, each, PLAIN).status_code == 403
    asked = {"account": "both", "display_name": "x", "days": 1, "roles": ["it.cryptor"]}
    assert api("POST", "/api/v1/tokens", admin, asked).status_code == 422


def test_what_is_shown_tells_the_systems_roles_from_the_tokens(api: Api, token: str) -> None:
    whole = api.ok("GET", f"{PATH}/lookup-self", token)["data"]
    assert whole["policies"] == ["default"]
    assert whole["identity_policies"] == ["it.cryptor", "it.encryptor"]
    made = _made(api, token)
    assert made["policies"] == ["default", "it.cryptor", "it.encryptor"]
    narrowed = _made(api, token, policies=["it.encryptor"])
    assert narrowed["policies"] == narrowed["token_policies"] == ["default", "it.encryptor"]
    assert "identity_policies" not in narrowed
    bare = _made(api, token, policies=["it.encryptor"], no_default_policy=True)
    assert bare["policies"] == ["it.encryptor"]
    # It may do its work, and nothing about itself.
    assert api("GET", f"{PATH}/lookup-self", bare["client_token"]).status_code == 403
    api.ok("POST", ENCRYPT, bare["client_token"], PLAIN)


def test_a_role_taken_from_the_system_is_taken_from_narrowed_tokens_at_once(
    api: Api, token: str
) -> None:
    child = _made(api, token, policies=["it.encryptor"])
    api.ok("POST", ENCRYPT, child["client_token"], PLAIN)
    subject = child["entity_id"]
    for grant in api.ok("GET", "/api/v1/grants", "admin")["grants"]:
        if grant["subject"] == subject and grant["role"] == "role:it.encryptor":
            assert api("DELETE", f"/api/v1/grants/{grant['id']}", "admin").is_success
    assert api("POST", ENCRYPT, child["client_token"], PLAIN).status_code == 403
    known = {"accessor": child["accessor"]}
    assert api.ok("POST", f"{PATH}/lookup-accessor", token, known)["data"]["policies"] == [
        "default"
    ]


def test_a_narrowed_approle_narrows_living_tokens_on_the_lean_path_at_once(
    api: Api, token: str, house: House
) -> None:
    with house.open() as service:
        admin = system_token(service, "deployer", "it", "role:it.admin")
    role = "/v1/auth/approle/role/worker"
    assert api("POST", role, admin, {}).status_code == 204
    role_id = api.ok("GET", f"{role}/role-id", admin)["data"]["role_id"]
    secret = api.ok("POST", f"{role}/secret-id", admin, {})["data"]["secret_id"]
    shown = {"role_id": role_id, "secret_id": secret}
    signed_in = api.ok("POST", "/v1/auth/approle/login", None, shown)["auth"]["client_token"]
    below = _made(api, signed_in)["client_token"]
    sealed = _sealed(api, token)
    for each in (signed_in, below):
        for _ in range(3):
            api.ok("POST", DECRYPT, each, sealed)
    assert api("POST", role, admin, {"token_policies": "it.encryptor"}).status_code == 204
    for each in (signed_in, below):
        assert api("POST", DECRYPT, each, sealed).status_code == 403
        api.ok("POST", ENCRYPT, each, PLAIN)


def test_a_narrowed_token_is_held_to_it_on_native_paths_and_fields_too(
    api: Api, house: House
) -> None:
    with house.open() as service:
        whole = system_token(service, "reports", "hr", "role:hr.head")
    child = _made(api, whole, policies=["hr.clerk"])["client_token"]
    path = f"/api/v1/records/payroll/{PAYSLIP}"
    assert "bank_account" in api.ok("GET", path, whole)["masked"]
    seen = api.ok("GET", path, child)
    assert "bank_account" in seen["withheld"]
    assert api("DELETE", path, child, headers={"If-Match": '"1"'}).status_code == 403


def test_capabilities_of_a_token_are_asked_by_itself_its_parents_and_administrators(
    api: Api, token: str, house: House
) -> None:
    with house.open() as service:
        admin = system_token(service, "admin-tool", "it", "role:it.admin")
    child = _made(api, token, policies=["it.encryptor"])
    paths = [ENCRYPT[4:], DECRYPT[4:]]
    by_text = {"token": child["client_token"], "paths": paths}
    by_accessor = {"accessor": child["accessor"], "paths": paths}
    for who in (child["client_token"], token, admin):
        for path, body in (("capabilities", by_text), ("capabilities-accessor", by_accessor)):
            said = api.ok("POST", f"/v1/sys/{path}", who, body)["data"]
            assert said == {paths[0]: ["update"], paths[1]: ["deny"]}
    for who in ("system", "head"):
        assert api("POST", "/v1/sys/capabilities", who, by_text).status_code == 403
        assert api("POST", "/v1/sys/capabilities-accessor", who, by_accessor).status_code == 403
    parent = {"token": token, "paths": paths}
    assert api("POST", "/v1/sys/capabilities", child["client_token"], parent).status_code == 403


def test_an_orphan_takes_who_may_issue_tokens_and_has_an_end(
    api: Api, house: House, token: str
) -> None:
    for path, body in (("create-orphan", {}), ("create", {"no_parent": True})):
        assert api("POST", f"{PATH}/{path}", token, body).status_code in (400, 403)
    with house.open() as service:
        admin = system_token(service, "admin-tool", "it", "role:it.admin")
    maker = _made(api, admin, ttl="1h")
    orphan = api.ok("POST", f"{PATH}/create-orphan", maker["client_token"], {"period": "300d"})
    assert orphan["auth"]["orphan"] is True
    assert api("POST", f"{PATH}/revoke-self", maker["client_token"]).status_code == 204
    alive = orphan["auth"]["client_token"]
    for _ in range(3):
        api.ok("POST", f"{PATH}/renew-self", alive)
        house.hands.seconds += 150 * 86_400
        if api("GET", f"{PATH}/lookup-self", alive).status_code == 403:
            break
    else:
        pytest.fail("it was renewed for ever")


def test_the_accessors_of_all_tokens_are_for_administrators(
    api: Api, house: House, token: str
) -> None:
    with house.open() as service:
        admin = system_token(service, "admin-tool", "it", "role:it.admin")
    child = _made(api, token)
    listed = api.ok("LIST", f"{PATH}/accessors", admin)["data"]["keys"]
    assert child["accessor"] in listed
    api("POST", f"{PATH}/revoke-self", child["client_token"])
    assert child["accessor"] not in api.ok("LIST", f"{PATH}/accessors", admin)["data"]["keys"]
    assert api("LIST", f"{PATH}/accessors", token).status_code == 403
