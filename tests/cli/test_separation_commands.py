"""Separation of duties from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.cli.program import Program
from tests.service.test_record_release import TAX

RULE = "administer-and-audit"


def test_conflicts_are_listed_and_an_exception_is_made_and_ended(vault: Program) -> None:
    assert "Nobody breaks a rule" in vault.ok("access", "conflicts").err
    assert RULE in vault.ok("access", "separation").out
    auditor = ("grants", "add", "user:admin", "role:it.auditor", "*")
    refused = vault(*auditor)
    assert refused.code == 3
    assert "Kept apart from what is held already" in refused.err
    assert "exceptions add" in refused.err
    note = ("--days", "9", "--note", "the owner reads the log")
    made = vault.ok("access", "exceptions", "add", "user:admin", RULE, *note, "--json").json
    vault.ok(*auditor, "--days", "8")
    (found,) = vault.ok("access", "conflicts", "--json").json["conflicts"]
    assert (found["name"], found["rule"], found["exception"]) == ("admin", RULE, made["id"])
    assert RULE in vault.ok("access", "conflicts", "--subject", "user:admin").out
    assert not vault.ok("access", "conflicts", "--at", "2020-01-01", "--json").json["conflicts"]
    assert "no longer" in vault.ok("access", "exceptions", "end", made["id"]).out
    assert vault.ok("access", "exceptions", "list", "--json").json == {"exceptions": []}
    assert "the owner reads the log" in vault.ok("access", "exceptions", "list", "--all").out


def test_what_cannot_be_is_a_clear_error(vault: Program) -> None:
    note = ("--days", "9", "--note", "n")
    assert vault("access", "exceptions", "add", "user:admin", "no-such-rule", *note).code == 2
    assert vault("access", "exceptions", "add", "user:nobody", RULE, *note).code == 2
    assert vault("access", "exceptions", "end", "x" + "0" * 20).code == 1
    assert vault("access", "conflicts", "--at", "soon").code == 2


def test_a_record_is_approved_by_a_system_of_somebody_else_only(
    vault: Program, as_system: Callable[..., Program]
) -> None:
    head = as_system("role:accounting.head", "accounting")
    entered = ("records", "add", "tax_filings", "--id", "vat-1", "--from", "-")
    head.ok(*entered, stdin=json.dumps(TAX))
    shown = head.ok("records", "show", "tax_filings", "vat-1")
    assert "draft: waits for its approval" in shown.out
    assert "draft" in head.ok("records", "list", "tax_filings").out
    refused = head("records", "approve", "tax_filings", "vat-1", "--version", "1")
    assert refused.code == 3
    assert "only to somebody who is known not to have made or changed it" in refused.err
