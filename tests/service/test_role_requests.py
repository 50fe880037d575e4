"""A role that is asked for: by anybody, given by nobody alone, and from when it is claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from secvault.access import Grant
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    NotFound,
    Refused,
    StepUpRequired,
)
from secvault.service import (
    Service,
    authentication,
    grants,
    people,
    role_requests,
    spine,
)
from secvault.service.approvals import operations as approvals
from secvault.service.approvals.operations import RequestView
from secvault.service.role_requests import WantedRole
from secvault.service.spine import Caller, Operation
from secvault.store import tables
from tests.running_service import House, system_token
from tests.service.approval_house import Staff, staffed

DAY = 86_400
WANTED = WantedRole("role:hr.clerk", "hr", 30 * DAY, "I stand in for Lan")
LIST = Operation("record.list", "hr", "payroll", "hr/payroll")


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """The administrators an and binh, the head of hr, and dung, who has no role there."""
    made = staffed(service, house)
    made.hire("binh")
    made.hire("dung", ("role:it.clerk", "it"))
    return made


def ask(staff: Staff, who: str = "dung", **changed: Any) -> RequestView:
    return role_requests.ask(staff.service, staff.again(who), replace(WANTED, **changed))


def claim(staff: Staff, request: str, who: str = "dung") -> Grant:
    return role_requests.claim(staff.service, staff.again(who), request)


def approve(staff: Staff, request: str, *names: str) -> int | None:
    """The people approve; how many are missing then."""
    for name in names:
        missing = staff.approve(staff.again(name), request).view.missing
    return missing


def test_the_head_and_an_administrator_approve_and_the_time_runs_from_the_claim(
    staff: Staff,
) -> None:
    view = ask(staff)
    request = view.request.id
    dung = view.request.requester
    assert view.missing == 2
    assert view.request.proposal.terms == {
        "subject": dung,
        "requested_by": dung,
        "role": "role:hr.clerk",
        "department": "hr",
        "seconds": 30 * DAY,
        "because": "I stand in for Lan",
    }
    # Two administrators do not do: the department has a say.
    assert approve(staff, request, "admin", "binh") == 1
    with pytest.raises(ApprovalRequired):
        claim(staff, request)
    assert approve(staff, request, "head") == 0
    staff.house.hands.seconds += 23 * 3600
    grant = claim(staff, request)
    now = staff.service.clock.micros()
    assert (grant.subject, grant.role, grant.department) == (dung, "role:hr.clerk", "hr")
    assert (grant.not_before, grant.expires_at) == (now, now + 30 * DAY * 1_000_000)
    assert grant.source == f"request:{request}"
    assert grant.granted_by != dung
    caller = staff.again("dung")
    for moment, allowed in ((grant.expires_at - 1, True), (grant.expires_at, False)):
        staff.house.hands.seconds = moment / 1_000_000
        assert staff.service.spine.ask(caller, LIST).allowed is allowed


def test_the_window_to_claim_begins_with_the_last_approval(staff: Staff) -> None:
    request = ask(staff).request.id
    approve(staff, request, "admin")
    staff.house.hands.seconds += 23 * 3600
    approve(staff, request, "head")
    approved = staff.service.clock.micros()
    # Approving again puts nothing off.
    staff.house.hands.seconds += 3600
    approve(staff, request, "head")
    ends = approved + 24 * 3600 * 1_000_000
    dung = staff.again("dung")
    for moment in (ends, ends - 1):
        staff.house.hands.seconds = moment / 1_000_000
        fresh = Caller(replace(dung.principal, second_factor_at=moment))
        _lasting(staff)
        if moment == ends:
            with pytest.raises(Conflict, match="expired"):
                role_requests.claim(staff.service, fresh, request)
        else:
            assert role_requests.claim(staff.service, fresh, request).not_before == moment


def _lasting(staff: Staff) -> None:
    """How long sessions last is not what this is about."""
    with staff.service.store.write() as connection:
        connection.execute(update(tables.session).values(expires_at=2**62))


def test_neither_who_asks_nor_who_gets_it_approves(staff: Staff) -> None:
    # The one head asks, so nobody else answers for the department.
    with pytest.raises(Conflict, match="nobody could approve"):
        ask(staff, "head", subject="user:binh")
    staff.hire("chi", ("role:hr.head", "hr"))
    request = ask(staff, "head", subject="user:binh").request.id
    for name in ("head", "binh"):
        with pytest.raises(Refused):
            staff.approve(staff.again(name), request)
    assert approve(staff, request, "chi", "admin") == 0
    assert claim(staff, request, "head").subject == staff.again("binh").principal.subject


def test_a_quorum_that_cannot_be_met_is_told_at_once_and_nothing_waits(
    service: Service, house: House
) -> None:
    alone = staffed(service, house)
    alone.hire("dung", ("role:it.clerk", "it"))
    with pytest.raises(Conflict, match="one other person too few"):
        ask(alone, role="role:it.approver", department="it")
    with pytest.raises(Conflict, match=r"too few .* in accounting, it"):
        ask(alone, role="role:accounting.clerk", department="accounting")
    assert role_requests.own(service, alone.again("dung")) == ()


def test_it_is_never_given_without_approvals_also_before_there_are_two(
    service: Service, house: House
) -> None:
    alone = staffed(service, house)
    alone.hire("dung", ("role:it.clerk", "it"))
    with service.store.read() as connection:
        assert not service.approvers.needed(connection)
    request = ask(alone).request.id
    with pytest.raises(ApprovalRequired):
        claim(alone, request)
    approve(alone, request, "admin", "head")
    assert claim(alone, request).role == "role:hr.clerk"


def test_without_a_spine_that_asks_nothing_is_given(staff: Staff) -> None:
    request = ask(staff).request.id
    service = staff.service
    open_wide = spine.Spine(service.store, service.clock, service.policy, service.audit)
    unguarded = replace(staff, service=replace(service, spine=open_wide))
    with pytest.raises(Refused, match="approval"):
        claim(unguarded, request)


@pytest.mark.parametrize("role", ["role:it.admin", "role:it.approver", "role:it.key_custodian"])
def test_a_privileged_role_of_it_takes_two_who_approve(staff: Staff, role: str) -> None:
    request = ask(staff, role=role, department="it").request.id
    assert approve(staff, request, "admin") == 1
    assert approve(staff, request, "binh") == 0
    assert claim(staff, request).role == role


def test_what_is_not_privileged_in_it_takes_one(staff: Staff) -> None:
    request = ask(staff, role="role:it.auditor", department="*").request.id
    assert approve(staff, request, "admin") == 0
    assert claim(staff, request).department == "*"


def _lose_role(staff: Staff) -> None:
    service = staff.service
    an = staff.again("admin")
    held = next(each for each in grants.list_grants(service, an) if each.role == "role:hr.head")
    grants.revoke_grant(service, an, held.id)


VOIDED: dict[str, Callable[[Staff], object]] = {
    "an approver lost the role": _lose_role,
    "an approver was disabled": lambda staff: people.disable_person(
        staff.service, staff.again("admin"), "head"
    ),
}


@pytest.mark.parametrize("name", VOIDED)
def test_an_approval_counts_only_as_long_as_its_giver_may_give_it(staff: Staff, name: str) -> None:
    request = ask(staff).request.id
    assert approve(staff, request, "admin", "head") == 0
    VOIDED[name](staff)
    with pytest.raises(ApprovalRequired):
        claim(staff, request)


def test_another_wish_is_another_request(staff: Staff) -> None:
    request = ask(staff).request.id
    approve(staff, request, "admin", "head")
    for changed in (
        {"seconds": 31 * DAY},
        {"reason": "another"},
        {"subject": "user:binh"},
    ):
        assert ask(staff, **changed).request.id != request
    # Who asks for the same again is told that it is approved, and it is not used up by that.
    with pytest.raises(Conflict, match="claim it"):
        ask(staff)
    assert claim(staff, request)


def test_only_who_asked_claims_it_and_once(staff: Staff) -> None:
    request = ask(staff).request.id
    approve(staff, request, "admin", "head")
    for name in ("binh", "head", "clerk"):
        with pytest.raises(NotFound):
            claim(staff, request, name)
    grant = claim(staff, request)
    with pytest.raises(Conflict, match="used"):
        claim(staff, request)
    with pytest.raises(Conflict, match="already"):
        ask(staff, reason="again")
    grants.revoke_grant(staff.service, staff.again("admin"), grant.id)
    with pytest.raises(Conflict, match="used"):
        claim(staff, request)


def test_it_is_withdrawn_or_refused_as_any_request(staff: Staff) -> None:
    first, second = ask(staff).request.id, ask(staff, reason="another").request.id
    approvals.withdraw(staff.service, staff.again("dung"), first)
    # Whoever answers for the department refuses, too.
    refused = approvals.refuse(staff.service, staff.again("head"), second)
    assert refused.request.state == "refused"
    for request in (first, second):
        with pytest.raises(Conflict):
            claim(staff, request)


def test_the_head_sees_what_is_asked_for_there_and_approves_nothing_else(staff: Staff) -> None:
    head = staff.again("head")
    mine = ask(staff).request.id
    elsewhere = ask(staff, role="role:it.encryptor", department="it").request.id
    deletion = staff.ask(staff.again("admin"))
    seen = approvals.list_requests(staff.service, head)
    assert [view.request.id for view in seen] == [mine]
    for other in (elsewhere, deletion):
        with pytest.raises(NotFound):
            approvals.read_request(staff.service, head, other)
        with pytest.raises(Refused):
            staff.approve(staff.again("head"), other)
        with pytest.raises(Refused):
            approvals.refuse(staff.service, staff.again("head"), other)
    # An approval by the head counts in hr for nothing but roles.
    approvers = staff.service.approvers
    with staff.service.store.read() as connection:
        assert not approvers.may_give(connection, head.principal.subject, "hr")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"role": "role:hr.nobody"}, InvalidInput),
        ({"role": "role:it.operator", "department": "it"}, InvalidInput),
        ({"department": "quality"}, InvalidInput),
        ({"subject": "svc:system"}, InvalidInput),
        ({"subject": "user:nobody"}, InvalidInput),
        ({"seconds": 0}, InvalidInput),
        ({"seconds": 366 * DAY}, InvalidInput),
        ({"reason": ""}, InvalidInput),
        ({"reason": "a\u202eb"}, InvalidInput),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_nothing_waits(
    staff: Staff, changed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(staff, **changed)
    assert role_requests.own(staff.service, staff.again("dung")) == ()


def test_only_people_with_a_factor_shown_just_now_ask(staff: Staff) -> None:
    dung = staff.again("dung")
    staff.house.hands.seconds += 301
    with pytest.raises(StepUpRequired):
        role_requests.ask(staff.service, dung, WANTED)
    robot = system_token(staff.service, "robot", "it", "role:it.cryptor")
    caller = Caller(authentication.authenticate(staff.service, robot))
    for who in (caller, staff.operator):
        with pytest.raises(Refused):
            role_requests.ask(staff.service, who, WANTED)


def test_a_role_that_the_policy_lets_nobody_ask_for_is_refused(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(staff).request.id
    approve(staff, request, "admin", "head")
    closed = replace(staff.service.approvers.obligations, role_requests=())
    monkeypatch.setattr(type(staff.service.approvers), "obligations", closed)
    with pytest.raises(Refused, match="asking for it"):
        ask(staff, reason="another")
    with pytest.raises(Refused, match="asking for it"):
        claim(staff, request)


def test_whoever_gets_it_is_active_when_it_is_claimed(staff: Staff) -> None:
    request = ask(staff, subject="user:clerk", role="role:hr.head").request.id
    approve(staff, request, "admin", "head")
    people.disable_person(staff.service, staff.again("binh"), "clerk")
    with pytest.raises(Conflict, match="disabled"):
        claim(staff, request)
