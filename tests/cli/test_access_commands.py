"""`secvault access`: an administrator sees at a glance who may, who may not, and how to mend it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from secvault.access.bundle import Bundle, bundle_of, read_folder
from secvault.config.model import shipped_policies
from tests.cli.program import Program

Made = Callable[..., Program]


def test_an_explanation_says_may_or_may_not_because_and_how_to_mend_it(vault: Program) -> None:
    may = vault.ok("access", "explain", "admin", "person.create", "it", "people").out
    assert may.startswith("MAY: admin, person.create people, department it\n")
    no = vault.ok(
        "access", "explain", "admin", "record.read", "hr", "payroll", "--field", "bank_account"
    ).out
    lines = no.splitlines()
    assert lines[0] == "MAY NOT: admin, record.read payroll.bank_account, department hr"
    assert any(line.split()[:1] == ["Because"] for line in lines)
    assert "Mend      give, or let them ask for, role:hr.head in hr" in no
    assert "they may reveal it: secvault records reveal" in no
    assert "They read You have no role in the department hr." in no


def test_what_a_condition_needed_and_what_there_was(vault: Program) -> None:
    asked = ("access", "explain", "user:admin", "approval.give", "it", "approvals")
    said = vault.ok(*asked).out
    assert "aal2_fresh:300 stale; needed max_age 300, was age unknown" in said
    assert "they show a second factor again: not older than 300 s" in said
    assert vault.ok(*asked, "--factor-age", "10").out.startswith("MAY: ")
    found = vault.ok(*asked, "--factor-age", "301", "--json").json
    assert found["full"]["decisive"]["condition"]["actual"] == {"age": 301}


def test_a_refused_command_says_how_to_learn_why(as_system: Made, vault: Program) -> None:
    clerk = as_system("role:hr.clerk", "hr")
    refused = clerk("grants", "list")
    assert refused.code == 3
    hint = refused.err.splitlines()[-1]
    assert hint.startswith("secvault: why: secvault access explain --decision ")
    decision = hint.split()[-1]
    own = clerk.ok("access", "explain", "--decision", decision).out
    assert "role:" not in own
    assert "Because   You have no role in the department it." in own
    whole = vault.ok("access", "explain", "--decision", decision).out
    assert "role:it.head in it (rule it-head-grant-read)" in whole
    again = vault.ok("access", "replay", decision).out
    assert again.startswith("The same answer again.\n")
    assert vault.ok("access", "replay", decision, "--json").json["verdict"] == "same"
    assert clerk("access", "replay", decision).code == 3


def test_who_can_and_what_can_are_tables_and_documents(as_system: Made, vault: Program) -> None:
    as_system("role:hr.clerk", "hr")
    who = vault.ok("access", "who-can", "record.read", "--object", "payroll").out
    assert "system-clerk-hr" in who
    assert "role:hr.clerk" in who
    assert vault.ok("access", "who-can", "record.delete", "--object", "payroll").err == (
        "Nobody can.\n"
    )
    past = ("--at", "2001-01-01T00:00Z")
    said = vault("access", "who-can", "record.read", "--object", "payroll", *past)
    assert (said.code, said.out) == (1, "")
    assert "the history begins later" in said.err
    found = vault.ok("access", "who-can", "grant.add", "--json").json
    assert {one["name"] for one in found["holders"]} == {"admin", "local:operator"}

    what = vault.ok("access", "what-can", "system-clerk-hr").out
    rows = [line for line in what.splitlines() if "record.list" in line]
    assert len(rows) == 1
    # What is about no single collection would look like all of them.
    assert "*" not in rows[0]
    (masked,) = [line for line in what.splitlines() if "employees " in line and "masked" in line]
    assert masked.split()[3] == "identity"
    assert any(line.startswith("every ") for line in what.splitlines())
    whole = vault.ok("access", "what-can", "system-clerk-hr", "--department", "hr", "--json").json
    assert {one["department"] for one in whole["entitlements"]} == {"hr"}


def test_a_system_that_is_shut_out_is_shown_so(as_system: Made, vault: Program) -> None:
    as_system("role:hr.clerk", "hr")
    vault.ok("systems", "disable", "system-clerk-hr")
    who = vault.ok("access", "who-can", "record.read", "--object", "payroll").out
    assert "shut out" in who
    assert "is shut out" in vault.ok("access", "what-can", "system-clerk-hr").err
    said = vault.ok("access", "explain", "system-clerk-hr", "record.list", "hr", "payroll").out
    assert "let svc:" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("access", "explain"),
        ("access", "explain", "admin", "person.create", "it"),
        ("access", "explain", "nobody-here", "person.create", "it", "people"),
        ("access", "explain", "admin", "person.create", "it", "people", "--at", "yesterday"),
        ("access", "explain", "--decision", "no-id"),
        ("access", "who-can", "burn"),
        ("access", "what-can", "admin", "--department", "sales"),
        ("access", "replay", "no-id"),
    ],
)
def test_a_bad_question_is_told_what_to_mend(vault: Program, arguments: tuple[str, ...]) -> None:
    said = vault(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err


def test_unknown_names_are_answered_with_the_nearest(vault: Program) -> None:
    said = vault.ok("access", "explain", "admin", "person.crate", "it", "people").out
    assert "person.create was perhaps meant" in said


def test_an_answer_that_is_another_by_other_rules_is_damage_to_be_looked_into(
    as_system: Made, vault: Program
) -> None:
    clerk = as_system("role:hr.clerk", "hr")
    decision = clerk("access", "who-can", "record.read").err.split()[-1]
    shipped = read_folder(shipped_policies())
    rule = "p,role:any.signed_in,*,access,*,access.who_can,always,allow,any-who-can\n"
    other = bundle_of({**shipped.files, "roles.csv": shipped.files["roles.csv"] + rule})
    _rewrite_history(vault.data / "secvault.db", other)
    said = vault("access", "replay", decision)
    assert said.code == 5
    lines = said.out.splitlines()
    assert lines[0] == "ANOTHER ANSWER than was recorded:"
    assert "allowed: recorded false, now true" in lines
    assert "rule: recorded -, now any-who-can" in lines


def _rewrite_history(store: Path, other: Bundle) -> None:
    """Put another policy in the place of the first one, as somebody with the file might."""
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("DROP TRIGGER policy_version_no_update")
        database.execute(
            "UPDATE policy_version SET body = ?, digest = ? WHERE number = 1",
            (other.body, other.digest),
        )
