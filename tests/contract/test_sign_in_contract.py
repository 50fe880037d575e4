"""Signing in and narrowed tokens, asked of a real OpenBao and of secvault.

Status, shape and, where clients read them, the words. Names that differ on purpose stand in
`DIFFERENT`, with the reason in docs/reference/sign-in.md.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pyotp
import pytest

from tests.conftest import OpenBao
from tests.running_service import PASSWORD, STEP, Front, House, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ROLE = "payroll-sync"
PERSON = "clerk"
NARROWED = "it.encryptor"


@dataclass
class Side:
    """One of the two. admin: a token that may make AppRoles; system: one of a system that has two
    policies; seed: of the person's device. hands: the clock, where it can be moved.
    """

    client: Any
    admin: str
    system: str
    seed: str
    method: str
    policies: tuple[str, str]
    auth_path: str = "auth"
    house: House | None = None
    steps: int = field(default=0)

    def __call__(
        self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str
    ) -> tuple[int, Any]:
        """token: the administrator's when empty; none for None."""
        shown = self.admin if token == "" else token
        given = {"X-Vault-Token": shown} if shown else {}
        path = path.replace("AUTH", self.auth_path)
        answer = self.client.request(method, f"/v1/{path}", json=body, headers={**given, **headers})
        return answer.status_code, answer.json() if answer.content else None

    def data(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self(method, path, body)
        assert status == 200, (path, answer)
        return answer["data"]

    def role(self, **settings: Any) -> tuple[str, str]:
        """A role of a new name; its name and role id."""
        name = f"r{secrets.token_hex(4)}"
        system = {"system": ROLE} if self.house else {}
        status, answer = self("POST", f"AUTH/approle/role/{name}", {**system, **settings})
        assert status == 204, answer
        return name, self.data("GET", f"AUTH/approle/role/{name}/role-id")["role_id"]

    def secret(self, role: str, **wanted: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.data("POST", f"AUTH/approle/role/{role}/secret-id", wanted)
        return made

    def log_in(self, role_id: str, secret_id: str) -> tuple[int, Any]:
        return self(
            "POST", "AUTH/approle/login", {"role_id": role_id, "secret_id": secret_id}, None
        )

    def code(self) -> str:
        """A code that was not used: ours from a clock that is moved, the peer's by its window."""
        if self.house is not None:
            self.house.hands.seconds += STEP
            return self.house.hands.code(self.seed)
        self.steps += 1
        # It takes the step before, the present one and the next.
        return pyotp.TOTP(self.seed).at(int(time.time()) + (self.steps % 3 - 1) * STEP)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


# Names that one side shows and the other does not, on purpose.
DIFFERENT = {"system", "identity_policies", "external_namespace_policies"}


def _alike(ours: Mapping[str, Any], theirs: Mapping[str, Any], *same: str) -> None:
    assert set(ours) - DIFFERENT == set(theirs) - DIFFERENT
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    for name in set(ours) - DIFFERENT:
        assert isinstance(ours[name], type(theirs[name])), name


# Narrowed tokens


def _made(side: Side, token: str, **body: Any) -> tuple[int, Any]:
    return side("POST", "auth/token/create", body, token)


def _named(side: Side, names: list[str]) -> list[str]:
    known = dict(zip(side.policies, ("full", "less"), strict=True))
    return [known.get(name, name) for name in names]


@pytest.mark.parametrize(
    "wanted",
    [
        {"policies": ["less"]},
        {"policies": ["less", "full"]},
        {"policies": ["LESS", " less ", ""]},
        {"policies": "less"},
        {"policies": ["default"]},
        {"policies": ["less"], "no_default_policy": True},
        {"policies": ["less", "default"]},
    ],
    ids=str,
)
def test_a_narrowed_token_is_made_and_shown_alike(
    both: tuple[Side, Side], wanted: dict[str, Any]
) -> None:
    answers = []
    for side in both:
        names = dict(zip(("full", "less"), side.policies, strict=True))

        def theirs_of(name: str, names: dict[str, str] = names) -> str:
            plain = name.strip().lower()
            return name.replace(name.strip(), names[plain]) if plain in names else name

        given = wanted["policies"]
        asked = theirs_of(given) if isinstance(given, str) else [theirs_of(each) for each in given]
        status, answer = _made(side, side.system, **{**wanted, "policies": asked})
        assert status == 200, answer
        auth = answer["auth"]
        shown = {name: _named(side, auth[name]) for name in ("policies", "token_policies")}
        path = "auth/token/lookup-accessor"
        known = side("POST", path, {"accessor": auth["accessor"]})[1]["data"]
        shown["known"] = _named(side, known["policies"])
        assert "identity_policies" not in auth
        assert "identity_policies" not in known
        answers.append((set(auth), set(known), shown))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("names", [["root"], ["nope"], ["less", "nope"], ["response-wrapping"]])
def test_more_than_the_parent_has_is_refused_in_the_peers_words(
    both: tuple[Side, Side], names: list[str]
) -> None:
    refused = []
    for side in both:
        mine = dict(zip(("full", "less"), side.policies, strict=True))
        status, answer = _made(side, side.system, policies=[mine.get(n, n) for n in names])
        refused.append((status, answer["errors"][0][: len("child policies must be subset")]))
    assert refused[0] == refused[1] == (400, "child policies must be subset")


def test_a_narrowed_token_makes_no_wider_one(both: tuple[Side, Side]) -> None:
    for side in both:
        child = _made(side, side.system, policies=[side.policies[1]])[1]["auth"]["client_token"]
        assert _made(side, child, policies=[side.policies[0]])[0] == 400
        inherited = _made(side, child)[1]["auth"]
        assert _named(side, inherited["policies"]) == ["default", "less"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "auth/token/create", {"no_parent": True}),
        ("LIST", "auth/token/accessors", None),
        ("POST", "auth/token/create/nope", {}),
        ("POST", "auth/token/create", {"policies": 7, "ttl": "x"}),
    ],
)
def test_what_a_system_may_not_is_refused_alike(
    both: tuple[Side, Side], method: str, path: str, body: Any
) -> None:
    statuses = [side(method, path, body, side.system)[0] for side in both]
    assert statuses[0] == statuses[1]


