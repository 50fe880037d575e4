"""A role begins and ends at its microsecond, and nothing privileged is without an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secvault.access import add_grant as add_row
from secvault.access import list_grants
from secvault.clock import timestamp
from secvault.errors import ApprovalRequired, Conflict, InvalidInput, NotFound, Refused
from secvault.identity.people import NewPerson
from secvault.service import (
    Service,
    authentication,
    eligibilities,
    grants,
    invitations,
    people,
    systems,
)
from secvault.service.bootstrap import ADMINISTRATOR
from secvault.service.eligibilities import WantedEligibility
from secvault.service.giving import DAY_MICROS, holds_privileged_role
from secvault.service.spans import Span, length, moment_of
from secvault.service.spine import Caller, Operation
from tests.running_service import House, add_person, join
from tests.service.approval_house import staffed

YEAR = 365 * DAY_MICROS
LIST = Operation("record.list", "hr", "payroll", "hr/payroll")


@pytest.fixture
def operator(service: Service) -> Caller:
    """At the server's own command line."""
    return Caller(authentication.local_operator(service))


def give(service: Service, caller: Caller, role: str, department: str, **more: Any) -> Any:
    return grants.add_grant(
        service, caller, subject="user:clerk", role=role, department=department, **more
    )


def test_a_role_counts_from_its_first_microsecond_to_before_its_end_without_a_reload(
    service: Service, house: House, operator: Caller
) -> None:
    clerk = join(service, house, "mai")
    now = service.clock.micros()
    spanned = Span(not_before=now + 10_000_000, seconds=60)
    made = grants.add_grant(
        service, operator, subject="user:mai", role="role:hr.clerk", department="hr",
        span=spanned,
    )  # fmt: skip
    # A start to come takes nothing from the length.
    assert made.expires_at == now + 70_000_000
    answers = []
    for moment in (now, now + 9_999_999, now + 10_000_000, now + 69_999_999, now + 70_000_000):
        house.hands.seconds = moment / 1_000_000
        assert service.clock.micros() == moment
        answers.append(service.spine.ask(clerk, LIST).allowed)
    assert answers == [False, False, True, True, False]
    # A clock that is set back says again what it said then.
    for moment, allowed in ((now + 69_999_999, True), (now + 9_999_999, False)):
        house.hands.seconds = moment / 1_000_000
        assert service.spine.ask(clerk, LIST).allowed is allowed


def test_the_end_outlives_a_restart(service: Service, house: House, operator: Caller) -> None:
    made = give(service, operator, "role:quality.clerk", "quality", span=Span(seconds=60))
    with house.open() as again:
        subject = made.subject
        for at, held in ((made.expires_at - 1, True), (made.expires_at, False)):
            house.hands.seconds = at / 1_000_000
            roles = again.policy.held_roles(subject, again.clock.micros())
            assert ("role:quality.clerk" in roles) is held


def test_a_privileged_role_ends_after_the_longest_time_when_no_end_is_said(
    service: Service, operator: Caller
) -> None:
    now = service.clock.micros()
    assert give(service, operator, "role:quality.head", "quality").expires_at == now + YEAR
    assert give(service, operator, "role:quality.clerk", "quality").expires_at is None
    begins = now + DAY_MICROS
    later = give(service, operator, "role:hr.head", "hr", span=Span(not_before=begins))
    assert (later.not_before, later.expires_at) == (begins, begins + YEAR)


@pytest.mark.parametrize(
    "span",
    [
        Span(seconds=366 * 86_400),
        Span(expires_at=(1_790_000_010 + 366 * 86_400) * 1_000_000),
        Span(seconds=10**12),
        Span(expires_at=1_790_000_010_000_000),
        Span(expires_at=5),
        Span(not_before=1_790_000_020_000_000, expires_at=1_790_000_020_000_000),
        Span(not_before=10**18),
        Span(seconds=0),
        Span(seconds=60, expires_at=1_790_000_110_000_000),
    ],
)
def test_a_time_that_cannot_be_changes_nothing(
    service: Service, operator: Caller, span: Span
) -> None:
    before = grants.list_grants(service, operator)
    with pytest.raises(InvalidInput):
        give(service, operator, "role:quality.head", "quality", span=span)
    assert grants.list_grants(service, operator) == before


def test_every_way_to_a_privileged_role_gives_it_an_end(
    service: Service, operator: Caller, house: House
) -> None:
    owner = {"department": "it", "owner": "admin", "name": "exporter"}
    systems.create_account(service, operator, roles=("role:it.key_custodian",), **owner)
    now = service.clock.micros()
    found = [
        grant
        for grant in grants.list_grants(service, operator)
        if service.approvers.obligations.is_privileged(service.policy.rules, grant.role)
    ]
    # The first administrator, and the system, and those who were given one by an operation.
    assert {grant.role for grant in found} >= {ADMINISTRATOR, "role:it.key_custodian"}
    assert all(grant.expires_at is not None and grant.expires_at <= now + YEAR for grant in found)
    assert grants.list_grants(service, operator, without_end=True) == ()


def test_one_from_before_is_named_until_it_is_given_anew(
    service: Service, operator: Caller, house: House
) -> None:
    with service.store.write() as connection:
        old = add_row(
            connection,
            service.policy.rules,
            subject="user:old",
            role="role:it.approver",
            department="*",
            granted_by="local:operator",
            at=service.clock.micros(),
        )
    assert grants.list_grants(service, operator, without_end=True) == (old,)
    grants.revoke_grant(service, operator, old.id)
    assert grants.list_grants(service, operator, without_end=True) == ()


