"""`secvault keys usage`, and the notice of a key that has sealed much."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.program import Program

WARN = 5 * 2**29


@pytest.fixture
def used(vault: Program) -> Program:
    """A vault with a key that was used long ago, and one that was not."""
    for name in ("payments", "idle"):
        vault.ok("keys", "create", name)
    vault.ok("keys", "rotate", "payments")
    with closing(sqlite3.connect(vault.data / "secvault.db")) as database, database:
        database.execute(
            "INSERT INTO key_usage VALUES "
            "('transit', 'payments', 1, 'svc:a1', 'decrypt', 3, 7, 1000000, 2000000), "
            "('transit', 'payments', 2, 'svc:b2', 'encrypt', 1, 1, 3000000, 3000000)"
        )
        database.execute("UPDATE named_key SET created_at = 1 WHERE name = 'payments'")
    return vault


def test_who_still_uses_an_old_version_is_shown(used: Program) -> None:
    uses = used.ok("keys", "usage", "payments", "--version", "1", "--json").json["uses"]
    assert [(use["subject"], use["operation"], use["items"]) for use in uses] == [
        ("svc:a1", "decrypt", 7)
    ]
    shown = used.ok("keys", "usage", "payments").out
    assert "svc:a1" in shown
    assert "svc:b2" in shown
    assert "not used" in used.ok("keys", "usage", "payments", "--version", "9").err


def test_dead_keys_are_found(used: Program) -> None:
    dead = used.ok("keys", "usage", "--unused-days", "30", "--json").json["keys"]
    assert [(key["name"], key["operations"], key["items"]) for key in dead] == [("payments", 4, 8)]
    everything = used.ok("keys", "usage", "--json").json["keys"]
    assert [key["name"] for key in everything] == ["idle", "payments"]
    assert used("keys", "usage", "--version", "1").code == 2
    assert used("keys", "usage", "payments", "--unused-days", "1").code == 2
    assert used("keys", "usage", "nothing").code == 1


def test_a_key_that_has_sealed_much_is_told_of_on_stderr_and_the_command_succeeds(
    used: Program,
) -> None:
    assert used.ok("keys", "list").err == ""
    assert used.ok("keys", "read", "idle", "--json").json["near_limit"] is False
    with closing(sqlite3.connect(used.data / "secvault.db")) as database, database:
        database.execute(f"UPDATE named_key_version SET messages = {WARN} WHERE name = 'idle'")
    for command in (("list",), ("read", "idle")):
        said = used.ok("keys", *command)
        assert f"version 1 of transit/idle has sealed {WARN} messages" in said.err
    assert used.ok("keys", "list", "--json").json["keys"] == ["idle", "payments"]
    assert used.ok("keys", "read", "idle", "--json").json["near_limit"] is True
