"""Roles kept apart however they come: asked for, activated, renewed, or taken in an emergency."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secvault.access import Grant
from secvault.access.eligibility import Eligibility, add_eligibility
from secvault.errors import ApprovalRequired, Conflict, InvalidInput, SeparationOfDuties
from secvault.service import Service, eligibilities, grants, role_activation, role_requests
from secvault.service import separation_review as review
from secvault.service.approvals import operations as approvals
from secvault.service.approvals.operations import RequestView
from secvault.service.break_glass import operations as break_glass
from secvault.service.eligibilities import WantedEligibility
from secvault.service.grants import subject_of
from secvault.service.prospects import would_be
from secvault.service.role_activation import Use
from secvault.service.role_requests import WantedRole
from secvault.service.spans import Span
from tests.running_service import House, join
from tests.service.approval_house import Staff, staffed
from tests.service.test_separation import (
    CLERK,
    DAY,
    TREASURER,
    behind,
    events,
    give,
    held_by,
)

MICROS = 1_000_000
WARNS = "keys-and-approvals"


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """The administrators an and binh, and `lan`, who has no role."""
    made = staffed(service, house)
    made.hire("binh")
    join(service, house, "lan")
    return replace(made, an=made.again("admin"))


def eligible(staff: Staff, place: tuple[str, str], **more: object) -> Eligibility:
    wanted = WantedEligibility(
        "user:lan", place[0], place[1], **{"span": Span(seconds=20 * DAY), "minutes": 60, **more}
    )
    return eligibilities.add(staff.service, staff.again("admin"), wanted)


def ask(staff: Staff, place: tuple[str, str]) -> RequestView:
    wanted = WantedRole(*place, 10 * DAY, "stands in")
    return role_requests.ask(staff.service, staff.again("lan"), wanted)


def activate(staff: Staff, place: tuple[str, str]) -> Grant:
    use = Use(*place, "a busy day")
    return role_activation.activate(staff.service, staff.again("lan"), use).grant


def ends(staff: Staff) -> dict[str, tuple[int, int | None]]:
    """What people may still get, by what it comes from, in seconds from now."""
    service = staff.service
    now = service.clock.micros()
    with service.store.read() as connection:
        return {
            one.id.split()[0]: (
                (one.not_before - now) // MICROS,
                None if one.expires_at is None else (one.expires_at - now) // MICROS,
            )
            for one in would_be(service, connection)
        }


def test_an_eligibility_counts_like_the_role_for_as_long_as_it_can_be_used(staff: Staff) -> None:
    made = eligible(staff, CLERK)
    assert ends(staff) == {"eligibility": (0, 20 * DAY)}
    with pytest.raises(SeparationOfDuties) as refused:
        give(staff, TREASURER)
    assert f"eligibility {made.id}" in refused.value.detail
    # It is over when the other begins.
    staff.house.hands.seconds += 20 * DAY
    staff = replace(staff, an=staff.again("admin"))
    assert ends(staff) == {}


def test_nobody_becomes_eligible_for_what_breaks_a_rule_with_what_they_hold(staff: Staff) -> None:
    give(staff, CLERK)
    with pytest.raises(SeparationOfDuties):
        eligible(staff, TREASURER)
    later = staff.service.clock.micros() + 30 * DAY * MICROS
    begins = Span(not_before=later, seconds=DAY)
    with pytest.raises(SeparationOfDuties):
        eligible(staff, TREASURER, span=begins)
    assert eligibilities.list_all(staff.service, staff.again("admin")) == ()


def test_an_activation_is_refused_once_it_breaks_a_rule(staff: Staff) -> None:
    eligible(staff, CLERK)
    behind(staff.service, TREASURER)
    with pytest.raises(SeparationOfDuties):
        activate(staff, CLERK)
    assert held_by(staff.service) == {TREASURER[0]}


def test_a_role_is_not_asked_for_that_would_be_refused(staff: Staff) -> None:
    behind(staff.service, ("role:hr.head", "hr"))
    with pytest.raises(SeparationOfDuties):
        ask(staff, TREASURER)
    assert role_requests.own(staff.service, staff.again("lan")) == ()


def test_a_role_that_is_asked_for_counts_until_the_end_that_it_could_have(staff: Staff) -> None:
    waiting = ask(staff, CLERK)
    latest = (waiting.request.expires_at - staff.service.clock.micros()) // MICROS
    assert ends(staff) == {"request": (0, latest + 10 * DAY)}
    with pytest.raises(SeparationOfDuties) as refused:
        eligible(staff, TREASURER)
    assert f"request {waiting.request.id}" in refused.value.detail


def test_what_was_approved_is_not_claimed_once_it_breaks_a_rule(staff: Staff) -> None:
    waiting = ask(staff, CLERK)
    for name in ("admin", "head"):
        staff.approve(staff.again(name), waiting.request.id)
    behind(staff.service, TREASURER)
    with pytest.raises(SeparationOfDuties):
        role_requests.claim(staff.service, staff.again("lan"), waiting.request.id)
    assert held_by(staff.service) == {TREASURER[0]}


def test_an_approval_of_a_role_that_has_come_to_break_a_rule_is_refused(staff: Staff) -> None:
    waiting = ask(staff, CLERK)
    behind(staff.service, TREASURER)
    with pytest.raises(SeparationOfDuties):
        staff.approve(staff.again("head"), waiting.request.id)


@pytest.mark.parametrize(
    ("span", "begins", "length"),
    [
        (Span(seconds=5 * DAY), 0, 5 * DAY),
        (Span(seconds=3 * 3600), 0, 3 * 3600),
    ],
)
def test_the_length_of_a_role_that_waits_counts_from_the_last_moment(
    staff: Staff, span: Span, begins: int, length: int
) -> None:
    request = wait(staff, span)
    assert ends(staff)["request"] == (begins, request + length)


def test_the_moments_of_a_role_that_waits_count_as_they_were_said(staff: Staff) -> None:
    now = staff.service.clock.micros()
    from_when, until = now + 40 * DAY * MICROS, now + 50 * DAY * MICROS
    wait(staff, Span(not_before=from_when, expires_at=until))
    assert ends(staff) == {"request": (40 * DAY, 50 * DAY)}
    # Until then, the other side is free.
    give(staff, CLERK, days=39)


def wait(staff: Staff, span: Span) -> int:
    """Ask for a privileged role for lan; for how many seconds from now it can be used."""
    asking = replace(staff.an, reason="she pays")
    role, department = TREASURER
    with pytest.raises(ApprovalRequired):
        grants.add_grant(
            staff.service, asking, subject="user:lan", role=role, department=department, span=span
        )
    (view,) = review_requests(staff)
    return (view.request.expires_at - staff.service.clock.micros()) // MICROS


def review_requests(staff: Staff) -> tuple[RequestView, ...]:
    return approvals.own_requests(staff.service, staff.an)


def test_a_role_is_not_renewed_into_the_time_of_another(staff: Staff) -> None:
    given = give(staff, CLERK, days=10)
    service = staff.service
    behind(service, TREASURER, service.clock.micros() + 15 * DAY * MICROS)
    with pytest.raises(SeparationOfDuties):
        grants.renew_grant(service, staff.an, given.id, span=Span(seconds=20 * DAY))
    grants.renew_grant(service, staff.an, given.id, span=Span(seconds=15 * DAY))
    assert not review.list_conflicts(service, staff.an)


def test_what_only_warns_is_activated_and_put_on_record(staff: Staff) -> None:
    behind(staff.service, ("role:it.approver", "it"))
    with staff.service.store.write() as connection:
        now = staff.service.clock.micros()
        add_eligibility(
            connection,
            staff.service.policy.rules,
            Eligibility(
                "",
                subject_of(connection, "user:lan"),
                "role:it.key_custodian",
                "it",
                now,
                now + DAY * MICROS,
                None,
                3600,
                needs_approval=False,
                needs_ticket=False,
                granted_by="local:operator",
                created_at=now,
            ),
        )
    grant = activate(staff, ("role:it.key_custodian", "it"))
    entry = events(staff.service, "separation.conflict")[0]
    assert (entry.detail["rule"], entry.detail["grant"]) == (WARNS, grant.id)


def test_breaking_the_glass_is_never_refused_and_what_it_breaks_is_on_record(
    staff: Staff,
) -> None:
    for place in (("role:it.break_glass_holder", "it"), CLERK):
        behind(staff.service, place)
    incident = break_glass.start(staff.service, staff.again("lan"), "it burns").incident
    assert "role:it.break_glass" in held_by(staff.service)
    rules = {
        one.detail["rule"]: one.detail["grant"]
        for one in events(staff.service, "separation.conflict")
    }
    assert rules == {"work-and-audit": incident.id}
    with pytest.raises(Conflict):
        break_glass.start(staff.service, staff.again("lan"), "it burns")


def test_the_emergency_role_is_neither_asked_for_nor_to_be_activated(staff: Staff) -> None:
    emergency = ("role:it.break_glass", "it")
    for way in (eligible, ask):
        with pytest.raises(InvalidInput, match="breaking the glass"):
            way(staff, emergency)
