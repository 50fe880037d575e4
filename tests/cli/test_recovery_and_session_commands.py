"""Recovery codes, sessions and step-up at the command line."""

from __future__ import annotations

import json
import time

import pyotp

from tests.cli.program import PASSWORD, SEED, Program


def _code() -> str:
    return pyotp.TOTP(SEED).at(int(time.time()))


def test_recovery_codes_are_printed_and_one_lets_in_to_do_almost_nothing(vault: Program) -> None:
    token = vault.ok("sign-in", "admin", stdin=f"{PASSWORD}\n{_code()}\n").out.strip()
    admin = vault.with_(SECVAULT_TOKEN=token)
    codes = admin.ok("factors", "recovery-codes", stdin=f"{PASSWORD}\n").out.split()
    assert len(codes) == 10
    signed_in = vault.ok("sign-in", "admin", "--recovery", stdin=f"{PASSWORD}\n{codes[0]}\n")
    assert "Recovery codes left: 9" in signed_in.err
    recovered = vault.with_(SECVAULT_TOKEN=signed_in.out.strip())
    assert recovered("people", "list").code == 3
    assert recovered("factors", "recovery-codes").code == 3
    again = vault("sign-in", "admin", "--recovery", stdin=f"{PASSWORD}\n{codes[0]}\n")
    assert again.code == 3

    listed = json.loads(admin.ok("sessions", "list", "--json").out)["sessions"]
    assert [each["factors"] for each in listed] == [["password", "totp"], ["password", "recovery"]]
    other = next(each["id"] for each in listed if not each["present"])
    assert admin("sessions", "end", other, "--others").code == 2
    assert admin.ok("sessions", "end", "--others").out.strip() == "1 ended"
    assert admin("sessions", "end", other).code == 1
    assert recovered("factors", "list").code == 3
    found = json.loads(admin.ok("factors", "list", "--json").out)
    assert [each["kind"] for each in found["factors"]] == ["totp"]
    assert found["recovery_codes_left"] == 9
    assert vault.ok("sessions", "end", "--person", "admin", "--all").out.strip() == "1 ended"
    assert admin("sessions", "list").code == 3


def test_what_cannot_be_done_is_said(vault: Program) -> None:
    assert vault("sessions", "end").code == 2
    assert vault("sessions", "list").code == 2
    assert vault("factors", "list").code in (2, 3)
    assert vault("step-up").code == 2
    assert vault("sessions", "end", "0123456789", "--person", "admin").code == 1
    listed = json.loads(vault.ok("factors", "list", "--person", "admin", "--json").out)
    assert listed["recovery_codes_left"] == 0
