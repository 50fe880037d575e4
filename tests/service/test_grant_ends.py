"""Roles near their end are told of, and those without whom nobody would be left are kept."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from secvault.access import Grant, add_grant, list_grants
from secvault.access.vocabulary import department_of
from secvault.audit.query import Question, page
from secvault.identity.people import find_person
from secvault.service import Service, authentication, grants, people
from secvault.service.giving import DAY_MICROS
from secvault.service.grant_ends import KEPT_DAYS, keep_enough, warn_of_ends
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, add_person, signed_in

DAY = 86_400


@pytest.fixture
def operator(service: Service) -> Caller:
    """At the server's own command line."""
    return Caller(authentication.local_operator(service))


def hire(
    service: Service,
    house: House,
    name: str,
    role: str = "role:it.admin",
    days: int = 365,
    *,
    comes: bool = True,
) -> Grant:
    """Somebody with a role for so many days, who signs in unless said otherwise."""
    house.seeds[name] = add_person(service, name, "it")
    with service.store.write() as connection:
        now = service.clock.micros()
        made = add_grant(
            connection,
            service.policy.rules,
            subject=find_person(connection, name).subject,
            role=role,
            department=department_of(role),
            granted_by="local:operator",
            at=now,
            expires_at=now + days * DAY_MICROS,
        )
    if comes:
        signed_in(service, house, name)
    return made


def wait(house: House, days: float) -> None:
    house.hands.seconds += days * DAY


def may_approve(service: Service) -> set[str]:
    """The names of those who can approve in it now."""
    with service.store.read() as connection:
        subjects = service.approvers.in_department(connection, "it")
        return {people.people.read_person(connection, each[5:]).name for each in subjects}


def told(service: Service, kind: str) -> list[dict[str, object]]:
    """What the log says of these, the newest first."""
    service.audit.drain()
    found = page(service.store, Question(kind=kind), limit=100).events
    return [dict(each.event.detail) for each in found]


def test_the_roles_of_the_last_two_who_approve_never_end_by_time(
    service: Service, house: House
) -> None:
    hire(service, house, "binh")
    assert keep_enough(service) == ()
    wait(house, 357)
    assert keep_enough(service) == ()
    wait(house, 1.5)
    kept = keep_enough(service)
    now = service.clock.micros()
    assert [each.expires_at for each in kept] == [now + KEPT_DAYS * DAY_MICROS] * 2
    # The same grants, which end later: what the rows say of the past is as it was.
    assert len({each.id for each in kept}) == 2
    assert keep_enough(service) == ()
    for _ in range(3):
        wait(house, KEPT_DAYS - 6)
        assert len(keep_enough(service)) == 2
    assert may_approve(service) == {"admin", "binh"}
    assert {each["reason"] for each in told(service, "grant.extend")} == {"nobody-else-left"}


def test_a_role_ends_as_it_was_said_while_enough_others_are_there(
    service: Service, house: House
) -> None:
    hire(service, house, "binh")
    chi = hire(service, house, "chi", days=10)
    wait(house, 9.9)
    assert keep_enough(service) == ()
    wait(house, 1)
    assert keep_enough(service) == ()
    assert may_approve(service) == {"admin", "binh"}
    # Nor does it come back when the others go later: it was let go.
    people.disable_person(service, Caller(authentication.local_operator(service)), "clerk")
    with service.store.write() as connection:
        connection.execute(
            update(tables.person).where(tables.person.c.name == "binh").values(state="disabled")
        )
    assert keep_enough(service) == ()
    with service.store.read() as connection:
        assert not list_grants(connection, subject=chi.subject, standing_at=service.clock.micros())


def test_ends_that_passed_while_no_worker_ran_are_made_good_from_now_on(
    service: Service, house: House
) -> None:
    hire(service, house, "binh")
    hire(service, house, "gone", comes=False)
    wait(house, 800)
    assert may_approve(service) == set()
    kept = keep_enough(service)
    now = service.clock.micros()
    # New ones: nobody held the role in between.
    assert {each.not_before for each in kept} == {now}
    assert may_approve(service) == {"admin", "binh"}


def test_what_was_revoked_is_not_kept(service: Service, house: House, operator: Caller) -> None:
    binh = hire(service, house, "binh", days=5)
    hire(service, house, "chi")
    grants.revoke_grant(service, operator, binh.id)
    wait(house, 360)
    assert binh.subject not in {each.subject for each in keep_enough(service)}
    wait(house, 400)
    assert binh.subject not in {each.subject for each in keep_enough(service)}


def test_somebody_is_always_left_who_can_give_roles(service: Service, house: House) -> None:
    for name in ("binh", "chi"):
        hire(service, house, name, "role:it.approver", days=700)
    wait(house, 360)
    kept = keep_enough(service)
    assert [each.role for each in kept] == ["role:it.admin"]


def test_the_end_is_told_thirty_fourteen_seven_and_one_day_before_each_once(
    service: Service, house: House
) -> None:
    hire(service, house, "binh", "role:hr.head", days=60)
    assert warn_of_ends(service) == ()
    for days, expected in ((31, 30), (1, None), (15, 14), (7, 7), (5.5, 1), (0.4, None)):
        wait(house, days)
        found = warn_of_ends(service)
        assert bool(found) == (expected is not None), days
        if expected:
            detail = told(service, "grant.warn")[0]
            assert (detail["days"], detail["privileged"]) == (expected, True)
    assert warn_of_ends(service) == ()
    # One that lasts for less than a number of days is not told of for it when it is made.
    hire(service, house, "chi", "role:hr.clerk", days=5)
    assert warn_of_ends(service) == ()


def test_a_privileged_role_without_an_end_is_told_of_once(service: Service, house: House) -> None:
    with service.store.write() as connection:
        for subject, role in (("user:x", "role:it.approver"), ("user:y", "role:it.encryptor")):
            add_grant(
                connection,
                service.policy.rules,
                subject=subject,
                role=role,
                department="it",
                granted_by="local:operator",
                at=service.clock.micros(),
            )
    assert len(warn_of_ends(service)) == 1
    assert "expires_at" not in told(service, "grant.warn")[0]
    assert warn_of_ends(service) == ()


def test_two_workers_tell_once(service: Service, house: House) -> None:
    hire(service, house, "binh", days=20)
    wait(house, 7)
    with house.open() as other:
        assert sum(len(warn_of_ends(each)) for each in (service, other, service)) == 1
