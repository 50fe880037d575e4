"""Conditions: a closed list, exact at its limits, careful when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access import (
    About,
    AccessContext,
    AccessRequest,
    Asker,
    Grant,
    Rules,
    build_snapshot,
    decide,
)
from secvault.access.conditions import (
    NOBODY,
    Condition,
    Outcome,
    fires,
    outcome,
    read_condition,
)
from secvault.access.could import could
from secvault.access.surroundings import Surroundings, read_blocks, read_form, read_hours

AT = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Outcome.HOLDS),
        (300 * SECOND, Outcome.HOLDS),
        (300 * SECOND + 1, Outcome.STALE),
        (-5 * SECOND, Outcome.HOLDS),
        (-5 * SECOND - 1, Outcome.STALE),
    ],
)
def test_a_second_factor_is_fresh_to_the_microsecond(age: int, expected: Outcome) -> None:
    context = AccessContext(AT, second_factor_at=AT - age)
    assert outcome(read_condition("aal2_fresh:300"), context) is expected


def test_without_a_second_factor_none_is_fresh() -> None:
    assert outcome(read_condition("aal2_fresh:86400"), AccessContext(AT)) is Outcome.STALE


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


ME = Asker("nv-0042", frozenset({"line a", "kho"}))
COMPANY = Surroundings(
    read_hours("mon-fri@08:00-17:30@Asia/Ho_Chi_Minh"),
    networks={"office": read_blocks(["10.20.0.0/16", "2001:db8::/32"])},
    tickets=(read_form("OPS-#"),),
)
# A Wednesday, 05:13 in Ho Chi Minh City.
HERE = AccessContext(AT, AT, address="10.20.3.4", ticket="OPS-7", asker=ME, surroundings=COMPANY)


@pytest.mark.parametrize(
    ("asker", "about", "own", "team"),
    [
        (ME, About("nv-0042", "kho"), "holds", "holds"),
        (ME, About("nv-0043", "line b"), "fails", "fails"),
        # What is not known is neither met nor unmet; what is about nobody is not about them.
        (ME, None, "broken", "broken"),
        (ME, About(None, None), "broken", "broken"),
        (ME, About("", ""), "fails", "fails"),
        (Asker(), About("nv-0042", "kho"), "broken", "fails"),
        (Asker(), About("", ""), "fails", "fails"),
        # A calling system has no records of its own.
        (NOBODY, About("nv-0042", "kho"), "fails", "fails"),
        (NOBODY, None, "fails", "fails"),
    ],
)
def test_a_record_is_ones_own_only_when_both_sides_are_known(
    asker: Asker, about: About | None, own: str, team: str
) -> None:
    context = AccessContext(AT, asker=asker, about=about)
    assert outcome(read_condition("own_record"), context).value == own
    assert outcome(read_condition("own_team"), context).value == team


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("business_hours", {}, "fails"),
        ("business_hours", {"at": AT + 4 * 3600 * SECOND}, "holds"),
        ("business_hours", {"surroundings": Surroundings()}, "broken"),
        ("business_hours:wed@05:00-06:00@Asia/Ho_Chi_Minh", {}, "holds"),
        ("business_hours:wed@05:00-06:00@UTC", {}, "fails"),
        ("network:office", {}, "holds"),
        ("network:office", {"address": "2001:db8::7"}, "holds"),
        ("network:office", {"address": "192.0.2.1"}, "fails"),
        ("network:office", {"address": ""}, "broken"),
        ("network:office", {"address": "unix"}, "broken"),
        ("network:home", {}, "broken"),
        ("ticket", {}, "holds"),
        ("ticket", {"ticket": ""}, "fails"),
        ("ticket", {"ticket": "OPS-x"}, "fails"),
        ("ticket", {"surroundings": Surroundings()}, "broken"),
    ],
)
def test_where_when_and_under_which_ticket(
    text: str, changes: dict[str, object], expected: str
) -> None:
    context = replace(HERE, **changes)
    assert outcome(read_condition(text), context).value == expected


@pytest.mark.parametrize(
    "text",
    [
        "own_record:1",
        "own_team:kho",
        "ticket:OPS-1",
        "network",
        "network:",
        "network:Office",
        "network:a b",
        "network:10.0.0.0/8",
        "business_hours:",
        "business_hours:9to5",
        "own_record and",
        "own_record and always",
        "own_record and own_record",
        "own_record and never",
        "own_record  and ticket",
        "own_record or ticket",
        "a and b and c and d and e",
    ],
)
def test_parameters_and_joined_conditions_are_read_strictly(text: str) -> None:
    with pytest.raises(ValueError):
        read_condition(text)


def _single(result: Outcome) -> Condition:
    def holds(_context: AccessContext) -> bool:
        if result is Outcome.BROKEN:
            raise ZeroDivisionError
        return result is Outcome.HOLDS

    return Condition(holds, step_up=60 if result is Outcome.STALE else None)


@given(st.lists(st.sampled_from(Outcome), min_size=2, max_size=4))
def test_joined_conditions_hold_together_and_one_that_fails_decides(results: list[Outcome]) -> None:
    registry = {f"c{number}": lambda _p, r=r: _single(r) for number, r in enumerate(results)}
    joined = read_condition(" and ".join(registry), registry)
    found = outcome(joined, AccessContext(AT))
    assert (found is Outcome.HOLDS) is (set(results) == {Outcome.HOLDS})
    # A deny fires where it is not certain that one of them does not hold.
    if Outcome.BROKEN in results:
        assert fires(found, "deny") is (Outcome.FAILS not in results)
    # Only where nothing else is missing does a fresh factor help.
    assert (found is Outcome.STALE) is (
        Outcome.STALE in results and set(results) <= {Outcome.STALE, Outcome.HOLDS}
    )
    assert (found is Outcome.FAILS) is (Outcome.FAILS in results)


def test_who_could_is_asked_whenever_and_from_wherever_they_might(
    parse: Callable[[str], Rules],
) -> None:
    rules = parse(
        "p,role:hr.clerk,hr,payroll,*,record.list,network:office and business_hours,allow,list\n"
        "p,role:hr.clerk,hr,payroll,*,record.list,network:guests,deny,not-guests\n"
        "p,role:hr.clerk,hr,payroll,*,record.delete,own_record,allow,delete\n"
    )
    grant = Grant("g", "user:1", "role:hr.clerk", "hr", 0, None, "user:2", 0)
    snapshot = build_snapshot(rules, [grant], epoch=1, at=AT)

    def request(subject: str, action: str) -> AccessRequest:
        return AccessRequest(subject, "hr", "payroll", "*", action, AccessContext(AT))

    assert not decide(snapshot, request("user:1", "record.list")).allowed
    assert could(snapshot, request("user:1", "record.list"))
    assert not could(snapshot, request("user:2", "record.list"))
    # What is about the record does not pass by waiting.
    assert not could(snapshot, request("user:1", "record.delete"))


def test_a_refusal_says_when_it_is_allowed(parse: Callable[[str], Rules]) -> None:
    rules = parse("p,role:hr.clerk,hr,payroll,*,record.list,ticket,allow,list\n")
    grant = Grant("g", "user:1", "role:hr.clerk", "hr", 0, None, "user:2", 0)
    snapshot = build_snapshot(rules, [grant], epoch=1, at=AT)
    context = replace(HERE, ticket="")
    refused = decide(
        snapshot, AccessRequest("user:1", "hr", "payroll", "*", "record.list", context)
    )
    assert refused.reason_user == "This is allowed only when you name a ticket."
    assert [miss.condition for miss in refused.near_misses] == ["ticket"]
    assert refused.step_up is None
