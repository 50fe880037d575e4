"""Test files are read strictly: what would test nothing is refused with file and place."""

from __future__ import annotations

import pytest

from secvault.errors import ConfigurationError
from tests.access.policytest.small import TESTS, run

MATRIX = '[[matrix]]\nsubjects = ["clerk"]\ndepartment = "hr"\n'


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("title =", "titel =", "'titel' is not known"),
        ("title = \"Payroll\"", "title = 3", "title must be a text"),
        ("10:00:00Z", "10:00:00", "with an offset"),
        ("now = 2026-11-03T10:00:00Z", "now = 5", "now must be a date and time"),
        ("role:hr.clerk\"]", "role:hr.clark\"]", "there is no 'role:hr.clark'"),
        ('department = "*" }', 'department = "hq" }', "department: there are"),
        ('["role:hr.clerk"]', '[{ role = "role:hr.clerk", til = 1 }]', "'til' is not known"),
        ('["role:hr.clerk"]', "[5]", "grants must be a table"),
        ('["role:hr.clerk"]\n', '["role:hr.clerk"]\nid = "clerk"\n', "id 'clerk' must be"),
        ('["role:hr.clerk"]\n', '["role:hr.clerk"]\nid = "user:head"\n', "have one id"),
        ("second_factor_age", "second_factor_aeg", "no 'second_factor_aeg'"),
        ("second_factor_age = 60", 'second_factor_age = "60"', "whole seconds"),
        ("second_factor_age = 60", "recovering = 1", "recovering: Expected `bool`"),
        ('"clerk", "head", "suspended"', '"clerk", "boss", "suspended"', "there is no 'boss'"),
        ('"clerk", "head", "suspended"', '"clerk", "clerk", "suspended"', "there twice"),
        ('department = "hr"', 'department = "hq"', "there is no 'hq'"),
        ('objects = ["payroll"]', 'objects = ["pay"]', "'pay' cannot be the object"),
        ('objects = ["payroll"]', 'objects = ["invoices"]', "invoices belongs to accounting"),
        ('"record.read"', '"record.raed"', "there is no 'record.raed'"),
        ("gross =", "grass =", "has no field 'grass'"),
        ("gross =", '"class:wages" =', "there is no 'class:wages'"),
        ('["masked", "masked", "deny"]', '["masked", "deny"]', "2 answers for 3 subjects"),
        ('["masked", "masked", "deny"]', '["masked", "yes", "deny"]', "the answers are"),
        ('"record.list" = ["allow"', '"record.list" = ["masked"', "an answer to record.read"),
        ('title = "Who sees what"', 'titel = "Who"', "'titel' is not known here"),
        ("[[second_person]]", "[second_person]", "write [[second_person]]"),
        ('actions = ["grant.add"]', "actions = []", "must name at least one"),
        ("title = ", "title = = ", "is not TOML"),
    ],
)  # fmt: skip
def test_a_file_with_a_fault_is_refused_and_says_where(before: str, after: str, named: str) -> None:
    assert before in TESTS
    with pytest.raises(ConfigurationError) as refused:
        run(tests=TESTS.replace(before, after, 1))
    assert refused.value.detail.startswith("tests/payroll.toml")
    assert named in refused.value.detail


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (MATRIX + 'actions = ["record.list"]', "by fields, or by one answer"),
        (MATRIX + 'actions = ["record.list"]\nfields = { month = "allow" }', "about no field"),
        (MATRIX + 'actions = { "record.list" = "allow" }\nanswer = "deny"', "without fields"),
        (MATRIX + 'answer = "allow"', "actions must be a list of names"),
        ('[[only]]\nroles = ["role:hr.boss"]\nactions = ["record.read"]', "'role:hr.boss'"),
        ('[[only]]\nroles = ["role:hr.head"]', "actions must be a list"),
        ('[[only]]\nroles = ["role:hr.head"]\nactions = ["key.reed"]', "'key.reed'"),
        ('[[needs]]\nconditions = ["fresh"]\nactions = ["key.read"]', "is not a condition"),
        ('[[exactly]]\nrole = "hr.head"\nactions = ["key.read"]', "'hr.head'"),
        ('[[nobody]]\nmay = { actions = ["key.read"] }', "actions must be a list"),
        ('[[justified]]\nmutant = "x"', "reason must be a text"),
        ('[[second_person]]\nactions = ["grant.add"]\npeople = 0', "people must be 1 to 9"),
        ('[[case]]\nsubject = "clerk"\ndepartment = "*"', "there is no '*'"),
    ],
)
def test_so_is_an_entry_that_asks_for_nothing_or_for_what_is_not_there(
    more: str, named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        run(tests=f"{TESTS}\n{more}\n")
    assert named in refused.value.detail


def test_the_place_has_the_line_of_the_entry() -> None:
    with pytest.raises(ConfigurationError) as refused:
        run(tests=f'{TESTS}\n[[only]]\nactions = ["record.read"]\nroles = []\n')
    assert refused.value.detail.startswith("tests/payroll.toml line 41, only 1: roles")