def test_an_orphan_of_an_administrator_has_the_peers_shape(both: tuple[Side, Side]) -> None:
    made = []
    for side in both:
        for path, body in (
            ("auth/token/create-orphan", {"ttl": "1h"}),
            ("auth/token/create", {"ttl": "1h", "no_parent": True}),
        ):
            status, answer = side("POST", path, {**body, "policies": ["default"]})
            assert status == 200, answer
            made.append(answer["auth"])
    for number in (0, 1):
        _alike(made[number], made[number + 2], "orphan", "lease_duration", "policies", "renewable")


def test_the_accessors_of_all_tokens_are_listed(both: tuple[Side, Side]) -> None:
    for side in both:
        accessor = _made(side, side.system)[1]["auth"]["accessor"]
        assert accessor in side.data("LIST", "auth/token/accessors")["keys"]


def test_the_capabilities_of_another_token_have_the_peers_shape(both: tuple[Side, Side]) -> None:
    shapes = []
    for side in both:
        child = _made(side, side.system, policies=[side.policies[1]])[1]["auth"]
        seen = []
        for path, body in (
            ("sys/capabilities", {"token": child["client_token"], "path": "sys/nowhere"}),
            ("sys/capabilities", {"token": child["client_token"], "paths": ["sys/a", "sys/b"]}),
            ("sys/capabilities-accessor", {"accessor": child["accessor"], "paths": ["sys/a"]}),
            ("sys/capabilities", {"token": "x", "path": "a"}),
            ("sys/capabilities-accessor", {"accessor": "x", "path": "a"}),
            ("sys/capabilities-accessor", {"path": "a"}),
            ("sys/capabilities", {"token": child["client_token"]}),
            ("sys/capabilities-self", {}),
        ):
            status, answer = side("POST", path, body)
            said = {key: value for key, value in answer.items() if key != "request_id"}
            seen.append((status, set(answer), said.get("data")))
        shapes.append(seen)
    assert shapes[0] == shapes[1]


