"""The published policy: in force whole and at once, changed by two, and never into a dead end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.access import AccessContext, AccessRequest, add_grant
from secvault.access.bundle import Bundle
from secvault.access.separation import Mode
from secvault.errors import ApprovalRequired, ConfigurationError, Conflict, InvalidInput
from secvault.service import (
    Service,
    authentication,
    grants,
    readiness,
    records,
    separation_review,
)
from secvault.service.grants import subject_of
from secvault.service.policies import checks
from secvault.service.policies import operations as policies
from secvault.service.spine import Caller
from secvault.store.epoch import read_epochs
from tests.running_service import PAYSLIP, House, copied, join
from tests.service.approval_house import Staff, staffed
from tests.service.policy_house import (
    BANK,
    SHIPPED,
    WHOLE,
    applied,
    asking,
    changed,
    less,
    more,
    raised,
    without_policies,
    without_tests,
)


@pytest.fixture(scope="module")
def untested(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """What the policy's own tests say of a change is tested where they are run."""
    folder = tmp_path_factory.mktemp("untested")
    return without_tests(copied(furnished, folder / "house"), folder / "policies")


@pytest.fixture
def house(untested: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return replace(copied(untested, tmp_path / "house"), more=untested.more)


@pytest.fixture
def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


@pytest.fixture
def clerk(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["clerk"]))


def reads_bank(service: Service, clerk: Caller) -> bool:
    return "bank_account" in records.read_record(service, clerk, "payroll", PAYSLIP).fields


def test_the_files_are_published_at_the_first_start_and_not_read_as_policy_again(
    furnished: House, tmp_path: Path
) -> None:
    house = copied(furnished, tmp_path / "whole")
    with house.open() as service:
        shown = policies.show(service, Caller(authentication.local_operator(service)))
        assert (shown.version.number, shown.bundle) == (1, WHOLE)
    # Whoever edits the files, or takes them away, changes nothing.
    with replace(house, more={"SECVAULT_POLICIES": "/nonexistent"}).open() as service:
        assert service.policy.in_force().digest == WHOLE.digest
        state = readiness.check(service)
        assert (state.ready, state.policy_files) == (True, False)


def test_several_processes_that_start_after_an_upgrade_publish_the_files_once(
    house: House,
) -> None:
    with house.open() as service:
        without_policies(service)

    def start(_: int) -> int:
        with house.open() as service:
            return service.policy.in_force().number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [1] * 4
    with house.open() as service:
        caller = Caller(authentication.local_operator(service))
        assert [one.number for one in policies.history(service, caller)] == [1]


def test_a_publication_takes_effect_with_the_next_decision_in_every_process(
    service: Service, house: House, operator: Caller, clerk: Caller
) -> None:
    assert not reads_bank(service, clerk)
    with house.open() as other:
        assert not reads_bank(other, clerk)
        before = other.policy.rules
        with service.store.read() as connection:
            epoch = read_epochs(connection).policy
        made = applied(service, operator, more())
        assert (made.number, made.epoch) == (2, epoch + 1)
        assert reads_bank(other, clerk)
        assert other.policy.rules != before
        policies.roll_back(other, operator, 1, note="opened too much")
        assert not reads_bank(service, clerk)
    assert [one.number for one in policies.history(service, operator)] == [3, 2, 1]


def test_rules_obligations_and_collections_are_always_of_one_policy(
    service: Service, operator: Caller
) -> None:
    both = changed(
        {
            "roles.csv": lambda text: text + BANK.replace("payroll", "badges"),
            "obligations.toml": lambda text: text.replace('    "key.backup",\n', ""),
            "collections/hr.toml": lambda text: (
                text
                + '\n[collections.badges]\ntitle = { en = "Badges" }\n'
                + '[collections.badges.fields.number]\ntitle = { en = "Number" }\n'
                + 'type = "text"\nclass = "bank"\nmask = "hidden"\n'
            ),
        }
    )
    applied(service, operator, both)
    now = service.policy.in_force()
    assert "badges" in service.collections
    assert not service.approvers.obligations.needed("key.backup")
    assert (now.rules.collections["badges"], now.digest) == ("hr", both.digest)
    head = Caller(replace(operator.principal, subject="user:x"))
    # Its key was made with it, so that it can be written at once.
    assert records.collections(service, head) == ()
    with service.store.read() as connection:
        assert service.policy.in_force(connection) is service.policy.in_force()


