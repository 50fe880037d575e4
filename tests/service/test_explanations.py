"""Everybody learns what helps them; administrators and auditors learn everything, also of then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secvault.audit.event import Actor, Event
from secvault.audit.query import Question, page
from secvault.errors import InvalidInput, NotFound, Refused, StepUpRequired
from secvault.service import (
    Service,
    access_documents,
    authentication,
    entitlements,
    explanations,
    grants,
    past,
    people,
    systems,
)
from secvault.service.explanations import Asked
from secvault.service.spine import Caller, Operation, Outcome
from tests.running_service import House, system_token
from tests.service.approval_house import staffed

BANK = Asked("record.read", "hr", "payroll", "bank_account")
# What the head alone may, always.
DELETE = Asked("record.delete", "hr", "payroll")
OWN_ONLY = "own_record and aal2_fresh:900"
READ_BANK = Operation("record.read", "hr", "payroll", "hr/payroll/p/bank_account", "bank_account")


@pytest.fixture
def callers(service: Service, house: House) -> dict[str, Caller]:
    """Everybody of the house, and the operator."""
    found = {
        name: Caller(authentication.authenticate(service, house.tokens[name]))
        for name in ("admin", "clerk", "head", "auditor", "system")
    }
    return {**found, "operator": Caller(authentication.local_operator(service))}


def _last(service: Service) -> Event:
    service.audit.drain()
    return page(service.store, Question(), limit=1).events[0].event


@pytest.mark.parametrize("who", ["admin", "auditor", "operator"])
@pytest.mark.parametrize("written", ["clerk", "user:clerk"])
def test_administrators_and_auditors_learn_everything_about_anybody(
    service: Service, callers: dict[str, Caller], who: str, written: str
) -> None:
    made = explanations.explain(service, callers[who], replace(BANK, subject=written))
    document = access_documents.explanation(made)
    assert (document["verdict"], document["kind"]) == ("may_not", "field_class")
    assert document["request"]["name"] == "clerk"
    assert document["full"]["near_misses"][0] == {
        "rule": "hr-head-reveal-bank",
        "missing": "role",
        "remedies": [
            {"type": "request", "role": "role:hr.head", "department": "hr"},
            {"type": "reveal"},
            {"type": "step_up", "acr": "aal2", "max_age": 300},
        ],
    }
    event = _last(service)
    assert (event.kind, event.outcome) == ("access.explain", "ok")
    subject = made.explanation.request.subject
    assert dict(event.detail) == {"operation": "record.read", "subject": subject}


@pytest.mark.parametrize("written", ["", "clerk", "user:clerk"])
def test_people_learn_about_themselves_what_helps_them(
    service: Service, callers: dict[str, Caller], written: str
) -> None:
    made = explanations.explain(service, callers["clerk"], replace(BANK, subject=written))
    document = access_documents.explanation(made)
    assert "full" not in document
    assert document["reason"]["en"].startswith("The field bank_account holds bank data")
    assert document["reason"]["vi"].startswith("Trường bank_account chứa dữ liệu ngân hàng")
    assert "hr-head" not in str(document)
    assert _last(service).kind == "access.own"


@pytest.mark.parametrize("who", ["clerk", "head", "system"])
@pytest.mark.parametrize("about", ["admin", "user:auditor", "nobody-of-that-name", "svc:system2"])
def test_nobody_else_learns_about_others_nor_whether_they_exist(
    service: Service, callers: dict[str, Caller], who: str, about: str
) -> None:
    for ask in (
        lambda: explanations.explain(service, callers[who], replace(BANK, subject=about)),
        lambda: entitlements.what_can(service, callers[who], subject=about),
        lambda: entitlements.who_can(service, callers[who], action="record.read"),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert about not in refused.value.detail
        assert refused.value.decision_id


def test_a_caller_is_told_of_themselves_with_their_own_session(
    service: Service, callers: dict[str, Caller]
) -> None:
    now = service.clock.micros()
    stale = Caller(replace(callers["clerk"].principal, second_factor_at=now - 400_000_000))
    fresh = Caller(replace(callers["clerk"].principal, second_factor_at=now))
    asked = Asked("factor.remove", "it", "session")
    made = explanations.explain(service, stale, asked).explanation
    assert (made.kind, made.own_remedies[0].document) == (
        "condition_failed",
        {"type": "step_up", "acr": "aal2", "max_age": 300},
    )
    assert explanations.explain(service, fresh, asked).explanation.verdict == "may"


def test_a_factor_may_be_supposed_and_a_token_named(
    service: Service, callers: dict[str, Caller]
) -> None:
    admin = callers["admin"]
    give = Asked("approval.give", "it", "approvals", subject="admin")
    operator = callers["operator"]
    assert explanations.explain(service, operator, give).explanation.kind == "condition_failed"
    supposed = replace(give, factor_age=299)
    assert explanations.explain(service, operator, supposed).explanation.verdict == "may"

    text = system_token(service, "narrow", "it", "role:it.cryptor", "role:it.encryptor")
    issued = systems.issue_token(
        service,
        operator,
        account="narrow",
        display_name="n",
        days=1,
        roles=("role:it.encryptor",),
    )
    narrow = Asked("data.decrypt", "it", "transit/k", subject="svc:narrow")
    assert explanations.explain(service, admin, narrow).explanation.verdict == "may"
    by_token = replace(narrow, token=issued.text.text().split("_")[1])
    assert explanations.explain(service, admin, by_token).explanation.kind == "narrowed_token"
    other = replace(narrow, token=text.split("_")[1], subject="clerk")
    for wrong in (other, replace(narrow, token="0" * 10)):
        with pytest.raises(InvalidInput, match="no key id of a token of theirs"):
            explanations.explain(service, admin, wrong)


def test_the_past_is_explained_as_it_was(
    service: Service, house: House, callers: dict[str, Caller]
) -> None:
    admin = callers["admin"]
    before = service.clock.micros()
    house.hands.seconds += 60
    grants.add_grant(
        service,
        callers["operator"],
        subject="user:clerk",
        role="role:hr.head",
        department="hr",
        days=1,
    )
    house.hands.seconds += 60
    between = service.clock.micros()
    house.hands.seconds += 60
    people.disable_person(service, admin, "clerk")
    house.hands.seconds += 60
    disabled = service.clock.micros()
    house.hands.seconds += 60
    people.enable_person(service, admin, "clerk")
    house.hands.seconds += 2 * 86_400
    now = service.clock.micros()

    def kind(at: int | None) -> str:
        asked = replace(DELETE, subject="clerk", at=at)
        return explanations.explain(service, callers["operator"], asked).explanation.kind

    assert [kind(at) for at in (before, between, disabled, now, None)] == [
        "no_rule",
        "allow_rule",
        "subject_suspended",
        "grant_expired",
        "grant_expired",
    ]

    def can(at: int | None) -> dict[str, bool]:
        found = entitlements.who_can(
            service,
            callers["operator"],
            action="record.delete",
            object="payroll",
            at=at,
        )
        return {
            found.names[s]: s in found.suspended
            for s in {one.subject for _, one in found.found if OWN_ONLY not in one.when}
        }

    assert can(before) == {"head": False}
    assert can(between) == {"head": False, "clerk": False}
    assert can(disabled) == {"head": False, "clerk": True}
    assert can(None) == {"head": False}
    held = entitlements.what_can(service, callers["operator"], subject="clerk", at=between)
    assert "role:hr.head" in {one.way.role for one in held.found}
    ended = entitlements.what_can(service, callers["operator"], subject="clerk")
    assert "role:hr.head" not in {one.way.role for one in ended.found}


def test_who_was_shut_out_then_and_who_is_now(
    service: Service, house: House, callers: dict[str, Caller]
) -> None:
    asked = replace(DELETE, subject="head")
    people.disable_person(service, callers["operator"], "head")
    made = explanations.explain(service, callers["operator"], asked)
    document = access_documents.explanation(made)
    assert (document["kind"], document["remedies"][0]["type"]) == (
        "subject_suspended",
        "enable_subject",
    )
    assert document["reason"]["en"] == "This account is not active; ask an administrator."
    systems.disable_account(service, callers["operator"], "system")
    of_system = Asked("data.encrypt", "it", "transit/k", subject="svc:system")
    assert explanations.explain(service, callers["operator"], of_system).explanation.kind == (
        "subject_suspended"
    )


def test_a_vault_that_was_sealed_then_is_the_reason(
    service: Service, house: House, callers: dict[str, Caller]
) -> None:
    def note(kind: str, outcome: Any, **detail: Any) -> int:
        house.hands.seconds += 10
        event = Event(
            kind, outcome, Actor("system", "secvault"), "it/vault/seal", "it", detail=detail
        )
        service.audit.record(event)
        house.hands.seconds += 10
        return service.clock.micros() - 5_000_000

    sealed = note("vault.seal", "intent")
    opened = note("vault.unseal", "ok", seal="file")
    again = note("vault.seal", "intent")
    by_hand = note("audit.started", "ok", program="cli")
    served = note("audit.started", "ok", program="web")
    kinds = [
        explanations.explain(
            service, callers["operator"], replace(DELETE, subject="head", at=at)
        ).explanation.kind
        for at in (sealed, opened, again, by_hand, served)
    ]
    assert kinds == ["sealed", "allow_rule", "sealed", "sealed", "allow_rule"]


def test_a_second_person_is_named_as_needed_from_when_on_one_is(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    delete = Asked("key.delete", "it", "transit/k", subject="admin")
    alone = explanations.explain(service, staff.operator, delete).explanation
    assert alone.verdict == "may"
    staff.hire("second")
    made = explanations.explain(service, staff.operator, delete).explanation
    assert (made.verdict, made.kind) == ("needs_approval", "approval_needed")
    assert made.remedies[0].document == {
        "type": "ask_for_approval",
        "people": 1,
        "department": "it",
    }
    assert "1 of it" in made.reason_admin


def test_a_refusal_is_explained_by_its_decision(
    service: Service, callers: dict[str, Caller]
) -> None:
    with pytest.raises(Refused) as refused:
        service.spine.read(callers["clerk"], READ_BANK, lambda _: Outcome(None))
    decision = refused.value.decision_id
    own = explanations.explain_decision(service, callers["clerk"], decision)
    assert not own.in_full
    assert own.explanation.kind == "field_class"
    whole = explanations.explain_decision(service, callers["auditor"], decision)
    document = access_documents.explanation(whole)
    assert document["decision"] == decision
    assert document["full"]["event"]["outcome"] == "denied"
    for stranger in ("head", "system"):
        with pytest.raises(Refused):
            explanations.explain_decision(service, callers[stranger], decision)
    with pytest.raises(Refused):
        explanations.explain_decision(service, callers["clerk"], "0" * 32)
    with pytest.raises(NotFound):
        explanations.explain_decision(service, callers["auditor"], "0" * 32)
    with pytest.raises(InvalidInput):
        explanations.explain_decision(service, callers["auditor"], "no id")


def test_the_age_of_the_factor_stands_in_the_explanation_of_a_decision(
    service: Service, callers: dict[str, Caller]
) -> None:
    shown = service.clock.micros() - 912_000_000
    admin = Caller(replace(callers["admin"].principal, second_factor_at=shown))
    give = Operation("approval.give", "it", "approvals", "it/approvals")
    with pytest.raises(StepUpRequired) as refused:
        service.spine.read(admin, give, lambda _: Outcome(None))
    made = explanations.explain_decision(
        service, callers["auditor"], refused.value.decision_id
    ).explanation
    assert made.condition is not None
    assert (dict(made.condition.needed), dict(made.condition.actual)) == (
        {"max_age": 300},
        {"age": 912},
    )


def test_who_can_looks_where_the_collection_belongs_and_everywhere_else(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor = callers["auditor"]
    found = entitlements.who_can(service, auditor, action="record.list", object="payroll")
    ways: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for where, one in found.found:
        ways[OWN_ONLY in one.when].add((where, found.names[one.subject]))
    # Everybody may look at what is about themselves, which says so.
    assert ways[False] == {("hr", "clerk"), ("hr", "head")}
    assert ways[True] >= {("hr", "admin"), ("hr", "auditor")}
    read = entitlements.who_can(service, auditor, action="audit.read", department="hr")
    assert {found.names.get(one.subject, one.subject) for _, one in read.found} >= {
        "local:operator"
    }
    with pytest.raises(InvalidInput):
        entitlements.who_can(service, auditor, action="burn")
    with pytest.raises(InvalidInput):
        entitlements.who_can(service, auditor, action="record.list", object="payrol")
    with pytest.raises(InvalidInput):
        entitlements.what_can(service, auditor, subject="clerk", department="sales")
    with pytest.raises(InvalidInput):
        explanations.explain(service, auditor, replace(BANK, subject="clrk"))


def test_what_somebody_can_is_without_rules_and_grants_for_themselves(
    service: Service, callers: dict[str, Caller]
) -> None:
    own = access_documents.holdings(entitlements.what_can(service, callers["clerk"]))
    assert {one["department"] for one in own["entitlements"]} > {"hr", "it"}
    assert all(one["grant"] is None and one["rules"] == [] for one in own["entitlements"])
    full = access_documents.holdings(
        entitlements.what_can(service, callers["auditor"], subject="clerk", department="hr")
    )
    assert any(one["grant"] for one in full["entitlements"])
    assert any("class:personal" in one["fields"] for one in full["entitlements"])


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-11-03T10:00Z", 1_793_700_000_000_000),
        ("2026-11-03t17:00:00.5+07:00", 1_793_700_000_500_000),
        ("1970-01-01T00:00Z", 0),
    ],
)
def test_a_moment_is_read_with_its_offset(text: str, micros: int) -> None:
    assert past.moment_of(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-03",
        "2026-11-03T10:00",
        "1969-01-01T00:00Z",
        "0001-01-01T00:00+23:59",
    ],
)
def test_a_moment_without_its_offset_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        past.moment_of(text)
