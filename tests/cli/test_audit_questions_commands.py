"""Questions to the audit log from the command line."""

from __future__ import annotations

from tests.cli.program import Program


def test_questions_are_listed_asked_saved_and_forgotten(vault: Program) -> None:
    listed = vault.ok("audit", "questions")
    assert "who-saw" in listed.out
    assert "--on" in listed.out
    answer = vault.ok("audit", "ask", "what-did", "--who", "local:operator", "--json").json
    assert answer["rows"][0]["what"] == "audit.read"
    assert set(answer["rows"][0]) == set(answer["columns"])
    # Nothing is shown of columns in which nobody said anything.
    assert "Fields" not in vault.ok("audit", "ask", "what-did", "--who", "local:operator").out
    columns = ("--column", "time", "--column", "question")
    fact = ("--kind", "audit.", "--fact", "question=what-did")
    vault.ok("audit", "save-question", "mine", "--title", "Reads of the log", *fact, *columns)
    rows = vault.ok("audit", "ask", "mine", "--json").json["rows"]
    assert [row["question"] for row in rows] == ["what-did"] * 2
    assert vault.ok("audit", "questions", "--json").json["own"][0]["name"] == "mine"
    vault.ok("audit", "forget-question", "mine")
    assert vault("audit", "ask", "mine").code == 1


def test_what_is_wrong_is_named(vault: Program) -> None:
    said = vault("audit", "ask", "who-saw")
    assert (said.code, "on" in said.err) == (2, True)
    said = vault("audit", "save-question", "mine", "--title", "x", "--fact", "plan")
    assert (said.code, "NAME=VALUE" in said.err) == (2, True)
