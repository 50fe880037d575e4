"""Roles that a rule of separation keeps apart: refused, put on record, excepted, and found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.access import Grant, add_grant, list_grants
from secvault.audit.event import Event
from secvault.audit.query import Question, page
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    Refused,
    SecvaultError,
    SeparationOfDuties,
)
from secvault.identity.people import find_person
from secvault.jobs import Place, Worker
from secvault.service import Service, bootstrap, grants, opening, provided_roles, systems
from secvault.service import separation_review as review
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.bootstrap import admit_first
from secvault.service.grants import subject_of
from secvault.service.spine import Caller
from secvault.service.workflows import schedules, workflows
from tests.running_service import PASSWORD, SEED, Hands, House, add_person, signed_in
from tests.service.approval_house import Staff, staffed
from tests.service.test_approvals_at_once import HouseAt

PAYMENTS = "payroll-and-release-payments"
TREASURER = ("role:accounting.treasurer", "accounting")
CLERK = ("role:hr.clerk", "hr")
DAY = 86_400


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """One administrator, and `lan`, who has no role."""
    add_person(service, "lan", "accounting")
    return staffed(service, house)


def give(
    staff: Staff, place: tuple[str, str], who: str = "user:lan", *, reason: str = "", **more: int
) -> Grant:
    caller = replace(staff.an, reason=reason)
    return grants.add_grant(
        staff.service, caller, subject=who, role=place[0], department=place[1], **more
    )


def behind(service: Service, place: tuple[str, str], begins: int | None = None) -> Grant:
    """A grant that the operation did not look at, as a program of before may have left it."""
    with service.store.write() as connection:
        return add_grant(
            connection,
            service.policy.rules,
            subject=subject_of(connection, "user:lan"),
            role=place[0],
            department=place[1],
            granted_by="local:operator",
            at=service.clock.micros(),
            not_before=begins,
        )


def events(service: Service, kind: str) -> list[Event]:
    service.audit.drain()
    found = page(service.store, Question(kind=kind), limit=50).events
    return [stored.event for stored in found]


def held_by(service: Service, name: str = "user:lan") -> set[str]:
    with service.store.read() as connection:
        subject = subject_of(connection, name)
        now = service.clock.micros()
        return {one.role for one in list_grants(connection, subject=subject, valid_at=now)}


def test_a_role_that_breaks_a_rule_with_an_inherited_one_is_refused_with_the_way_out(
    staff: Staff,
) -> None:
    given = give(staff, ("role:hr.head", "hr"))
    with pytest.raises(SeparationOfDuties) as refused:
        give(staff, TREASURER)
    assert refused.value.rules == (PAYMENTS,)
    detail = refused.value.detail
    assert "Whoever keeps the payroll" in detail
    assert given.id in detail
    assert "role:accounting.treasurer" in detail
    assert "exceptions add" in detail
    assert held_by(staff.service) == {"role:hr.head"}
    entry = events(staff.service, "grant.add")[0]
    assert (entry.outcome, entry.detail["reason"]) == ("denied", "separation-of-duties")


def test_roles_one_after_the_other_are_no_conflict_and_overlapping_ones_are(staff: Staff) -> None:
    give(staff, CLERK, days=10)
    service = staff.service
    # Begins when the other ends.
    later = behind(service, TREASURER, service.clock.micros() + 10 * DAY * 1_000_000)
    assert not review.list_conflicts(service, staff.an)
    with pytest.raises(SeparationOfDuties):
        give(staff, ("role:hr.head", "hr"), days=11)
    grants.revoke_grant(service, staff.an, later.id)
    give(staff, ("role:hr.head", "hr"), days=11)


def test_what_only_warns_is_given_put_on_record_and_told_once(staff: Staff) -> None:
    give(staff, ("role:it.approver", "it"))
    given = give(staff, ("role:it.key_custodian", "it"))
    (entry,) = events(staff.service, "separation.conflict")
    assert entry.detail["rule"] == "keys-and-approvals"
    assert entry.detail["grant"] == given.id
    # The night's look tells nobody again of what is known.
    assert review.find_new(staff.service) == ()


def test_nobody_is_asked_to_approve_what_would_be_refused(staff: Staff) -> None:
    staff.hire("binh")
    give(staff, CLERK)
    with pytest.raises(SeparationOfDuties):
        give(staff, TREASURER, reason="please")
    assert not approvals.own_requests(staff.service, staff.an)


def test_a_role_that_waits_for_its_approval_counts_as_if_it_were_given(staff: Staff) -> None:
    staff.hire("binh")
    with pytest.raises(ApprovalRequired) as asked:
        give(staff, TREASURER, reason="she pays")
    with pytest.raises(SeparationOfDuties) as refused:
        give(staff, CLERK)
    assert f"request {asked.value.request}" in refused.value.detail
    approvals.withdraw(staff.service, staff.an, asked.value.request)
    give(staff, CLERK)


def test_an_approval_is_not_given_for_what_has_come_to_break_a_rule(staff: Staff) -> None:
    binh = staff.hire("binh")
    with pytest.raises(ApprovalRequired) as asked:
        give(staff, TREASURER, reason="she pays")
    service = staff.service
    behind(service, CLERK)
    (view,) = review.list_conflicts(service, staff.an, subject="user:lan")
    assert (view.name, view.conflict.rule) == ("lan", PAYMENTS)
    with service.store.read() as connection:
        found = requests.read_request(connection, service.clock, asked.value.request)
    with pytest.raises(SeparationOfDuties):
        approvals.approve(service, binh, found.id, found.proposal.digest)


def test_what_was_approved_is_not_carried_out_once_it_breaks_a_rule(staff: Staff) -> None:
    binh = staff.hire("binh")
    with pytest.raises(ApprovalRequired) as asked:
        give(staff, TREASURER, reason="she pays")
    staff.approve(binh, asked.value.request)
    service = staff.service
    behind(service, CLERK)
    with pytest.raises(SeparationOfDuties):
        give(staff, TREASURER)
    assert held_by(service) == {CLERK[0]}


def test_a_system_is_not_made_with_roles_that_are_kept_apart(staff: Staff) -> None:
    roles = ("role:it.provisioner", "role:it.approver")
    with pytest.raises(SeparationOfDuties):
        systems.create_account(
            staff.service, staff.operator, name="idp", department="it", owner="admin", roles=roles
        )
    names = [one.name for one in systems.list_accounts(staff.service, staff.operator)]
    assert "idp" not in names
    # One by one they are kept apart as well.
    systems.create_account(
        staff.service, staff.operator, name="idp", department="it", owner="admin", roles=roles[:1]
    )
    with pytest.raises(SeparationOfDuties):
        give(staff, (roles[1], "it"), "svc:idp")


def test_a_role_of_a_provider_is_left_out_where_it_breaks_a_rule_and_the_rest_is_given(
    staff: Staff,
) -> None:
    by_hand = give(staff, CLERK)
    service = staff.service
    wanted = {TREASURER, ("role:hr.head", "hr")}

    def signs_in(places: set[tuple[str, str]]) -> set[str]:
        with service.store.write() as connection:
            person = subject_of(connection, "user:lan").removeprefix("user:")
            provided_roles.give(
                service, connection, person=person, kind="oidc", provider="corp", wanted=places
            )
        return held_by(service)

    assert signs_in(wanted) == {"role:hr.clerk", "role:hr.head"}
    (entry,) = events(service, "separation.conflict")
    assert (entry.outcome, entry.detail["role"]) == ("denied", TREASURER[0])
    # Once the other side is gone, also by the same word of the provider, it is given.
    grants.revoke_grant(service, staff.an, by_hand.id)
    assert signs_in({TREASURER}) == {TREASURER[0]}


def test_the_first_administrator_is_held_to_the_rules_too(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(staff, ("role:it.auditor", "*"))
    monkeypatch.setattr(bootstrap, "require_none", lambda _connection: None)
    service = staff.service
    with service.store.write() as connection:
        lan = find_person(connection, "lan")
        with pytest.raises(SeparationOfDuties):
            admit_first(service, connection, lan)


# Exceptions


def excepted(staff: Staff, who: Caller | None = None, **changed: object) -> review.ExceptionView:
    said = {
        "subject": "user:lan",
        "rule": PAYMENTS,
        "days": 30,
        "note": "the director looks weekly",
    }
    return review.except_from_rule(staff.service, who or staff.an, **(said | changed))  # type: ignore[arg-type]


def test_an_exception_lets_the_role_be_given_until_its_end_only(staff: Staff) -> None:
    give(staff, CLERK)
    made = excepted(staff)
    assert (made.name, made.granted_by_name, made.in_force) == ("lan", "admin", True)
    with pytest.raises(SeparationOfDuties):
        give(staff, TREASURER, days=31)
    give(staff, TREASURER, days=30)
    (view,) = review.list_conflicts(staff.service, staff.an)
    assert view.conflict.exception == made.exception.id
    assert review.find_new(staff.service) == ()


def test_an_exception_needs_a_second_person_and_nobody_makes_one_for_themselves(
    staff: Staff,
) -> None:
    binh = staff.hire("binh")
    with pytest.raises(Refused, match="for themselves"):
        excepted(staff, subject="user:admin")
    with pytest.raises(ApprovalRequired) as asked:
        excepted(staff, replace(staff.an, reason="too few accountants"))
    staff.approve(binh, asked.value.request)
    assert excepted(staff).in_force
    assert events(staff.service, "exception.add")[0].detail["approval"] == "approved"


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"rule": "no-such-rule"}, InvalidInput),
        ({"days": 0}, InvalidInput),
        ({"days": 367}, InvalidInput),
        ({"note": " "}, InvalidInput),
        ({"note": "two\nlines"}, InvalidInput),
        ({"note": "x" * 501}, InvalidInput),
        ({"subject": "user:nobody"}, InvalidInput),
        ({"subject": "lan"}, InvalidInput),
    ],
)
def test_an_exception_has_a_subject_a_rule_an_end_and_a_note(
    staff: Staff, changed: dict[str, object], kind: type[SecvaultError]
) -> None:
    with pytest.raises(kind):
        excepted(staff, **changed)
    assert not review.list_exceptions_made(staff.service, staff.an, everything=True)


def test_there_is_one_exception_at_a_time_and_it_can_be_ended_once(staff: Staff) -> None:
    made = excepted(staff).exception
    with pytest.raises(Conflict):
        excepted(staff)
    give(staff, CLERK)
    give(staff, TREASURER, days=20)
    staff.house.hands.seconds += DAY
    binh = staff.again("admin")
    ended = review.end_exception_now(staff.service, binh, made.id)
    assert not ended.in_force
    with pytest.raises(Conflict):
        review.end_exception_now(staff.service, binh, made.id)
    assert not review.list_exceptions_made(staff.service, binh)
    (kept,) = review.list_exceptions_made(staff.service, binh, everything=True)
    assert kept.exception.ended_by == binh.principal.subject
    # What it allowed is a conflict from now on, which the next night finds.
    assert [rule for rule, _ in review.find_new(staff.service)] == [PAYMENTS]


# The nightly look


def test_a_conflict_that_only_time_or_a_rule_brings_is_news_once_until_it_is_over(
    staff: Staff,
) -> None:
    service = staff.service
    given = [behind(service, place) for place in (CLERK, TREASURER)]
    subject = given[0].subject
    assert review.find_new(service) == ((PAYMENTS, subject),)
    assert review.find_new(service) == ()
    told = [one for one in events(service, "separation.find") if "rule" in one.detail]
    assert [one.count for one in told] == [1]
    grants.revoke_grant(service, staff.an, given[0].id)
    assert review.find_new(service) == ()
    behind(service, CLERK)
    assert review.find_new(service) == ((PAYMENTS, subject),)


def test_the_worker_looks_every_night_by_itself(staff: Staff) -> None:
    service, hands = staff.service, staff.house.hands
    for place in (CLERK, TREASURER):
        behind(service, place)
    data = service.settings.data_folder
    log: list[str] = []
    worker = Worker(
        service.store,
        Clock(
            wall=hands.clock().wall,
            monotonic=lambda: time.monotonic() * 20,
            sleep=lambda seconds: time.sleep(seconds / 20),
        ),
        workflows(service),
        Place(data / "jobs.db", data / "worker.lock"),
        lambda event, **_fields: log.append(event),
        schedules=schedules(service),
    )
    worker.start()
    try:
        # To 02:10 of the next day, and a little.
        hands.seconds += DAY - hands.seconds % DAY + 2 * 3600 + 10 * 60 + 5
        end = time.monotonic() + 300
        while (
            not (found := events(service, "separation.find")) or "problems" not in found[0].detail
        ):
            assert time.monotonic() < end, log
            time.sleep(0.05)
    finally:
        assert worker.stop(finish=1000.0, cancel=1000.0) == ()
    assert [one.detail.get("rule") for one in found] == [None, PAYMENTS]
    assert found[0].actor.subject == "system:jobs"


def test_a_moment_is_asked_about_by_the_grants_of_then(staff: Staff) -> None:
    service, hands = staff.service, staff.house.hands
    excepted(staff)
    give(staff, CLERK)
    given = give(staff, TREASURER, days=10)
    then = service.clock.micros()
    hands.seconds += DAY
    again = staff.again("admin")
    grants.revoke_grant(service, again, given.id)
    assert not review.list_conflicts(service, again)
    assert review.list_conflicts(service, again, at=then)
    assert not review.list_conflicts(service, again, at=then + 20 * DAY * 1_000_000)
    with pytest.raises(InvalidInput):
        review.list_conflicts(service, again, at=-1)


# Two at once


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def at_once(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Staff]:
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    house = HouseAt(tmp_path, Hands(), {}, {"admin": SEED}, url=url)
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        house.hands.seconds += 30
        signed_in(service, house, "admin")
        add_person(service, "lan", "accounting")
        yield staffed(service, house)


def test_of_two_sides_given_at_the_same_moment_the_later_is_refused(at_once: Staff) -> None:
    service = at_once.service
    with service.store.read() as connection:
        person = subject_of(connection, "user:lan").removeprefix("user:")
    ends: list[str] = []

    def by_hand() -> None:
        try:
            give(at_once, TREASURER)
            ends.append("given")
        except SeparationOfDuties:
            ends.append("refused")

    later = threading.Thread(target=by_hand)
    with service.store.write() as connection:
        changed = provided_roles.give(
            service, connection, person=person, kind="oidc", provider="corp", wanted={CLERK}
        )
        later.start()
        # It has looked by now, if it does not wait for this transaction.
        later.join(0.7)
    later.join(300)
    assert [one.role for one in changed.added] == [CLERK[0]]
    assert ends == ["refused"]
    assert held_by(service) == {CLERK[0]}
