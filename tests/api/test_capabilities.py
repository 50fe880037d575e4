"""What a credential may do with a path is what the path then does."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from secvault.service import authentication, transit
from secvault.service.spine import Caller
from tests.running_service import Api, House, system_token

PATH = "/v1/sys/capabilities-self"
PLAIN = {"plaintext": base64.b64encode(b"1").decode()}


def _asked(api: Api, who: str, *paths: str) -> dict[str, Any]:
    data: dict[str, Any] = api.ok("POST", PATH, who, {"paths": list(paths)})["data"]
    return data


@pytest.fixture
def encryptor(api: Api, house: House) -> str:
    """The token of a system that may encrypt and nothing else."""
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    with house.open() as service:
        return system_token(service, "sender", "it", "role:it.encryptor")


def test_they_are_those_of_the_roles(api: Api, encryptor: str) -> None:
    paths = ("transit/encrypt/payroll", "transit/decrypt/payroll", "transit/keys/payroll")
    assert _asked(api, encryptor, *paths) == {
        paths[0]: ["update"],
        paths[1]: ["deny"],
        paths[2]: ["deny"],
    }
    # The peer repeats it only where one path was asked about.
    assert _asked(api, encryptor, paths[0])["capabilities"] == ["update"]
    more = _asked(api, "system", *paths, "transit/keys")
    assert more[paths[0]] == ["create", "update"]
    assert more[paths[1]] == ["create", "update"]
    assert more[paths[2]] == ["create", "read", "update"]
    assert more["transit/keys"] == ["list"]


def test_what_is_said_is_what_happens(api: Api, encryptor: str) -> None:
    sealed = api.ok("POST", "/v1/transit/encrypt/payroll", "system", PLAIN)["data"]
    bodies = {
        "transit/encrypt/payroll": PLAIN,
        "transit/decrypt/payroll": {"ciphertext": sealed["ciphertext"]},
        "transit/rewrap/payroll": {"ciphertext": sealed["ciphertext"]},
        "transit/hmac/payroll": {"input": "MQ=="},
        "transit/keys/payroll/rotate": {},
        "transit/keys/payroll/config": {},
        "transit/datakey/plaintext/payroll": {},
        "transit/random/32": {},
        "auth/token/create": {},
    }
    for who in (encryptor, "system"):
        said = _asked(api, who, *bodies)
        for path, body in bodies.items():
            refused = api("POST", f"/v1/{path}", who, body).status_code == 403
            assert ("update" in said[path]) == (not refused), path


@pytest.mark.parametrize(
    "path", ["", "nowhere/encrypt/a", "records/encrypt/payroll", "internal/keys/totp-seeds", "../x"]
)
def test_a_path_that_leads_nowhere_is_denied(api: Api, path: str) -> None:
    assert _asked(api, "system", path)[path] == ["deny"]


@pytest.mark.parametrize("body", [{}, {"paths": []}, {"paths": ["x"] * 101}, {"paths": 7}])
def test_a_question_without_paths_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api("POST", PATH, "system", body).status_code == 400


def test_the_mount_over_a_path_is_shown_to_those_who_may_read_it(api: Api, encryptor: str) -> None:
    path = "/v1/sys/internal/ui/mounts/transit/encrypt/payroll"
    assert api.ok("GET", path, "system")["data"]["path"] == "transit/"
    assert api("GET", path, encryptor).status_code == 403
    assert api("GET", "/v1/sys/internal/ui/mounts/nowhere", "system").status_code == 403


def test_a_mount_is_asked_about_in_its_own_department(api: Api, house: House) -> None:
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        transit.enable_mount(service, operator, "teams/pay", "hr", "")
        roles = [("role:it.cryptor", "hr"), ("role:it.cryptor", "accounting")]
        tokens = []
        for number, (role, department) in enumerate(roles):
            tokens.append(system_token(service, f"app-{number}", department, role))
    for token, said in zip(tokens, (["read"], ["deny"]), strict=True):
        assert _asked(api, token, "sys/mounts/teams/pay")["sys/mounts/teams/pay"] == said
        answer = api("GET", "/v1/sys/mounts/teams/pay", token)
        assert answer.status_code == (200 if said == ["read"] else 403)
