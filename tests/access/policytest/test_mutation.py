"""Mutants: each is killed, proven to change nothing, or told with whom it would let do what."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.conditions import fires, outcome, read_condition
from secvault.access.policytest import check_policy_tests
from secvault.access.policytest.mutants import Mutant, mutants_of
from secvault.access.policytest.mutation import Judge
from secvault.access.policytest.reading import read_suite
from secvault.access.policytest.table import Change, Point, Table
from secvault.access.policytest.universe import (
    Holder,
    Universe,
    fields_of,
    objects_of,
    universe_of,
    with_everything,
)
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble, parse_rules
from secvault.errors import ConfigurationError
from tests.access.policytest.small import (
    COLLECTIONS,
    FIELDS,
    ROLES,
    TESTS,
    mutate,
    rows,
    run,
    texts,
)

pytestmark = pytest.mark.slow

AT = 1_793_700_000_000_000


def changed(rules: Rules, change: Change) -> tuple[tuple[Rule, ...], tuple[Link, ...]]:
    kept = tuple(one for one in rules.rules if one.id not in change.removed)
    return (*kept, *change.added), change.links if change.links is not None else rules.links


def small_rules() -> Rules:
    given = texts()
    return with_everything(
        parse_rules(given["model.conf"], given["roles.csv"], FIELDS, COLLECTIONS)
    )


def test_a_mutant_counts_as_killed_exactly_when_the_tests_fail_on_its_policy() -> None:
    rules = small_rules()
    # Names of rules are written anew for a changed policy, so no test may ask for one.
    judge = Judge(
        [read_suite("tests/payroll.toml", TESTS, rules)], Table(rules), universe_of(rules)
    )
    killed = 0
    for mutant in mutants_of(rules):
        noticed = noticed_by_the_tests(rows(*changed(rules, mutant.change)))
        assert noticed is judge.kills(mutant), mutant
        killed += noticed
    assert killed > 30


def noticed_by_the_tests(roles: str) -> bool:
    try:
        return bool(run(roles).failures)
    except ConfigurationError:
        # A role without any row left is a name that the tests cannot speak of.
        return True


def test_a_right_that_no_test_forbids_is_told_with_whom_it_is_for() -> None:
    found = {one.name: one for one in mutate().survivors}
    assert "clerk-masked/also fld=class:bank" not in found
    survivor = found["clerk-list/also act=record.delete"]
    assert survivor.line == 2
    assert survivor.witness == "role:hr.clerk of hr may record.delete * in hr"


def test_a_test_that_forbids_it_kills_the_mutant() -> None:
    more = '\n[[only]]\nroles = ["role:hr.head"]\nactions = ["record.delete"]\n'
    before, after = mutate(), mutate(tests=TESTS + more)
    gone = {one.name for one in before.survivors} - {one.name for one in after.survivors}
    assert gone == {"clerk-list/also act=record.delete", "clerk-read/also act=record.delete"}
    assert after.score > before.score
    assert after.total == before.total


def test_a_mutant_may_survive_when_a_test_file_says_why() -> None:
    name = "clerk-list/also act=record.delete"
    more = f'\n[[justified]]\nmutant = "{name}"\nreason = "a clerk deletes on paper anyway"\n'
    done = mutate(tests=TESTS + more)
    assert done.justified == 1
    assert name not in {one.name for one in done.survivors}
    assert done.unneeded == ()


def test_a_justification_that_nothing_needs_does_not_pass() -> None:
    more = '\n[[justified]]\nmutant = "clerk-list/drop"\nreason = "old"\n'
    report = check_policy_tests(texts(tests=TESTS + more), FIELDS, COLLECTIONS, mutation=True)
    assert "clerk-list/drop; take it out" in report.faults(0, 0)[0]


def test_a_mutant_that_changes_no_answer_is_left_out() -> None:
    twice = ROLES + "p,role:hr.head,hr,payroll,*,record.read,always,allow,again\n"
    before, after = mutate(), mutate(twice)
    assert "again/drop" not in {one.name for one in after.survivors}
    assert after.equivalent > before.equivalent


def test_nothing_is_mutated_while_a_test_fails() -> None:
    wrong = TESTS.replace('"audit.read" = "allow"', '"audit.read" = "deny"')
    report = check_policy_tests(texts(tests=wrong), FIELDS, COLLECTIONS, mutation=True)
    assert report.failures
    assert report.mutation is None


def test_only_what_the_reader_accepts_is_a_mutant() -> None:
    rules = small_rules()
    names = set()
    for mutant in mutants_of(rules):
        made, links = changed(rules, mutant.change)
        text = "ptype,sub,dom,obj,fld,act,cond,eft,id\n" + rows(made, links)
        parse_rules(texts()["model.conf"], text, rules.fields, rules.collections)
        names.add(mutant.name)
    assert "clerk-list/dom=*" not in names
    assert "auditor-read/dom=hr" in names
    assert "role:hr.head>role:hr.clerk@hr/drop" in names
    assert len(names) == len(list(mutants_of(rules)))


HR_ROLES = ("role:hr.clerk", "role:hr.head", "role:hr.suspended")
ROWS = st.builds(
    Rule,
    sub=st.sampled_from((*HR_ROLES, "role:any.signed_in")),
    dom=st.sampled_from(("hr", "*")),
    obj=st.sampled_from(("*", "payroll")),
    fld=st.sampled_from(("*", "class:bank", "account")),
    act=st.sampled_from(("record.read", "record.read_masked", "record.list")),
    cond=st.sampled_from(("always", "aal2_fresh:300", "recovering")),
    eft=st.sampled_from(("allow", "allow", "deny")),
    id=st.just(""),
)
LINKS = st.lists(
    st.builds(Link, st.sampled_from(HR_ROLES), st.sampled_from(HR_ROLES), st.just("hr")),
    max_size=3,
    unique=True,
)
POLICY = st.tuples(st.lists(ROWS, min_size=1, max_size=6, unique=True), LINKS)


def assembled(given: tuple[list[Rule], list[Link]]) -> Rules:
    numbered = tuple(
        Rule(r.sub, r.dom, r.obj, r.fld, r.act, r.cond, r.eft, f"r{number}")
        for number, r in enumerate(given[0])
    )
    return with_everything(
        assemble(texts()["model.conf"], numbered, tuple(given[1]), FIELDS, COLLECTIONS)
    )


def points(rules: Rules) -> list[Point]:
    return [
        Point("hr", obj, field, action)
        for action in ("record.read", "record.read_masked", "record.list")
        for obj in objects_of(rules, action, "hr")
        for field in fields_of(rules, action, obj)
        if field in ("*", "month", "account", "<bank>")
    ]


@settings(max_examples=40, deadline=None)
@given(POLICY, st.lists(st.sampled_from(HR_ROLES), max_size=2, unique=True), st.data())
def test_the_table_answers_as_decide_does(
    made: tuple[list[Rule], list[Link]], held: list[str], data: st.DataObject
) -> None:
    rules = assembled(made)
    held = [role for role in held if role in rules.roles]
    context = AccessContext(
        AT, data.draw(st.sampled_from((None, AT, AT - 400_000_000))), data.draw(st.booleans())
    )
    grants = [
        Grant(f"g{number}", "user:1", role, "hr", 0, None, "user:2", 0)
        for number, role in enumerate(held)
    ]
    snapshot = build_snapshot(rules, grants, epoch=0, at=AT)
    view = Table(rules).view()
    seeds = tuple((role, "hr") for role in held)
    reached = view.reach(seeds, "hr", signed_in=True)
    for point in points(rules):
        firing = {
            rule.eft
            for rule in view.held(reached, point)
            if fires(outcome(read_condition(rule.cond), context), rule.eft)
        }
        request = AccessRequest("user:1", *point, context)
        assert (firing == {"allow"}) is decide(snapshot, request).allowed, point


@settings(max_examples=40, deadline=None)
@given(POLICY, st.data())
def test_a_mutant_is_equivalent_exactly_when_no_three_roles_and_no_circumstances_tell_it(
    made: tuple[list[Rule], list[Link]], data: st.DataObject
) -> None:
    rules = assembled(made)
    holders = (Holder("role:any.signed_in"), *(Holder(role, "hr") for role in HR_ROLES))
    asked = points(rules)
    by_action = {
        action: tuple(one for one in asked if one.action == action)
        for action in Table(rules).actions
    }
    judge = Judge([], Table(rules), Universe(holders, by_action))
    mutants = [one for one in mutants_of(rules) if all(_about(row) for row in one.change.added)]
    mutant: Mutant = data.draw(st.sampled_from(mutants))
    after = assembled_change(rules, mutant.change)
    told = any(
        shown(rules, roles, point, holding) != shown(after, roles, point, holding)
        for size in (1, 2, 3)
        for roles in combinations(holders, size)
        for point in asked
        for holding in circumstances()
    )
    assert (judge.difference(mutant.change) is not None) is told, mutant


def _about(row: Rule) -> bool:
    return row.act in ("record.read", "record.read_masked", "record.list")


def assembled_change(rules: Rules, change: Change) -> Rules:
    made, links = changed(rules, change)
    return assemble(rules.model, made, links, rules.fields, rules.collections)


def circumstances() -> list[frozenset[str]]:
    names = ("aal2_fresh:300", "aal2_fresh:600", "aal2_fresh:150", "recovering")
    return [
        frozenset({"always", *(name for name, holds in zip(names, held, strict=True) if holds)})
        for held in product((True, False), repeat=len(names))
    ]


def shown(
    rules: Rules, holders: tuple[Holder, ...], point: Point, holding: frozenset[str]
) -> object:
    """By brute force; a masked answer does not count beside the clear one."""
    may: Callable[[Point], bool] = lambda one: _allowed(rules, holders, one, holding)  # noqa: E731
    if point.action == "record.read_masked":
        return may(point._replace(action="record.read")) or may(point)
    return may(point)


def _allowed(
    rules: Rules, holders: tuple[Holder, ...], point: Point, holding: frozenset[str]
) -> bool:
    roles = {"role:any.signed_in", *(one.role for one in holders)}
    for _ in rules.links:
        roles |= {one.role for one in rules.links if one.member in roles and one.department == "hr"}
    classes = rules.fields.get(point.object, {})
    effects = set()
    for rule in rules.rules:
        field = (
            (rule.fld == "*" and (point.field == "*" or rule.eft == "deny"))
            or (rule.fld == "*" and classes.get(point.field) == "normal")
            or (point.field != "*" and rule.fld in (point.field, f"class:{classes[point.field]}"))
        )
        if (
            rule.sub in roles
            and rule.act in (point.action, "*")
            and rule.dom in ("hr", "*")
            and rule.obj in (point.object, "*")
            and rule.cond in holding
            and field
        ):
            effects.add(rule.eft)
    return effects == {"allow"}


def test_a_survivor_comes_with_the_lines_that_kill_it() -> None:
    by_row = {one.line: one for one in mutate().survivors if "facts" not in one.add}
    assert len(by_row) > 3
    for survivor in by_row.values():
        after = mutate(tests=f"{TESTS}\n{survivor.add}\n")
        assert survivor.name not in {one.name for one in after.survivors}, survivor
