"""`secvault policy`: from an edited file to a policy in force, and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from secvault.config import shipped_policies
from secvault.store.tables import role_grant
from tests.cli.program import PASSWORD, SEED, Program

BANK = "p,role:hr.clerk,hr,payroll,class:bank,record.read,always,allow,hr-clerk-bank\n"

WRONG = """
title = "What is not so"
now = 2026-11-03T10:00:00Z

[subjects.clerk]
grants = ["role:hr.clerk"]

[[case]]
subject = "clerk"
department = "hr"
object = "payroll"
action = "record.delete"
answer = "allow"
"""


@pytest.fixture(scope="module")
def untested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vault whose first policy is the shipped one without its tests.

    They would refuse what is added here, and what they say is tested where they are run.
    """
    program = Program(tmp_path_factory.mktemp("untested"))
    files = program.folder / "policies"
    shutil.copytree(shipped_policies(), files, ignore=shutil.ignore_patterns("tests"))
    program.with_(
        SECVAULT_POLICIES=str(files),
        SECVAULT_ADMIN_NAME="admin",
        SECVAULT_ADMIN_PASSWORD=PASSWORD,
        SECVAULT_ADMIN_TOTP_SEED=SEED,
    ).ok("init")
    return program.folder


@pytest.fixture
def program(untested: Path, tmp_path: Path) -> Program:
    """The program with a vault of its own, which has the policy in `files`."""
    shutil.copytree(untested, tmp_path, dirs_exist_ok=True)
    return Program(tmp_path).with_(SECVAULT_POLICIES=str(tmp_path / "policies"))


@pytest.fixture
def files(program: Program) -> Path:
    """The folder of the settings."""
    return program.folder / "policies"


def add(files: Path, rows: str = BANK) -> None:
    with (files / "roles.csv").open("a") as out:
        out.write(rows)


def test_files_are_edited_linted_planned_applied_and_taken_back(
    program: Program, files: Path
) -> None:
    assert "Nothing to apply" in program.ok("policy", "plan").out
    add(files)
    assert "number 1; the files differ" in program.ok("config", "check").out
    assert "0 faults, 0 warnings" in program.ok("policy", "lint").err
    planned = program.ok("policy", "plan", "--json").json
    # Heads, and whoever prepares the payroll, have what clerks have.
    assert [one["who"] for one in planned["gains"]] == [
        *("role:hr.clerk", "role:hr.head", "role:hr.payroll_clerk")
    ]
    gain = planned["gains"][0]
    assert (gain["who"], gain["changes"][0]["fields"]) == ("role:hr.clerk", ["bank_account"])
    assert planned["losses"] == planned["blockers"] == []
    assert program("policy", "plan", "--fail-on-new-access").code == 1
    shown = program.ok("policy", "plan").out
    assert "role:hr.clerk: record.read on payroll (bank_account) in hr: no -> yes" in shown
    assert program("policy", "apply", "--note", "x", "--plan", "0" * 64).code == 1
    done = program.ok("policy", "apply", "--note", "bank accounts", "--plan", planned["plan"])
    assert done.out == "Policy 2 is in force.\n"
    rows = program.ok("policy", "history", "--json").json["policies"]
    assert [(one["number"], one["note"]) for one in rows] == [
        (2, "bank accounts"),
        (1, "the files that were there at the start"),
    ]
    assert rows[0]["digest"] == planned["after"]
    back = program("policy", "plan", "--number", "1", "--json").json
    program.ok("policy", "rollback", "1", "--note", "too much", "--plan", back["plan"])
    assert program.ok("policy", "show", "--json").json["number"] == 3
    verified = program.ok("policy", "history", "--verify")
    assert verified.err == "3 policies, as they were published\n"


