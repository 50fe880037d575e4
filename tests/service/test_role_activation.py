"""A role that may be activated: put on for a reason, off by itself, and never by anybody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secvault.access.eligibility import Activation, Eligibility
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
    StepUpRequired,
)
from secvault.service import (
    Service,
    authentication,
    eligibilities,
    grants,
    people,
    role_activation,
    role_requests,
    spine,
)
from secvault.service.approvals import operations as approvals
from secvault.service.eligibilities import WantedEligibility
from secvault.service.giving import DAY_MICROS
from secvault.service.role_activation import Use
from secvault.service.spans import Span
from secvault.service.spine import Caller, Operation
from tests.running_service import House, system_token
from tests.service.approval_house import Staff, staffed

ADMINISTRATION = ("role:it.admin", "it")
UNLOCK = Operation("person.unlock", "it", "people", "it/people")
ENCRYPTOR = "role:it.encryptor"
HOUR = 3_600_000_000


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """One administrator, and dung, a clerk of it."""
    made = staffed(service, house)
    made.hire("dung", ("role:it.clerk", "it"))
    return replace(made, an=made.again("admin"))


def eligible(staff: Staff, role: str = "role:it.admin", **more: Any) -> Eligibility:
    wanted = WantedEligibility("user:dung", role, "it", **{"minutes": 60, **more})
    return eligibilities.add(staff.service, staff.an, wanted)


def activate(staff: Staff, who: Caller, *, seconds: int | None = None, **more: Any) -> Activation:
    said = {"role": "role:it.admin", "reason": "a broken disk", **more}
    return role_activation.activate(
        staff.service, who, Use(department="it", seconds=seconds, **said)
    )


def may(staff: Staff, who: Caller) -> bool:
    return staff.service.spine.ask(who, UNLOCK).allowed


def at(staff: Staff, micros: int) -> None:
    staff.house.hands.seconds = micros / 1_000_000
    assert staff.service.clock.micros() == micros


def test_it_gives_the_role_from_now_on_and_not_a_microsecond_longer_than_said(
    staff: Staff,
) -> None:
    made = eligible(staff)
    dung = staff.again("dung")
    assert not may(staff, dung)
    used = activate(staff, dung, seconds=600)
    grant, now = used.grant, staff.service.clock.micros()
    assert (grant.not_before, grant.expires_at) == (now, now + 600_000_000)
    assert (grant.source, grant.granted_by) == (f"activation:{made.id}", made.granted_by)
    for moment, allowed in ((now, True), (now + 599_999_999, True), (now + 600_000_000, False)):
        at(staff, moment)
        assert may(staff, dung) is allowed
    at(staff, now + 599_999_999)
    # Set back, the clock gives the role again; it gives it no longer than before.
    assert may(staff, dung)
    at(staff, now - 1)
    assert not may(staff, dung)
    detail = staff.last_detail("grant.activate")
    assert (detail["eligibility"], detail["grant"]) == (made.id, grant.id)
    at(staff, now)
    (kept,) = eligibilities.list_uses(staff.service, staff.an)
    assert (kept.reason, kept.grant.id) == ("a broken disk", grant.id)


def test_only_with_a_factor_shown_just_now_and_only_by_the_person(staff: Staff) -> None:
    eligible(staff)
    dung = staff.again("dung")
    staff.house.hands.seconds += 301
    with pytest.raises(StepUpRequired):
        activate(staff, dung)
    with pytest.raises(NotFound):
        activate(staff, staff.again("clerk"))
    with pytest.raises(Refused):
        activate(staff, staff.operator)
    robot = system_token(staff.service, "robot", "it", "role:it.cryptor")
    with pytest.raises(Refused):
        activate(staff, Caller(authentication.authenticate(staff.service, robot)))


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"seconds": 3601}, "minutes"),
        ({"seconds": 0}, "minutes"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": "a\nb"}, "reason"),
        ({"ticket": "two words"}, "ticket"),
    ],
)
def test_what_is_not_said_well_changes_nothing(
    staff: Staff, said: dict[str, Any], field: str
) -> None:
    eligible(staff)
    dung = staff.again("dung")
    with pytest.raises(InvalidInput) as refused:
        activate(staff, dung, **said)
    assert refused.value.fields[0].field == field
    assert not may(staff, dung)


def test_a_ticket_is_asked_for_where_one_is_needed(staff: Staff) -> None:
    eligible(staff, needs_ticket=True)
    dung = staff.again("dung")
    with pytest.raises(InvalidInput, match="ticket"):
        activate(staff, dung)
    assert activate(staff, dung, ticket="OPS-17").ticket == "OPS-17"
    assert staff.last_detail("grant.activate")["ticket"] == "OPS-17"


def test_there_are_no_two_at_once_and_another_after_it_was_put_off(staff: Staff) -> None:
    eligible(staff)
    dung = staff.again("dung")
    first = activate(staff, dung)
    with pytest.raises(Conflict, match="already until"):
        activate(staff, dung)
    an = staff.again("admin")
    with pytest.raises(NotFound):
        role_activation.deactivate(staff.service, an, first.grant.id)
    standing = grants.list_grants(staff.service, an)
    own = next(each for each in standing if each.subject == an.principal.subject)
    with pytest.raises(NotFound):
        role_activation.deactivate(staff.service, an, own.id)
    role_activation.deactivate(staff.service, dung, first.grant.id)
    assert not may(staff, dung)
    with pytest.raises(Conflict):
        role_activation.deactivate(staff.service, dung, first.grant.id)
    second = activate(staff, staff.again("dung"))
    assert role_activation.running(staff.service, dung, *ADMINISTRATION) == second.grant.id


def test_it_lapses_when_it_is_not_used_in_time_and_not_when_it_was(staff: Staff) -> None:
    now = staff.service.clock.micros()
    eligible(staff, claim_by=now + HOUR)
    dung = staff.again("dung")
    activate(staff, dung, seconds=60)
    at(staff, now + 2 * HOUR)
    activate(staff, staff.again("dung"), seconds=60)
    staff.hire("chi", ("role:it.clerk", "it"))
    an = staff.again("admin")
    now = staff.service.clock.micros()
    eligibilities.add(
        staff.service,
        an,
        WantedEligibility("user:chi", "role:it.admin", "it", claim_by=now + HOUR),
    )
    chi = staff.again("chi")
    at(staff, now + HOUR)
    with pytest.raises(Conflict, match="ask for it anew"):
        activate(staff, _fresh(staff, chi))
    at(staff, now + HOUR - 1)
    activate(staff, _fresh(staff, chi), seconds=60)


def test_it_begins_and_ends_with_the_eligibility(staff: Staff) -> None:
    now = staff.service.clock.micros()
    begins, ends = now + HOUR, now + 2 * HOUR
    eligible(staff, span=Span(not_before=begins, expires_at=ends))
    dung = staff.again("dung")
    at(staff, begins - 1)
    with pytest.raises(Conflict, match=r"from .* on"):
        activate(staff, _fresh(staff, dung))
    at(staff, ends - 60_000_000)
    used = activate(staff, _fresh(staff, dung), seconds=3600)
    assert used.grant.expires_at == ends
    at(staff, ends)
    with pytest.raises(NotFound):
        activate(staff, _fresh(staff, dung))


def test_an_eligibility_of_a_privileged_role_has_an_end_and_takes_two(staff: Staff) -> None:
    now = staff.service.clock.micros()
    assert eligible(staff).expires_at == now + 365 * DAY_MICROS
    with pytest.raises(InvalidInput, match="365 days"):
        eligible(staff, "role:it.approver", span=Span(seconds=366 * 86_400))
    with pytest.raises(InvalidInput, match="480"):
        eligible(staff, "role:it.approver", minutes=481)
    with pytest.raises(Conflict, match="already"):
        eligible(staff)
    # One that opens little has none, and needs nobody.
    assert eligible(staff, "role:it.encryptor").expires_at is None
    with pytest.raises(Refused, match="themselves"):
        eligibilities.add(
            staff.service, staff.an, WantedEligibility("user:admin", "role:it.approver", "it")
        )
    binh = staff.hire("binh")
    an = staff.again("admin")
    staff.hire("chi")
    wanted = WantedEligibility("user:chi", "role:hr.head", "hr", minutes=30)
    with pytest.raises(ApprovalRequired) as required:
        eligibilities.add(staff.service, replace(an, reason="holidays"), wanted)
    staff.approve(binh, required.value.request)
    with pytest.raises(ApprovalRequired):
        eligibilities.add(staff.service, an, replace(wanted, minutes=31))
    assert eligibilities.add(staff.service, an, wanted).most_seconds == 1800


def test_removing_it_ends_what_runs_at_once(staff: Staff) -> None:
    made = eligible(staff)
    dung = staff.again("dung")
    activate(staff, dung)
    an = staff.again("admin")
    (view,) = eligibilities.list_all(staff.service, an)
    assert view.running is not None
    _, ended = eligibilities.remove(staff.service, an, made.id)
    assert [each.id for each in ended] == [view.running.id]
    assert not may(staff, dung)
    with pytest.raises(NotFound):
        activate(staff, dung)
    own = eligibilities.list_own(staff.service, dung)
    assert own.eligibilities == ()
    assert [each.role for each in own.grants] == ["role:it.clerk"]


def test_whoever_is_disabled_loses_what_runs_and_activates_nothing(staff: Staff) -> None:
    eligible(staff)
    dung = staff.again("dung")
    activate(staff, dung)
    an = staff.again("admin")
    people.disable_person(staff.service, an, "dung")
    assert not may(staff, dung)
    with pytest.raises(NotAuthenticated):
        activate(staff, dung)
    people.enable_person(staff.service, an, "dung")
    assert not may(staff, dung)
    assert activate(staff, staff.again("dung"))


def test_one_that_needs_an_approval_is_asked_for_and_its_time_begins_with_the_claim(
    staff: Staff,
) -> None:
    made = eligible(staff, needs_approval=True, minutes=30)
    staff.hire("binh")
    staff.hire("chi")
    dung = staff.again("dung")
    with pytest.raises(ApprovalRequired) as required:
        activate(staff, dung, seconds=600)
    request = required.value.request
    view = approvals.read_request(staff.service, dung, request)
    terms = view.request.proposal.terms
    assert (terms["activation"], terms["seconds"]) == (made.id, 600)
    assert (terms["because"], view.missing) == ("a broken disk", 2)
    staff.approve(staff.again("binh"), request)
    with pytest.raises(ApprovalRequired, match="one other person"):
        role_requests.claim(staff.service, _fresh(staff, dung), request)
    assert not may(staff, dung)
    staff.approve(staff.again("chi"), request)
    # It waits for nobody's convenience but the holder's, within a day of the last approval.
    staff.house.hands.seconds += 20 * 3600
    dung = staff.again("dung")
    # Not another time, nor another reason.
    for said in ({"seconds": 601}, {"seconds": 600, "reason": "another disk"}):
        with pytest.raises(ApprovalRequired):
            activate(staff, dung, **said)  # type: ignore[arg-type]
    grant = role_requests.claim(staff.service, dung, request)
    now = staff.service.clock.micros()
    assert (grant.not_before, grant.expires_at) == (now, now + 600_000_000)
    assert staff.last_detail("grant.activate")["request"] == request
    with pytest.raises(Conflict, match="used"):
        role_requests.claim(staff.service, dung, request)


def test_what_was_asked_for_and_is_over_is_not_claimed_by_another_eligibility(
    staff: Staff,
) -> None:
    # Of a role that is not privileged, so that eligibilities need nobody.
    made = eligible(staff, ENCRYPTOR, needs_approval=True)
    staff.hire("binh")
    staff.hire("chi")
    with pytest.raises(ApprovalRequired) as required:
        activate(staff, staff.again("dung"), role=ENCRYPTOR)
    an = staff.again("admin")
    eligibilities.remove(staff.service, an, made.id)
    eligible(replace(staff, an=an), ENCRYPTOR)
    dung = staff.again("dung")
    with pytest.raises(Conflict, match="over"):
        role_requests.claim(staff.service, dung, required.value.request)
    assert activate(staff, dung, role=ENCRYPTOR).grant.role == ENCRYPTOR


def test_an_approver_for_the_moment_does_not_make_approvals_needed_for_ever(staff: Staff) -> None:
    eligible(staff)
    activate(staff, staff.again("dung"))
    with staff.service.store.read() as connection:
        present = staff.service.approvers.in_department(connection, "it")
        assert len(present) == 2
        # Else nobody could approve anything an hour later.
        assert not staff.service.approvers.needed(connection)
    # And one of the two who stay is not let go because of them.
    staff.hire("binh")
    activate(staff, _later(staff, "dung"))
    an = staff.again("admin")
    with pytest.raises(ApprovalRequired):
        people.disable_person(staff.service, an, "binh")


def test_without_a_spine_that_asks_nothing_is_activated_that_needs_an_approval(
    staff: Staff,
) -> None:
    eligible(staff, needs_approval=True)
    open_wide = spine.Spine(
        staff.service.store, staff.service.clock, staff.service.policy, staff.service.audit
    )
    unguarded = replace(staff, service=replace(staff.service, spine=open_wide))
    with pytest.raises(Refused, match="approval"):
        activate(unguarded, staff.again("dung"))


def _later(staff: Staff, name: str) -> Caller:
    staff.house.hands.seconds += 3600
    return staff.again(name)


def _fresh(staff: Staff, who: Caller) -> Caller:
    """The same session with a factor shown at this moment."""
    return Caller(replace(who.principal, second_factor_at=staff.service.clock.micros()))
