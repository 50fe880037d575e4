"""Conditions: a closed list, exact at its limits, careful when something is wrong."""

from __future__ import annotations

import pytest

from secvault.access import AccessContext
from secvault.access.conditions import Condition, Outcome, fires, outcome, read_condition

AT = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Outcome.HOLDS),
        (300 * SECOND, Outcome.HOLDS),
        (300 * SECOND + 1, Outcome.FAILS),
        (-5 * SECOND, Outcome.HOLDS),
        (-5 * SECOND - 1, Outcome.FAILS),
    ],
)
def test_a_second_factor_is_fresh_to_the_microsecond(age: int, expected: Outcome) -> None:
    context = AccessContext(AT, second_factor_at=AT - age)
    assert outcome(read_condition("aal2_fresh:300"), context) is expected


def test_without_a_second_factor_none_is_fresh() -> None:
    assert outcome(read_condition("aal2_fresh:86400"), AccessContext(AT)) is Outcome.FAILS


def test_recovering_holds_for_who_came_by_a_recovery_code_and_nobody_else() -> None:
    condition = read_condition("recovering")
    assert outcome(condition, AccessContext(AT, recovering=True)) is Outcome.HOLDS
    assert outcome(condition, AccessContext(AT, second_factor_at=AT)) is Outcome.FAILS


@pytest.mark.parametrize(
    ("makers", "acting", "expected"),
    [
        ({"user:1"}, {"user:2"}, Outcome.HOLDS),
        ({"user:1"}, {"user:1"}, Outcome.FAILS),
        ({"user:1", "user:2"}, {"svc:1", "user:2"}, Outcome.FAILS),
        (set(), {"user:2"}, Outcome.FAILS),
        (None, {"user:2"}, Outcome.BROKEN),
        ({"user:1"}, set(), Outcome.BROKEN),
    ],
)
def test_not_the_maker_is_who_is_known_not_to_be_one(
    makers: set[str] | None, acting: set[str], expected: Outcome
) -> None:
    known = None if makers is None else frozenset(makers)
    context = AccessContext(AT, acting=frozenset(acting), makers=known)
    assert outcome(read_condition("not_maker"), context) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not_maker:1",
        "recovering:1",
        "never",
        "Always",
        "always:1",
        "aal2_fresh",
        "aal2_fresh:0",
        "aal2_fresh:-1",
        "aal2_fresh:86401",
        "aal2_fresh:3e2",
        "aal2_fresh:٣",
        "aal2_fresh:300 ",
        "__import__('os')",
    ],
)
def test_what_is_not_on_the_list_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError):
        read_condition(text)


def test_a_condition_that_raises_opens_nothing_and_lifts_no_deny() -> None:
    def broken(_context: AccessContext) -> bool:
        raise ZeroDivisionError

    result = outcome(Condition(broken), AccessContext(AT))
    assert result is Outcome.BROKEN
    assert not fires(result, "allow")
    assert fires(result, "deny")


def test_an_unreadable_condition_counts_as_broken() -> None:
    assert outcome(None, AccessContext(AT)) is Outcome.BROKEN


def test_a_condition_that_fails_fires_neither_allow_nor_deny() -> None:
    assert not fires(Outcome.FAILS, "allow")
    assert not fires(Outcome.FAILS, "deny")
