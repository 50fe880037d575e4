"""What a Vault client does with its token, asked of a real OpenBao and of secvault.

The words of refusals are compared where clients read them; policies are OpenBao's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.conftest import OpenBao
from tests.running_service import Front, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PATH = "/v1/auth/token"


@dataclass(frozen=True)
class Side:
    """One of the two. maker: a token that may make others."""

    client: Any
    maker: str

    def __call__(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        answer = self.client.request(
            method, f"{PATH}/{path}", json=body, headers={"X-Vault-Token": token}
        )
        return answer.status_code, answer.json() if answer.content else None

    def made(self, **body: Any) -> Mapping[str, Any]:
        """The `auth` of a new token."""
        status, answer = self("POST", "create", self.maker, body)
        assert status == 200, answer
        auth: Mapping[str, Any] = answer["auth"]
        return auth


@pytest.fixture(scope="module")
def theirs(openbao: OpenBao) -> Iterator[Side]:
    """A real OpenBao, with a token that lasts no longer than ours."""
    with httpx2.Client(base_url=openbao.addr) as client:
        root = Side(client, openbao.token)
        client.put(
            "/v1/sys/policies/acl/maker",
            json={
                "policy": 'path "auth/token/*" { capabilities = ["create","update","read","sudo"] }'
            },
            headers={"X-Vault-Token": openbao.token},
        )
        yield Side(client, str(root.made(policies=["maker"], ttl="24h")["client_token"]))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """secvault, as a system that may make tokens below its own."""
    house = furnish(tmp_path_factory.mktemp("tokens"))
    with house.open() as service:
        token = system_token(service, "maker", "it", "role:it.cryptor")
    with Front().serving(house) as api:
        yield Side(api.client, token)


@pytest.fixture
def both(ours: Side, theirs: Side) -> tuple[Side, Side]:
    """Both of them, ours first."""
    return ours, theirs


WANTED: list[dict[str, Any]] = [
    {},
    {"ttl": "1h"},
    {"ttl": 60, "renewable": False},
    {"ttl": "1h", "explicit_max_ttl": "2h"},
    {"period": "30m"},
    {"num_uses": 9, "ttl": "5m"},
    {"display_name": "night", "meta": {"a": "b"}, "ttl": "1h30m"},
]


def _alike(ours: Mapping[str, Any], theirs: Mapping[str, Any], *same: str) -> None:
    # A token that is not narrowed has the roles of its system, as one of an entity in the peer.
    of_the_system = {"identity_policies", "external_namespace_policies"}
    assert set(ours) - of_the_system == set(theirs)
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    for name in theirs:
        if name not in ("metadata", "meta"):
            assert type(ours[name]) is type(theirs[name]), name


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_a_new_token_and_what_is_known_of_it_have_the_peers_shape(
    both: tuple[Side, Side], wanted: dict[str, Any]
) -> None:
    same = ("renewable", "token_type", "orphan", "num_uses", "mfa_requirement", "metadata")
    made = [side.made(**wanted) for side in both]
    _alike(*made, *same)
    if "ttl" in wanted or "period" in wanted:
        assert made[0]["lease_duration"] == made[1]["lease_duration"]
    known = [
        side("POST", "lookup-accessor", side.maker, {"accessor": auth["accessor"]})[1]["data"]
        for side, auth in zip(both, made, strict=True)
    ]
    known_same = ["renewable", "orphan", "num_uses", "explicit_max_ttl", "type", "meta"]
    known_same += ["display_name", "path"]
    known_same += ["period"] if "period" in wanted else []
    _alike(*known, *known_same)


def test_a_renewed_token_has_the_peers_shape(both: tuple[Side, Side]) -> None:
    renewed = []
    for side in both:
        auth = side.made(ttl="1h")
        status, answer = side("POST", "renew-self", auth["client_token"], {"increment": "30m"})
        assert status == 200
        renewed.append(answer["auth"])
        _, after = side("GET", "lookup-self", auth["client_token"])
        renewed.append(after["data"])
    _alike(renewed[0], renewed[2], "renewable", "lease_duration", "orphan")
    _alike(renewed[1], renewed[3], "renewable", "explicit_max_ttl")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("renew-self", {}),
        ("revoke-self", None),
    ],
)
def test_an_ended_token_is_refused_alike(both: tuple[Side, Side], path: str, body: Any) -> None:
    statuses = []
    for side in both:
        auth = side.made(ttl="1h")
        assert side("POST", "revoke-self", auth["client_token"])[0] == 204
        statuses.append(side("POST", path, auth["client_token"], body)[0])
    assert statuses == [403, 403]


def test_a_token_that_is_not_renewable_is_refused_in_the_peers_words(
    both: tuple[Side, Side],
) -> None:
    answers = []
    for side in both:
        auth = side.made(ttl="1h", renewable=False)
        answers.append(side("POST", "renew-self", auth["client_token"], {}))
    (our_status, our_answer), (their_status, their_answer) = answers
    assert our_status == their_status == 400
    assert our_answer["errors"][0] in their_answer["errors"][0]


def test_a_child_ends_with_its_parent_on_both_sides(both: tuple[Side, Side]) -> None:
    for side in both:
        parent = side.made(ttl="1h", **({} if side is both[0] else {"policies": ["maker"]}))
        _, answer = side("POST", "create", parent["client_token"], {})
        child = answer["auth"]["client_token"]
        assert side("GET", "lookup-self", child)[0] == 200
        assert side("POST", "revoke-self", parent["client_token"])[0] == 204
        assert side("GET", "lookup-self", child)[0] == 403


def test_uses_run_out_alike(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        auth = side.made(num_uses=3, ttl="1h")
        seen.append([side("GET", "lookup-self", auth["client_token"])[0] for _ in range(5)])
    assert seen[0] == seen[1]
