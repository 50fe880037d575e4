"""Who is refused by the copy's policy, and who is not, is read out of its rules."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from secvault.access.rows import Link, Rule
from secvault.access.vocabulary import SIGNED_IN
from secvault.service.drill_levels.fields import Opened
from secvault.service.drill_levels.questions import _is_for_everybody

PAYSLIP = Opened("payroll", "hr", "pay-1", "bank_account")


def rule(sub: str, dom: str, obj: str, act: str, cond: str = "always") -> Rule:
    return Rule(sub, dom, obj, "*", act, cond, "allow", "a-rule")


@pytest.mark.parametrize(
    ("rules", "links", "open_to_all"),
    [
        ((), (), False),
        ((rule("role:hr.clerk", "hr", "*", "record.read"),), (), False),
        ((rule(SIGNED_IN, "*", "session", "session.self"),), (), False),
        ((rule(SIGNED_IN, "*", "*", "collection.read"),), (), False),
        ((rule(SIGNED_IN, "accounting", "*", "record.list"),), (), False),
        ((rule(SIGNED_IN, "hr", "payroll", "record.list", "own_record"),), (), False),
        ((rule(SIGNED_IN, "hr", "payroll", "record.list"),), (), True),
        ((rule(SIGNED_IN, "*", "*", "*"),), (), True),
        (
            (rule("role:hr.clerk", "hr", "*", "record.read"),),
            (
                Link(SIGNED_IN, "role:hr.guest", "hr"),
                Link("role:hr.guest", "role:hr.clerk", "hr"),
            ),
            True,
        ),
    ],
)
def test_a_record_is_for_everybody_where_a_rule_of_whoever_is_signed_in_reaches_it(
    rules: tuple[Rule, ...], links: tuple[Link, ...], *, open_to_all: bool
) -> None:
    policy = SimpleNamespace(rules=rules, links=links)
    assert _is_for_everybody(policy, PAYSLIP) is open_to_all  # type: ignore[arg-type]
