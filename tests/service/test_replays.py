"""Each decision of the log, made again, gives the answer that was recorded."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from sqlalchemy import Connection, update

from secvault.access import Grant, list_grants
from secvault.audit.event import OUTCOME_OF_CONDITION, Actor, DecisionNote, Event
from secvault.audit.query import Question, page
from secvault.errors import ApprovalRequired, NotFound, Refused, SecvaultError, StepUpRequired
from secvault.identity import Principal, placement
from secvault.identity.people import find_person
from secvault.identity.placement import Placement
from secvault.identity.principal import RECOVERY
from secvault.identity.sessions import RECOVERY_LAYER
from secvault.service import Service, authentication, grants, records, replays, systems
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import token
from tests.running_service import PAYSLIP, House, payslip, system_token
from tests.service.approval_house import staffed
from tests.service.policy_house import SHIPPED, applied, more

FAILS, HOLDS, STALE = (OUTCOME_OF_CONDITION[one] for one in ("fails", "holds", "stale"))

FIELDS = ("status", "gross_salary", "bank_account")


def _callers(service: Service, house: House) -> dict[str, Caller]:
    names = ("admin", "clerk", "head", "auditor", "system")
    return {
        name: Caller(authentication.authenticate(service, house.tokens[name])) for name in names
    }


def _decisions(service: Service) -> list[tuple[str, str]]:
    """The id of each decision in the log, once, with the outcome of its entry."""
    service.audit.drain()
    found = page(service.store, Question(), limit=1000, newest_first=False).events
    notes = {one.event.decision.id: one.event.outcome for one in found if one.event.decision}
    return list(notes.items())


def test_all_decisions_of_a_random_scenario_are_made_again_with_the_same_answers(
    service: Service, house: House
) -> None:
    chance = random.Random(11)
    operator = Caller(authentication.local_operator(service))
    callers = _callers(service, house)
    callers["narrow"] = _narrowed(service)
    recovering = replace(
        callers["clerk"].principal, factors=("password", RECOVERY), narrowing=(RECOVERY_LAYER,)
    )
    callers["recovering"] = Caller(recovering)
    subjects = ("user:clerk", "user:head", "user:auditor")
    operations = [
        *(Operation("record.read", "hr", "payroll", f"hr/payroll/p/{f}", f) for f in FIELDS),
        Operation("record.read", "accounting", "invoices", "accounting/invoices/i"),
        Operation("key.rotate", "it", "transit/k", "it/transit/k"),
        Operation("data.encrypt", "it", "transit/k", "it/transit/k"),
        Operation("approval.give", "it", "approvals", "it/approvals"),
        Operation("recovery.enrol", "it", "session", "it/session"),
        Operation("grant.read", "it", "grants", "it/grants"),
        Operation("record.read", "hr", "payrol", "hr/payrol"),
    ]
    for _ in range(70):
        house.hands.seconds += chance.choice([0.25, 1, 7, 3600])
        if chance.random() < 0.35:
            _change(service, operator, chance, chance.choice(subjects))
            house.hands.seconds += 0.001
            continue
        who = callers[chance.choice(sorted(callers))]
        if chance.random() < 0.5:
            shown = service.clock.micros() - chance.choice([5, 299, 301, 4000]) * 1_000_000
            who = replace(who, principal=replace(who.principal, second_factor_at=shown))
        try:
            service.spine.read(who, chance.choice(operations), lambda _: Outcome(None))
        except Refused:
            continue
    decisions = _decisions(service)
    outcomes = {outcome for _, outcome in decisions}
    assert outcomes >= {"ok", "denied"}
    assert len(decisions) > 60
    auditor = callers["admin"]
    for decision, _ in decisions:
        made = replays.replay(service, auditor, decision)
        assert made.replay.verdict == "same", (made.recorded, made.replay.differences)


def _narrowed(service: Service) -> Caller:
    """A system by a token that may only encrypt."""
    operator = Caller(authentication.local_operator(service))
    system_token(service, "narrow", "it", "role:it.cryptor", "role:it.encryptor")
    issued = systems.issue_token(
        service,
        operator,
        account="narrow",
        display_name="narrow",
        days=30,
        roles=("role:it.encryptor",),
    )
    return Caller(authentication.authenticate(service, issued.text.text()))


def _change(service: Service, operator: Caller, chance: random.Random, subject: str) -> None:
    role = chance.choice(["role:hr.clerk", "role:hr.head", "role:it.cryptor"])
    department = "hr" if role.startswith("role:hr") else "it"
    try:
        if chance.random() < 0.6:
            grants.add_grant(
                service,
                operator,
                subject=subject,
                role=role,
                department=department,
                days=chance.choice([None, 1]),
            )
            return
        with service.store.read() as connection:
            live = list_grants(connection, valid_at=service.clock.micros())
        mine: list[Grant] = [one for one in live if one.role == role and one.source == ""]
        if mine:
            grants.revoke_grant(service, operator, chance.choice(mine).id)
    except SecvaultError:
        # A second grant of the same role, or one that waits for an approval.
        return


def _denied(service: Service, who: Caller, operation: Operation) -> str:
    with pytest.raises(Refused) as refused:
        service.spine.read(who, operation, lambda _: Outcome(None))
    return refused.value.decision_id


DECRYPT = Operation("data.decrypt", "it", "transit/k", "it/transit/k")
BANK = Operation("record.read", "hr", "payroll", "hr/payroll/p/bank_account", "bank_account")


def test_a_token_that_was_narrowed_further_since_is_said_to_have_changed(
    service: Service, house: House
) -> None:
    who = _narrowed(service)
    decision = _denied(service, who, DECRYPT)
    admin = _callers(service, house)["admin"]
    assert replays.replay(service, admin, decision).replay.verdict == "same"
    with service.store.write() as connection:
        connection.execute(
            update(token)
            .where(token.c.key_id == who.principal.credential)
            .values(narrowing='[["role:any.signed_in"]]')
        )
    made = replays.replay(service, admin, decision)
    assert made.replay.verdict == "token_changed"
    assert "narrowed" in made.why


def test_an_entry_of_before_is_too_old(service: Service, house: House) -> None:
    note = DecisionNote(
        "hr-head-read", "ab" * 32, f"{service.clock.micros() // 1000:012x}" + "a" * 20
    )
    service.audit.record(
        Event("record.read", "ok", Actor("user", "u-1"), "hr/payroll/p", "hr", decision=note)
    )
    admin = _callers(service, house)["admin"]
    made = replays.replay(service, admin, note.id)
    assert (made.replay.verdict, made.recorded) == ("too_old", None)
    with pytest.raises(NotFound):
        replays.replay(service, admin, "0" * 32)


def test_the_refusal_of_a_right_lost_meanwhile_is_recorded_with_its_own_decision(
    service: Service, house: House
) -> None:
    head = _callers(service, house)["head"]
    operator = Caller(authentication.local_operator(service))
    with service.store.read() as connection:
        grant = next(one for one in list_grants(connection) if one.role == "role:hr.head")
    update_ = Operation("record.update", "hr", "payroll", f"hr/payroll/{PAYSLIP}")
    first: list[str] = []
    decide = service.spine.decide

    def lose_it_then(caller: Caller, operation: Operation) -> object:
        decision = decide(caller, operation)
        first.append(decision.id)
        if operation is update_:
            house.hands.seconds += 1
            grants.revoke_grant(service, operator, grant.id)
            house.hands.seconds += 1
        return decision

    service.spine.decide = lose_it_then  # type: ignore[method-assign,assignment]
    with pytest.raises(Refused) as refused:
        service.spine.change(head, update_, lambda _: Outcome(None))
    assert refused.value.decision_id not in first
    admin = _callers(service, house)["admin"]
    made = replays.replay(service, admin, refused.value.decision_id)
    assert (made.stored.event.outcome, made.replay.verdict) == ("denied", "same")
    assert made.recorded is not None
    assert made.recorded.kind == "no_role"


def test_a_refusal_in_the_act_is_recorded_with_the_decision_that_refused(
    service: Service, house: House
) -> None:
    clerk = _callers(service, house)["clerk"]
    listing = Operation("record.list", "hr", "payroll", "hr/payroll/p")

    def look(connection: Connection) -> Outcome[None]:
        service.spine.require_fields(
            clerk, replace(BANK, field="*"), ("status", "bank_account"), connection
        )
        return Outcome(None)

    with pytest.raises(Refused) as refused:
        service.spine.read(clerk, listing, look)
    assert refused.value.decision is None
    admin = _callers(service, house)["admin"]
    made = replays.replay(service, admin, refused.value.decision_id)
    event = made.stored.event
    assert (event.kind, event.outcome, event.asked) == (
        "record.list",
        "denied",
        ("record.read", "payroll"),
    )
    assert made.recorded is not None
    assert (made.recorded.kind, made.recorded.request.field) == ("field_class", "bank_account")
    assert made.replay.verdict == "same"


def test_a_decision_that_refuses_before_the_act_stays_out_of_the_error(
    service: Service, house: House
) -> None:
    with pytest.raises(Refused) as refused:
        service.spine.decide(_callers(service, house)["clerk"], BANK)
    assert (bool(refused.value.decision_id), refused.value.decision) == (True, None)


def test_conditions_that_a_rule_joins_are_kept_one_by_one_and_come_out_so_again(
    service: Service, house: House
) -> None:
    with service.store.write() as connection:
        person = find_person(connection, "admin")
        placement.place(connection, person, person.version, Placement.of("NV-0042", ()))
    head, admin = (_callers(service, house)[name] for name in ("head", "admin"))
    records.create_record(service, head, "payroll", "other", payslip(employee="nv-0043"))
    shown = service.clock.micros() - 901_000_000
    stale = Caller(replace(admin.principal, second_factor_at=shown))

    def note(decision: str) -> tuple[str, dict[str, int]]:
        made = replays.replay(service, admin, decision)
        assert made.replay.verdict == "same", made.replay.differences
        assert made.recorded is not None
        kept = made.stored.event.decision
        assert kept is not None
        return made.recorded.kind, dict(kept.conditions)

    records.read_field(service, admin, "payroll", PAYSLIP, "bank_account")
    assert note(_decisions(service)[-1][0]) == (
        "allow_rule",
        {"aal2_fresh:300": HOLDS, "aal2_fresh:900": HOLDS, "own_record": HOLDS},
    )
    for who, record, error, fresh, own in (
        (stale, PAYSLIP, StepUpRequired, STALE, HOLDS),
        (admin, "other", Refused, HOLDS, FAILS),
        (stale, "other", Refused, STALE, FAILS),
    ):
        with pytest.raises(Refused) as refused:
            records.read_field(service, who, "payroll", record, "bank_account")
        assert type(refused.value) is error
        _kind, conditions = note(refused.value.decision_id)
        assert conditions == {
            "aal2_fresh:300": fresh,
            "aal2_fresh:900": fresh,
            "own_record": own,
        }


def test_what_needs_an_approval_names_its_decision_and_replays_to_a_yes(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    staff.hire("second")
    with pytest.raises(ApprovalRequired) as required:
        staff.do(staff.again("second"), reason="for a test")
    made = replays.replay(service, staff.again("admin"), required.value.decision_id)
    assert made.replay.verdict == "same"
    assert made.recorded is not None
    assert made.recorded.allowed
    # The request for it rests on the same decision, under another kind.
    asked = [
        one.event for one in page(service.store, Question(kind="approval.ask"), limit=10).events
    ]
    assert asked[0].asked == ("key.delete", "transit/k")


@pytest.mark.parametrize("who", ["clerk", "head", "system"])
def test_only_administrators_and_auditors_replay(service: Service, house: House, who: str) -> None:
    callers = _callers(service, house)
    decision = _denied(service, callers["clerk"], BANK)
    with pytest.raises(Refused):
        replays.replay(service, callers[who], decision)
    assert replays.replay(service, callers["auditor"], decision).replay.verdict == "same"


def test_the_entry_of_a_decision_says_no_more_than_it_needs(service: Service, house: House) -> None:
    callers = _callers(service, house)
    _denied(service, callers["clerk"], BANK)
    shown: Principal = replace(
        callers["admin"].principal, second_factor_at=service.clock.micros() - 912_000_000
    )
    give = Operation("approval.give", "it", "approvals", "it/approvals")
    _denied(service, Caller(shown), give)
    service.spine.read(
        callers["system"],
        Operation("data.encrypt", "it", "transit/k", "it/transit/k"),
        lambda _: Outcome(None),
    )
    service.audit.drain()
    found = page(service.store, Question(), limit=3).events
    encrypt, given, bank = (one.event.decision for one in found)
    assert encrypt is not None
    assert given is not None
    assert bank is not None
    assert (bank.kind, bank.object, bank.field) == ("field_class", "payroll", "bank_account")
    assert (given.conditions, given.factor_age) == ((("aal2_fresh:300", STALE),), 912)
    rest = (encrypt.kind, encrypt.action, encrypt.object, encrypt.field, encrypt.narrowing)
    assert rest == ("", "", "", "", "")
    assert (encrypt.conditions, encrypt.factor_age) == ((), None)
    assert encrypt.at == service.clock.micros()


def test_a_decision_is_made_again_by_the_policy_of_then_also_right_before_another_one(
    service: Service, house: House
) -> None:
    callers = _callers(service, house)
    operator = Caller(authentication.local_operator(service))
    refused = _denied(service, callers["clerk"], BANK)
    # Of the same moment, which the hands of the clock stand at.
    applied(service, operator, more())
    service.spine.read(callers["clerk"], BANK, lambda _: Outcome(None))
    answers = dict(_decisions(service))
    allowed_by = list(answers)[-1]
    house.hands.seconds += 3600
    applied(service, operator, SHIPPED)
    replayed = [replays.replay(service, callers["auditor"], one) for one in (refused, allowed_by)]
    assert [one.replay.verdict for one in replayed] == ["same", "same"]
    assert [one.recorded and one.recorded.allowed for one in replayed] == [False, True]


def test_the_records_of_people_are_replayed_too(service: Service, house: House) -> None:
    callers = _callers(service, house)
    records.read_record(service, callers["clerk"], "payroll", PAYSLIP)
    decision, outcome = _decisions(service)[-1]
    assert outcome == "ok"
    assert replays.replay(service, callers["auditor"], decision).replay.verdict == "same"
