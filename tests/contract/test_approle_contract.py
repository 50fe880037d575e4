"""`auth/approle`, asked of a real OpenBao and of secvault.

Status, shape and, where clients read them, the words. Names that differ on purpose stand in
`side.DIFFERENT`, with the reason in docs/reference/sign-in.md.
"""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.contract.side import DIFFERENT, Side, alike, named

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"token_ttl": "1h", "token_max_ttl": "2h"},
    {"secret_id_ttl": "10m", "secret_id_num_uses": 3},
    {"token_num_uses": 5, "token_period": "30m"},
    {"token_explicit_max_ttl": "3h", "token_no_default_policy": True},
    {"secret_id_bound_cidrs": ["127.0.0.0/8"]},
    {"secret_id_bound_cidrs": "127.0.0.0/8,10.0.0.0/8", "bind_secret_id": False},
    {"token_bound_cidrs": ["10.0.0.0/8"], "token_type": "service"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_role_is_made_and_shownalike(both: tuple[Side, Side], settings: dict[str, Any]) -> None:
    shown = []
    for side in both:
        name, _ = side.role(**settings)
        shown.append(side.data("GET", f"AUTH/approle/role/{name}"))
        assert name in side.data("LIST", "AUTH/approle/role")["keys"]
        assert side("DELETE", f"AUTH/approle/role/{name}")[0] == 204
        assert side("GET", f"AUTH/approle/role/{name}")[0] == 404
    known = {name: value for name, value in shown[0].items() if name != "system"}
    if "token_type" in settings:
        # There is one kind of token here, whatever it is called.
        known["token_type"] = shown[1]["token_type"]
    assert known == shown[1]


def test_a_role_keeps_what_a_change_does_not_name(both: tuple[Side, Side]) -> None:
    shown = []
    for side in both:
        name, role_id = side.role(token_ttl="1h", secret_id_num_uses=4)
        assert side("POST", f"AUTH/approle/role/{name}", {"token_max_ttl": "2h"})[0] == 204
        read = side.data("GET", f"AUTH/approle/role/{name}")
        shown.append({key: read[key] for key in read if key != "system"})
        assert side.data("GET", f"AUTH/approle/role/{name}/role-id")["role_id"] == role_id
    assert shown[0] == shown[1]


FAULTS: list[tuple[str, str, Any]] = [
    ("POST", "", {"token_ttl": "2h", "token_max_ttl": "1h"}),
    ("POST", "", {"token_ttl": "soon"}),
    ("POST", "", {"secret_id_num_uses": -1}),
    ("POST", "", {"token_type": "nonsense"}),
    ("POST", "/role-id", {}),
    ("POST", "/custom-secret-id", {}),
    ("POST", "/secret-id", {"metadata": "xx"}),
    ("POST", "/secret-id", {"metadata": {"a": "b"}}),
    ("POST", "/secret-id", {"metadata": '{"a":1}'}),
    ("POST", "/secret-id", {"num_uses": 9}),
    ("POST", "/secret-id", {"num_uses": 0}),
    ("POST", "/secret-id", {"ttl": "20m"}),
    ("POST", "/secret-id/lookup", {}),
    ("POST", "/secret-id/lookup", {"secret_id": "x"}),
    ("POST", "/secret-id/destroy", {}),
    ("POST", "/secret-id/destroy", {"secret_id": "x"}),
    ("POST", "/secret-id-accessor/lookup", {}),
    ("POST", "/secret-id-accessor/lookup", {"secret_id_accessor": "x"}),
    ("POST", "/secret-id-accessor/destroy", {}),
    ("LIST", "/secret-id", None),
    ("GET", "/role-id", None),
]


@pytest.mark.parametrize(("method", "path", "body"), FAULTS, ids=str)
def test_faults_are_answeredalike(
    both: tuple[Side, Side], method: str, path: str, body: Any
) -> None:
    seen = []
    for side in both:
        name, _ = side.role(secret_id_ttl="10m", secret_id_num_uses=3)
        seen.append(side(method, f"AUTH/approle/role/{name}{path}", body))
    (our_status, our_answer), (their_status, their_answer) = seen
    assert our_status == their_status, (our_answer, their_answer)
    if our_status == 400 and our_answer["errors"][0].startswith("missing"):
        assert our_answer == their_answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/role-id", None),
        ("POST", "/secret-id", {}),
    ],
)
def test_a_role_that_is_not_there_is_answeredalike(
    both: tuple[Side, Side], method: str, path: str, body: Any
) -> None:
    seen = [side(method, f"AUTH/approle/role/nope{path}", body)[0] for side in both]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"metadata": '{"a":"b"}', "num_uses": 2, "ttl": "5m"},
        {"metadata": "a=b,c=d"},
        {"cidr_list": "127.0.0.0/8", "token_bound_cidrs": ["127.0.0.0/8"]},
        {"cidr_list": ["127.0.0.0/8", "10.0.0.0/8"]},
    ],
    ids=str,
)
def test_a_secret_id_is_made_and_shownalike(
    both: tuple[Side, Side], wanted: dict[str, Any]
) -> None:
    seen = []
    for side in both:
        role, _ = side.role(secret_id_ttl="10m", secret_id_num_uses=3)
        made = side.secret(role, **wanted)
        path = f"AUTH/approle/role/{role}"
        by_text = side.data("POST", f"{path}/secret-id/lookup", {"secret_id": made["secret_id"]})
        accessor = {"secret_id_accessor": made["secret_id_accessor"]}
        assert side.data("POST", f"{path}/secret-id-accessor/lookup", accessor) == by_text
        assert side.data("LIST", f"{path}/secret-id")["keys"] == [made["secret_id_accessor"]]
        assert side("POST", f"{path}/secret-id-accessor/destroy", accessor)[0] == 204
        again = {"secret_id": made["secret_id"]}
        assert side("POST", f"{path}/secret-id/lookup", again)[0] == 204
        seen.append((made, by_text))
    alike(seen[0][0], seen[1][0], "secret_id_num_uses", "secret_id_ttl")
    same = ("cidr_list", "metadata", "secret_id_num_uses", "secret_id_ttl", "token_bound_cidrs")
    alike(seen[0][1], seen[1][1], *same)


