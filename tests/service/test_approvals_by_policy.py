"""Who must approve what, and whose approval counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from secvault.access.obligations import Obligations, Slot
from secvault.errors import ApprovalRequired, Conflict, NotFound, Refused, StepUpRequired
from secvault.service import Service, authentication, grants, people, systems
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.approvals.by_policy import APPROVED, NOBODY_YET
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, system_token
from tests.service.approval_house import ADMIN, Staff, staffed

HOUR = 3600


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """One administrator, `an`."""
    return staffed(service, house)


def _state(staff: Staff, request: str) -> str:
    with staff.service.store.read() as connection:
        return requests.read_request(connection, staff.service.clock, request).state


def test_while_there_was_never_a_second_who_could_approve_everything_is_granted(
    staff: Staff,
) -> None:
    assert staff.do(staff.an) == NOBODY_YET
    assert staff.do(staff.operator) == NOBODY_YET
    staff.hire("clara", ("role:it.clerk", "it"))
    assert staff.do(staff.an) == NOBODY_YET


def test_once_there_were_two_it_takes_two_for_ever(staff: Staff) -> None:
    binh = staff.hire("binh")
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an)
    with staff.service.store.write() as connection:
        connection.execute(
            update(tables.person).where(tables.person.c.name == "binh").values(state="disabled")
        )
    with pytest.raises(ApprovalRequired, match="nobody could approve this"):
        staff.do(staff.an)
    assert staff.last_detail("approval.latched") == {}
    assert binh.principal.name == "binh"


def test_somebody_who_never_signed_in_is_no_second_person(staff: Staff, house: House) -> None:
    staff.hire("binh")
    with staff.service.store.write() as connection:
        connection.execute(tables.approval_latch.delete())
        connection.execute(
            update(tables.person).where(tables.person.c.name == "binh").values(last_sign_in_at=None)
        )
    assert staff.do(staff.an) == NOBODY_YET
    staff.again("binh")
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an)


def test_a_role_that_makes_a_second_approver_makes_approvals_needed(staff: Staff) -> None:
    staff.hire("binh", ("role:it.clerk", "it"))
    role = {"subject": "user:binh", "role": "role:it.approver", "department": "it"}
    grants.add_grant(staff.service, staff.an, **role)
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an)


def test_it_is_asked_for_approved_by_another_and_done_once(staff: Staff) -> None:
    binh = staff.hire("binh")
    with pytest.raises(ApprovalRequired, match="--ask REASON") as refused:
        staff.do(staff.an)
    assert refused.value.request == ""
    request = staff.ask(staff.an)
    assert staff.ask(staff.an) == request
    with pytest.raises(ApprovalRequired, match="waits for one other person"):
        staff.do(staff.an)
    view = staff.approve(binh, request).view
    assert (view.missing, view.names[binh.principal.subject]) == (0, "binh")
    assert staff.do(staff.an) == APPROVED
    assert staff.last_detail("approval.use")["request"] == request
    assert _state(staff, request) == requests.USED
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an)
    for kind in ("approval.ask", "approval.give"):
        told = staff.last_detail(kind)
        assert (told["request"], told["operation"]) == (request, "key.delete")


def test_nobody_approves_what_they_ask_for_or_what_is_done_to_them(staff: Staff) -> None:
    binh = staff.hire("binh")
    request = staff.ask(staff.an)
    with pytest.raises(Refused, match="asked for themselves"):
        staff.approve(staff.an, request)
    about_binh = staff.ask(staff.an, subject=binh.principal.subject)
    with pytest.raises(Refused, match="done to themselves"):
        staff.approve(binh, about_binh)
    system = system_token(staff.service, "keeper", "it")
    keeper = Caller(authentication.authenticate(staff.service, system))
    for nobody in (staff.operator, keeper):
        with pytest.raises(Refused):
            staff.approve(nobody, request)


def test_the_database_itself_holds_no_approval_by_whoever_asked(staff: Staff) -> None:
    binh = staff.hire("binh")
    request = staff.ask(staff.an)
    with staff.service.store.read() as connection:
        found = requests.read_request(connection, staff.service.clock, request)
    row = {
        "request": request,
        "approver": found.requester,
        "requester": found.requester,
        "digest": found.proposal.digest,
        "given_at": 1,
    }
    lies = ({}, {"requester": "user:x"}, {"digest": "0" * 64, "approver": binh.principal.subject})
    for lie in lies:
        with pytest.raises(Conflict), staff.service.store.write() as connection:
            connection.execute(tables.approval.insert().values(**{**row, **lie}))


def test_whoever_approves_shows_a_factor_first(staff: Staff, house: House) -> None:
    binh = staff.hire("binh")
    request = staff.ask(staff.an)
    house.hands.seconds += 301
    with pytest.raises(StepUpRequired):
        staff.approve(binh, request)
    staff.approve(staff.again("binh"), request)


def test_an_approval_of_another_thing_is_no_approval(staff: Staff) -> None:
    binh = staff.hire("binh")
    request = staff.ask(staff.an, "k")
    with pytest.raises(Conflict, match="look at it again"):
        approvals.approve(staff.service, binh, request, "0" * 64)
    staff.approve(binh, request)
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an, "another")
    assert staff.do(staff.an, "k") == APPROVED


def _disable(staff: Staff) -> None:
    people.disable_person(staff.service, staff.an, "binh")


def _take_the_role(staff: Staff) -> None:
    found = grants.list_grants(staff.service, staff.operator)
    with staff.service.store.read() as connection:
        binh = people.people.find_person(connection, "binh").subject
    (mine,) = [each.id for each in found if each.subject == binh]
    grants.revoke_grant(staff.service, staff.an, mine)


def _let_time_pass(staff: Staff) -> None:
    staff.house.hands.seconds += 24 * HOUR


@pytest.mark.parametrize("change", [_disable, _take_the_role, _let_time_pass])
def test_what_happens_to_the_approver_or_the_request_voids_the_approval(
    staff: Staff, change: Callable[[Staff], None]
) -> None:
    binh = staff.hire("binh")
    staff.hire("chi")
    request = staff.ask(staff.an)
    staff.approve(binh, request)
    change(staff)
    with pytest.raises(ApprovalRequired):
        staff.do(staff.again("admin"))


def test_a_refusal_or_withdrawal_ends_the_request_for_everybody(staff: Staff) -> None:
    binh, chi = staff.hire("binh"), staff.hire("chi")
    request = staff.ask(staff.an)
    staff.approve(binh, request)
    assert approvals.refuse(staff.service, chi, request).request.state == requests.REFUSED
    with pytest.raises(ApprovalRequired):
        staff.do(staff.an)
    with pytest.raises(Conflict):
        staff.approve(binh, request)
    staff.house.hands.seconds += 1
    again = staff.ask(staff.an)
    with pytest.raises(NotFound):
        approvals.withdraw(staff.service, binh, again)
    approvals.withdraw(staff.service, staff.an, again)
    staff_sees = approvals.own_requests(staff.service, staff.an)
    assert [view.request.state for view in staff_sees] == [requests.WITHDRAWN, requests.REFUSED]


def test_at_the_command_line_of_the_server_or_with_a_token_it_takes_two_besides(
    staff: Staff,
) -> None:
    binh = staff.hire("binh")
    token = system_token(staff.service, "keeper", "it")
    keeper = Caller(authentication.authenticate(staff.service, token))
    with staff.service.store.write() as connection:
        grants.access.add_grant(
            connection,
            staff.service.policy.rules,
            subject=keeper.principal.subject,
            role="role:it.admin",
            department="it",
            granted_by="local:operator",
            at=staff.service.clock.micros(),
        )
    for who in (staff.operator, keeper):
        request = staff.ask(who)
        assert staff.approve(binh, request).view.missing == 1
        with pytest.raises(ApprovalRequired):
            staff.do(who)
        staff.approve(staff.again("admin"), request)
        assert staff.do(who) == APPROVED


def test_what_a_person_asked_for_is_not_done_at_the_command_line_by_its_one_approver(
    staff: Staff,
) -> None:
    binh = staff.hire("binh")
    request = staff.ask(staff.an)
    staff.approve(binh, request)
    with pytest.raises(ApprovalRequired):
        staff.do(staff.operator)
    with pytest.raises(ApprovalRequired):
        staff.do(binh)
    assert staff.do(staff.an) == APPROVED


def test_slots_are_all_needed_and_filled_by_different_people(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    binh = staff.hire("binh", ADMIN, ("role:it.approver", "hr"))
    slots = {"key.delete": (Slot(1, "it"), Slot(1, "hr"))}
    both = Obligations(slots, frozenset(), frozenset())
    monkeypatch.setattr(type(staff.service.approvers), "obligations", both)
    request = staff.ask(staff.an)
    # One who may in both departments fills one place only.
    assert staff.approve(binh, request).view.missing == 1
    dung = staff.hire("dung", ("role:it.approver", "hr"))
    assert staff.approve(dung, request).view.missing == 0
    assert staff.do(staff.an) == APPROVED


PRIVILEGED = [
    ("role:it.admin", "it"),
    ("role:it.approver", "it"),
    ("role:it.key_custodian", "it"),
    ("role:hr.head", "hr"),
]


@pytest.mark.parametrize(("role", "department"), PRIVILEGED)
def test_a_privileged_role_is_given_by_two(staff: Staff, role: str, department: str) -> None:
    binh = staff.hire("binh")
    staff.hire("dung", ("role:it.clerk", "it"))
    wanted = {"subject": "user:dung", "role": role, "department": department}
    asking = replace(staff.an, reason="joins the team")
    with pytest.raises(ApprovalRequired) as required:
        grants.add_grant(staff.service, asking, **wanted)
    staff.approve(binh, required.value.request)
    assert grants.add_grant(staff.service, staff.an, **wanted).role == role


def test_everyday_roles_are_given_by_one(staff: Staff) -> None:
    staff.hire("binh")
    staff.hire("dung", ("role:it.clerk", "it"))
    for role in ("role:hr.clerk", "role:it.head"):
        grants.add_grant(
            staff.service,
            staff.an,
            subject="user:dung",
            role=role,
            department=role[5:].partition(".")[0],
        )


def test_a_system_gets_a_privileged_role_by_two(staff: Staff) -> None:
    staff.hire("binh")
    given = {"name": "robot", "department": "it", "owner": "admin"}
    with pytest.raises(ApprovalRequired):
        systems.create_account(staff.service, staff.an, **given, roles=("role:it.admin",))
    systems.create_account(staff.service, staff.an, **given, roles=("role:it.encryptor",))


def test_the_last_two_who_can_approve_stay_unless_another_agrees(staff: Staff) -> None:
    staff.hire("binh")
    with pytest.raises(ApprovalRequired):
        _disable(staff)
    with pytest.raises(ApprovalRequired):
        _take_the_role(staff)
    staff.hire("chi")
    _disable(staff)
    with pytest.raises(ApprovalRequired):
        people.enable_person(staff.service, staff.an, "binh")


def test_the_policy_says_where_too_few_could_approve(staff: Staff) -> None:
    def met() -> set[bool]:
        return {one.met for one in approvals.quorums(staff.service, staff.operator)}

    assert met() == {False}
    staff.hire("binh")
    assert met() == {True}


def test_requests_are_seen_by_those_who_look_after_the_department(staff: Staff) -> None:
    binh = staff.hire("binh")
    clerk = staff.hire("dung", ("role:it.clerk", "it"))
    elsewhere = staff.hire("em", ("role:it.approver", "hr"))
    request = staff.ask(staff.an)
    assert [one.request.id for one in approvals.list_requests(staff.service, binh)] == [request]
    assert approvals.list_requests(staff.service, elsewhere) == ()
    with pytest.raises(Refused):
        approvals.list_requests(staff.service, clerk)
    for nobody in (clerk, elsewhere):
        with pytest.raises(NotFound):
            approvals.read_request(staff.service, nobody, request)
    assert approvals.read_request(staff.service, staff.an, request).request.reason == "for a test"
