"""Without the approval that a policy asks for, a request is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from secvault.errors import ApprovalRequired
from secvault.service import Service
from secvault.service.approval import Asked, Proposal
from secvault.service.spine import Spine
from tests.running_service import Api, Front, House, system_token

KEY = "/v1/transit/keys/k"
REQUESTS = [
    ("DELETE", KEY, None),
    ("POST", f"{KEY}/trim", {"min_available_version": 1}),
    ("POST", f"{KEY}/config", {"min_decryption_version": 1}),
    ("GET", "/v1/transit/export/encryption-key/k", None),
    ("GET", "/v1/transit/backup/k", None),
    ("DELETE", "/v1/sys/mounts/transit", None),
]


class Nobody:
    """Approves nothing."""

    def grant(self, connection: Connection, proposal: Proposal) -> str:
        raise ApprovalRequired("nobody has approved this", digest=proposal.digest)

    def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:
        raise AssertionError("nobody gave a reason")


def _refusing(service: Service) -> Service:
    spine = Spine(service.store, service.clock, service.policy, service.audit, Nobody())
    return replace(service, spine=spine)


@pytest.fixture
def admin(house: House) -> str:
    """The token of a system that may do everything to keys."""
    roles = ("role:it.admin", "role:it.key_custodian", "role:it.cryptor")
    with house.open() as service:
        return system_token(service, "keeper", "it", *roles)


@pytest.fixture
def guarded(front: Front, house: House, admin: str) -> Iterator[Api]:
    """The application where everything weighty needs an approval that nobody gives."""
    with front.serving(house) as api:
        options = {"exportable": True, "allow_plaintext_backup": True}
        api.ok("POST", KEY, admin, options)
        api.ok("POST", f"{KEY}/rotate", admin)
        limits = {"deletion_allowed": True, "min_encryption_version": 2}
        api.ok("POST", f"{KEY}/config", admin, limits)
        api.ok("POST", f"{KEY}/config", admin, {"min_decryption_version": 2})
    with front.serving(house, _refusing) as api:
        yield api


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_request_without_its_approval_is_refused(
    guarded: Api, admin: str, method: str, path: str, body: object
) -> None:
    before = guarded.ok("GET", KEY, admin)["data"]
    answer = guarded(method, path, admin, body)
    assert answer.status_code == 403
    assert "nobody has approved this" in answer.json()["errors"][0]
    assert guarded.ok("GET", KEY, admin)["data"] == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/auth/approle/role/keeper", {"token_ttl": "60s"}),
        ("/v1/auth/approle/role/keeper/role-id", {"role_id": "chosen"}),
        ("/v1/auth/approle/role/keeper/secret-id", {}),
        ("/v1/auth/token/create-orphan", {}),
    ],
)
def test_a_credential_of_a_privileged_system_is_refused_in_the_peers_form(
    guarded: Api, front: Front, admin: str, path: str, body: object
) -> None:
    with front.serving(guarded.house) as api:
        api.ok("POST", "/v1/auth/approle/role/keeper", admin, {})
        before = api.ok("GET", "/v1/auth/approle/role/keeper/role-id", admin)["data"]
    with front.serving(guarded.house, _refusing) as api:
        answer = api("POST", path, admin, body)
        assert answer.status_code == 403
        assert "nobody has approved this" in answer.json()["errors"][0]
        assert api.ok("GET", "/v1/auth/approle/role/keeper/role-id", admin)["data"] == before
        api.ok("POST", "/v1/auth/token/create", admin, {})


def test_what_takes_no_protection_away_is_done(guarded: Api, admin: str) -> None:
    guarded.ok("POST", f"{KEY}/rotate", admin)
    guarded.ok("POST", f"{KEY}/config", admin, {"deletion_allowed": False})
