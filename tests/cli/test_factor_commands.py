"""One's own devices and password, and the stock of hardware tokens, at the command line."""

from __future__ import annotations

import time
from pathlib import Path

import pyotp
import pytest

from tests.activated import with_password
from tests.cli.program import PASSWORD, SEED, Program

TOKEN = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def codes(seed: str, *steps: int) -> str:
    """Codes now, and so many steps later, a line each."""
    now = int(time.time())
    return "".join(f"{pyotp.TOTP(seed).at(now + step * 30)}\n" for step in steps)


@pytest.fixture
def admin(vault: Program) -> Program:
    """The program with the administrator's session; the code of the step before is used up."""
    # A step may end while the program starts; the code is then one too old, once.
    said = vault("sign-in", "admin", stdin=f"{PASSWORD}\n{codes(SEED, -1)}")
    if said.code:
        said = vault.ok("sign-in", "admin", stdin=f"{PASSWORD}\n{codes(SEED, -1)}")
    return vault.with_(SECVAULT_TOKEN=said.out.strip())


def test_the_own_password_is_changed_by_both_factors(admin: Program) -> None:
    new = "nineteen quiet harbours"
    assert admin("password", stdin=f"wrong\n{codes(SEED, 0)}{new}\n").code == 3
    assert admin("password", stdin=f"{PASSWORD}\n{codes(SEED, 0)}password1234\n").code == 2
    said = admin.ok("password", stdin=f"{PASSWORD}\n{codes(SEED, 0)}{new}\n")
    assert "other sessions ended: 0" in said.out
    admin.ok("devices", "list")


def test_the_own_devices_are_listed_and_the_last_one_stays(admin: Program) -> None:
    (device,) = admin.ok("devices", "list", "--json").json["devices"]
    assert (device["state"], device["codes"]) == ("active", "SHA1, 6 digits, 30 s")
    said = admin("devices", "remove", device["id"], stdin=f"{PASSWORD}\n{codes(SEED, 0)}")
    assert said.code == 1
    assert "last factor" in said.err


def test_a_resync_takes_a_password_and_two_codes(vault: Program) -> None:
    shown = f"{PASSWORD}\n{codes(SEED, 5, 6)}"
    assert vault("devices", "resync", "admin", stdin=f"wrong {shown}").code == 3
    vault.ok("devices", "resync", "admin", stdin=shown)
    assert vault("devices", "resync", "admin", stdin=shown).code == 3


def test_commands_about_oneself_need_a_session(vault: Program) -> None:
    for command in (["password"], ["devices", "list"], ["devices", "add", "x"]):
        said = vault(*command)
        assert said.code == 2
        assert "SECVAULT_TOKEN" in said.err


def test_a_token_comes_from_a_file_and_is_confirmed_by_its_holder(
    vault: Program, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text(f"serial,secret\n40412,{TOKEN}\n")
    assert "1 tokens imported" in vault.ok("hardware-tokens", "import", str(file)).out
    with vault.opened() as service:
        with_password(service, "lan", "hr", PASSWORD)
    vault.ok("hardware-tokens", "assign", "40412", "lan")
    vault.ok("devices", "confirm", "lan", stdin=f"{PASSWORD}\n{codes(TOKEN, -1, 0)}")
    (token,) = vault.ok("hardware-tokens", "list", "--json").json["tokens"]
    assert (token["serial"], token["state"]) == ("40412", "in use")
    said = vault("hardware-tokens", "retire", "40412")
    assert said.code == 1
    assert TOKEN not in vault.ok("hardware-tokens", "list").out + said.err


def test_a_file_that_cannot_be_read_is_said_so(vault: Program, tmp_path: Path) -> None:
    assert vault("hardware-tokens", "import", str(tmp_path / "none.csv")).code == 2
    file = tmp_path / "tokens.xml"
    file.write_text("<a/>")
    said = vault("hardware-tokens", "import", str(file))
    assert said.code == 2
    assert "PSKC" in said.err
