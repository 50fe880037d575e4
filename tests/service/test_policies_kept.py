"""Published policies that cannot be read, were tampered with, or change in the middle of an act."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import text, update

from secvault.access.bundle import bundle_of
from secvault.audit.query import Question, page
from secvault.errors import ApprovalRequired, ConfigurationError
from secvault.service import (
    Service,
    authentication,
    opening,
    people,
    records,
)
from secvault.service.policies import operations as policies
from secvault.service.spine import Caller
from secvault.store.tables import policy_version
from tests.running_service import PAYSLIP, House
from tests.service.approval_house import staffed
from tests.service.policy_house import (
    SHIPPED,
    WHOLE,
    applied,
    asking,
    changed,
    forced,
    less,
    more,
)


@pytest.fixture
def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


@pytest.fixture
def clerk(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["clerk"]))


def reads_bank(service: Service, clerk: Caller) -> bool:
    return "bank_account" in records.read_record(service, clerk, "payroll", PAYSLIP).fields


UNREADABLE = bundle_of({**SHIPPED.files, "roles.csv": SHIPPED.files["roles.csv"] + "q,x\n"})


def test_a_policy_that_this_program_cannot_read_stops_every_answer(
    service: Service, house: House, operator: Caller, clerk: Caller
) -> None:
    forced(service, UNREADABLE)
    with pytest.raises(Exception, match=r"number 2, cannot be read .*secvault policy apply"):
        records.read_record(service, clerk, "payroll", PAYSLIP)
    with pytest.raises(ConfigurationError, match="secvault policy apply"), house.open():
        pass
    with pytest.raises(ConfigurationError, match="secvault policy apply"):
        opening.check(house.settings)


def test_a_policy_that_cannot_be_read_is_mended_at_the_machine_by_as_many_as_ever(
    house: House,
) -> None:
    with house.open() as service:
        staff = staffed(service, house)
        staff.hire("second")
        staff.hire("third")
        forced(service, UNREADABLE)
    mending = opening.opened(
        house.settings, house.hands.clock(), program="cli", environment={}, mend=True
    )
    with mending as service:
        staff = staffed(service, house)
        # Only this can be done; nothing of what is guarded can be seen.
        head = Caller(authentication.authenticate(service, house.tokens["head"]))
        with pytest.raises(Exception, match="does not include this action"):
            records.read_record(service, head, "payroll", PAYSLIP)
        with pytest.raises(ApprovalRequired) as required:
            applied(service, asking(staff.operator), SHIPPED)
        assert required.value.request
        for name in ("second", "third"):
            staff.approve(staff.again(name), required.value.request)
        assert applied(service, staff.operator, SHIPPED).number == 3
        assert records.read_record(service, head, "payroll", PAYSLIP).fields
    with house.open() as service:
        assert service.policy.in_force().digest == SHIPPED.digest


def test_every_publication_is_held_against_its_digest_and_the_audit_log(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, more())
    found = policies.verify(service, operator)
    assert (found.ok, found.versions) == (True, 2)
    with service.store.write() as connection:
        for trigger in ("no_update", "no_delete"):
            connection.execute(text(f"DROP TRIGGER policy_version_{trigger}"))
        second = policy_version.c.number == 2
        connection.execute(
            update(policy_version)
            .where(second)
            .values(body=SHIPPED.body, digest=SHIPPED.digest, published_by="user:x")
        )
    assert [one.partition(" (")[0] for one in policies.verify(service, operator).problems] == [
        "number 2: the audit log",
        "number 2: the audit log",
    ]
    with service.store.write() as connection:
        connection.execute(policy_version.delete().where(second))
    (problem,) = policies.verify(service, operator).problems
    assert "number 2 is in the audit log" in problem


def test_each_publication_is_in_the_audit_log_with_number_and_digest(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, more())
    service.audit.drain()
    events = page(service.store, Question(kind="policy.apply", outcome="ok")).events
    assert [
        (event.event.actor.subject, event.event.detail["version"], event.event.detail["policy"])
        for event in events
    ] == [
        ("local:operator", 2, more().digest),
        ("system:secvault", 1, WHOLE.digest),
    ]


def test_a_quorum_that_cannot_be_met_is_said_when_the_policy_is_planned(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    staff.hire("second")
    bundle = changed(
        {
            "obligations.toml": lambda text: text.replace(
                'actions = ["policy.apply"]\nslots = [{ people = 1 }]',
                'actions = ["policy.apply"]\nslots = [{ people = 2 }]',
            )
        }
    )
    plan = policies.plan(service, staff.an, bundle)
    assert plan.changes.obligations == ("policy.apply: 1, then 2",)
    assert [one.text for one in plan.findings if one.code == "quorum"] == [
        "policy.apply needs 2 to approve; too few people could do so in it besides whoever asks"
    ]


def test_privileged_acts_decide_by_the_policy_of_their_own_transaction(
    service: Service, house: House, operator: Caller
) -> None:
    # The decision before the transaction says yes; the policy changes before it begins.
    with ExitStack() as stack:
        other = stack.enter_context(house.open())
        spine, decide = service.spine, service.spine.decide
        admin = Caller(authentication.authenticate(service, house.tokens["admin"]))

        def late(caller: Caller, operation: object) -> object:
            found = decide(caller, operation)  # type: ignore[arg-type]
            applied(other, operator, less("it-admin-person-unlock"))
            return found

        monkey = pytest.MonkeyPatch()
        stack.callback(monkey.undo)
        monkey.setattr(spine, "decide", late)
        with pytest.raises(Exception, match="does not include this action"):
            people.unlock_person(service, admin, "clerk")