def test_a_secret_id_of_ones_own_is_takenalike(both: tuple[Side, Side]) -> None:
    for side in both:
        role, role_id = side.role()
        own = secrets.token_urlsafe(32)
        path = f"AUTH/approle/role/{role}/custom-secret-id"
        assert side.data("POST", path, {"secret_id": own})["secret_id"] == own
        assert side.log_in(role_id, own)[0] == 200


LOG_INS: list[dict[str, Any]] = [
    {},
    {"token_ttl": "1h", "token_max_ttl": "2h"},
    {"token_period": "30m"},
    {"token_num_uses": 5, "token_ttl": "5m"},
    {"token_explicit_max_ttl": "10m"},
]


@pytest.mark.parametrize("settings", LOG_INS, ids=str)
def test_a_log_in_gives_a_token_of_the_peers_shape(
    both: tuple[Side, Side], settings: dict[str, Any]
) -> None:
    seen = []
    for side in both:
        role, role_id = side.role(**settings, token_policies=[side.policies[1]])
        made = side.secret(role, metadata='{"a":"b"}')
        status, answer = side.log_in(role_id, made["secret_id"])
        assert status == 200, answer
        auth = answer["auth"]
        assert auth["metadata"].pop("role_name") == role
        auth["policies"], auth["token_policies"] = (
            named(side, auth[name]) for name in ("policies", "token_policies")
        )
        token = auth["client_token"]
        known = side("GET", "auth/token/lookup-self", token=token)[1]["data"]
        assert known["meta"].pop("role_name") == role
        known["path"] = known["path"].replace(side.auth_path, "auth")
        seen.append((auth, known))
    (auth, known), (their_auth, their_known) = seen
    same = ("policies", "token_policies", "metadata", "renewable", "token_type", "orphan")
    alike(auth, their_auth, *same, "num_uses", "lease_duration", "mfa_requirement")
    alike(known, their_known, "meta", "num_uses", "orphan", "path", "renewable", "type")
    assert known["creation_ttl"] == their_known["creation_ttl"]


def test_a_role_without_secret_ids_lets_in_from_its_networks_only(theirs: Side, ours: Side) -> None:
    for side, near in ((theirs, "127.0.0.0/8"), (ours, "127.0.0.0/8")):
        role, role_id = side.role(bind_secret_id=False, secret_id_bound_cidrs=[near])
        assert side("POST", f"AUTH/approle/role/{role}/secret-id", {})[0] == 400
        far, far_id = side.role(bind_secret_id=False, secret_id_bound_cidrs=["192.0.2.0/24"])
        assert far != role
        assert side("POST", "AUTH/approle/login", {"role_id": far_id}, None)[0] == 400
        # The test client of ours has no address, which lies in no network.
        expected = 200 if side is theirs else 400
        assert side("POST", "AUTH/approle/login", {"role_id": role_id}, None)[0] == expected


@pytest.mark.parametrize("body", [{}, {"secret_id": "x"}])
def test_a_log_in_without_a_role_id_says_so(both: tuple[Side, Side], body: Any) -> None:
    answers = [side("POST", "AUTH/approle/login", body, None) for side in both]
    assert answers[0][1] == answers[1][1]
    # The peer's 500 is for faults of its own here.
    assert [status for status, _ in answers] == [400, 500]


def test_wrong_role_and_wrong_secret_ids_are_one_answer(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        _, role_id = side.role()
        missing = side("POST", "AUTH/approle/login", {"role_id": role_id}, None)
        seen.append([side.log_in(role_id, "x"), side.log_in("x", "x"), missing])
    assert seen[0] == seen[1]


def test_counted_uses_of_a_secret_id_run_outalike(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        role, role_id = side.role(secret_id_num_uses=2)
        secret = side.secret(role)["secret_id"]
        statuses = [side.log_in(role_id, secret)[0] for _ in range(3)]
        lookup = f"AUTH/approle/role/{role}/secret-id/lookup"
        statuses.append(side("POST", lookup, {"secret_id": secret})[0])
        seen.append(statuses)
    assert seen[0] == seen[1] == [200, 200, 400, 204]


def test_a_destroyed_secret_id_lets_nobody_in(both: tuple[Side, Side]) -> None:
    for side in both:
        role, role_id = side.role()
        secret = side.secret(role)["secret_id"]
        path = f"AUTH/approle/role/{role}/secret-id/destroy"
        assert side("POST", path, {"secret_id": secret})[0] == 204
        assert side.log_in(role_id, secret)[0] == 400


def test_a_renewal_of_a_signed_in_token_keeps_to_the_roles_maximum(
    both: tuple[Side, Side],
) -> None:
    seen = []
    for side in both:
        role, role_id = side.role(token_ttl="10m", token_max_ttl="20m")
        secret = side.secret(role)["secret_id"]
        token = side.log_in(role_id, secret)[1]["auth"]["client_token"]
        status, answer = side("POST", "auth/token/renew-self", {"increment": "1h"}, token)
        assert status == 200
        assert 1190 <= answer["auth"]["lease_duration"] <= 1200
        seen.append(set(answer["auth"]) - DIFFERENT)
    assert seen[0] == seen[1]
