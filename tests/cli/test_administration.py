"""People, grants, systems, tokens and keys from the command line."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest

from tests.cli.program import Program


def add_lan(vault: Program) -> str:
    """Invite a person called lan; her id."""
    said = vault.ok(
        "people", "invite", "lan", "--display-name", "Trần Thị Lan", "--department", "hr", "--json"
    )
    return str(said.json["id"])


def person(vault: Program, name: str) -> dict[str, object]:
    """What `people list` says of somebody."""
    people = vault.ok("people", "list", "--json").json["people"]
    [found] = [one for one in people if one["name"] == name]
    return dict(found)


def test_a_person_is_invited_disabled_enabled_and_unlocked(vault: Program) -> None:
    lan = add_lan(vault)
    assert person(vault, "lan")["display_name"] == "Trần Thị Lan"
    vault.ok("people", "disable", lan)
    assert person(vault, "lan")["state"] == "disabled"
    assert "reinvite lan" in vault.ok("people", "enable", "lan").err
    assert person(vault, "lan")["status"] == "expired"
    vault.ok("people", "unlock", "lan")
    assert "Trần Thị Lan" in vault.ok("people", "list").out


def test_a_person_invited_twice_is_a_conflict(vault: Program) -> None:
    add_lan(vault)
    said = vault("people", "invite", "lan", "--department", "hr")
    assert said.code == 1
    assert "lan is taken" in said.err


def test_a_role_is_given_listed_and_taken_away(vault: Program) -> None:
    lan = add_lan(vault)
    given = vault.ok("grants", "add", "user:lan", "role:hr.clerk", "hr", "--days", "3", "--json")
    assert given.json["subject"] == f"user:{lan}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", given.json["expires_at"])
    grants = vault.ok("grants", "list", "--json").json["grants"]
    assert given.json in grants
    vault.ok("grants", "revoke", given.json["id"])
    assert given.json not in vault.ok("grants", "list", "--json").json["grants"]


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (("user:nobody", "role:hr.clerk", "hr"), "subject"),
        (("user:admin", "role:hr.czar", "hr"), "role"),
        (("user:admin", "role:hr.clerk", "accounting"), "department"),
        (("user:admin", "role:hr.clerk", "hr", "--days", "0"), "days"),
    ],
)
def test_a_grant_that_cannot_be_names_what_is_wrong(
    vault: Program, arguments: tuple[str, ...], mend: str
) -> None:
    said = vault("grants", "add", *arguments)
    assert said.code == 2
    assert f"{mend}:" in said.err


def test_a_token_is_printed_once_alone_on_stdout_and_then_only_listed_by_its_id(
    vault: Program,
) -> None:
    vault.ok("systems", "add", "payroll", "--department", "hr", "--owner", "admin")
    issued = vault.ok("tokens", "issue", "payroll", "--name", "server 1")
    token = issued.out.strip()
    assert re.fullmatch(r"svt_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", token)
    assert token not in issued.err
    listed = vault.ok("tokens", "list", "--json")
    assert token not in listed.out
    assert [one["key_id"] for one in listed.json["tokens"]] == [token.split("_")[1]]


def test_a_revoked_token_and_one_of_a_disabled_system_are_refused(vault: Program) -> None:
    vault.ok("systems", "add", "payroll", "--department", "hr", "--owner", "admin")
    first, second = (vault.ok("tokens", "issue", "payroll").out.strip() for _ in range(2))
    vault.with_(SECVAULT_TOKEN=first).ok("records", "collections")
    vault.ok("tokens", "revoke", first.split("_")[1])
    assert vault.with_(SECVAULT_TOKEN=first)("records", "collections").code == 3
    vault.ok("systems", "disable", "payroll")
    assert vault.with_(SECVAULT_TOKEN=second)("records", "collections").code == 3
    [system] = vault.ok("systems", "list", "--json").json["systems"]
    assert system["state"] == "disabled"


@pytest.mark.parametrize("credential", ["svt_nonsense", "svs_nonsense", "hello", "svt_" + "A" * 99])
def test_a_credential_that_is_none_is_refused_and_not_shown(
    vault: Program, credential: str
) -> None:
    said = vault.with_(SECVAULT_TOKEN=credential)("people", "list")
    assert said.code == 3
    assert credential not in said.err


def test_whoever_asks_with_a_token_is_held_to_its_roles(
    as_system: Callable[..., Program],
) -> None:
    clerk = as_system("role:hr.clerk", "hr")
    said = clerk("people", "list")
    assert said.code == 3
    assert "Not allowed" in said.err
    assert said.out == ""


def test_a_key_is_made_read_and_rotated(vault: Program) -> None:
    made = vault.ok("keys", "create", "payments", "--json").json
    assert (made["latest_version"], made["type"]) == (1, "aes256-gcm96")
    assert vault.ok("keys", "rotate", "payments", "--json").json["latest_version"] == 2
    assert set(vault.ok("keys", "read", "payments", "--json").json["created"]) == {"1", "2"}
    assert vault.ok("keys", "list", "--json").json == {"mount": "transit", "keys": ["payments"]}
    assert "latest_version          2" in vault.ok("keys", "read", "payments").out


def test_a_missing_key_or_mount_is_said_so(vault: Program) -> None:
    assert vault("keys", "read", "nothing").code == 1
    said = vault("keys", "list", "--mount", "nowhere")
    assert said.code == 1
    assert "nowhere" in said.err


def test_a_key_is_limited_and_deleted_in_two_steps(vault: Program) -> None:
    vault.ok("keys", "create", "payments")
    vault.ok("keys", "rotate", "payments")
    said = vault.ok(
        "keys", "configure", "payments", "--min-decryption", "2", "--rotate-days", "90", "--json"
    )
    assert said.json["min_decryption_version"] == 2
    assert said.json["rotate_days"] == 90
    assert said.json["deletable"] is False
    assert vault("keys", "delete", "payments").code == 2
    refused = vault("keys", "delete", "payments", "--yes")
    assert refused.code != 0
    assert "deletion is not allowed" in refused.err
    vault.ok("keys", "configure", "payments", "--deletable")
    assert "payments is deleted" in vault.ok("keys", "delete", "payments", "--yes").out
    assert vault("keys", "read", "payments").code == 1


def test_a_key_leaves_only_with_yes_the_right_role_and_when_it_is_exportable(
    vault: Program, as_system: Callable[..., Program]
) -> None:
    vault.ok("keys", "create", "moving", "--exportable")
    vault.ok("keys", "create", "staying")
    custodian = as_system("role:it.key_custodian", "it")
    assert vault("keys", "export", "moving", "--yes").code == 3
    without = custodian("keys", "export", "moving")
    assert without.code == 2
    assert "--yes" in without.err
    exported = custodian.ok("keys", "export", "moving", "--yes").json
    assert len(base64.b64decode(exported["keys"]["1"])) == 32
    refused = custodian("keys", "export", "staying", "--yes")
    assert refused.code != 0
    assert refused.out == ""
