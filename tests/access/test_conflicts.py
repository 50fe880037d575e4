"""Who breaks the rules of separation: held to asking Casbin about every request at every moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access import (
    AccessContext,
    AccessRequest,
    Grant,
    Rules,
    Snapshot,
    build_snapshot,
    decide,
)
from secvault.access.conflicts import Conflict, conflicts, role_conflicts
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble
from secvault.access.separation import (
    Duties,
    Exclusive,
    Holders,
    Mode,
    Permission,
    Prerequisite,
    Scope,
    Separation,
    SeparationRule,
    parse_separation,
)
from secvault.access.separation_exceptions import AgreedException
from secvault.access.vocabulary import ACTIONS, FIELD_ACTIONS, KEY, SIGNED_IN

POLICIES = Path(__file__).parents[2] / "policies"
MODEL = (POLICIES / "model.conf").read_text()
WHERES = ("hr", "quality", "it")
COLLECTIONS = {"payroll": "hr", "contracts": "hr", "inspections": "quality"}
FIELDS = {
    "payroll": {"month": "normal", "salary": "salary"},
    "contracts": {"wage": "salary"},
    "inspections": {"batch": "normal", "recipe": "trade_secret"},
}
KEYS = ("*", "transit/k", "transit/other")
# Each role with the departments that it may be granted in.
ROLES = {
    "role:hr.a": ("hr",),
    "role:hr.b": ("hr",),
    "role:hr.c": ("hr",),
    "role:quality.d": ("quality",),
    "role:it.admin": WHERES,
    "role:it.auditor": (*WHERES, "*"),
}
ACTS = ("record.read", "record.create", "key.export", "grant.add")
PEOPLE = ("user:an", "user:binh", "svc:robot")
LAST = 9


def objects_of(action: str) -> tuple[str, ...]:
    kind = ACTIONS[action]
    if kind == KEY:
        return KEYS
    return ("*", *COLLECTIONS) if kind == "collection" else (kind,)


@st.composite
def permissions(draw: st.DrawFn) -> Permission:
    action = draw(st.sampled_from(ACTS))
    name = draw(st.sampled_from(["*", *objects_of(action)]))
    classes = ["*", "normal", "salary"] if action in FIELD_ACTIONS else ["*"]
    return Permission(action, name, draw(st.sampled_from(classes)))


@st.composite
def policies(draw: st.DrawFn) -> Rules:
    def rule(number: int) -> Rule:
        role = draw(st.sampled_from(list(ROLES)))
        action = draw(st.sampled_from(ACTS))
        kind = ACTIONS[action]
        fields = ["*", "class:salary", "month"] if action in FIELD_ACTIONS else ["*"]
        return Rule(
            role,
            draw(st.sampled_from([*ROLES[role], "*"])),
            draw(st.sampled_from([*objects_of(action), "*"])) if kind != "grants" else kind,
            draw(st.sampled_from(fields)),
            draw(st.sampled_from([action] * 5 + (["*"] if kind == "collection" else []))),
            draw(st.sampled_from(["always", "always", "aal2_fresh:300"])),
            draw(st.sampled_from(["allow"] * 4 + ["deny"])),
            f"r{number}",
        )

    rules = tuple(rule(number) for number in range(draw(st.integers(1, 12))))
    own = [*COLLECTIONS, "*"]
    if draw(st.booleans()):
        # Of everybody: what they may do to the record about them, and what they may do at all.
        cond = draw(st.sampled_from(["own_record and aal2_fresh:300", "own_record", "always"]))
        name = draw(st.sampled_from(own))
        rules += (Rule(SIGNED_IN, "hr", name, "*", "record.read", cond, "allow", "own"),)
    # A deny of every action is the only rule without one.
    rules = tuple(replace(one, eft="deny", fld="*") if one.act == "*" else one for one in rules)
    inner = ["role:hr.a", "role:hr.b", "role:hr.c"]
    pairs = st.tuples(st.sampled_from(inner), st.sampled_from(inner))
    links = tuple(Link(low, high, "hr") for low, high in draw(st.lists(pairs, max_size=3)))
    # Every role is known to the policy, also when no rule fell to it.
    known = tuple(
        Rule(role, ROLES[role][0], "log", "*", "audit.read", "always", "allow", f"k{at}")
        for at, role in enumerate(ROLES)
    )
    return assemble(MODEL, (*rules, *known), links, FIELDS, COLLECTIONS)


@st.composite
def grant_lists(draw: st.DrawFn) -> tuple[Grant, ...]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        role = draw(st.sampled_from(list(ROLES)))
        begins = draw(st.integers(0, LAST - 1))
        ends = draw(st.none() | st.integers(begins + 1, LAST))
        made.append(
            Grant(
                f"g{number}",
                draw(st.sampled_from(PEOPLE)),
                role,
                draw(st.sampled_from(ROLES[role])),
                begins,
                ends,
                "user:boss",
                0,
                draw(st.none() | st.none() | st.integers(0, LAST)),
            )
        )
    return tuple(made)


@st.composite
def separations(draw: st.DrawFn) -> Separation:
    def heading(number: int) -> dict[str, object]:
        scope = draw(st.sampled_from(Scope))
        return {"id": f"s{number}", "title": {}, "scope": scope, "mode": Mode.DENY}

    def some_roles() -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(list(ROLES)), min_size=2, unique=True)))

    sides = st.lists(permissions(), min_size=1, max_size=2).map(tuple)
    made: list[SeparationRule] = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["duties", "duties", "exclusive", "holders", "needs"]))
        head = heading(number)
        if kind == "duties":
            made.append(Duties(**head, a=draw(sides), b=draw(sides)))  # type: ignore[arg-type]
            continue
        first, *others = some_roles()
        if kind == "exclusive":
            most = draw(st.integers(1, len(others)))
            made.append(Exclusive(**head, roles=(first, *others), most=most))  # type: ignore[arg-type]
        elif kind == "holders":
            made.append(Holders(**head, role=first, most=draw(st.integers(1, 2))))  # type: ignore[arg-type]
        else:
            made.append(Prerequisite(**head, role=first, needs=tuple(others)))  # type: ignore[arg-type]
    return Separation(tuple(made), "")


class Brute:
    """Each question asked of Casbin itself, with the conditions on the careful side."""

    def __init__(self, rules: Rules, grants: Iterable[Grant], at: int) -> None:
        careful = tuple(
            replace(one, cond="always")
            for one in rules.rules
            if (one.eft == "allow" and "own_record" not in one.cond) or one.cond == "always"
        )
        self.rules = assemble(MODEL, careful, rules.links, FIELDS, COLLECTIONS)
        self.at = at
        self.live = [
            replace(one, revoked_at=None)
            for one in grants
            if one.revoked_at is None or at < one.revoked_at
        ]
        self.snapshot: Snapshot = build_snapshot(self.rules, self.live, epoch=1, at=at)

    def can(self, subject: str, department: str, permission: Permission) -> bool:
        action = permission.action
        for name in objects_of(action):
            if permission.object not in ("*", name):
                continue
            classes = FIELDS.get(name, {}) if action in FIELD_ACTIONS else {}
            fields = [one for one, of in classes.items() if permission.sensitivity in ("*", of)]
            for field in ([] if permission.sensitivity != "*" else ["*"]) + fields:
                asked = AccessRequest(
                    subject, department, name, field, action, AccessContext(self.at)
                )
                if decide(self.snapshot, asked, random=bytes).allowed:
                    return True
        return False

    def holds(self, subject: str, department: str, role: str) -> bool:
        for domain in (department, "*"):
            found = {
                one.role
                for one in self.live
                if one.valid(self.at) and (one.subject, one.department) == (subject, domain)
            }
            while True:
                more = {
                    link.role
                    for link in self.rules.links
                    if link.department == domain and link.member in found
                }
                if more <= found:
                    break
                found |= more
            if role in found:
                return True
        return False

    def broken(self, separation: Separation) -> Iterator[tuple[str, str]]:
        who = sorted({one.subject for one in self.live if one.valid(self.at)})
        for rule in separation.rules:
            alone = [(one,) for one in WHERES]
            for group in alone if rule.scope is Scope.DEPARTMENT else [WHERES]:
                if isinstance(rule, Holders):
                    if sum(self._any_holds(one, group, rule.role) for one in who) > rule.most:
                        yield rule.id, ""
                    continue
                for subject in who:
                    if self._breaks(subject, group, rule):
                        yield rule.id, subject

    def _breaks(self, subject: str, group: tuple[str, ...], rule: SeparationRule) -> bool:
        if isinstance(rule, Duties):
            return all(
                any(self.can(subject, where, one) for where in group for one in side)
                for side in (rule.a, rule.b)
            )
        if isinstance(rule, Exclusive):
            return sum(self._any_holds(subject, group, role) for role in rule.roles) > rule.most
        assert isinstance(rule, Prerequisite)
        return self._any_holds(subject, group, rule.role) and not all(
            self._any_holds(subject, group, role) for role in rule.needs
        )

    def _any_holds(self, subject: str, group: tuple[str, ...], role: str) -> bool:
        return any(self.holds(subject, where, role) for where in group)


@given(policies(), grant_lists(), separations())
def test_the_conflicts_are_those_that_asking_casbin_at_every_moment_finds(
    rules: Rules, grants: tuple[Grant, ...], separation: Separation
) -> None:
    found = conflicts(rules, grants, separation)
    for at in range(LAST + 1):
        expected = set(Brute(rules, grants, at).broken(separation))
        assert {(one.rule, one.subject) for one in found if one.covers(at)} == expected


@given(policies(), grant_lists(), separations(), st.integers(0, LAST))
def test_what_is_over_is_left_out_and_what_follows_is_the_same(
    rules: Rules, grants: tuple[Grant, ...], separation: Separation, since: int
) -> None:
    whole, rest = (
        conflicts(rules, grants, separation),
        conflicts(rules, grants, separation, since=since),
    )
    for at in range(since, LAST + 1):
        assert {one.rule + one.subject for one in whole if one.covers(at)} == {
            one.rule + one.subject for one in rest if one.covers(at)
        }
    assert all(one.begins_at >= since for one in rest)


# The shipped policy, with rules of its own.
RULE = """
version = 1
[[duties]]
id = "enter-and-delete"
title = { en = "Why", vi = "Vì sao" }
scope = "department"
mode = "deny"
a = [{ action = "record.create", object = "payroll", class = "normal" }]
b = [{ action = "audit.read" }, { action = "record.delete", object = "payroll" }]
"""


def grant(role: str, begins: int = 0, ends: int | None = None, **more: object) -> Grant:
    department = str(more.pop("department", role.split(":")[1].split(".", maxsplit=1)[0]))
    subject = str(more.pop("subject", "user:an"))
    name = str(more.pop("id", f"{role}-{begins}"))
    return Grant(name, subject, role, department, begins, ends, "user:boss", 0, **more)  # type: ignore[arg-type]


@pytest.fixture
def find(shipped: Rules) -> Callable[..., tuple[Conflict, ...]]:
    separation = parse_separation(RULE, shipped)
    return lambda *grants, **more: conflicts(shipped, grants, separation, **more)


Find = Callable[..., tuple[Conflict, ...]]


def test_an_inherited_permission_counts_and_the_way_to_it_is_named(find: Find) -> None:
    (one,) = find(grant("role:hr.head", id="g1"))
    (a,), (b,) = one.sides
    assert a.path == ("user:an", "grant g1", "role:hr.head", "role:hr.clerk")
    assert (a.what, a.policy_rule) == ("record.create on payroll, class normal", "hr-clerk-create")
    assert (b.what, b.policy_rule) == ("record.delete on payroll", "hr-head-delete")
    assert (one.begins_at, one.ends_at, one.department) == (0, None, "hr")


def test_grants_conflict_exactly_while_both_are_in_force_also_later(find: Find) -> None:
    clerk, auditor = grant("role:hr.clerk", 5, 20), grant("role:it.auditor", 10, 30, department="*")
    (one,) = find(clerk, auditor)
    assert (one.begins_at, one.ends_at) == (10, 20)
    assert one.grants == {clerk.id, auditor.id}
    assert not find(grant("role:hr.clerk", 5, 10), auditor)


def test_a_grant_for_all_departments_meets_one_of_a_department(find: Find) -> None:
    assert find(grant("role:hr.clerk"), grant("role:it.auditor", department="*"))
    assert find(grant("role:hr.clerk"), grant("role:it.auditor", department="hr"))
    assert not find(grant("role:hr.clerk"), grant("role:it.auditor", department="quality"))


def test_what_somebody_may_still_get_counts_and_systems_are_looked_at_too(find: Find) -> None:
    asked = grant("role:it.auditor", 3, department="*", subject="svc:robot", id="request r1")
    (one,) = find(grant("role:hr.clerk", subject="svc:robot"), would_be=[asked])
    assert "request r1" in one.grants
    assert one.subject == "svc:robot"
    assert one.begins_at == 3


def test_a_revoked_grant_counts_until_it_was_revoked(find: Find) -> None:
    (one,) = find(grant("role:hr.head", revoked_at=7))
    assert one.ends_at == 7
    assert not find(grant("role:hr.head", revoked_at=7), since=7)


def test_an_exception_covers_its_own_stretch_of_its_own_rule(find: Find) -> None:
    def agreed(rule: str) -> AgreedException:
        return AgreedException("x1", "user:an", rule, 5, 9, "watched", "user:boss", 5)

    found = find(grant("role:hr.head"), exceptions=[agreed("enter-and-delete")])
    assert [(one.begins_at, one.ends_at, one.exception) for one in found] == [
        (0, 5, ""),
        (5, 9, "x1"),
        (9, None, ""),
    ]
    (whole,) = find(grant("role:hr.head"), exceptions=[agreed("another")])
    assert not whole.exception


def test_a_role_that_breaks_a_rule_by_itself_is_found(shipped: Rules) -> None:
    found = role_conflicts(shipped, parse_separation(RULE, shipped))
    assert {one.subject for one in found} == {"role:hr.head"}


def test_ten_thousand_people_are_looked_at_within_the_time_of_a_request(shipped: Rules) -> None:
    roles = sorted(role for role in shipped.roles if ".clerk" in role or ".head" in role)
    grants = [
        grant(role, number % 50, number % 50 + 40, subject=f"user:p{number}")
        for number in range(10_000)
        for role in {roles[number % len(roles)], roles[number * 7 % len(roles)]}
    ]
    separation = parse_separation(RULE, shipped)
    began = time.process_time()
    found = conflicts(shipped, grants, separation)
    assert time.process_time() - began < 5
    assert found


def test_what_everybody_may_do_to_the_record_about_them_is_no_duty_and_anything_else_is(
    shipped: Rules,
) -> None:
    separation = parse_separation((POLICIES / "separation.toml").read_text(), shipped)
    assert not [one for one in role_conflicts(shipped, separation) if one.mode is Mode.DENY]
    # Were it of everybody, whoever enters a payment could release it.
    released = Rule(
        "role:any.signed_in",
        "accounting",
        "payments",
        "*",
        "record.approve",
        "always",
        "allow",
        "any-release",
    )
    everybody = assemble(
        shipped.model,
        (*shipped.rules, released),
        shipped.links,
        shipped.fields,
        shipped.collections,
    )
    found = role_conflicts(everybody, separation)
    assert "role:accounting.clerk" in {one.subject for one in found if one.mode is Mode.DENY}