def test_a_new_collection_can_be_filled_at_once(
    service: Service, house: House, operator: Caller
) -> None:
    bundle = changed(
        {
            "collections/hr.toml": lambda text: (
                text
                + '\n[collections.badges]\ntitle = { en = "Badges" }\n'
                + '[collections.badges.fields.number]\ntitle = { en = "Number" }\n'
                + 'type = "text"\nclass = "bank"\nmask = "hidden"\n'
            )
        }
    )
    applied(service, operator, bundle)
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    records.create_record(service, head, "badges", "b-1", {"number": "4711"})
    with pytest.raises(Conflict, match="collection badges has records"):
        applied(service, operator, SHIPPED)


def test_the_plan_says_who_gains_and_loses_and_applying_it_does_just_that(
    service: Service, operator: Caller, clerk: Caller
) -> None:
    plan = policies.plan(service, operator, more())
    who = clerk.principal.subject
    gaining = {plan.names.get(one, one) for one in plan.gains}
    assert gaining == {
        *("role:hr.clerk", "role:hr.head", "role:hr.payroll_clerk"),
        *("clerk", "head"),
    }
    assert plan.names[who] == "clerk"
    (gain,) = plan.gains[who]
    assert (gain.action, gain.fields, str(gain.after)) == ("record.read", ("bank_account",), "yes")
    assert plan.losses == {}
    assert plan.changes.rows == (f"+ {BANK.strip()}",)
    assert not plan.blockers
    made = applied(service, operator, more(), expected=plan.digest)
    assert made.digest == plan.bundle.digest
    assert not policies.plan(service, operator, more()).changed
    with pytest.raises(Conflict, match="in force already"):
        applied(service, operator, more())


def test_what_was_planned_is_not_applied_once_something_has_changed(
    service: Service, house: House, operator: Caller
) -> None:
    plan = policies.plan(service, operator, more())
    join(service, house, "new", ("role:hr.clerk", "hr"))
    with pytest.raises(Conflict, match="not what was planned"):
        applied(service, operator, more(), expected=plan.digest)
    plan = policies.plan(service, operator, more())
    applied(service, operator, less("hr-clerk-read-personal"))
    with pytest.raises(Conflict, match="not what was planned"):
        applied(service, operator, more(), expected=plan.digest)
    assert service.policy.in_force().number == 2


def test_a_change_of_the_policy_takes_a_second_person_who_sees_what_it_does(
    service: Service, house: House
) -> None:
    staff: Staff = staffed(service, house)
    second = staff.hire("second")
    with pytest.raises(ApprovalRequired) as required:
        applied(service, asking(staff.an), more())
    request = required.value.request
    assert request
    assert service.policy.in_force().number == 1
    given = staff.approve(second, request)
    terms = given.view.request.proposal.terms
    assert (terms["before"], terms["after"]) == (SHIPPED.digest, more().digest)
    assert terms["rows"] == [f"+ {BANK.strip()}"]
    assert "bank_account" in str(terms["gains"])
    # Another policy than the one that was approved needs another approval.
    other = more(BANK.replace("always", "aal2_fresh:300"))
    with pytest.raises(ApprovalRequired):
        applied(service, staff.an, other)
    made = applied(service, staff.an, more())
    assert made.proposal == given.view.request.proposal.digest
    detail = staff.last_detail("policy.apply")
    assert (detail["policy"], detail["version"], detail["approval"]) == (
        more().digest,
        2,
        "approved",
    )
    # It is used up with the deed.
    policies_now = service.policy.in_force().number
    with pytest.raises(ApprovalRequired):
        applied(service, staff.an, SHIPPED)
    assert service.policy.in_force().number == policies_now


