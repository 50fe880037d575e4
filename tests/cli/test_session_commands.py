"""Signing in at the command line, and out."""

from __future__ import annotations

import re
import time

import pyotp

from tests.cli.program import PASSWORD, SEED, Program


def test_a_session_opened_with_password_and_code_counts_until_sign_out(vault: Program) -> None:
    code = pyotp.TOTP(SEED).at(int(time.time()))
    signed_in = vault.ok("sign-in", "admin", stdin=f"{PASSWORD}\n{code}\n")
    token = signed_in.out.strip()
    assert re.fullmatch(r"svs_[0-9A-Za-z_]+", token)
    admin = vault.with_(SECVAULT_TOKEN=token)
    admin.ok("people", "list")
    assert admin("records", "list", "payroll").code == 3
    admin.ok("sign-out")
    assert admin("people", "list").code == 3


def test_a_wrong_password_or_code_is_refused_without_saying_which(vault: Program) -> None:
    code = pyotp.TOTP(SEED).at(int(time.time()))
    wrong_password = vault("sign-in", "admin", stdin=f"not the password\n{code}\n")
    assert wrong_password.code == 3
    assert wrong_password.out == ""
    unknown = vault("sign-in", "nobody", stdin=f"not the password\n{code}\n")
    assert unknown.code == 3
    assert unknown.err.splitlines()[-1] == wrong_password.err.splitlines()[-1]


def test_sign_in_without_input_and_sign_out_without_a_session_are_said_so(vault: Program) -> None:
    assert vault("sign-in", "admin").code == 1
    said = vault("sign-out")
    assert said.code == 2
    assert "SECVAULT_TOKEN" in said.err
