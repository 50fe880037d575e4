"""A recorded decision, made again by what was recorded of it, gives the same answer, or says why
not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.as_of import known_grants
from secvault.access.conditions import About, Asker, Outcome, outcome, read_condition
from secvault.access.decide import Decision
from secvault.access.replay import (
    DIFFERS,
    SAME,
    SETTLED,
    Recorded,
    as_recorded,
    replayed,
)
from secvault.access.snapshot import Snapshot

AT = 1_700_000_000_000_000
PAYER = Grant("g1", "user:1", "role:hr.payer", "hr", 0, None, "user:9", 0)


def recorded_of(request: AccessRequest, decision: Decision) -> Recorded:
    return Recorded(
        decision.id,
        request,
        decision.kind,
        decision.rule,
        decision.policy_digest,
        decision.epoch,
        {name: one for name, one in decision.outcomes if name != "always"},
    )


def asked(field: str = "bank_account", shown: int | None = None, at: int = AT) -> AccessRequest:
    context = AccessContext(at, shown)
    return AccessRequest("user:1", "hr", "payroll", field, "record.read", context)


def decided(rules: Rules, grants: Iterable[Grant], request: AccessRequest) -> Decision:
    snapshot = build_snapshot(rules, grants, epoch=3, at=request.context.at)
    return decide(snapshot, request)


def again(rules: Rules, recorded: Recorded, grants: Iterable[Grant]) -> Callable[[int], Snapshot]:
    rows = tuple(grants)
    return lambda known: build_snapshot(rules, known_grants(rows, known), epoch=0, at=recorded.at)


@pytest.mark.parametrize("shown", [None, AT - 10_000_000, AT - 900_000_000])
def test_the_conditions_come_out_as_they_did_whatever_the_facts_say_now(
    with_deny: Rules, shown: int | None
) -> None:
    request = asked(shown=shown)
    decision = decided(with_deny, [PAYER], request)
    # Only how the condition came out is kept of the factor, not its moment.
    bare = recorded_of(asked(shown=None), decision)
    made = replayed(bare, again(with_deny, bare, [PAYER]))
    assert (made.verdict, made.differences) == (SAME, ())
    assert made.decision is not None
    assert made.decision.allowed == decision.allowed


def test_a_condition_comes_out_as_it_did_and_one_that_was_not_looked_at_is_asked() -> None:
    asking = replace(asked(), context=AccessContext(AT, AT, recovering=True))
    kept = {"aal2_fresh:300": Outcome.BROKEN, "ticket and own_record": Outcome.HOLDS}
    context = as_recorded(Recorded("d", asking, "", "", "", 0, kept)).context
    found = {
        name: outcome(read_condition(name), context)
        for name in (*kept, "aal2_fresh:60", "recovering", "ticket")
    }
    assert found == {
        **kept,
        "aal2_fresh:60": Outcome.HOLDS,
        "recovering": Outcome.HOLDS,
        "ticket": Outcome.BROKEN,
    }


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("shown", [AT, AT - 300_000_001, None])
def test_joined_conditions_about_records_come_out_again_without_the_record(
    parse: Callable[[str], Rules], mine: bool, shown: int | None
) -> None:
    rules = parse(
        "p,role:any.signed_in,hr,payroll,*,record.read,own_record and aal2_fresh:300,allow,own\n"
    )
    about = About(person="nv-1" if mine else "nv-2")
    context = AccessContext(AT, shown, asker=Asker("nv-1"), about=about)
    request = replace(asked("period"), context=context)
    decision = decided(rules, [], request)
    assert decision.allowed is (mine and shown == AT)
    bare = recorded_of(asked("period"), decision)
    assert replayed(bare, again(rules, bare, [])).verdict == SAME


def test_another_answer_is_told_to_the_letter(with_deny: Rules) -> None:
    decision = decided(with_deny, [PAYER], asked("period"))
    recorded = recorded_of(asked("period"), decision)
    made = replayed(recorded, again(with_deny, recorded, []))
    assert made.verdict == DIFFERS
    assert [(one.what, one.recorded, one.again) for one in made.differences] == [
        ("allowed", "true", "false"),
        ("kind", "allow_rule", "no_role"),
        ("rule", "read", ""),
    ]


def test_other_rules_are_told_as_another_policy(
    with_deny: Rules, parse: Callable[[str], Rules]
) -> None:
    other = parse("p,role:hr.payer,hr,payroll,*,record.read,always,allow,read\n")
    recorded = recorded_of(asked("period"), decided(other, [PAYER], asked("period")))
    made = replayed(recorded, again(with_deny, recorded, [PAYER]))
    assert made.verdict == DIFFERS
    assert [one.what for one in made.differences] == ["policy"]


@pytest.mark.parametrize("late", [1, SETTLED])
def test_a_change_of_the_same_moment_may_have_come_before_or_after(
    with_deny: Rules, late: int
) -> None:
    request = asked("period")
    # Made before the decision by its clock, and committed after it.
    unseen = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "user:9", AT - late + 1)
    refused = recorded_of(request, decided(with_deny, [], request))
    made = replayed(refused, again(with_deny, refused, [unseen]), [unseen.created_at])
    assert made.verdict == SAME
    # Revoked after the decision by its clock, and seen by it.
    revoked = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "user:9", 0, AT + late)
    refused = recorded_of(request, decided(with_deny, [], request))
    made = replayed(refused, again(with_deny, refused, [revoked]), [0, AT + late])
    assert made.verdict == SAME


def test_a_change_of_another_hour_is_no_excuse(with_deny: Rules) -> None:
    request = asked("period")
    refused = recorded_of(request, decided(with_deny, [], request))
    grant = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "user:9", AT - SETTLED - 1)
    assert replayed(refused, again(with_deny, refused, [grant]), [grant.created_at]).verdict == (
        DIFFERS
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["role:hr.clerk", "role:hr.payer", "role:hr.suspended"]),
            st.sampled_from([(0, None), (0, AT), (AT, None), (AT + 1, None)]),
        ),
        max_size=3,
    ),
    st.sampled_from(["period", "bank_account", "full_name", "iban", "*"]),
    st.none() | st.integers(0, 1000),
)
def test_every_decision_gives_the_same_answer_again(
    with_deny: Rules,
    held: list[tuple[str, tuple[int, int | None]]],
    field: str,
    age: int | None,
) -> None:
    grants = [
        Grant(f"g{n}", "user:1", role, "hr", start, end, "user:9", 0)
        for n, (role, (start, end)) in enumerate(held)
    ]
    request = asked(field, None if age is None else AT - age * 1_000_000)
    decision = decided(with_deny, grants, request)
    recorded = recorded_of(asked(field), decision)
    assert replayed(recorded, again(with_deny, recorded, grants)).verdict == SAME
