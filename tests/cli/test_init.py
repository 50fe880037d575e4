"""`secvault init`: a new vault and its first administrator, asked or unattended."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pyotp
import pytest

from tests.cli.program import PASSWORD, SEED, Program

ADMINISTRATOR = {"SECVAULT_ADMIN_NAME": "admin", "SECVAULT_ADMIN_PASSWORD": PASSWORD}


def at_terminal(program: Program, *arguments: str) -> Any:
    """The program on a terminal of its own."""
    environment: Any = {**program.environment, "TERM": "xterm"}
    return pexpect.spawn(
        sys.executable,
        ["-m", "secvault.cli", *arguments],
        env=environment,
        encoding="utf-8",
        timeout=150,
        dimensions=(60, 120),
    )


def answer(child: Any, *pairs: tuple[str, str]) -> None:
    """Wait for each question and type the answer to it."""
    for question, said in pairs:
        child.expect(question)
        child.sendline(said)


def exit_code(child: Any) -> int:
    """Wait for the end of the program."""
    child.expect(pexpect.EOF)
    child.close()
    assert isinstance(child.exitstatus, int)
    return child.exitstatus


def interrupt(child: Any) -> None:
    """Press Ctrl-C until it ends, as people do.

    Python misses one that arrives in the moment before `input` begins to wait.
    """
    for _ in range(4):
        child.sendintr()
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=30) == 0:
            return


def codes_in_a_row(uri: str) -> tuple[str, str]:
    """The code of the step before and the present one, with time left to type both."""
    device = pyotp.parse_uri(uri)
    assert isinstance(device, pyotp.TOTP)
    left = device.interval - time.time() % device.interval
    if left < 10:
        time.sleep(left)
    now = int(time.time())
    return device.at(now - device.interval), device.at(now)


def test_a_person_is_asked_shown_a_qr_code_and_confirmed_by_two_codes(secvault: Program) -> None:
    child = at_terminal(secvault, "init")
    answer(
        child,
        ("Name to sign in with", "lan.tran"),
        ("Password of lan.tran", "short"),
        ("The same again", "short"),
        ("Try again", ""),
        ("The same again", ""),
        ("Try again", PASSWORD),
        ("The same again", f"{PASSWORD} but not the same"),
        ("not the same; try again", PASSWORD),
        ("The same again", PASSWORD),
    )
    child.expect(r"(otpauth://totp/\S+)")
    uri = child.match.group(1)
    child.expect("[█▀▄]{20}")
    answer(child, ("shows now", "000000"), ("next code", "111111"))
    child.expect("Try again")
    first, second = codes_in_a_row(uri)
    answer(child, ("shows now", first), ("next code", second))
    child.expect(r"(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}")
    child.expect("Next: secvault serve")
    assert exit_code(child) == 0
    [person] = secvault.ok("people", "list", "--json").json["people"]
    assert (person["name"], person["second_factor"]) == ("lan.tran", True)


def test_the_password_is_never_echoed(secvault: Program) -> None:
    child = at_terminal(secvault, "init")
    answer(
        child,
        ("Name to sign in with", "lan.tran"),
        ("Password of", PASSWORD),
        ("The same again", PASSWORD),
    )
    child.expect("shows now")
    assert PASSWORD not in child.before
    child.close(force=True)


def test_a_bad_name_is_asked_again(secvault: Program) -> None:
    child = at_terminal(secvault, "init")
    answer(
        child,
        ("Name to sign in with", "not a name!"),
        ("Password of", PASSWORD),
        ("The same again", PASSWORD),
        ("Name to sign in with", "lan"),
        ("Password of lan", PASSWORD),
        ("The same again", PASSWORD),
    )
    child.expect("otpauth://")
    child.close(force=True)


def test_init_that_died_before_the_administrator_goes_on_with_it(secvault: Program) -> None:
    child = at_terminal(secvault, "init")
    child.expect("Name to sign in with")
    interrupt(child)
    assert exit_code(child) == 130
    assert (secvault.data / "secvault.db").exists()
    said = secvault.with_(**ADMINISTRATOR).ok("init", "--json").json
    assert said["created"] is False
    assert said["administrator"]["name"] == "admin"


def test_unattended_with_a_seed_the_second_factor_is_active_and_nothing_secret_is_printed(
    secvault: Program,
) -> None:
    said = secvault.with_(**ADMINISTRATOR, SECVAULT_ADMIN_TOTP_SEED=SEED).ok("init")
    assert SEED not in said.out + said.err
    assert PASSWORD not in said.out + said.err
    assert str(secvault.data) in said.out
    assert f"{secvault.data}.key" in said.out
    [person] = secvault.ok("people", "list", "--json").json["people"]
    assert person["second_factor"] is True


def test_unattended_without_a_seed_one_is_made_and_shown_once(secvault: Program) -> None:
    said = secvault.with_(**ADMINISTRATOR).ok("init")
    [uri] = re.findall(r"otpauth://totp/\S+", said.out)
    assert isinstance(pyotp.parse_uri(uri), pyotp.TOTP)
    again = secvault.with_(**ADMINISTRATOR).ok("init")
    assert "otpauth" not in again.out + again.err


def test_init_again_says_so_changes_nothing_and_ends_with_0(vault: Program) -> None:
    before = vault.ok("people", "list", "--json").json
    key = Path(f"{vault.data}.key").read_bytes()
    said = vault.with_(SECVAULT_ADMIN_NAME="eve", SECVAULT_ADMIN_PASSWORD=PASSWORD).ok("init")
    assert "already" in said.out
    assert vault.ok("people", "list", "--json").json == before
    assert Path(f"{vault.data}.key").read_bytes() == key


@pytest.mark.parametrize("options", [(), ("--bootstrap",)], ids=["nobody to ask", "--bootstrap"])
def test_where_nobody_is_asked_a_code_for_the_first_administrator_is_printed_once(
    secvault: Program, options: tuple[str, ...]
) -> None:
    said = secvault.ok("init", *options)
    [code] = re.findall(r"sva_\w+", said.out)
    assert code not in said.err
    again = secvault.ok("init", "--json").json
    assert again["administrator"] is None
    assert again["bootstrap"]["code"] not in ("", code)
    secvault.with_(**ADMINISTRATOR, SECVAULT_ADMIN_TOTP_SEED=SEED).ok("init")
    assert "sva_" not in secvault.ok("init", *options).out
    both = secvault.with_(**ADMINISTRATOR)("init", "--bootstrap")
    assert (both.code, "--bootstrap" in both.err) == (2, True)


def test_a_code_for_the_first_administrator_is_used_at_a_terminal(secvault: Program) -> None:
    code = secvault.ok("init", "--bootstrap").out.split()[-1]
    child = at_terminal(secvault, "people", "activate", "--device", "phone")
    answer(
        child,
        ("The code", code),
        ("Name to sign in with", "lan.tran"),
        ("Password of lan.tran", PASSWORD),
        ("The same again", PASSWORD),
    )
    child.expect(r"(otpauth://totp/\S+)")
    first, second = codes_in_a_row(child.match.group(1))
    answer(child, ("shows now", first), ("next code", second))
    child.expect("lan.tran can sign in")
    assert exit_code(child) == 0
    [grant] = secvault.ok("grants", "list", "--json").json["grants"]
    assert grant["role"] == "role:it.admin"


def test_a_password_without_a_name_is_refused_before_anything_is_made(secvault: Program) -> None:
    said = secvault.with_(SECVAULT_ADMIN_PASSWORD=PASSWORD)("init")
    assert said.code == 2
    assert "SECVAULT_ADMIN_NAME" in said.err
    assert not secvault.data.exists()


def test_a_weak_password_is_refused_and_init_can_be_run_again(secvault: Program) -> None:
    weak = secvault.with_(SECVAULT_ADMIN_NAME="admin", SECVAULT_ADMIN_PASSWORD="hunter2")
    said = weak("init")
    assert said.code == 2
    assert "hunter2" not in said.err
    assert secvault.with_(**ADMINISTRATOR)("init").code == 0


@pytest.mark.slow
def test_demo_loads_the_sample_of_all_departments(secvault: Program) -> None:
    said = secvault.with_(**ADMINISTRATOR).ok("init", "--demo", "--json").json
    assert said["sample_records"] > 2_000
    [event, *_] = secvault.ok("audit", "events", "--kind", "record.create", "--json").json["events"]
    assert event["outcome"] == "ok"


def test_an_invited_person_activates_at_the_terminal(vault: Program, tmp_path: Path) -> None:
    code = vault.ok("people", "invite", "lan", "--department", "hr").out
    (tmp_path / "code").write_text(code)
    child = at_terminal(vault, "people", "activate", "--code-from", str(tmp_path / "code"))
    child.expect("This invitation is for lan")
    answer(
        child,
        ("Password of lan", "secvault secvault"),
        ("The same again", "secvault secvault"),
        ("easy to guess", PASSWORD),
        ("The same again", PASSWORD),
    )
    child.expect(r"(otpauth://totp/\S+)")
    first, second = codes_in_a_row(child.match.group(1))
    answer(child, ("shows now", first), ("next code", second))
    assert exit_code(child) == 0
    people = vault.ok("people", "list", "--json").json["people"]
    assert [
        (one["status"], one["factors"], one["recovery_codes_left"])
        for one in people
        if one["name"] == "lan"
    ] == [("active", ["totp"], 10)]


def test_activation_needs_a_terminal(vault: Program) -> None:
    said = vault("people", "activate")
    assert said.code == 2
    assert "terminal" in said.err
