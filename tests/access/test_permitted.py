"""The list of what is permitted says the same as the decisions, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from secvault.access import (
    AccessContext,
    AccessRequest,
    Grant,
    Rules,
    build_snapshot,
    decide,
)
from secvault.access.conditions import CONDITIONS, Condition, Registry
from secvault.access.permitted import Permitted, permitted
from secvault.access.scope import scope
from secvault.access.vocabulary import COLLECTIONS

AT = 1_700_000_000_000_000
Parse = Callable[[str], Rules]


def granted(role: str, department: str = "hr", end: int | None = None) -> Grant:
    return Grant(f"g-{role}-{department}", "user:1", role, department, 0, end, "local:operator", 0)


def ask(rules: Rules, *grants: Grant, action: str = "record.list", **more: object) -> object:
    registry: Registry = more.pop("registry", CONDITIONS)  # type: ignore[assignment]
    context = more.pop("context", AccessContext(AT))
    snapshot = build_snapshot(rules, grants, epoch=1, at=AT, registry=registry)
    return permitted(snapshot, "user:1", action, context, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["role:hr.clerk", "role:hr.head", "role:it.auditor"])
@pytest.mark.parametrize("action", ["record.list", "record.read", "record.delete", "vault.status"])
def test_of_the_shipped_policy_exactly_what_decisions_allow_is_listed(
    shipped: Rules, role: str, action: str
) -> None:
    grant = granted(role, "hr" if role.startswith("role:hr") else "*")
    snapshot = build_snapshot(shipped, [grant], epoch=1, at=AT)
    context = AccessContext(AT, AT)
    listed = permitted(snapshot, "user:1", action, context)
    assert all(one.conditions == ((),) and not one.unless for one in listed)
    allowed = {
        (department, name)
        for name, department in {**COLLECTIONS, "vault": "it"}.items()
        if decide(snapshot, AccessRequest("user:1", department, name, "*", action, context)).allowed
    }
    if action == "vault.status":
        listed = tuple(one for one in listed if one.department == "it")
    assert {(one.department, one.object) for one in listed} == allowed


def test_a_condition_about_the_object_is_left_open_and_others_are_decided(parse: Parse) -> None:
    rules = parse(
        "p,role:hr.clerk,hr,payroll,*,record.list,always,allow,all\n"
        "p,role:hr.clerk,hr,employees,*,record.list,aal2_fresh:300,allow,fresh\n"
        "p,role:hr.clerk,hr,contracts,*,record.list,recovering,allow,own\n"
        "p,role:hr.clerk,hr,payroll,*,record.list,recovering,deny,not-own\n"
    )
    registry = MappingProxyType(
        {
            **CONDITIONS,
            "recovering": lambda _text: Condition(lambda _context: False, about_object=True),
        }
    )
    clerk = granted("role:hr.clerk")
    assert ask(rules, clerk, registry=registry) == (
        Permitted("hr", "contracts", (("recovering",),)),
        Permitted("hr", "payroll", ((),), (("recovering",),)),
    )
    fresh = replace(AccessContext(AT), second_factor_at=AT)
    listed = ask(rules, clerk, registry=registry, context=fresh)
    assert Permitted("hr", "employees", ((),)) in listed  # type: ignore[operator]


def test_joined_conditions_are_taken_apart(parse: Parse) -> None:
    rules = parse("p,role:hr.clerk,hr,payroll,*,record.list,recovering,allow,own\n")
    own = Condition(lambda _context: False, about_object=True)
    yes, no = Condition(lambda _context: True), Condition(lambda _context: False)

    def registry(*parts: tuple[str, Condition]) -> Mapping[str, Callable[[str], Condition]]:
        joined = Condition(lambda _context: False, parts=parts)
        return {**CONDITIONS, "recovering": lambda _text: joined}

    clerk = granted("role:hr.clerk")
    both = registry(("own", own), ("yes", yes), ("team", own))
    assert ask(rules, clerk, registry=both) == (Permitted("hr", "payroll", (("own", "team"),)),)
    assert ask(rules, clerk, registry=registry(("own", own), ("no", no))) == ()


def test_a_denied_key_is_an_exception_from_all_others(parse: Parse) -> None:
    rules = parse(
        "p,role:hr.keys,hr,*,*,data.encrypt,always,allow,any\n"
        "p,role:hr.keys,hr,transit/root,*,data.encrypt,always,deny,never\n"
    )
    keys = granted("role:hr.keys")
    assert ask(rules, keys, action="data.encrypt") == (
        Permitted("hr", "*", ((),)),
        Permitted("hr", "transit/root", ()),
    )
    narrowed = (scope(objects=["transit/a", "transit/root"]),)
    assert ask(rules, keys, action="data.encrypt", narrowing=narrowed) == (
        Permitted("hr", "transit/a", ((),)),
    )


def test_nothing_is_listed_for_what_does_not_exist_or_is_over(with_deny: Rules) -> None:
    clerk = granted("role:hr.clerk")
    assert ask(with_deny, clerk, action="record.burn") == ()
    assert ask(with_deny, granted("role:hr.clerk", end=AT), action="record.read") == ()
    assert ask(with_deny, clerk, granted("role:hr.suspended"), action="record.read") == ()
    assert ask(with_deny, clerk, action="record.read", departments=["sales"]) == ()
    assert ask(with_deny, granted("role:hr.payer"), action="record.read", field="nonsense") == ()


def test_a_field_is_asked_for_by_its_class(with_deny: Rules) -> None:
    fresh = AccessContext(AT, AT)
    bank = {"action": "record.read", "field": "bank_account"}
    assert ask(with_deny, granted("role:hr.clerk"), context=fresh, **bank) == ()
    listed = ask(with_deny, granted("role:hr.payer"), context=fresh, **bank)
    assert listed == (Permitted("hr", "payroll", ((),)),)
