"""AppRoles and narrowed tokens from the command line."""

from __future__ import annotations

import secrets

import pytest

from tests.cli.program import Program


@pytest.fixture
def sync(vault: Program) -> Program:
    """The vault with a system of two roles."""
    vault.ok(
        "systems", "add", "sync", "--department", "it", "--owner", "admin",
        "--role", "role:it.cryptor", "--role", "role:it.encryptor",
    )  # fmt: skip
    return vault


def test_a_token_is_issued_with_some_of_the_systems_roles_only(sync: Program) -> None:
    sync.ok("tokens", "issue", "sync", "--role", "it.encryptor")
    [token] = sync.ok("tokens", "list", "--json").json["tokens"]
    assert token["narrowed_to"] == "default, it.encryptor"
    said = sync("tokens", "issue", "sync", "--role", "role:it.admin")
    assert said.code == 2
    assert "it.admin is not among its roles" in said.err


def test_a_role_is_added_changed_shown_and_removed(sync: Program) -> None:
    made = sync.ok(
        "approle", "add", "sync", "--role", "it.encryptor", "--token-minutes", "60",
        "--secret-id-uses", "3", "--secret-id-cidr", "10.0.0.0/8", "--json",
    ).json  # fmt: skip
    changed = sync.ok("approle", "add", "sync", "--token-minutes", "30", "--json").json
    assert changed == {**made, "token_ttl": 1800}
    assert changed["policies"] == "it.encryptor"
    assert made["role_id"] in sync.ok("approle", "list").out
    assert "tokens revoked: 0" in sync.ok("approle", "remove", "sync").out
    assert sync.ok("approle", "list", "--json").json == {"approles": []}


def test_a_secret_id_is_shown_once_listed_by_its_accessor_and_destroyed(sync: Program) -> None:
    sync.ok("approle", "add", "sync")
    said = sync.ok("approle", "secret", "sync", "--uses", "1", "--minutes", "10")
    secret = said.out.strip()
    assert secret.startswith("svi_")
    assert secret not in said.err
    [listed] = sync.ok("approle", "secrets", "sync", "--json").json["secret_ids"]
    assert listed["uses_left"] == 1
    assert secret.split("_")[1] == listed["accessor"]
    assert secret not in str(listed)
    sync.ok("approle", "destroy", "sync", listed["accessor"])
    assert sync.ok("approle", "secrets", "sync", "--json").json == {"secret_ids": []}
    events = sync.ok("audit", "events", "--json").json["events"]
    kinds = {each["kind"] for each in events}
    assert {"approle.write", "secret_id.create", "secret_id.destroy"} <= kinds
    assert secret.split("_")[2] not in str(events)


def test_a_secret_id_that_was_drawn_elsewhere_comes_by_stdin(sync: Program) -> None:
    sync.ok("approle", "add", "sync")
    own = secrets.token_urlsafe(32)
    said = sync.ok("approle", "secret", "sync", "--secret-id-from", "-", stdin=f"{own}\n")
    assert said.out.strip() == own
    weak = sync("approle", "secret", "sync", "--secret-id-from", "-", stdin="password\n")
    assert weak.code == 2
    assert "password" not in weak.err.replace("--", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "nobody"),
        ("add", "sync", "--token-cidr", "x"),
        ("add", "sync", "--token-minutes", "-1"),
        ("secret", "sync", "--uses", "-1"),
    ],
)
def test_what_cannot_be_is_wrong_usage(sync: Program, arguments: tuple[str, ...]) -> None:
    sync.ok("approle", "add", "sync", "--system", "sync")
    assert sync("approle", *arguments).code == 2


def test_what_is_not_there_is_said_so(sync: Program) -> None:
    for arguments in (("secret", "sync"), ("secrets", "sync"), ("remove", "sync")):
        said = sync("approle", *arguments)
        assert said.code == 1
        assert 'role "sync" does not exist' in said.err
