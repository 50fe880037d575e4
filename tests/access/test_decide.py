"""Decisions equal those of a second evaluator, written from the documented meaning alone.

The meaning: a subject has, in a department, the roles reached by links of that department, the
roles reached by links of all departments, and, when it is a person or service account, the role
of everybody signed in. A rule fires when it is for such a role, names the department, object and
action or `*`, covers the field, and its condition holds (or is broken, and it denies). Allowed is
what at least one firing rule allows and none denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import (
    Access,
    AccessContext,
    AccessRequest,
    Grant,
    Rules,
    build_snapshot,
    decide,
    decide_fields,
    field_access,
)
from secvault.access.conditions import CONDITIONS, Condition
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble

AT = 1_700_000_000_000_000
FIELDS = {
    "payroll": {"period": "normal", "gross_salary": "salary", "bank_account": "bank"},
    "employees": {"full_name": "personal", "desk": "normal"},
    "invoices": {"number": "normal", "iban": "bank"},
}
HOME = {"payroll": "hr", "employees": "hr", "invoices": "accounting"}
ROLES = ["role:hr.a", "role:hr.b", "role:hr.c", "role:hr.d", "role:accounting.a"]
SUBJECTS = ["user:1", "user:2", "svc:1", "user:nobody"]
ACTIONS = ["record.read", "record.update", "record.list"]
CONDITION_NAMES = ["always", "always", "always", "yes", "no", "broken", "unknown"]


def _broken(_context: AccessContext) -> bool:
    raise RuntimeError("out of order")


REGISTRY = MappingProxyType(
    {
        "always": CONDITIONS["always"],
        "yes": lambda _parameter: Condition(lambda _context: True),
        "no": lambda _parameter: Condition(lambda _context: False),
        "broken": lambda _parameter: Condition(_broken),
    }
)

rule_rows = st.lists(
    st.tuples(
        st.sampled_from([*ROLES, "role:it.auditor", "role:any.signed_in"]),
        st.sampled_from(["hr", "hr", "accounting", "*"]),
        st.sampled_from([*FIELDS, "*"]),
        st.sampled_from(["*", "*", "class:bank", "class:salary", "class:normal", "full_name"]),
        st.sampled_from([*ACTIONS, "*"]),
        st.sampled_from(CONDITION_NAMES),
        st.sampled_from(["allow", "allow", "allow", "deny"]),
    ),
    min_size=1,
    max_size=14,
)
link_rows = st.lists(
    st.tuples(
        st.sampled_from(ROLES), st.sampled_from(ROLES), st.sampled_from(["hr", "accounting", "*"])
    ),
    max_size=8,
)
windows = st.sampled_from([(0, None), (0, AT), (0, AT + 1), (AT, None), (AT + 1, None)])
grant_rows = st.lists(
    st.tuples(
        st.sampled_from(["user:1", "user:2", "svc:1"]),
        st.sampled_from(
            [
                ("role:it.auditor", "*"),
                *((role, _dom) for role in ROLES for _dom in [role[5:].split(".")[0]]),
            ]
        ),
        windows,
    ),
    max_size=6,
)
requests = st.lists(
    st.tuples(
        st.sampled_from(SUBJECTS),
        st.sampled_from(list(FIELDS)),
        st.integers(min_value=-1, max_value=2),
        st.sampled_from(ACTIONS),
    ),
    min_size=10,
    max_size=25,
)


def brute_force(
    rules: list[Rule], edges: list[tuple[str, str, str]], request: AccessRequest
) -> bool:
    held: set[str] = {"role:any.signed_in"}
    for domain in (request.department, "*"):
        reached = {request.subject}
        while more := {r for m, r, d in edges if d == domain and m in reached} - reached:
            reached |= more
        held |= reached
    effects = set()
    for rule in rules:
        known = FIELDS[request.object].get(request.field)
        if rule.fld == "*":
            covers = rule.eft == "deny" or request.field == "*" or known == "normal"
        else:
            covers = request.field != "*" and rule.fld in (request.field, f"class:{known}")
        holds = {"always": True, "yes": True, "no": False}.get(rule.cond, rule.eft == "deny")
        if (
            rule.sub in held
            and rule.dom in ("*", request.department)
            and rule.obj in ("*", request.object)
            and rule.act in ("*", request.action)
            and covers
            and holds
        ):
            effects.add(rule.eft)
    return effects == {"allow"}


@settings(max_examples=100)
@given(rule_rows, link_rows, grant_rows, requests)
def test_decisions_equal_the_documented_meaning(
    model: str,
    rows: list[tuple[str, ...]],
    links: list[tuple[str, str, str]],
    grants: list[tuple[str, tuple[str, str], tuple[int, int | None]]],
    asked: list[tuple[str, str, int, str]],
) -> None:
    rules = [Rule(*row, id=f"r{n}") for n, row in enumerate(rows)]
    # Every role has a rule, so that every grant is of a known role.
    rules += [
        Rule(role, "it", "datasets", "*", "record.list", "no", "allow", f"known{n}")
        for n, role in enumerate([*ROLES, "role:it.auditor"])
    ]
    policy = assemble(model, tuple(rules), tuple(Link(*link) for link in links), FIELDS)
    given_grants = [
        Grant(f"g{n}", subject, role, domain, start, end, "local:operator", 0)
        for n, (subject, (role, domain), (start, end)) in enumerate(grants)
    ]
    snapshot = build_snapshot(policy, given_grants, epoch=1, at=AT, registry=REGISTRY)
    edges = [(m, r, d) for m, r, d in links] + [
        (g.subject, g.role, g.department)
        for g in given_grants
        if g.not_before <= AT and (g.expires_at is None or g.expires_at > AT)
    ]
    for subject, collection, number, action in asked:
        names = list(FIELDS[collection])
        # A list asks for no field; a number beyond the fields too.
        field = "*" if action == "record.list" or number not in range(len(names)) else names[number]
        request = AccessRequest(
            subject, HOME[collection], collection, field, action, AccessContext(AT)
        )
        # Twice: the second answer comes from memory.
        for _ in range(2):
            decision = decide(snapshot, request)
            assert decision.allowed == brute_force(rules, edges, request), (request, decision)
            assert (decision.kind == "allow_rule") == decision.allowed
            assert decision.kind != "engine_error"
            assert not decision.rule or decision.rule in {rule.id for rule in rules}


@settings(max_examples=100)
@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_invented_name_is_ever_allowed(
    shipped: Rules, subject: str, department: str, obj: str, field: str
) -> None:
    snapshot = build_snapshot(shipped, [], epoch=0, at=AT)
    context = AccessContext(AT)
    request = AccessRequest(f"user:{subject}", department, obj, field, "record.read", context)
    assert not decide(snapshot, request).allowed


def _head(subject: str = "user:1") -> Grant:
    return Grant("g1", subject, "role:hr.head", "hr", 0, None, "local:operator", 0)


def test_a_decision_names_policy_epoch_rule_and_way(shipped: Rules) -> None:
    snapshot = build_snapshot(shipped, [_head()], epoch=7, at=AT)
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))
    decision = decide(snapshot, request, random=lambda size: b"\x0a" * size)
    assert decision.allowed
    assert decision.rule == "hr-clerk-read"
    assert decision.via == ("user:1", "grant g1", "role:hr.head", "role:hr.clerk")
    assert (decision.policy_digest, decision.epoch) == (shipped.digest, 7)
    assert decision.id == "018bcfe56800" + "0a" * 10


def test_every_decision_has_an_id_of_its_own(shipped: Rules) -> None:
    snapshot = build_snapshot(shipped, [], epoch=0, at=AT)
    request = AccessRequest("user:1", "it", "vault", "*", "vault.status", AccessContext(AT))
    assert len({decide(snapshot, request).id for _ in range(50)}) == 50


def test_a_snapshot_answers_for_no_moment_but_its_own(shipped: Rules) -> None:
    ending = Grant("g1", "user:1", "role:hr.head", "hr", 0, AT + 5, "local:operator", 0)
    snapshot = build_snapshot(shipped, [ending], epoch=1, at=AT)
    answers = {
        moment: decide(
            snapshot,
            AccessRequest("user:1", "hr", "payroll", "*", "record.read", AccessContext(moment)),
        ).kind
        for moment in (AT, AT + 4, AT + 5)
    }
    assert answers == {AT: "allow_rule", AT + 4: "allow_rule", AT + 5: "stale_policy"}


def test_fields_are_decided_one_by_one_in_their_order(shipped: Rules) -> None:
    clerk = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "local:operator", 0)
    snapshot = build_snapshot(shipped, [clerk], epoch=1, at=AT)
    answers = decide_fields(
        snapshot,
        subject="user:1",
        department="hr",
        collection="payroll",
        fields=["gross_salary", "period", "nonsense"],
        action="record.read",
        context=AccessContext(AT),
    )
    assert {name: one.kind for name, one in answers.items()} == {
        "gross_salary": "field_class",
        "period": "allow_rule",
        "nonsense": "unknown_name",
    }
    assert list(answers) == ["gross_salary", "period", "nonsense"]


def test_a_deny_of_reading_leaves_the_mask(parse: Callable[[str], Rules]) -> None:
    rules = parse(
        "p,role:hr.a,hr,payroll,*,record.read,always,allow,read\n"
        "p,role:hr.a,hr,payroll,*,record.read_masked,always,allow,masked\n"
        "p,role:hr.a,hr,payroll,period,record.read,always,deny,no-period\n"
    )
    grant = Grant("g1", "user:1", "role:hr.a", "hr", 0, None, "local:operator", 0)
    shown = field_access(
        build_snapshot(rules, [grant], epoch=1, at=AT),
        subject="user:1",
        department="hr",
        collection="payroll",
        fields=["period"],
        context=AccessContext(AT),
    )["period"]
    assert (shown.access, shown.reason) == (Access.MASKED, "This is forbidden for you.")


@pytest.mark.parametrize("collection", ["payroll", "employees"])
def test_a_deny_of_everything_reaches_every_field_of_every_class(
    with_deny: Rules, fields: Mapping[str, Mapping[str, str]], collection: str
) -> None:
    grants = [
        Grant(f"g{n}", "user:1", role, "hr", 0, None, "local:operator", 0)
        for n, role in enumerate(["role:hr.payer", "role:hr.suspended"])
    ]
    snapshot = build_snapshot(with_deny, grants, epoch=1, at=AT)
    context = AccessContext(AT, second_factor_at=AT)
    for name in ["*", *fields[collection]]:
        request = AccessRequest("user:1", "hr", collection, name, "record.read", context)
        assert decide(snapshot, request).rule == "suspended"
