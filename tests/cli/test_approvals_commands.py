"""Without the approval that a policy asks for, a command ends with 3 and changes nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from secvault.errors import ApprovalRequired
from secvault.service.approval import Proposal
from secvault.service.approvals import ByPolicy
from tests.cli.program import Program


def _refused(_self: ByPolicy, _connection: Connection, proposal: Proposal) -> str:
    raise ApprovalRequired("nobody has approved this", digest=proposal.digest)


def test_commands_stop_where_nobody_approved(
    vault: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.ok(
        "systems",
        "add",
        "keeper",
        "--department",
        "it",
        "--owner",
        "admin",
        "--role",
        "role:it.key_custodian",
    )
    token = vault.ok("tokens", "issue", "keeper").out.strip()
    vault.ok("keys", "create", "k", "--exportable")
    vault.ok("keys", "configure", "k", "--deletable")
    vault.ok("keys", "create", "kept")
    before = vault.ok("keys", "read", "k", "--json").json
    root = vault.ok("seal", "status", "--json").json
    with monkeypatch.context() as patched:
        patched.setattr(ByPolicy, "grant", _refused)
        for program, command in (
            (vault, ("keys", "delete", "k", "--yes")),
            (vault, ("keys", "configure", "kept", "--deletable")),
            (vault, ("keys", "rotate-root")),
            (vault, ("backup", "password")),
            (vault.with_(SECVAULT_TOKEN=token), ("keys", "export", "k", "--yes")),
        ):
            said = program(*command)
            assert (said.code, said.out) == (3, ""), command
            assert "second person must approve" in said.err
        vault.ok("keys", "rotate", "kept")
    assert vault.ok("keys", "read", "k", "--json").json == before
    assert vault.ok("seal", "status", "--json").json == root
    assert vault.ok("keys", "read", "kept", "--json").json["deletable"] is False
    vault.ok("keys", "delete", "k", "--yes")
