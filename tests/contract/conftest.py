"""Both sides of the contract for signing in, each with a system of two policies and a person."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx2
import pyotp
import pytest

from tests.conftest import OpenBao
from tests.contract.side import PERSON, ROLE, Side
from tests.running_service import PASSWORD, Front, furnish, system_token


@pytest.fixture(scope="session")
def theirs(openbao: OpenBao) -> Iterator[Side]:
    """A real OpenBao, with its methods at paths of this test's own, and a person with TOTP."""
    with httpx2.Client(base_url=openbao.addr) as client:
        own = f"t{secrets.token_hex(4)}"
        one, two = (f"{own}-{each}" for each in ("full", "less"))
        side = Side(client, openbao.token, "", "", "", (one, two))
        rights = 'path "auth/token/*" { capabilities = ["create","update","read"] }'
        for name in (one, two):
            side("PUT", f"sys/policies/acl/{name}", {"policy": rights})
        side.auth_path = f"auth/{own}"
        for kind in ("approle", "userpass"):
            side("POST", f"sys/{side.auth_path}/{kind}", {"type": kind})
        mounts = side("GET", "sys/auth")[1]["data"]
        accessor = mounts[f"{own}/userpass/"]["accessor"]
        person = f"AUTH/userpass/users/{PERSON}"
        side("POST", person, {"password": PASSWORD, "token_policies": [two]})
        auth = side("POST", f"AUTH/userpass/login/{PERSON}", {"password": PASSWORD}, None)[1]
        totp = {"issuer": "x", "period": 30, "algorithm": "SHA1", "digits": 6, "method_name": own}
        side.method = side.data("POST", "identity/mfa/method/totp", totp)["method_id"]
        entity = {"method_id": side.method, "entity_id": auth["auth"]["entity_id"]}
        made = side.data("POST", "identity/mfa/method/totp/admin-generate", entity)
        side.seed = pyotp.parse_uri(made["url"]).secret
        enforced = {"mfa_method_ids": [side.method], "auth_method_accessors": [accessor]}
        side("POST", f"identity/mfa/login-enforcement/{own}", enforced)
        system = side("POST", "auth/token/create", {"policies": [one, two], "ttl": "24h"})[1]
        side.system = system["auth"]["client_token"]
        yield side
        side("DELETE", f"identity/mfa/login-enforcement/{own}")


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """secvault, with a system of two roles and one that administers."""
    house = furnish(tmp_path_factory.mktemp("sign-in"))
    roles = ("role:it.encryptor", "role:it.cryptor")
    with house.open() as service:
        admin = system_token(service, "deployer", "it", "role:it.admin")
        system = system_token(service, ROLE, "it", *roles)
    with Front().serving(house) as api:
        policies = ("it.cryptor", "it.encryptor")
        yield Side(api.client, admin, system, house.seeds[PERSON], "totp", policies, house=house)


@pytest.fixture
def both(ours: Side, theirs: Side) -> tuple[Side, Side]:
    """Both of them, ours first."""
    return ours, theirs