def test_nothing_is_applied_unseen(
    program: Program, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(files)
    said = program("policy", "apply", "--note", "x")
    assert (said.code, "--plan" in said.err) == (2, True)
    monkeypatch.setattr("secvault.cli.ask.at_terminal", lambda: True)
    monkeypatch.setattr("secvault.cli.ask.line", lambda _question: "no")
    assert program("policy", "apply", "--note", "x").code != 0
    assert len(program.ok("policy", "history", "--json").json["policies"]) == 1
    monkeypatch.setattr("secvault.cli.ask.line", lambda _question: "yes")
    assert "Policy 2 is in force." in program.ok("policy", "apply", "--note", "x").out


def test_every_fault_is_named_with_file_and_line_and_nothing_is_applied(
    program: Program, files: Path
) -> None:
    add(files, "p,too,short\n")
    obligations = files / "obligations.toml"
    obligations.write_text(obligations.read_text().replace('"key.backup"', '"key.backups"'))
    lines = len((files / "roles.csv").read_text().splitlines())
    said = program("policy", "lint")
    assert said.code == 1
    assert f"roles.csv:{lines}: error: " in said.out
    assert "obligations.toml:" in said.out
    assert program("policy", "lint", "--json").json["faults"] == 2
    planned = program("policy", "plan")
    assert (planned.code, f"roles.csv line {lines}" in planned.err) == (2, True)
    assert len(program.ok("policy", "history", "--json").json["policies"]) == 1


def test_a_plan_of_files_in_force_says_what_would_keep_them_from_being_applied(
    program: Program, files: Path
) -> None:
    (files / "tests").mkdir()
    (files / "tests" / "wrong.toml").write_text(WRONG)
    changed = program("policy", "plan")
    assert changed.code == 1
    assert "1 of 1 tests fail" in changed.out.partition("It cannot be applied")[2]
    shutil.rmtree(program.data)
    (program.folder / "data.key").unlink()
    administrator = {"SECVAULT_ADMIN_PASSWORD": PASSWORD, "SECVAULT_ADMIN_TOTP_SEED": SEED}
    program.with_(SECVAULT_ADMIN_NAME="admin", **administrator).ok("init")
    same = program("policy", "plan")
    assert same.code == 1
    assert same.out.startswith("Nothing to apply: the files are policy 1, which is in force.\n")
    assert "1 of 1 tests fail" in same.out.partition("They could not be applied today")[2]


def test_lint_looks_into_the_vault_when_asked_and_is_strict_when_asked(
    program: Program, files: Path
) -> None:
    assert "privileged-without-end" not in str(program.ok("policy", "lint", "--json").json)
    assert program.ok("policy", "lint", "--vault", "--json").json["findings"] == []
    # As roles were given before they had to end.
    with program.opened() as service, service.store.write() as connection:
        connection.execute(role_grant.update().values(expires_at=None))
    said = program.ok("policy", "lint", "--vault", "--json").json
    assert {one["code"] for one in said["findings"]} == {"privileged-without-end"}
    assert program("policy", "lint", "--vault", "--strict").code == 1
    assert "nobody holds role:hr.head" in program.ok("policy", "lint", "--vault", "--notes").out


def test_two_folders_are_compared_where_there_is_no_vault(
    secvault: Program, tmp_path: Path
) -> None:
    one, other = (
        Path(shutil.copytree(shipped_policies(), tmp_path / name)) for name in ("one", "other")
    )
    add(other)
    arguments = ("policy", "diff", str(one), str(other))
    assert [one["who"] for one in secvault.ok(*arguments, "--json").json["gains"]] == [
        "role:hr.clerk",
        "role:hr.head",
        "role:hr.payroll_clerk",
    ]
    assert secvault(*arguments, "--fail-on-new-access").code == 1
    back = ("policy", "diff", str(other), str(one), "--fail-on-new-access")
    assert "Gains: nobody" in secvault.ok(*back).out
    assert not secvault.data.exists()


def test_a_policy_of_the_past_is_shown_saved_and_compared(program: Program, files: Path) -> None:
    saved = files.parent / "saved"
    program.ok("policy", "show", "1", "--save", str(saved))
    assert (saved / "roles.csv").read_text() == (files / "roles.csv").read_text()
    assert (saved / "collections" / "hr.toml").is_file()
    assert program("policy", "show", "--save", str(saved)).code == 2
    shown = program.ok("policy", "show", "--file", "model.conf").out
    assert shown == (files / "model.conf").read_text()
    assert program("policy", "show", "--file", "nothing").code == 2
    add(files)
    said = program.ok("policy", "diff", "1", str(files), "--json").json
    assert {one["who"] for one in said["gains"]} == {
        *("role:hr.clerk", "role:hr.head", "role:hr.payroll_clerk")
    }
    assert program("policy", "show", "9").code == 1


def test_a_policy_of_casbin_becomes_rows_and_what_cannot_be_said_is_listed(
    secvault: Program, tmp_path: Path
) -> None:
    model, policy, rows = (tmp_path / name for name in ("model.conf", "policy.csv", "rows.csv"))
    model.write_text(
        "[request_definition]\nr = sub, dom, obj, act\n[policy_definition]\n"
        "p = sub, dom, obj, act\n[role_definition]\ng = _, _, _\n[policy_effect]\n"
        "e = some(where (p.eft == allow))\n[matchers]\n"
        "m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act\n"
    )
    policy.write_text("p, clerk, hr, payroll, read\ng, lan, clerk, hr\n")
    given = ("policy", "import", "casbin", "--model", str(model), "--policy", str(policy))
    said = secvault.ok(*given, "--action", "read=record.read", "--output", str(rows))
    assert rows.read_text() == (
        "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,imported-1\n"
    )
    assert "secvault grants add user:lan role:hr.clerk hr" in said.err
    partly = secvault(*given, "--json")
    assert (partly.code, partly.json["problems"][0]["at"]) == (1, "policy line 1")
    assert secvault(*given, "--output", str(rows)).code == 2
    assert secvault(*given, "--action", "read").code == 2
