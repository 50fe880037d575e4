"""`separation.toml`: read strictly, and what is shipped can be kept to."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.access import Rules, load_rules
from secvault.access.conflicts import role_conflicts
from secvault.access.separation import (
    Duties,
    Exclusive,
    Holders,
    Mode,
    Permission,
    Prerequisite,
    Scope,
    load_separation,
    parse_separation,
)
from secvault.errors import ConfigurationError
from secvault.records.collection_files import load_collections

POLICIES = Path(__file__).parents[2] / "policies"
HEAD = """id = "one"
title = { en = "Why", vi = "Vì sao" }
scope = "anywhere"
mode = "deny"
"""
SIDES = 'a = [{ action = "grant.add" }]\nb = [{ action = "audit.read" }]\n'


def document(kind: str, rest: str, head: str = HEAD) -> str:
    return f"version = 1\n[[{kind}]]\n{head}{rest}"


def test_each_kind_of_rule_is_read_with_all_that_it_says(shipped: Rules) -> None:
    text = document("duties", SIDES) + "".join(
        f"[[{kind}]]\n{HEAD.replace('one', kind)}{rest}"
        for kind, rest in (
            ("exclusive", 'roles = ["role:it.admin", "role:it.auditor"]\n'),
            ("holders", 'role = "role:it.admin"\nmost = 3\n'),
            ("prerequisite", 'role = "role:it.admin"\nneeds = ["role:it.clerk"]\n'),
        )
    )
    duties, exclusive, holders, needed = parse_separation(text, shipped).rules
    assert isinstance(duties, Duties)
    assert (duties.a, duties.b) == ((Permission("grant.add"),), (Permission("audit.read"),))
    assert (duties.scope, duties.mode, duties.title["vi"]) == (
        Scope.ANYWHERE,
        Mode.DENY,
        "Vì sao",
    )
    assert isinstance(exclusive, Exclusive)
    assert exclusive.most == 1
    assert isinstance(holders, Holders)
    assert holders.most == 3
    assert isinstance(needed, Prerequisite)
    assert needed.needs == ("role:it.clerk",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 2",
        "version = 1\n[[dutys]]",
        "not toml",
        document("duties", ""),
        document("duties", SIDES, HEAD.replace("deny", "refuse")),
        document("duties", SIDES, HEAD.replace("anywhere", "here")),
        document("duties", SIDES, HEAD.replace("one", "One two")),
        document("duties", SIDES, HEAD.replace(', vi = "Vì sao"', "")),
        document("duties", SIDES, HEAD.replace("Why", " ")),
        document("duties", SIDES + "most = 1\n"),
        document("duties", SIDES.replace("grant.add", "grant.give")),
        document("duties", SIDES.replace('"grant.add"', '"grant.add", object = "people"')),
        document("duties", SIDES.replace('"grant.add"', '"record.read", object = "nothing"')),
        document("duties", SIDES.replace('"grant.add"', '"record.read", class = "secret"')),
        document("duties", SIDES.replace('"grant.add"', '"record.list", class = "bank"')),
        document("duties", SIDES.replace("grant.add", "audit.read")),
        document("duties", SIDES) + f"[[duties]]\n{HEAD}{SIDES}",
        document("exclusive", 'roles = ["role:it.admin"]\n'),
        document("exclusive", 'roles = ["role:it.admin", "role:it.boss"]\n'),
        document("exclusive", 'roles = ["role:it.admin", "role:it.operator"]\n'),
        document("exclusive", 'roles = ["role:it.admin", "role:it.admin"]\n'),
        document("exclusive", 'roles = ["role:it.admin", "role:it.auditor"]\nmost = 2\n'),
        document("holders", 'role = "role:it.admin"\n'),
        document("holders", 'role = "role:it.admin"\nmost = true\n'),
        document("holders", 'role = "role:it.admin"\nmost = 0\n'),
        document("prerequisite", 'role = "role:it.admin"\nneeds = []\n'),
        document("prerequisite", 'role = "role:it.admin"\nneeds = ["role:it.admin"]\n'),
    ],
)
def test_what_is_not_understood_stops_the_start_and_names_the_file(
    shipped: Rules, text: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_separation(text, shipped)
    assert str(refused.value).startswith("separation.toml: ")


def test_a_file_that_is_missing_or_unreadable_stops_the_start(
    shipped: Rules, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_separation(tmp_path, shipped)
    (tmp_path / "separation.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_separation(tmp_path, shipped)


def test_no_shipped_role_breaks_a_shipped_rule_by_itself() -> None:
    collections = load_collections(POLICIES / "collections")
    rules = load_rules(
        POLICIES,
        {
            name: {field.name: str(field.sensitivity) for field in one.fields.values()}
            for name, one in collections.items()
        },
        {name: one.department for name, one in collections.items()},
    )
    separation = load_separation(POLICIES, rules)
    assert len(separation.rules) >= 10
    assert not role_conflicts(rules, separation)
