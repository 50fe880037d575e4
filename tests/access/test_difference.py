"""Gains and losses between two policies: exactly those that decisions show, and quickly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.difference import Access, access_of, difference, gains, losses
from secvault.access.rules import assemble, parse_rules
from secvault.access.vocabulary import IN_ANY_DEPARTMENT, SIGNED_IN

AT = 1_700_000_000_000_000
FIELDS = {
    "payroll": {"period": "normal", "gross_salary": "salary"},
    "employees": {"full_name": "personal"},
    "invoices": {"number": "normal"},
}
HOMES = {"payroll": "hr", "employees": "hr", "invoices": "accounting"}
ROLES = ("role:hr.clerk", "role:hr.head", "role:it.auditor", "role:it.admin", SIGNED_IN)
CONDITIONS = ("always", "aal2_fresh:300", "recovering")
CONTEXTS = [
    AccessContext(AT, second_factor_at=factor, recovering=recovering)
    for factor in (None, AT)
    for recovering in (False, True)
]
CELLS = [
    *product(("record.read",), ("*",), ("*",)),
    *product(("record.read",), ("payroll",), ("*", "period", "gross_salary")),
    *product(("record.read",), ("employees",), ("*", "full_name")),
    ("record.read", "invoices", "*"),
    ("record.list", "payroll", "*"),
    ("key.rotate", "*", "*"),
    ("key.rotate", "transit/a", "*"),
    ("key.rotate", "transit/b", "*"),
    ("backup.run", "nightly", "*"),
    ("grant.read", "grants", "*"),
]
WHERES = ("hr", "it", "accounting")
Wanted = Mapping[tuple[str, str, tuple[str, str, str]], tuple[bool, bool]]

about = st.sampled_from(
    [
        ("record.read", "payroll", "*"),
        ("record.read", "payroll", "class:salary"),
        ("record.read", "payroll", "gross_salary"),
        ("record.read", "*", "*"),
        ("record.read", "*", "class:personal"),
        ("record.list", "*", "*"),
        ("key.rotate", "*", "*"),
        ("key.rotate", "transit/a", "*"),
        ("backup.run", "nightly", "*"),
        ("grant.read", "grants", "*"),
        ("*", "payroll", "*"),
    ]
)
rule = st.tuples(
    st.sampled_from(ROLES), about, st.sampled_from(CONDITIONS), st.sampled_from(("allow", "deny"))
)
# No two rows that only differ in their effect: a policy refuses them.
rows = st.lists(rule, min_size=1, max_size=8, unique_by=lambda one: one[:3])
policies = st.tuples(rows, st.booleans(), st.booleans())
grant = st.sampled_from(
    [
        ("user:1", "role:hr.clerk", "hr"),
        ("user:1", "role:hr.head", "hr"),
        ("user:1", "role:it.auditor", "*"),
        ("user:1", "role:it.admin", "it"),
        ("svc:2", "role:it.auditor", "hr"),
        ("svc:2", "role:it.admin", "hr"),
        ("svc:2", "role:hr.head", "hr"),
    ]
)
Drawn = tuple[list[tuple[str, tuple[str, str, str], str, str]], bool, bool]


def policy_of(model: str, drawn: Drawn) -> Rules:
    """The drawn policy. The second flag moves a field to another class and takes one away."""
    rows, inherits, reclassed = drawn
    fields = {**FIELDS, "payroll": {"period": "salary"}} if reclassed else FIELDS
    text = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
    for number, (role, (act, obj, fld), cond, eft) in enumerate(rows):
        where = "*" if role in IN_ANY_DEPARTMENT else "hr"
        effect = "deny" if act == "*" else eft
        if fld != "gross_salary" or not reclassed:
            text += f"p,{role},{where},{obj},{fld},{act},{cond},{effect},r{number}\n"
    text += "p,role:hr.clerk,hr,employees,*,collection.read,always,allow,least\n"
    if inherits:
        text += "g,role:hr.head,role:hr.clerk,hr\n"
    return parse_rules(model, text, fields, HOMES)


def grants_of(given: frozenset[tuple[str, str, str]]) -> list[Grant]:
    return [
        Grant(f"g{number}", *one, 0, None, "local:operator", 0)
        for number, one in enumerate(sorted(given))
    ]


def decided(before: Rules, after: Rules, grants: list[Grant]) -> Wanted:
    """What decisions say: for each holder and cell, whether something was gained, and lost."""
    old, new = (build_snapshot(one, grants, epoch=1, at=AT) for one in (before, after))
    found = {}
    for who, where, (action, obj, field) in product({g.subject for g in grants}, WHERES, CELLS):
        sides = [
            [
                decide(one, AccessRequest(who, where, obj, field, action, context)).allowed
                for context in CONTEXTS
            ]
            for one in (old, new)
        ]
        pairs = set(zip(*sides, strict=True))
        if changed := ((False, True) in pairs, (True, False) in pairs):
            found[who, where, (action, obj, field)] = changed
    return {key: changed for key, changed in found.items() if any(changed)}


def found_by(before: Rules, after: Rules, grants: list[Grant]) -> Wanted:
    """The same from the difference."""
    return {
        (who, where, (change.action, change.object, field)): (change.gained, change.lost)
        for who, changes in difference(before, after, grants).items()
        if who.startswith(("user:", "svc:"))
        for change in changes
        for where, field in product(change.departments, change.fields or ("*",))
        if where in WHERES and _known(change.action, change.object, field)
    }


def _known(action: str, obj: str, field: str) -> bool:
    # A named object that only the other cells speak for is alike to `*`.
    return (action, obj, field) in CELLS


def _alike(wanted: Wanted, named: set[str]) -> Wanted:
    """Without the objects that no rule names: the difference says them under `*`."""
    return {key: it for key, it in wanted.items() if "/" not in key[2][1] or key[2][1] in named}


@given(policies, policies, st.frozensets(grant, min_size=1, max_size=4))
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_the_difference_is_exactly_what_decisions_show_in_every_case(
    model: str, first: Drawn, second: Drawn, given_roles: frozenset[tuple[str, str, str]]
) -> None:
    before, after = policy_of(model, first), policy_of(model, second)
    grants = grants_of(given_roles)
    named = {r.obj for one in (before, after) for r in one.rules}
    wanted = _alike(decided(before, after, grants), named)
    wanted = {k: v for k, v in wanted.items() if k[2][1] != "nightly" or "nightly" in named}
    assert found_by(before, after, grants) == wanted


opened = st.frozensets(st.sampled_from(CONDITIONS))


@given(opened, opened, opened, opened)
def test_one_access_covers_another_exactly_when_it_does_in_every_case(
    allow: frozenset[str], deny: frozenset[str], allow2: frozenset[str], deny2: frozenset[str]
) -> None:
    def cases(allowing: frozenset[str], denying: frozenset[str]) -> Iterator[bool]:
        for held in product((False, True), repeat=2):
            true = {"always", *(one for one, it in zip(CONDITIONS[1:], held, strict=True) if it)}
            yield bool(allowing & true) and not denying & true

    one, other = access_of(allow, deny), access_of(allow2, deny2)
    sides = list(zip(cases(allow, deny), cases(allow2, deny2), strict=True))
    assert one.covers(other) == all(mine or not theirs for mine, theirs in sides)
    assert (one == other) == all(mine == theirs for mine, theirs in sides)


def test_access_is_said_in_words() -> None:
    assert str(Access()) == "no"
    assert str(access_of({"always", "recovering"}, ())) == "yes"
    assert str(access_of({"recovering"}, {"aal2_fresh:300"})) == (
        "if recovering, unless aal2_fresh:300"
    )


def test_roles_and_local_subjects_are_told_beside_people(
    parse: Callable[[str], Rules],
) -> None:
    common = "p,role:it.operator,*,grants,*,grant.read,always,allow,o\n"
    common += "g,local:operator,role:it.operator,*\n"
    clerk = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,c\n"
    more = "p,role:it.operator,*,log,*,audit.read,always,allow,a\n"
    found = difference(parse(common + clerk), parse(common + more), ())
    assert set(gains(found)) == {"local:operator", "role:it.operator"}
    assert set(losses(found)) == {"role:hr.clerk"}
    assert {(change.object, change.departments) for change in found["role:hr.clerk"]} == {
        ("payroll", ("hr",))
    }


def test_somebody_whose_role_vanishes_loses_everything(parse: Callable[[str], Rules]) -> None:
    rows = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,c\n"
    own = "p,role:any.signed_in,*,session,*,session.self,always,allow,s\n"
    held = grants_of(frozenset({("user:1", "role:hr.clerk", "hr")}))
    before, after = parse(rows + own), parse(own)
    found = losses(difference(before, after, held))["user:1"]
    assert {change.action for change in found} == {"record.read", "session.self"}


@pytest.mark.parametrize("people", [1000])
def test_the_shipped_policy_with_a_thousand_people_is_compared_in_seconds(
    shipped: Rules, people: int
) -> None:
    every = sorted(
        role for role in shipped.roles if not role.startswith("role:it.") and role != SIGNED_IN
    )
    grants = [
        Grant(f"g{n}", f"user:{n // 2}", role, role[5:].partition(".")[0], 0, None, "user:x", 0)
        for n in range(2 * people)
        for role in (every[(n * 7) % len(every)],)
    ]
    changed = tuple(one for one in shipped.rules if one.id != "hr-clerk-read-personal")
    after = assemble(shipped.model, changed, shipped.links, shipped.fields, shipped.collections)
    began = time.perf_counter()
    found = losses(difference(shipped, after, grants))
    assert time.perf_counter() - began < 5
    holders = {g.subject for g in grants if g.role in ("role:hr.clerk", "role:hr.head")}
    assert {who for who in found if who.startswith("user:")} == holders
