"""Every answer says why, to the administrator in full, to the caller without giving things away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secvault.access import (
    AccessContext,
    AccessRequest,
    Decision,
    Grant,
    Rules,
    build_snapshot,
    decide,
)
from secvault.access.conditions import Outcome
from secvault.access.explain import explain
from secvault.access.rows import Case

AT = 1_700_000_000_000_000
MINUTE = 60_000_000


def granted(role: str, start: int = 0, end: int | None = None) -> Grant:
    return Grant(f"g-{role[5:]}", "user:17", role, "hr", start, end, "local:operator", 0)


@pytest.fixture
def ask(with_deny: Rules) -> Callable[..., Decision]:
    def asked(
        *grants: Grant,
        field: str = "period",
        action: str = "record.read",
        department: str = "hr",
        obj: str = "payroll",
        second_factor_at: int | None = None,
    ) -> Decision:
        snapshot = build_snapshot(with_deny, grants, epoch=1, at=AT)
        context = AccessContext(AT, second_factor_at)
        return decide(snapshot, AccessRequest("user:17", department, obj, field, action, context))

    return asked


CLERK, PAYER, SUSPENDED = "role:hr.clerk", "role:hr.payer", "role:hr.suspended"


def test_an_allow_names_rule_role_and_grant(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(PAYER))
    assert (decision.kind, decision.rule) == ("allow_rule", "read")
    assert decision.via == ("user:17", "grant g-hr.payer", PAYER, CLERK)
    assert decision.reason_admin == (
        "rule read of role:hr.clerk, held through "
        "user:17 > grant g-hr.payer > role:hr.payer > role:hr.clerk"
    )


def test_a_deny_names_the_deny_rule_and_the_way_to_it(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(PAYER), granted(SUSPENDED))
    assert (decision.kind, decision.rule) == ("deny_rule", "suspended")
    assert decision.via == ("user:17", "grant g-hr.suspended", SUSPENDED)
    assert decision.reason_user == "This is forbidden for you."


def test_a_stale_second_factor_is_the_remedy(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(PAYER), field="bank_account", second_factor_at=AT - 10 * MINUTE)
    assert (decision.kind, decision.rule) == ("condition_failed", "read-bank")
    assert decision.step_up == 300
    assert decision.near_misses[0].missing == "condition aal2_fresh:300"
    assert "fresh second factor" in decision.reason_user
    fresh = ask(granted(PAYER), field="bank_account", second_factor_at=AT - MINUTE)
    assert fresh.allowed
    assert fresh.step_up is None


def test_a_class_that_the_roles_do_not_open_is_named(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(CLERK), field="bank_account")
    assert decision.kind == "field_class"
    assert decision.near_misses[0].missing == "role:hr.payer in hr"
    assert decision.step_up is None


def test_an_action_that_no_role_has_is_no_rule(ask: Callable[..., Decision]) -> None:
    assert ask(granted(CLERK), action="record.update").kind == "no_rule"


def test_somebody_without_any_grant_has_no_role(ask: Callable[..., Decision]) -> None:
    assert ask().kind == "no_role"


def test_roles_in_another_department_only(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(CLERK), department="accounting", obj="invoices")
    assert decision.kind == "wrong_department"
    assert decision.reason_user == "You have no role in the department accounting."


def test_a_collection_asked_for_in_another_department(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(CLERK), department="accounting")
    assert decision.kind == "wrong_department"
    assert decision.reason_admin == "payroll belongs to hr, the request says accounting"


def test_a_grant_that_ended_is_named_with_its_end(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(PAYER, end=AT), field="bank_account")
    assert (decision.kind, decision.rule) == ("grant_expired", "read-bank")
    assert decision.via == ("user:17", "grant g-hr.payer", PAYER)
    assert "2023-11-14T22:13:20.000000Z" in decision.reason_user


def test_a_grant_to_come_is_named_with_its_start(ask: Callable[..., Decision]) -> None:
    decision = ask(granted(CLERK, start=AT + 1))
    assert decision.kind == "grant_not_started"
    assert "2023-11-14T22:13:20.000001Z" in decision.reason_user


def test_an_ended_grant_that_would_not_have_helped_is_not_the_reason(
    ask: Callable[..., Decision],
) -> None:
    assert ask(granted(CLERK, end=AT), field="bank_account").kind == "no_role"


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"department": "sales"}, "department"),
        ({"action": "record.burn"}, "action"),
        ({"obj": "pay"}, "object"),
        ({"field": "iban"}, "field"),
        ({"field": "period", "action": "record.list"}, "field"),
        ({"field": ""}, "field"),
    ],
)
def test_a_name_that_does_not_exist_is_said_to_be_unknown(
    ask: Callable[..., Decision], asked: dict[str, str], what: str
) -> None:
    decision = ask(granted(CLERK), **asked)
    assert (decision.kind, decision.reason_user) == ("unknown_name", f"There is no such {what}.")


def test_the_caller_never_reads_of_rules_roles_grants_or_others(
    ask: Callable[..., Decision],
) -> None:
    answers = [
        ask(granted(PAYER), granted(SUSPENDED)),
        ask(granted(PAYER), field="bank_account"),
        ask(granted(CLERK), field="bank_account"),
        ask(granted(PAYER, end=AT)),
        ask(granted(CLERK), action="record.update"),
        ask(),
        ask(granted(CLERK)),
    ]
    assert len({one.kind for one in answers}) == 7
    for one in answers:
        for word in ("role:", "grant ", "g-hr", "user:", "suspended", "read-bank", "aal2_fresh"):
            assert word not in one.reason_user


@pytest.mark.parametrize("casbin_allows", [True, False])
def test_nothing_is_allowed_when_casbin_and_the_reasons_disagree(
    with_deny: Rules, casbin_allows: bool
) -> None:
    grants = [granted(CLERK)] if not casbin_allows else []
    basis = build_snapshot(with_deny, grants, epoch=1, at=AT).basis
    case = Case("user:17", "hr", "payroll", "period", "record.read")
    outcomes, context = {"always": Outcome.HOLDS}, AccessContext(AT)
    finding = explain(basis, case, outcomes, context, casbin_allows=casbin_allows)
    assert (finding.kind, finding.allowed) == ("engine_error", False)