def test_an_approval_is_void_when_the_policy_would_do_something_else_by_then(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    second = staff.hire("second")
    with pytest.raises(ApprovalRequired) as required:
        applied(service, asking(staff.an), more())
    assert required.value.request
    staff.approve(second, required.value.request)
    join(service, house, "new", ("role:hr.clerk", "hr"))
    with pytest.raises(ApprovalRequired):
        applied(service, staff.an, more())
    assert service.policy.in_force().number == 1


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (less("role:hr.clerk"), "there is no role 'role:hr.clerk' in the policy; revoke it first"),
        (
            less("policy.apply"),
            "nobody could do policy.apply in it any more",
        ),
        (less("approval.give"), "nobody could do approval.give in it any more"),
        (less("it-admin-grant-add"), "nobody could do grant.add in it any more"),
        (
            changed(
                {
                    "collections/hr.toml": lambda text: text.replace(
                        "fields.working_days]", "fields.days_worked]"
                    )
                }
            ),
            "field payroll.working_days has values; it cannot be removed",
        ),
        (
            changed(
                {
                    "collections/hr.toml": lambda text: text.replace(
                        "[collections.payroll.fields.bank_account]",
                        "[collections.payroll.fields.account]",
                    )
                }
            ),
            "field payroll.bank_account has values; it cannot be removed",
        ),
        (
            changed(
                {
                    "collections/logistics.toml": lambda text: text.replace(
                        "collections.shipments", "collections.transit"
                    ),
                    "roles.csv": lambda text: text.replace(",shipments,", ",transit,") + BANK,
                }
            ),
            "collection transit has the name of a mount",
        ),
    ],
    ids=["role in use", "apply", "approve", "grant", "plain field", "sealed field", "mount"],
)
def test_a_policy_that_would_take_away_what_is_needed_is_refused(
    service: Service, operator: Caller, bundle: object, said: str
) -> None:
    plan = policies.plan(service, operator, bundle)  # type: ignore[arg-type]
    assert any(said in one for one in plan.blockers), plan.blockers
    with pytest.raises(Conflict, match="cannot be applied"):
        applied(service, operator, bundle)  # type: ignore[arg-type]
    assert service.policy.in_force().number == 1


def test_a_field_may_change_its_class_and_what_is_stored_stays_readable(
    service: Service, house: House, operator: Caller
) -> None:
    def reclassed(text: str) -> str:
        at = text.index("[collections.payroll.fields.working_days]")
        head, tail = text[:at], text[at:]
        return raised(
            head + tail.replace('class = "normal"', 'class = "salary"\nmask = "hidden"', 1),
            "payroll",
        )

    plan = policies.plan(service, operator, changed({"collections/hr.toml": reclassed}))
    assert plan.changes.collections == (
        "payroll: version 2, then 3",
        "payroll.working_days: class normal, then salary; mask none, then hidden",
    )
    assert any(
        change.fields == ("working_days",) and change.lost
        for change in plan.losses["role:hr.clerk"]
    )
    applied(service, operator, changed({"collections/hr.toml": reclassed}))
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    assert records.read_record(service, head, "payroll", PAYSLIP).fields["working_days"] == "22"


def test_grants_that_ran_out_do_not_hold_back_a_role_that_goes_and_shut_nobody_out(
    service: Service, house: House, operator: Caller
) -> None:
    made = grants.add_grant(
        service,
        operator,
        subject="user:clerk",
        role="role:logistics.clerk",
        department="logistics",
        days=1,
    )
    house.hands.seconds += 2 * 86_400
    bundle = less("role:logistics.")
    applied(service, operator, bundle)
    at = service.clock.micros()
    session = AccessRequest(made.subject, "it", "session", "*", "session.self", AccessContext(at))
    assert service.policy.decide(session).allowed


def test_faults_in_the_files_are_all_named_and_nothing_is_applied(
    service: Service, operator: Caller
) -> None:
    broken = changed(
        {
            "roles.csv": lambda text: text + "p,role:hr.clerk\n",
            "obligations.toml": lambda text: text.replace('"key.backup"', '"key.backups"'),
        }
    )
    with pytest.raises(InvalidInput) as refused:
        applied(service, operator, broken)
    named = {fault.field.partition(" ")[0].rstrip(":") for fault in refused.value.fields}
    assert named == {"roles.csv", "obligations.toml"}


