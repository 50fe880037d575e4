"""Who can and what can agree with deciding everything about everybody, one by one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import (
    DEPARTMENTS,
    AccessContext,
    AccessRequest,
    Grant,
    Rules,
    Snapshot,
    build_snapshot,
    decide,
)
from secvault.access.conditions import CONDITIONS, Condition
from secvault.access.entitlements import Entitlement, what_can, who_can
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble
from secvault.access.vocabulary import ACTIONS, ALL, COLLECTION, FIELD_ACTIONS, KEY, PLAN

AT = 1_700_000_000_000_000
FIELDS = {
    "payroll": {"period": "normal", "gross_salary": "salary", "bank_account": "bank"},
    "employees": {"full_name": "personal", "desk": "normal"},
    "invoices": {"number": "normal", "iban": "bank"},
}
HOME = {"payroll": "hr", "employees": "hr", "invoices": "accounting"}
ROLES = ["role:hr.a", "role:hr.b", "role:hr.c", "role:accounting.a"]
SUBJECTS = ["user:1", "user:2", "svc:1", "user:nobody"]
OUTCOMES = ["yes", "no"]


def snapshot_of(
    model: str,
    rows: Iterable[tuple[str, ...]],
    links: Iterable[tuple[str, str, str]],
    grants: Iterable[tuple[str, tuple[str, str], tuple[int, int | None]]],
    holding: frozenset[str],
) -> Snapshot:
    """The policy where exactly the conditions in `holding` hold."""
    rules = [Rule(*row, id=f"r{n}") for n, row in enumerate(rows)]
    rules += [
        Rule(role, "it", "datasets", "*", "record.list", "never", "allow", f"known{n}")
        for n, role in enumerate([*ROLES, "role:it.auditor"])
    ]
    policy = assemble(model, tuple(rules), tuple(Link(*link) for link in links), FIELDS, HOME)

    def maker(name: str) -> Callable[[str], Condition]:
        return lambda _parameter: Condition(lambda _context: name in holding)

    registry = MappingProxyType(
        {"always": CONDITIONS["always"], **{name: maker(name) for name in ("c1", "c2", "never")}}
    )
    given_grants = [
        Grant(f"g{n}", subject, role, domain, start, end, "local:operator", 0)
        for n, (subject, (role, domain), (start, end)) in enumerate(grants)
    ]
    return build_snapshot(policy, given_grants, epoch=1, at=AT, registry=registry)


rule_rows = st.lists(
    st.tuples(
        st.sampled_from([*ROLES, "role:it.auditor", "role:any.signed_in"]),
        st.sampled_from(["hr", "hr", "accounting", "*"]),
        st.sampled_from(["payroll", "employees", "invoices", "transit/a", "*", "*"]),
        st.sampled_from(["*", "*", "class:bank", "class:salary", "class:normal", "full_name"]),
        st.sampled_from(["record.read", "record.list", "key.rotate", "session.self", "*"]),
        st.sampled_from(["always", "always", "c1", "c2", "unheard_of"]),
        st.sampled_from(["allow", "allow", "allow", "deny"]),
    ),
    min_size=1,
    max_size=12,
)
link_rows = st.lists(
    st.tuples(
        st.sampled_from(ROLES), st.sampled_from(ROLES), st.sampled_from(["hr", "accounting", "*"])
    ),
    max_size=6,
)
grant_rows = st.lists(
    st.tuples(
        st.sampled_from(["user:1", "user:2", "svc:1"]),
        st.sampled_from(
            [
                ("role:it.auditor", "*"),
                *((role, _dom) for role in ROLES for _dom in [role[5:].split(".")[0]]),
            ]
        ),
        st.sampled_from([(0, None), (0, AT), (0, AT + 1), (AT, None), (AT + 1, None)]),
    ),
    max_size=6,
)
ASKED = ("record.read", "record.list", "key.rotate", "session.self")


def universe(departments: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    """Everything that can be asked for: department, object, field, action."""
    for department, action in itertools.product(departments, ASKED):
        kind = ACTIONS[action]
        objects = [*FIELDS, "*"] if kind == COLLECTION else ["*", "transit/a", "transit/b"]
        for obj in objects if kind in (COLLECTION, KEY, PLAN) else [kind]:
            fields = [*FIELDS.get(obj, {}), "*"] if action in FIELD_ACTIONS else ["*"]
            for field in fields:
                yield department, obj, field, action


def holds(when: tuple[str, ...], unless: tuple[str, ...], holding: frozenset[str]) -> bool:
    return (not when or not holding.isdisjoint(when)) and holding.isdisjoint(unless)


def included(
    rows: Iterable[Entitlement],
    asked: tuple[str, str, str, str],
    holding: frozenset[str],
) -> bool:
    department, obj, field, action = asked
    known = FIELDS.get(obj, {}).get(field)
    whole = {field} | ({f"class:{known}"} if known else set())
    named = ACTIONS[action] in (KEY, PLAN)
    for row in rows:
        fits = obj in row.objects or (named and ALL in row.objects and obj not in row.excepting)
        if (row.department, row.action) != (department, action) or not fits:
            continue
        if whole.intersection(row.fields) and holds(row.when, row.unless, holding):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(rule_rows, link_rows, grant_rows, st.frozensets(st.sampled_from(["c1", "c2"]), max_size=2))
def test_both_agree_with_deciding_everything_one_by_one(
    model: str,
    rows: list[tuple[str, ...]],
    links: list[tuple[str, str, str]],
    grants: list[tuple[str, tuple[str, str], tuple[int, int | None]]],
    holding: frozenset[str],
) -> None:
    snapshot = snapshot_of(model, rows, links, grants, holding)
    departments = ("hr", "accounting")
    found = {subject: what_can(snapshot, subject, departments=departments) for subject in SUBJECTS}
    for asked in universe(departments):
        department, obj, field, action = asked
        holders = {
            one.subject: one
            for one in who_can(
                snapshot,
                action=action,
                department=department,
                object=obj,
                field=field,
                subjects=SUBJECTS,
            )
        }
        assert list(holders) == sorted(holders)
        for subject in SUBJECTS:
            request = AccessRequest(subject, department, obj, field, action, AccessContext(AT))
            decision = decide(snapshot, request)
            one = holders.get(subject)
            by_who = one is not None and holds(one.when, one.unless, holding)
            assert by_who == decision.allowed, (request, decision, one)
            assert included(found[subject], asked, holding) == decision.allowed, (
                request,
                decision,
                found[subject],
            )
            if one is not None and not one.when and decision.allowed:
                assert _lasts(snapshot, one.until, request)


def _lasts(snapshot: Snapshot, until: int | None, request: AccessRequest) -> bool:
    """Whether the way is by a grant in force that ends then, or by none."""
    ends = {
        grant.expires_at
        for grant in snapshot.basis.live.values()
        if grant.subject == request.subject
    }
    return until is None or until in ends


def test_a_grant_of_somebody_shows_its_end_and_the_longer_one_counts(
    with_deny: Rules,
) -> None:
    grants = [
        Grant("g1", "user:1", "role:hr.clerk", "hr", 0, AT + 10, "user:9", 0),
        Grant("g2", "user:1", "role:hr.payer", "hr", 0, AT + 20, "user:9", 0),
        Grant("g3", "user:2", "role:hr.clerk", "hr", 0, None, "user:9", 0),
        Grant("g4", "user:2", "role:hr.payer", "hr", 0, AT + 5, "user:9", 0),
        Grant("g5", "user:3", "role:hr.clerk", "hr", 0, AT, "user:9", 0),
        Grant("g6", "user:4", "role:hr.clerk", "hr", 0, None, "user:9", 0),
        Grant("g7", "user:4", "role:hr.suspended", "hr", 0, None, "user:9", 0),
    ]
    snapshot = build_snapshot(with_deny, grants, epoch=1, at=AT)
    found = who_can(
        snapshot, action="record.read", department="hr", object="payroll", field="period"
    )
    shown = [(one.subject, one.way.roles, one.until) for one in found]
    assert shown == [
        ("user:1", ("role:hr.payer", "role:hr.clerk"), AT + 20),
        ("user:2", ("role:hr.clerk",), None),
    ]
    bank = who_can(
        snapshot, action="record.read", department="hr", object="payroll", field="bank_account"
    )
    assert [(one.subject, one.when) for one in bank] == [
        ("user:1", ("aal2_fresh:300",)),
        ("user:2", ("aal2_fresh:300",)),
    ]


def test_fields_are_put_together_by_class_and_named_where_a_class_is_not_whole(
    parse: Callable[[str], Rules], fields: Mapping[str, Mapping[str, str]]
) -> None:
    rules = parse(
        "p,role:hr.a,hr,payroll,*,record.read,always,allow,read\n"
        "p,role:hr.a,hr,payroll,class:bank,record.read,always,allow,bank\n"
        "p,role:hr.a,hr,payroll,gross_salary,record.read,aal2_fresh:300,allow,salary\n"
        "p,role:hr.a,hr,transit/a,*,key.rotate,always,allow,one-key\n"
        "p,role:hr.b,hr,*,*,key.rotate,always,allow,keys\n"
        "p,role:hr.b,hr,transit/a,*,key.rotate,always,deny,not-this-key\n"
    )
    grants = [
        Grant("g1", "user:1", "role:hr.a", "hr", 0, None, "user:9", 0),
        Grant("g2", "user:2", "role:hr.b", "hr", 0, None, "user:9", 0),
    ]
    snapshot = build_snapshot(rules, grants, epoch=1, at=AT)
    assert "class" not in fields["payroll"]
    found = what_can(snapshot, "user:1", departments=["hr"])
    assert [(one.action, one.objects, one.fields, one.when, one.rules) for one in found] == [
        ("record.read", ("payroll",), ("*", "class:bank", "class:normal"), (), ("read", "bank")),
        ("record.read", ("payroll",), ("class:salary",), ("aal2_fresh:300",), ("salary",)),
        ("key.rotate", ("transit/a",), ("*",), (), ("one-key",)),
    ]
    (keys,) = what_can(snapshot, "user:2", departments=["hr"])
    assert (keys.objects, keys.excepting) == (("*",), ("transit/a",))


def test_whoever_has_a_grant_that_cannot_be_can_do_nothing(with_deny: Rules) -> None:
    grants = [
        Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "user:9", 0),
        Grant("g2", "user:1", "role:hr.gone", "hr", 0, None, "user:9", 0),
    ]
    snapshot = build_snapshot(with_deny, grants, epoch=1, at=AT)
    assert what_can(snapshot, "user:1") == ()
    asked = {"action": "record.read", "department": "hr", "object": "payroll"}
    assert who_can(snapshot, **asked) == ()


@pytest.mark.parametrize(
    "wrong",
    [{"action": "burn"}, {"department": "accounting"}, {"object": "pay"}, {"field": "iban"}],
)
def test_names_that_do_not_exist_are_nobody_s_right(shipped: Rules, wrong: dict[str, str]) -> None:
    head = Grant("g1", "user:1", "role:hr.head", "hr", 0, None, "user:9", 0)
    snapshot = build_snapshot(shipped, [head], epoch=1, at=AT)
    asked = {"action": "record.read", "department": "hr", "object": "payroll", "field": "period"}
    assert who_can(snapshot, **asked)
    assert who_can(snapshot, **{**asked, **wrong}) == ()


def test_ten_thousand_people_are_looked_through_in_a_moment(shipped: Rules) -> None:
    departments = [one for one in DEPARTMENTS if one != "it"]
    grants = [
        Grant(
            f"g{n}",
            f"user:{n}",
            f"role:{departments[n % 8]}.{'head' if n % 40 < 8 else 'clerk'}",
            departments[n % 8],
            0,
            None,
            "user:0",
            0,
        )
        for n in range(10_000)
    ]
    snapshot = build_snapshot(shipped, grants, epoch=1, at=AT)
    began = time.perf_counter()
    found = who_can(
        snapshot,
        action="record.read_masked",
        department="hr",
        object="payroll",
        field="bank_account",
    )
    everybody = who_can(snapshot, action="session.self", department="hr", object="session")
    theirs = what_can(snapshot, "user:1")
    took = time.perf_counter() - began
    assert len(found) == 250
    assert {one.when for one in found} == {()}
    assert len(everybody) == 10_000
    assert theirs
    # Far from what is measured, 0.1 s, so that a busy machine does not fail it.
    assert took < 3
