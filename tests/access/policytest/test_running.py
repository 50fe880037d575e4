"""Answers that tests ask for: the decision's own, with its reasons when it is another one."""

from __future__ import annotations

import pytest

from secvault.access.policytest import check_policy_tests
from tests.access.policytest.small import COLLECTIONS, FIELDS, ROLES, TESTS, run, texts


def test_a_policy_that_answers_as_asked_passes() -> None:
    report = run()
    assert report.failures == ()
    assert report.coverage == 100
    assert report.faults() == ()
    assert report.answers == 9 + 4 + 9 + 1


def test_a_wrong_answer_is_told_with_place_expectation_and_reason() -> None:
    (failure,) = run(tests=TESTS.replace('["deny", "allow", "deny"]', '"deny"')).failures
    assert str(failure.place) == "tests/payroll.toml line 14, matrix 1 (Who sees what)"
    assert failure.what == "head record.read payroll, account in hr"
    assert (failure.expected, failure.actual) == ("deny", "allow")
    assert "rule head-bank of role:hr.head" in failure.why[0]
    assert "grant head-1" in failure.why[0]


def test_a_refusal_is_told_with_what_was_missing() -> None:
    (failure,) = run(
        tests=TESTS.replace("second_factor_age = 60", "second_factor_age = 301", 1)
    ).failures
    assert failure.actual == "deny (condition_failed)"
    assert failure.why[1] == "rule head-bank would allow it, given condition aal2_fresh:300"


CASE = """
[[case]]
subject = "{subject}"
department = "hr"
object = "payroll"
field = "{field}"
action = "record.read"
"""


@pytest.mark.parametrize(
    ("more", "fails"),
    [
        ('answer = "allow"', False),
        ('answer = "allow"\nrule = "head-bank"', False),
        ('answer = "allow"\nrule = "clerk-read"', True),
        ('answer = "deny"\nkind = "condition_failed"\nfacts = { second_factor_age = 301 }', False),
        ('answer = "deny"\nkind = "no_role"\nfacts = { second_factor_age = 301 }', True),
        ('answer = "allow"\nfacts = { second_factor_age = 300 }', False),
        ('answer = "allow"\nat = 2027-01-01T00:00:00Z', False),
        ('answer = "deny"\nfacts = { second_factor_at = 2026-11-03T09:54:00Z }', False),
        ('answer = "masked"', True),
    ],
)
def test_a_case_may_ask_for_the_rule_and_the_kind_of_refusal_under_facts_of_its_own(
    more: str, fails: bool
) -> None:
    case = CASE.format(subject="head", field="account") + more + "\n"
    assert bool(run(tests=TESTS + case).failures) is fails


def test_grants_count_from_their_start_until_their_end() -> None:
    tests = TESTS.replace(
        'grants = ["role:hr.head"]',
        'grants = [{ role = "role:hr.head", from = 2026-11-03T10:00:00Z,'
        " until = 2026-11-03T11:00:00Z }]",
    )
    for at, kind in (("09:59:59", "grant_not_started"), ("11:00:00", "grant_expired")):
        tests += CASE.format(subject="head", field="month")
        tests += f'answer = "deny"\nkind = "{kind}"\nat = 2026-11-03T{at}Z\n'
    assert run(tests=tests).failures == ()


def test_a_deny_counts_as_decisive_and_a_failed_condition_does_not() -> None:
    assert "suspended" not in {one.rule.id for one in run().uncovered}
    without = TESTS.replace(
        'account = ["deny", "allow", "deny"]', 'account = ["deny", "deny", "deny"]'
    )
    without = without.replace("second_factor_age = 60", "second_factor_age = 600")
    assert [one.rule.id for one in run(tests=without).uncovered] == ["head-bank"]


def test_an_uncovered_rule_comes_with_the_lines_that_cover_it() -> None:
    more = "p,role:hr.head,hr,employees,class:personal,record.update,always,allow,head-update\n"
    (found,) = run(ROLES + more).uncovered
    assert found.rule.line == 9
    assert run(ROLES + more, TESTS + "\n" + found.add).uncovered == ()


@pytest.mark.parametrize("missing", ["role:it.operator", "role:any.signed_in", "role:it.cryptor"])
def test_so_it_does_for_roles_that_nobody_is_granted_or_that_are_granted_anywhere(
    missing: str,
) -> None:
    more = f"p,{missing},*,vault,*,vault.status,always,allow,more\n"
    if missing == "role:it.operator":
        more += "g,local:operator,role:it.operator,*\n"
    (found,) = run(ROLES + more).uncovered
    report = run(ROLES + more, TESTS + "\n" + found.add)
    assert report.failures == ()
    assert report.uncovered == ()


def test_a_policy_without_tests_does_not_pass() -> None:
    bare = {name: text for name, text in texts().items() if not name.startswith("tests/")}
    faults = check_policy_tests(bare, FIELDS, COLLECTIONS).faults()
    assert "no test files" in faults[0]
