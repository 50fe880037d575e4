"""Narrowed tokens, orphans, accessors and capabilities, asked of a real OpenBao and of secvault."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.side import Side, alike, named

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def _made(side: Side, token: str, **body: Any) -> tuple[int, Any]:
    return side("POST", "auth/token/create", body, token)


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
def test_a_narrowed_token_is_made_and_shownalike(
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
        shown = {name: named(side, auth[name]) for name in ("policies", "token_policies")}
        path = "auth/token/lookup-accessor"
        known = side("POST", path, {"accessor": auth["accessor"]})[1]["data"]
        shown["known"] = named(side, known["policies"])
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
        assert named(side, inherited["policies"]) == ["default", "less"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "auth/token/create", {"no_parent": True}),
        ("LIST", "auth/token/accessors", None),
        ("POST", "auth/token/create/nope", {}),
        ("POST", "auth/token/create", {"policies": 7, "ttl": "x"}),
    ],
)
def test_what_a_system_may_not_is_refusedalike(
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
        alike(made[number], made[number + 2], "orphan", "lease_duration", "policies", "renewable")


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
