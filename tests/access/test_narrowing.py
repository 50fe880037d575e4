"""A narrowed token: what it may do only shrinks along a chain, and never goes beyond its system."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import (
    SIGNED_IN,
    Access,
    AccessContext,
    AccessRequest,
    Decision,
    Grant,
    Narrowing,
    Rules,
    Snapshot,
    build_snapshot,
    decide,
    field_access,
)
from secvault.access.narrowing import held_roles

AT = 1_700_000_000_000_000
SVC = "svc:sync"
FIELDS = {"payroll": {"period": "normal", "bank_account": "bank"}, "invoices": {"number": "normal"}}
ROWS = """\
p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read
p,role:hr.payer,hr,payroll,class:bank,record.read,aal2_fresh:300,allow,read-bank
p,role:hr.viewer,hr,payroll,class:bank,record.read_masked,always,allow,masked
p,role:hr.suspended,hr,payroll,*,record.update,always,deny,suspended
p,role:hr.clerk,hr,payroll,*,record.update,always,allow,update
p,role:accounting.clerk,accounting,invoices,*,record.read,always,allow,invoices
p,role:it.cryptor,*,*,*,data.encrypt,always,allow,encrypt
p,role:it.cryptor,*,*,*,data.decrypt,always,allow,decrypt
p,role:it.encryptor,*,*,*,data.encrypt,always,allow,encrypt-only
p,role:any.signed_in,*,session,*,session.self,always,allow,self
g,role:hr.payer,role:hr.clerk,hr
"""
ROLES = [
    "role:hr.clerk",
    "role:hr.payer",
    "role:hr.viewer",
    "role:hr.suspended",
    "role:accounting.clerk",
    "role:it.cryptor",
    "role:it.encryptor",
]
REQUESTS = [
    (department, obj, field, action)
    for department, obj in (("hr", "payroll"), ("accounting", "invoices"))
    for field in ("*", *FIELDS[obj])
    for action in ("record.read", "record.read_masked", "record.update")
] + [
    (department, "transit/k", "*", action)
    for department in ("hr", "it", "accounting")
    for action in ("data.encrypt", "data.decrypt")
]
REQUESTS.append(("it", "session", "*", "session.self"))

homes = {"role:it.cryptor": ["hr", "it"], "role:it.encryptor": ["hr", "it", "accounting"]}
granted = st.lists(
    st.sampled_from(ROLES).flatmap(
        lambda role: st.tuples(
            st.just(role), st.sampled_from(homes.get(role, [role[5:].partition(".")[0]]))
        )
    ),
    unique=True,
    max_size=6,
)
layers = st.lists(st.frozensets(st.sampled_from([*ROLES, SIGNED_IN])), max_size=5)


def _grant(number: int, role: str, department: str) -> Grant:
    return Grant(f"g{number}", SVC, role, department, 0, None, "local:operator", 0)


def _snapshot(rules: Rules, *held: tuple[str, str]) -> Snapshot:
    grants = [_grant(number, *each) for number, each in enumerate(held)]
    return build_snapshot(rules, grants, epoch=1, at=AT)


def _decide(
    snapshot: Snapshot, request: tuple[str, str, str, str], narrowing: Narrowing, fresh: bool = True
) -> Decision:
    department, obj, field, action = request
    context = AccessContext(AT, AT if fresh else None)
    asked = AccessRequest(SVC, department, obj, field, action, context, narrowing)
    return decide(snapshot, asked)


@pytest.fixture(scope="module")
def rules(parse: Callable[[str], Rules]) -> Rules:
    return parse(ROWS)


@settings(max_examples=60, deadline=None)
@given(held=granted, chain=layers, fresh=st.booleans())
def test_the_rights_of_a_chain_of_tokens_only_shrink(
    rules: Rules, held: list[tuple[str, str]], chain: list[frozenset[str]], fresh: bool
) -> None:
    snapshot = _snapshot(rules, *held)
    for request in REQUESTS:
        allowed = [
            _decide(snapshot, request, tuple(chain[:depth]), fresh).allowed
            for depth in range(len(chain) + 1)
        ]
        assert allowed == sorted(allowed, reverse=True), (request, allowed)
    roles = [held_roles(snapshot.basis, SVC, tuple(chain[:depth])) for depth in range(len(chain))]
    assert all(after <= before for before, after in pairwise(roles))


@settings(max_examples=60, deadline=None)
@given(held=granted, layer=st.frozensets(st.sampled_from([*ROLES, SIGNED_IN])))
def test_a_narrowed_token_may_what_a_system_with_only_these_roles_may_and_none_is_denied(
    rules: Rules, held: list[tuple[str, str]], layer: frozenset[str]
) -> None:
    """An oracle: another system that holds, where this one does, only roles within the layer."""
    whole = _snapshot(rules, *held)
    closed = layer | ({"role:hr.clerk"} if "role:hr.payer" in layer else set())
    kept = [each for each in held if each[0] in closed]
    # The clerk's rights of a payer remain when only the clerk is in the layer.
    if ("role:hr.payer", "hr") in held and "role:hr.clerk" in closed:
        kept.append(("role:hr.clerk", "hr"))
    lesser = _snapshot(rules, *dict.fromkeys(kept))
    for request in REQUESTS:
        full = _decide(whole, request, ()).allowed
        alone = _decide(lesser, request, ()).allowed
        if request[3] == "session.self":
            alone = SIGNED_IN in layer
        assert _decide(whole, request, (layer,)).allowed == (full and alone), request


def test_a_deny_of_the_system_holds_for_a_token_that_leaves_its_role_out(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:hr.clerk", "hr"), ("role:hr.suspended", "hr"))
    update = ("hr", "payroll", "*", "record.update")
    assert _decide(snapshot, update, (frozenset({"role:hr.clerk"}),)).kind == "deny_rule"


def test_a_role_counts_only_in_the_departments_where_the_system_holds_it(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:it.encryptor", "hr"), ("role:it.cryptor", "it"))
    layer = (frozenset({"role:it.cryptor"}),)
    assert _decide(snapshot, ("it", "transit/k", "*", "data.encrypt"), layer).allowed
    refused = _decide(snapshot, ("hr", "transit/k", "*", "data.encrypt"), layer)
    assert refused.kind == "narrowed_token"


def test_a_refusal_of_a_narrowed_token_says_that_it_is_one(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:it.cryptor", "it"), ("role:it.encryptor", "it"))
    layer = (frozenset({"role:it.encryptor", SIGNED_IN}),)
    refused = _decide(snapshot, ("it", "transit/k", "*", "data.decrypt"), layer)
    assert refused.kind == "narrowed_token"
    assert "fewer roles than its system" in refused.reason_user
    assert "decrypt of role:it.cryptor" in refused.reason_admin
    assert "narrowed to role:any.signed_in, role:it.encryptor" in refused.reason_admin
    assert refused.near_misses[0].missing == "a token that includes role:it.cryptor"
    # What the system itself may not is refused for that reason.
    assert _decide(snapshot, ("hr", "transit/k", "*", "data.decrypt"), layer).kind != refused.kind


def test_conditions_hold_for_narrowed_tokens(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:hr.payer", "hr"))
    bank = ("hr", "payroll", "bank_account", "record.read")
    layer = (frozenset({"role:hr.payer"}),)
    assert _decide(snapshot, bank, layer, fresh=True).allowed
    stale = _decide(snapshot, bank, layer, fresh=False)
    assert stale.kind == "condition_failed"
    assert stale.step_up == 300


def test_fields_are_masked_as_the_narrowed_roles_have_it(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:hr.payer", "hr"), ("role:hr.viewer", "hr"))
    shown = field_access(
        snapshot,
        subject=SVC,
        department="hr",
        collection="payroll",
        fields=["bank_account"],
        context=AccessContext(AT, AT),
        narrowing=(frozenset({"role:hr.viewer"}),),
    )
    assert shown["bank_account"].access is Access.MASKED
    assert "fewer roles" in shown["bank_account"].reason


def test_an_inherited_role_can_be_kept_alone(rules: Rules) -> None:
    snapshot = _snapshot(rules, ("role:hr.payer", "hr"))
    layer = (frozenset({"role:hr.clerk"}),)
    assert held_roles(snapshot.basis, SVC, layer) == {"role:hr.clerk"}
    assert _decide(snapshot, ("hr", "payroll", "*", "record.read"), layer).allowed
    assert not _decide(snapshot, ("hr", "payroll", "bank_account", "record.read"), layer).allowed
