"""No single administrator can take over an account, at the server's own command line either.

The commands are enumerated from the program: one that nobody has thought about fails the test.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from secvault.cli.main import app as program
from secvault.config import shipped_policies
from tests.acceptance.takeover import CHOSEN, KNOWN_SEED, Company, account
from tests.cli.program import Program

# What is said to each command, as the operator at the server's own command line, in this order.
# A command that asks gets these lines.
LINES = f"{CHOSEN}\n{CHOSEN}\n123456\n123457\n123456\n123457\n123456\n123457\n"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    # First, so that what was planned is still what would be done.
    "policy apply": ("POLICIES", "--note", "mine", "--plan", "PLAN"),
    "policy rollback": ("1", "--note", "mine", "--plan", "0" * 64),
    "policy lint": ("POLICIES", "--vault"),
    "policy plan": ("POLICIES",),
    "policy diff": ("in-force", "POLICIES"),
    "policy history": ("--verify",),
    "policy show": (),
    "policy test": ("POLICIES", "--no-mutation"),
    "policy import casbin": ("--model", "FILE", "--policy", "FILE"),
    "people list": ("--json",),
    "people show": ("victim", "--json"),
    "people change": ("victim", "--contact", "mine@example.com"),
    "people invite": ("puppet", "--department", "hr"),
    "people reinvite": ("victim",),
    "people uninvite": ("victim",),
    "people activate": (),
    "people import": ("PEOPLE",),
    "people export": (),
    "people unlock": ("victim",),
    "people reset-factors": ("victim",),
    "people reset-password": ("victim",),
    "people revoke-factor": ("victim", "FACTOR"),
    "people disable": ("victim",),
    "people enable": ("victim",),
    "people place": ("puppet", "--employee", "nv-0042"),
    "factors list": ("--person", "victim", "--json"),
    "factors remove": ("0" * 32,),
    "factors enrol": (),
    "factors recovery-codes": (),
    "sessions list": ("--person", "victim", "--json"),
    "devices list": (),
    "devices add": ("mine",),
    "devices confirm": ("victim",),
    "devices remove": ("0" * 32,),
    "devices resync": ("victim",),
    "hardware-tokens import": ("FILE",),
    "hardware-tokens list": ("--json",),
    "hardware-tokens assign": ("t-1", "victim"),
    "hardware-tokens retire": ("t-2",),
    "grants list": ("--json",),
    "grants add": ("user:puppet", "role:hr.head", "hr"),
    "grants renew": ("g" + "0" * 20, "--days", "300"),
    "grants mine": ("--json",),
    "grants eligible add": ("user:puppet", "role:hr.head", "hr"),
    "grants eligible list": ("--json",),
    "grants eligible uses": ("--json",),
    "grants activate": ("role:hr.head", "--department", "hr", "--reason", "mine"),
    "grants deactivate": ("role:hr.head", "--department", "hr"),
    "grants request": (
        *("role:hr.head", "--department", "hr", "--reason", "mine"),
        *("--days", "1", "--for", "user:puppet"),
    ),
    "grants requests": ("--json",),
    "grants claim": ("0" * 32,),
    "grants eligible remove": ("e" + "0" * 20,),
    "grants revoke": ("g" + "0" * 20,),
    "access conflicts": ("--json",),
    "access separation": ("--json",),
    "access exceptions list": ("--all", "--json"),
    "access exceptions add": (
        *("user:puppet", "administer-and-audit", "--days", "9", "--note", "none"),
    ),
    "access exceptions end": ("x" + "0" * 20,),
    "systems list": ("--json",),
    "systems add": ("robot", "--department", "it", "--owner", "admin", "--role", "role:it.admin"),
    "systems disable": ("robot",),
    "systems hand-over": ("robot", "victim"),
    "tokens list": ("--json",),
    "tokens issue": ("robot",),
    "tokens expiring": ("--json",),
    "tokens rotate": ("0" * 10,),
    "tokens report-leak": (),
    "tokens revoke": ("0" * 10,),
    "approle add": ("robot",),
    "approle list": (),
    "approle secret": ("robot",),
    "approle secrets": ("robot",),
    "approle destroy": ("robot", "x"),
    "approle remove": ("robot",),
    "access explain": ("victim", "factor.reset", "it", "people", "--json"),
    "access who-can": ("factor.reset", "--json"),
    "access what-can": ("victim", "--json"),
    "access replay": ("0" * 32,),
    "approvals list": ("--json",),
    "approvals policy": ("--json",),
    "approvals show": ("0" * 32,),
    "approvals approve": ("0" * 32, "--digest", "0" * 64),
    "approvals refuse": ("0" * 32,),
    "approvals withdraw": ("0" * 32,),
    "reviews start": ("mine", "--reviewer", "admin", "--fallback", "admin"),
    "reviews list": ("--json",),
    "reviews show": ("0" * 32,),
    "reviews items": ("--own", "--json"),
    "reviews keep": ("0" * 32, "--comment", "mine"),
    "reviews shorten": ("0" * 32, "--days", "3650", "--comment", "mine"),
    "reviews revoke": ("0" * 32, "--comment", "mine"),
    "reviews reassign": ("0" * 32, "admin"),
    "reviews finish": ("0" * 32,),
    "reviews evidence": ("0" * 32,),
    "reviews verify": ("FILE", "--key", "none"),
    "reviews dormant": ("--json",),
    "reviews unused": ("--json",),
    "break-glass start": ("--reason", "mine"),
    "break-glass list": ("--json",),
    "break-glass show": ("g" + "0" * 20,),
    "break-glass review": ("g" + "0" * 20, "--findings", "mine", "--reinstate"),
    "break-glass end": ("g" + "0" * 20,),
    "break-glass recover": ("--reason", "mine"),
    "sign-in": ("victim",),
    "step-up": (),
    "password": ("--forgotten", "victim"),
    "init": ("--bootstrap",),
    "account contact": ("--address", "mine@example.com"),
    "notifications list": ("--json",),
    "notifications show": ("0" * 32,),
    "notifications test": ("security",),
    "sessions end": ("--person", "victim", "--all"),
}
# Commands that make nobody of anybody: about data, backups, the log and the vault itself, or about
# this program.
OTHER_COMMANDS = {
    *("audit", "backup", "config", "db", "drill", "help", "keys", "records", "seal", "witness"),
    # A recovery begins with k shares, and makes nobody an administrator at once.
    "recovery",
    *(
        "entrance",
        "preflight",
        "sealer",
        "self-check",
        "serve",
        "sign-out",
        "unseal",
        "web",
        "worker",
    ),
}


def _commands() -> Iterator[str]:
    def below(command: Any, path: tuple[str, ...]) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if children is None:
            yield " ".join(path)
            return
        for name, child in children.items():
            yield from below(child, (*path, name))

    return below(typer.main.get_command(program), ())


def test_every_administrative_command_is_tried_here() -> None:
    about = {name for name in _commands() if name.split()[0] not in OTHER_COMMANDS}
    assert about == COMMANDS.keys()


def test_the_operator_at_the_server_gets_neither_the_account_nor_its_roles(
    made: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.cli.ask.at_terminal", lambda: False)
    house, victim = made.house, made.victim
    with house.open() as service:
        before = account(service, victim)
    file = tmp_path / "tokens.csv"
    file.write_text(f"serial,secret\nt-1,hex:{KNOWN_SEED}\nt-2,hex:{KNOWN_SEED}\n")
    people = tmp_path / "people.csv"
    people.write_text("name,department,contact\nvictim,hr,mine@example.com\npuppet-2,hr,\n")
    policies = tmp_path / "policies"
    shutil.copytree(shipped_policies(), policies)
    # Without its tests, which would not let a policy pass that asks for no approval.
    shutil.rmtree(policies / "tests")
    (policies / "obligations.toml").write_text("version = 1\n")
    operator = Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))
    planned = json.loads(operator("policy", "plan", str(policies), "--json").out)
    files = {"FILE": str(file), "PEOPLE": str(people), "POLICIES": str(policies)}
    files |= {"PLAN": planned["plan"], "FACTOR": next(iter(before.devices))}
    told = ""
    for name, arguments in COMMANDS.items():
        filled = [files.get(each, each) for each in arguments]
        said = operator("--ask", "because I say so", *name.split(), *filled, stdin=LINES)
        told += said.out + said.err
        if name.startswith("people reset") or name == "policy apply":
            assert said.code == 3, said
            assert "waits for its approval" in said.err
    with house.open() as service:
        assert account(service, victim) == before
    for secret in victim.known:
        assert secret not in told