# AppRole


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
def test_a_role_is_made_and_shown_alike(both: tuple[Side, Side], settings: dict[str, Any]) -> None:
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
def test_faults_are_answered_alike(
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
def test_a_role_that_is_not_there_is_answered_alike(
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
def test_a_secret_id_is_made_and_shown_alike(
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
    _alike(seen[0][0], seen[1][0], "secret_id_num_uses", "secret_id_ttl")
    same = ("cidr_list", "metadata", "secret_id_num_uses", "secret_id_ttl", "token_bound_cidrs")
    _alike(seen[0][1], seen[1][1], *same)


def test_a_secret_id_of_ones_own_is_taken_alike(both: tuple[Side, Side]) -> None:
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
            _named(side, auth[name]) for name in ("policies", "token_policies")
        )
        token = auth["client_token"]
        known = side("GET", "auth/token/lookup-self", token=token)[1]["data"]
        assert known["meta"].pop("role_name") == role
        known["path"] = known["path"].replace(side.auth_path, "auth")
        seen.append((auth, known))
    (auth, known), (their_auth, their_known) = seen
    same = ("policies", "token_policies", "metadata", "renewable", "token_type", "orphan")
    _alike(auth, their_auth, *same, "num_uses", "lease_duration", "mfa_requirement")
    _alike(known, their_known, "meta", "num_uses", "orphan", "path", "renewable", "type")
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


def test_counted_uses_of_a_secret_id_run_out_alike(both: tuple[Side, Side]) -> None:
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


# userpass


def _first(side: Side, password: str = PASSWORD, **headers: str) -> tuple[int, Any]:
    body = {"password": password}
    return side("POST", f"AUTH/userpass/login/{PERSON}", body, None, **headers)


def _second(side: Side, request: str, code: str) -> tuple[int, Any]:
    body = {"mfa_request_id": request, "mfa_payload": {side.method: [code]}}
    return side("POST", "sys/mfa/validate", body, None)


def test_two_steps_let_somebody_in_with_answers_of_the_peers_shape(
    both: tuple[Side, Side],
) -> None:
    seen = []
    for side in both:
        status, first = _first(side)
        assert status == 200
        needed = first["auth"]["mfa_requirement"]
        (constraint,) = needed["mfa_constraints"].values()
        (method,) = constraint["any"]
        request = needed["mfa_request_id"]
        assert _second(side, request, "000000x")[0] == 403
        status, second = _second(side, request, side.code())
        assert status == 200, second
        assert _second(side, request, side.code())[0] == 400
        token = second["auth"]["client_token"]
        known = side("GET", "auth/token/lookup-self", token=token)[1]["data"]
        seen.append((first, method, second["auth"], known))
    for number in (0, 2, 3):
        assert set(seen[0][number]) - DIFFERENT == set(seen[1][number]) - DIFFERENT
    assert set(seen[0][0]["auth"]) == set(seen[1][0]["auth"])
    same = ("client_token", "accessor", "policies", "metadata", "token_type", "renewable")
    _alike(seen[0][0]["auth"], seen[1][0]["auth"], *same)
    assert seen[0][0]["warnings"] == seen[1][0]["warnings"]
    _alike(seen[0][1], seen[1][1], "type", "uses_passcode")
    _alike(seen[0][2], seen[1][2], "metadata", "token_type", "orphan", "mfa_requirement")
    for *_, known in seen:
        # The peer's name holds the path that the method lies at.
        assert known["display_name"].endswith(f"userpass-{PERSON}")
        assert (known["orphan"], known["type"]) == (True, "service")


def test_one_step_lets_somebody_in_with_the_code_in_the_header(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        status, answer = _first(side, **{"X-Vault-MFA": f"{side.method}:{side.code()}"})
        assert status == 200, answer
        seen.append(answer["auth"])
    _alike(*seen, "metadata", "token_type", "orphan", "mfa_requirement", "num_uses")


def test_wrong_passwords_and_unknown_people_are_one_answer(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        stranger = "AUTH/userpass/login/nobody-of-this-name"
        seen.append(
            [_first(side, "wrong password"), side("POST", stranger, {"password": "x"}, None)]
        )
    assert seen[0] == seen[1]
    assert seen[0][0] == seen[0][1] == (400, {"errors": ["invalid username or password"]})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"mfa_request_id": "x", "mfa_payload": {"y": ["000000"]}}, 400),
    ],
)
def test_a_second_step_without_a_first_is_refused_alike(
    both: tuple[Side, Side], body: Any, status: int
) -> None:
    answers = [side("POST", "sys/mfa/validate", body, None) for side in both]
    assert answers[0] == answers[1]
    assert answers[0][0] == status


def test_the_ways_to_sign_in_are_listed_in_the_peers_shape(both: tuple[Side, Side]) -> None:
    seen = []
    for side in both:
        answer = side("GET", "sys/auth")[1]
        data = answer["data"]
        at = side.auth_path.removeprefix("auth").removeprefix("/")
        ways = {kind: data[f"{at}/{kind}/".lstrip("/")] for kind in ("approle", "userpass")}
        ways["token"] = data["token/"]
        assert set(data) <= set(answer)
        seen.append({kind: (set(way), set(way["config"])) for kind, way in ways.items()})
        assert side("GET", "sys/auth/nope")[0] == 400
    assert seen[0] == seen[1]


def test_nothing_is_wrapped(ours: Side) -> None:
    """The peer wraps; an answer that cannot be wrapped does not leave in clear."""
    role, role_id = ours.role()
    secret = ours.secret(role)["secret_id"]
    wrapping = {"X-Vault-Wrap-TTL": "60s"}
    body = {"role_id": role_id, "secret_id": secret}
    assert ours("POST", "auth/approle/login", body, None, **wrapping)[0] == 400
    path = f"auth/approle/role/{role}/secret-id"
    assert ours("POST", path, {}, **wrapping)[0] == 400
    plain = {"plaintext": base64.b64encode(b"1").decode()}
    assert ours("POST", "transit/encrypt/k", plain, ours.system, **wrapping)[0] == 400