def test_a_privileged_role_that_only_begins_later_counts_as_held(
    service: Service, operator: Caller, house: House
) -> None:
    staff = staffed(service, house)
    invited = "newcomer"
    invitations.invite(service, staff.an, NewPerson.of(invited, "N", "hr"))
    begins = Span(not_before=service.clock.micros() + DAY_MICROS, seconds=86_400)
    grants.add_grant(
        service, staff.an, subject=f"user:{invited}", role="role:hr.head", department="hr",
        span=begins,
    )  # fmt: skip
    owner = {"department": "hr", "owner": "admin", "name": "robot"}
    robot = systems.create_account(service, operator, roles=(), **owner)
    grants.add_grant(
        service, operator, subject=robot.subject, role="role:hr.head", department="hr",
        span=begins,
    )  # fmt: skip
    staff.hire("binh")
    with service.store.read() as connection:
        assert holds_privileged_role(service, connection, robot.subject)
    # Whoever made the code, or the token, would have the role when it begins.
    with pytest.raises(Conflict, match="privileged role"):
        invitations.invite_again(service, staff.again("admin"), invited)
    with pytest.raises(ApprovalRequired):
        systems.issue_token(
            service, staff.again("admin"), account="robot", display_name="x", days=30
        )


def test_renewing_puts_the_end_off_and_takes_what_giving_does(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    add_person(service, "dung", "it")
    made = grants.add_grant(
        service, staff.an, subject="user:dung", role="role:hr.head", department="hr", days=10
    )
    binh = staff.hire("binh")
    an = staff.again("admin")
    wanted = Span(seconds=200 * 86_400)
    with pytest.raises(ApprovalRequired) as required:
        grants.renew_grant(service, replace(an, reason="stays"), made.id, span=wanted)
    shown = staff.approve(binh, required.value.request).view.request.proposal
    assert (shown.terms["renewed"], shown.terms["days"]) == (made.id, 200)
    done = grants.renew_grant(service, an, made.id, span=wanted)
    assert (done.id, done.expires_at) == (made.id, service.clock.micros() + 200 * DAY_MICROS)
    with pytest.raises(InvalidInput, match="365 days"):
        grants.renew_grant(service, an, made.id, span=Span(seconds=366 * 86_400))
    with pytest.raises(NotFound):
        grants.renew_grant(service, an, "g0", span=wanted)
    with service.store.read() as connection:
        (own,) = list_grants(connection, subject=an.principal.subject, role=ADMINISTRATOR)
    with pytest.raises(Refused, match="their own"):
        grants.renew_grant(service, an, own.id, span=wanted)
    house.hands.seconds += 366 * 86_400
    with pytest.raises(Conflict, match="has not ended"):
        grants.renew_grant(service, staff.operator, made.id, span=Span(seconds=60))


def test_what_is_approved_is_what_was_said_and_a_start_that_passed_meanwhile_is_now(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    binh = staff.hire("binh")
    staff.hire("dung", ("role:it.clerk", "it"))
    an = staff.again("admin")
    now = service.clock.micros()
    span = Span(not_before=now + 60_000_000, expires_at=now + 7_200_000_000)
    wanted = {"subject": "user:dung", "role": "role:hr.head", "department": "hr", "span": span}
    with pytest.raises(ApprovalRequired) as required:
        grants.add_grant(service, replace(an, reason="x"), **wanted)  # type: ignore[arg-type]
    terms = staff.approve(binh, required.value.request).view.request.proposal.terms
    assert terms["from"] == timestamp(now + 60_000_000)
    assert terms["until"] == timestamp(now + 7_200_000_000)
    house.hands.seconds += 120
    longer = {**wanted, "span": replace(span, expires_at=now + 7_200_000_001)}
    with pytest.raises(ApprovalRequired):
        grants.add_grant(service, an, **longer)  # type: ignore[arg-type]
    made = grants.add_grant(service, an, **wanted)  # type: ignore[arg-type]
    assert (made.not_before, made.expires_at) == (service.clock.micros(), span.expires_at)


def test_an_enabled_person_who_may_activate_a_privileged_role_takes_two(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    add_person(service, "dung", "it")
    eligibilities.add(service, staff.an, WantedEligibility("user:dung", ADMINISTRATOR, "it"))
    staff.hire("binh")
    an = staff.again("admin")
    people.disable_person(service, an, "dung")
    with pytest.raises(ApprovalRequired):
        people.enable_person(service, an, "dung")


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-03", "2026-11-03T10:00:00", "tomorrow", "10", "2026-13-03T10:00:00Z", "\0"],
)
def test_a_moment_without_its_time_zone_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        moment_of(text, "from")


def test_a_moment_is_exact_in_any_time_zone() -> None:
    assert moment_of("1970-01-01T07:00:00.000001+07:00", "x") == 1
    assert moment_of("2026-11-03T10:00:00Z", "x") == moment_of("2026-11-03T17:00:00+07:00", "x")
    assert (length(days=2), length(hours=3), length()) == (172_800, 10_800, None)
    with pytest.raises(InvalidInput):
        length(days=1, hours=1)
