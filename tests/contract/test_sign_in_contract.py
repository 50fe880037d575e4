"""`auth/userpass` with a second factor, and `sys/auth`, asked of a real OpenBao and of secvault."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.contract.side import DIFFERENT, PERSON, Side, alike
from tests.running_service import PASSWORD

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


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
    alike(seen[0][0]["auth"], seen[1][0]["auth"], *same)
    assert seen[0][0]["warnings"] == seen[1][0]["warnings"]
    alike(seen[0][1], seen[1][1], "type", "uses_passcode")
    alike(seen[0][2], seen[1][2], "metadata", "token_type", "orphan", "mfa_requirement")
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
    alike(*seen, "metadata", "token_type", "orphan", "mfa_requirement", "num_uses")


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
def test_a_second_step_without_a_first_is_refusedalike(
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
