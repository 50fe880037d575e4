"""The compiled table answers what Casbin answers, whatever the policy."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.access import (
    AccessContext,
    AccessRequest,
    Grant,
    Rules,
    build_snapshot,
    decide,
    decide_fields,
)
from secvault.access.rows import Case, Rule
from secvault.access.rules import assemble
from secvault.access.vocabulary import field_matches
from tests.access import random_policies as policies
from tests.access.random_policies import AT, REGISTRY, Oracle, World

pytestmark = pytest.mark.slow

POLICIES = int(os.environ.get("SVTEST_POLICIES", "200"))
"""How many random policies are tried; 10,000 at night, see CONTRIBUTING.md."""

often = settings(
    max_examples=POLICIES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.timeout(300 + POLICIES)
@often
@given(st.data())
def test_the_table_and_the_reasons_equal_casbin(model: str, data: st.DataObject) -> None:
    world = data.draw(policies.worlds(model))
    earlier = world.grants[: data.draw(st.integers(0, len(world.grants)))]
    first = build_snapshot(world.rules, earlier, epoch=1, at=AT - 1, registry=REGISTRY)
    fresh = build_snapshot(world.rules, world.grants, epoch=2, at=AT - 1, registry=REGISTRY)
    derived = build_snapshot(
        world.rules, world.grants, epoch=2, at=AT, registry=REGISTRY, before=first
    )
    oracles: dict[int, Oracle] = {}
    for request in data.draw(st.lists(policies.requests(), min_size=4, max_size=10)):
        at = request.context.at
        oracle = oracles.setdefault(at, Oracle(model, world, at))
        expected = oracle.allows(request)
        for built in (fresh, derived):
            snapshot = built.at(at)
            assert snapshot is not None
            decision = decide(snapshot, request)
            assert decision.allowed is expected, (request, decision.reason_admin)
            # The reasons come from the rows, on their own way, and name the same rule.
            finding = decision.reasons.finding
            assert finding.allowed is expected
            assert finding.kind != "engine_error"
            if expected:
                assert decision.rule == finding.rule
            assert all(name in snapshot.basis.conditions for name, _ in decision.outcomes)


@settings(max_examples=50)
@given(st.data())
def test_many_fields_at_once_are_decided_as_one_by_one(model: str, data: st.DataObject) -> None:
    world = data.draw(policies.worlds(model))
    snapshot = build_snapshot(world.rules, world.grants, epoch=1, at=AT, registry=REGISTRY)
    asked = data.draw(policies.requests())
    context = AccessContext(AT)
    fields = ["period", "bank_account", "nonsense", "desk", "*"]
    for department in ("hr", "accounting", "sales"):
        place = (asked.subject, department, "payroll")
        at_once = decide_fields(
            snapshot,
            subject=asked.subject,
            department=department,
            collection="payroll",
            fields=fields,
            action="record.read",
            context=context,
            narrowing=asked.narrowing,
        )
        for field, one in at_once.items():
            request = AccessRequest(*place, field, "record.read", context, asked.narrowing)
            alone = decide(snapshot, request)
            assert (one.kind, one.rule, one.reason_admin) == (
                alone.kind,
                alone.rule,
                alone.reason_admin,
            )


def test_of_every_two_rules_of_a_small_language_the_answer_is_casbins(model: str) -> None:
    rows = itertools.product(
        ["hr", "*"], ["payroll", "*"], ["*", "class:bank"], ["record.read", "*"], ["allow", "deny"]
    )
    rows_of_one = list(rows)
    holder = Grant("g1", "user:1", "role:hr.a", "hr", 0, None, "local:operator", 0)
    second = Grant("g2", "user:1", "role:hr.b", "hr", 0, None, "local:operator", 0)
    count = 0
    conditions = itertools.cycle(["yes", "no", "broken"])
    for (dom, obj, fld, act, eft), other in itertools.product(rows_of_one, repeat=2):
        rules = (
            Rule("role:hr.a", dom, obj, fld, act, "always", eft, "one"),
            Rule("role:hr.b", *other[:4], next(conditions), other[4], "two"),
        )
        world = World(assemble(model, rules, (), policies.FIELDS, policies.HOME), (holder, second))
        snapshot = build_snapshot(world.rules, world.grants, epoch=1, at=AT, registry=REGISTRY)
        oracle = Oracle(model, world, AT)
        for field in ("*", "period", "bank_account"):
            request = AccessRequest(
                "user:1", "hr", "payroll", field, "record.read", AccessContext(AT)
            )
            assert decide(snapshot, request).allowed is oracle.allows(request), (rules, field)
            count += 1
    assert count == 32 * 32 * 3


def test_the_words_of_the_oracle_are_those_of_the_product() -> None:
    for obj, classes in policies.FIELDS.items():
        for field in ("*", *classes):
            for pattern in ("*", "class:bank", "class:normal", "period", "full_name"):
                for effect in ("allow", "deny"):
                    asked: tuple[Any, ...] = (obj, field, pattern, effect)
                    said = policies._field_match(*asked)
                    assert said is field_matches(policies.FIELDS, *asked), asked


@pytest.mark.parametrize("engine", ["casbin", "verify"])
@settings(max_examples=25)
@given(data=st.data())
def test_casbin_and_verify_answer_the_same(model: str, engine: Any, data: st.DataObject) -> None:
    world = data.draw(policies.worlds(model))
    told: list[str] = []
    table = build_snapshot(world.rules, world.grants, epoch=1, at=AT, registry=REGISTRY)
    slow = build_snapshot(
        world.rules,
        world.grants,
        epoch=1,
        at=AT,
        registry=REGISTRY,
        engine=engine,
        alarm=lambda event, **_facts: told.append(event),
    )
    for request in data.draw(st.lists(policies.requests(), min_size=3, max_size=6)):
        asked = request.context.at
        one, other = table.at(asked), slow.at(asked)
        assert one is not None
        assert other is not None
        by_table, by_casbin = decide(one, request), decide(other, request)
        for name in ("allowed", "kind", "rule", "via", "reason_user", "reason_admin"):
            assert getattr(by_table, name) == getattr(by_casbin, name), (request, name)
    assert told == []


def test_in_verify_a_table_that_errs_answers_nobody_and_raises_an_alarm(
    with_deny: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    clerk = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "local:operator", 0)
    snapshot = build_snapshot(
        with_deny,
        [clerk],
        epoch=1,
        at=AT,
        engine="verify",
        alarm=lambda event, **facts: told.append((event, facts)),
    )
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))
    assert decide(snapshot, request).allowed
    masks: Any = snapshot.table.masks
    monkeypatch.setitem(masks, ("user:1", "hr"), 0)
    decision = decide(snapshot, request)
    assert (decision.allowed, decision.kind) == (False, "engine_error")
    assert [event for event, _ in told] == ["access.engines_disagree"]
    assert told[0][1]["action"] == "record.read"


def test_a_yes_of_the_table_that_the_rows_do_not_bear_out_says_so_when_looked_at(
    with_deny: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    snapshot = build_snapshot(
        with_deny, [], epoch=1, at=AT, alarm=lambda event, **_facts: told.append(event)
    )
    masks: Any = snapshot.table.masks
    clerk = snapshot.table.rules.closure("hr", "hr", "role:hr.clerk")
    monkeypatch.setitem(masks, ("user:1", "hr"), clerk)
    request = AccessRequest("user:1", "hr", "payroll", "*", "record.read", AccessContext(AT))
    assert "disagree" in decide(snapshot, request).reason_admin
    assert told == ["access.engines_disagree"]


def test_rules_and_grants_that_stay_are_not_compiled_again(
    with_deny: Rules, parse: Callable[[str], Rules]
) -> None:
    clerks = [
        Grant(f"g{n}", f"user:{n}", "role:hr.clerk", "hr", 0, None, "local:operator", 0)
        for n in range(50)
    ]
    first = build_snapshot(with_deny, clerks[:-1], epoch=1, at=AT)
    second = build_snapshot(with_deny, clerks, epoch=2, at=AT, before=first)
    assert second.table.rules is first.table.rules
    assert second.table.masks[("user:3", "hr")] is first.table.masks[("user:3", "hr")]
    assert ("user:49", "hr") not in first.table.masks
    assert ("user:49", "hr") in second.table.masks
    third = build_snapshot(with_deny, clerks[1:], epoch=3, at=AT, before=second)
    assert ("user:0", "hr") not in third.table.masks
    other = parse("p,role:hr.clerk,hr,payroll,*,record.list,always,allow,list\n")
    fourth = build_snapshot(other, clerks, epoch=4, at=AT, before=third)
    assert fourth.table.rules is not third.table.rules


def test_time_moves_the_window_of_a_snapshot_and_builds_nothing(with_deny: Rules) -> None:
    ending = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, AT + 5, "local:operator", 0)
    starting = Grant("g2", "user:2", "role:hr.clerk", "hr", AT + 9, None, "local:operator", 0)
    snapshot = build_snapshot(with_deny, [ending, starting], epoch=1, at=AT)
    windows = []
    for moment in (AT, AT + 4, AT + 5, AT + 8, AT + 9):
        there = snapshot.at(moment)
        assert there is not None
        assert there.table is snapshot.table
        windows.append((there.valid_from, there.valid_until))
    assert windows == [
        (0, AT + 5),
        (0, AT + 5),
        (AT + 5, AT + 9),
        (AT + 5, AT + 9),
        (AT + 9, None),
    ]


def test_a_table_answers_for_no_moment_before_its_own(with_deny: Rules) -> None:
    began = AT - 10**9
    past = Grant("g1", "user:1", "role:hr.clerk", "hr", began, None, "local:operator", 0)
    snapshot = build_snapshot(with_deny, [past], epoch=1, at=AT)
    assert snapshot.at(AT - 10**6) is snapshot
    assert snapshot.at(began - 1) is None
    context = AccessContext(began - 1)
    request = AccessRequest("user:1", "hr", "payroll", "*", "record.read", context)
    assert decide(snapshot, request).kind == "stale_policy"


def test_names_asked_for_in_passing_are_not_kept_for_ever(shipped: Rules) -> None:
    compiled = build_snapshot(shipped, [], epoch=1, at=AT).table.rules
    for number in range(17_000):
        assert compiled.cell("it", f"transit/k{number}", "*", "data.encrypt") is not None
        assert compiled.cell("it", f"transit//{number}", "*", "data.encrypt") is None
    assert len(compiled._cells) <= 16_384
    assert Case("", "it", "transit//1", "*", "data.encrypt")[1:] not in compiled._cells
