"""Roles over time at the command line, as the people who use them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.running_service import STEP, Hands, House, furnish, join, signed_in


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault of a moment ago with the administrators `admin` and `binh`, and `dung`."""
    made = furnish(tmp_path_factory.mktemp("roles"), Hands(float(int(time.time()) - 4 * STEP)))
    with made.open() as service:
        join(service, made, "binh", ("role:it.admin", "it"))
        join(service, made, "dung", ("role:it.clerk", "it"))
        signed_in(service, made, "admin")
        signed_in(service, made, "head")
    return made


@pytest.fixture
def program(house: House) -> Program:
    """The program, as the operator of the server."""
    return Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))


def as_(program: Program, house: House, name: str) -> Program:
    return program.with_(SECVAULT_TOKEN=house.tokens[name])


def test_a_role_is_asked_for_approved_and_claimed(house: House, program: Program) -> None:
    dung, head, an = (as_(program, house, name) for name in ("dung", "head", "admin"))
    wanted = ("role:hr.clerk", "--department", "hr", "--days", "30", "--reason", "thay chị Lan")
    said = dung.ok("grants", "request", *wanted).out
    assert "waits for 2 other people" in said
    request = said.split()[0]
    assert dung("grants", "claim", request).code == 3
    for who in (head, an):
        shown = who.ok("approvals", "show", request, "--json").json
        assert shown["terms"]["seconds"] == 30 * 86_400
        who.ok("approvals", "approve", request, "--digest", shown["digest"])
    (mine,) = dung.ok("grants", "requests", "--json").json["requests"]
    assert (mine["id"], mine["role"], mine["missing"]) == (request, "role:hr.clerk", 0)
    assert "holds role:hr.clerk in hr until" in dung.ok("grants", "claim", request).out
    own = dung.ok("grants", "mine", "--json").json["grants"]
    assert {each["role"] for each in own} >= {"role:it.clerk", "role:hr.clerk"}


def test_a_role_is_activated_and_put_off(house: House, program: Program) -> None:
    dung, an = (as_(program, house, name) for name in ("dung", "admin"))
    made = an.ok(
        *("grants", "eligible", "add", "user:dung", "role:it.encryptor", "hr"),
        *("--minutes", "30", "--days", "10"),
    ).out
    assert "for 30 minutes at once" in made
    place = ("role:it.encryptor", "--department", "hr")
    done = dung.ok("grants", "activate", *place, "--reason", "nạp lại", "--minutes", "5")
    assert "you hold role:it.encryptor in hr until" in done.out
    assert dung("grants", "activate", *place, "--reason", "x").code == 1
    assert "role:it.encryptor" in an.ok("grants", "eligible", "list").out
    (used,) = an.ok("grants", "eligible", "uses", "--json").json["activations"]
    assert used["reason"] == "nạp lại"
    dung.ok("grants", "deactivate", *place)
    assert dung("grants", "deactivate", *place).code == 1
    an.ok("grants", "eligible", "remove", made.split(":")[0])
    assert dung("grants", "activate", *place, "--reason", "x").code == 1


def test_a_role_begins_and_ends_when_it_is_said(
    house: House, program: Program, tmp_path: Path
) -> None:
    an = as_(program, house, "admin")
    place = ("user:dung", "role:quality.clerk", "quality")
    begins, ends = "2099-01-01T08:00:00+07:00", "2099-01-02T08:00:00+07:00"
    far = an("grants", "add", *place, "--from", begins, "--until", ends)
    assert (far.code, "3650 days" in far.err) == (2, True)
    assert an("grants", "add", *place, "--from", "2027-01-01").code == 2
    made = an.ok("grants", "add", *place, "--days", "30", "--json").json
    renewed = an.ok("grants", "renew", made["id"], "--days", "60", "--json").json
    assert renewed["expires_at"] > made["expires_at"]
    # Of a fixture that goes around the operation, as those from before there had to be an end.
    old = an.ok("grants", "list", "--without-end", "--json").json["grants"]
    assert [(each["role"], each["expires_at"]) for each in old] == [("role:it.admin", None)]
