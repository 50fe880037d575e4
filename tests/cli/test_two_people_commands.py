"""Two people at the command line: one asks and carries out, the other one approves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.running_service import PASSWORD, STEP, Hands, House, furnish, join, signed_in

ADMIN = ("role:it.admin", "it")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the administrators `admin` and `binh`, a moment ago."""
    made = furnish(tmp_path_factory.mktemp("two"), Hands(float(int(time.time()) - 3 * STEP)))
    with made.open() as service:
        join(service, made, "binh", ADMIN)
        signed_in(service, made, "admin")
    return made


@pytest.fixture
def program(house: House) -> Program:
    """The program, as the operator of the server."""
    return Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))


def test_one_asks_the_other_approves_and_both_parts_let_the_person_in(
    house: House, program: Program, tmp_path: Path
) -> None:
    an = program.with_(SECVAULT_TOKEN=house.tokens["admin"])
    binh = program.with_(SECVAULT_TOKEN=house.tokens["binh"])
    refused = an("people", "reset-factors", "clerk")
    assert refused.code == 3
    assert "secvault --ask REASON" in refused.err
    asked = an("--ask", "mất điện thoại", "people", "reset-factors", "clerk")
    assert asked.code == 3
    (waiting,) = binh.ok("approvals", "list", "--json").json["requests"]
    assert waiting["id"] in asked.err
    assert (waiting["reason"], waiting["affected_name"], waiting["missing"]) == (
        "mất điện thoại",
        "clerk",
        1,
    )
    assert binh("approvals", "approve", waiting["id"]).code == 2
    part = binh.ok("approvals", "approve", waiting["id"], "--digest", waiting["digest"]).out.strip()
    assert an.ok("approvals", "list", "--own", "--json").json["requests"][0]["missing"] == 0
    assert an.ok("approvals", "show", waiting["id"]).out.count("binh") == 1
    done = an.ok("people", "reset-factors", "clerk", "--json").json
    assert done["parts"] == 2
    lines = f"{PASSWORD}\n{part} {done['part']}\n"
    assert program.ok("sign-in", "--recovery", "clerk", stdin=lines).out.startswith("svs_")
    assert an("people", "reset-factors", "clerk").code == 3


def test_a_request_is_refused_and_another_one_withdrawn(house: House, program: Program) -> None:
    an = program.with_(SECVAULT_TOKEN=house.tokens["admin"])
    binh = program.with_(SECVAULT_TOKEN=house.tokens["binh"])
    for end, who in (("refuse", binh), ("withdraw", an)):
        assert an("--ask", "forgot it", "people", "reset-password", "head").code == 3
        (waiting,) = an.ok("approvals", "list", "--json").json["requests"]
        who.ok("approvals", end, waiting["id"])
        assert an.ok("approvals", "list", "--json").json["requests"] == []
    states = [
        one["state"] for one in an.ok("approvals", "list", "--all", "--json").json["requests"]
    ]
    assert states[:2] == ["withdrawn", "refused"]


def test_the_policy_is_shown_with_whether_there_are_enough_people(program: Program) -> None:
    shown = program.ok("approvals", "policy", "--json").json["quorums"]
    assert {(one["people"], one["able"], one["met"]) for one in shown} == {(1, 2, True)}
    assert "factor.reset" in program.ok("approvals", "policy").out