def test_a_check_that_fails_holds_a_policy_back(
    service: Service, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(bundle: object) -> None:
        raise ConfigurationError("tests/payroll.toml: clerk reads bank_account: expected deny")

    monkeypatch.setattr(checks, "CHECKS", (fails,))
    with pytest.raises(Conflict, match=r"tests/payroll\.toml"):
        applied(service, operator, more())


def test_groups_of_a_provider_hold_back_a_policy_that_they_would_not_fit(house: House) -> None:
    corp = "SECVAULT_IDENTITY__SCIM__CORP__"
    mapped = {f"{corp}ACCOUNT": "directory", f"{corp}SUBJECT": "external_id"}
    mapped[f"{corp}DEPARTMENT"] = "hr"
    mapped[f"{corp}GROUPS"] = '["drivers = logistics.clerk@logistics"]'
    with replace(house, more=mapped).open() as service:
        operator = Caller(authentication.local_operator(service))
        with pytest.raises(Conflict, match="the settings would not fit any more"):
            applied(service, operator, less("role:logistics."))


# Separation of duties

BOTH = """

[[duties]]
id = "payroll-and-accounts"
title = {{ en = "Whoever enters the payroll does not change accounts", vi = "Vì sao" }}
scope = "anywhere"
mode = "{mode}"
a = [{{ action = "record.create", object = "payroll" }}]
b = [{{ action = "record.create", object = "payments" }}]
"""


def kept_apart(mode: str, bundle: Bundle = SHIPPED) -> Bundle:
    rule = BOTH.format(mode=mode)
    return changed({"separation.toml": lambda text: text + rule}, bundle)


def test_a_rule_that_would_forbid_what_somebody_has_is_refused_until_they_are_excepted(
    service: Service, operator: Caller
) -> None:
    grants.add_grant(
        service, operator, subject="user:clerk", role="role:accounting.clerk",
        department="accounting", days=20,
    )  # fmt: skip
    planned = policies.plan(service, operator, kept_apart("deny"))
    (one,) = planned.separation
    assert (one.rule, one.mode, planned.names[one.subject]) == (
        "payroll-and-accounts",
        Mode.DENY,
        "clerk",
    )
    assert "role:accounting.clerk" in one.text
    with pytest.raises(Conflict, match="payroll-and-accounts"):
        applied(service, operator, kept_apart("deny"))
    # One that warns is applied, and shown; nobody is told a second time.
    warning = kept_apart("warn")
    planned = policies.plan(service, operator, warning)
    assert ([one.mode for one in planned.separation], planned.blockers) == ([Mode.WARN], ())
    applied(service, operator, warning, expected=planned.digest)
    again = changed({"roles.csv": lambda text: text + BANK}, warning)
    assert policies.plan(service, operator, again).separation == ()
    # It forbids once an exception was agreed on.
    with pytest.raises(Conflict, match="payroll-and-accounts"):
        applied(service, operator, kept_apart("deny"))
    separation_review.except_from_rule(
        service, operator, subject="user:clerk", rule="payroll-and-accounts", days=30, note="few"
    )
    assert applied(service, operator, kept_apart("deny")).number == 3


def test_a_row_that_brings_duties_together_is_refused_for_whoever_has_both(
    service: Service, operator: Caller
) -> None:
    with service.store.write() as connection:
        add_grant(
            connection,
            service.policy.rules,
            subject=subject_of(connection, "user:clerk"),
            role="role:it.break_glass_holder",
            department="it",
            granted_by="local:operator",
            at=service.clock.micros(),
        )
    row = "p,role:it.break_glass_holder,it,*,*,key.export,aal2_fresh:300,allow,holder-export\n"
    planned = policies.plan(service, operator, more(row))
    assert [one.rule for one in planned.separation] == ["keys-and-records"]
    with pytest.raises(Conflict, match="keys-and-records"):
        applied(service, operator, more(row))
    assert policies.show(service, operator).version.number == 1
