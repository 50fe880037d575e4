"""What of the time of the backup is good no more in the vault that came back."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from secvault.access import add_grant, list_grants
from secvault.identity import invitations, people
from secvault.identity.people import NewPerson, find_person
from secvault.service import Service, authentication, backup_plans
from secvault.service.break_glass import incidents, recovery
from secvault.service.break_glass.recovery import Proof
from secvault.service.recovering import safe
from secvault.service.recovering.safe import Ended, Told
from secvault.service.spine import Caller
from secvault.store.tables import invitation

SWITCH = "https://hc.example.com/switch"


def _end(service: Service, *, rehearsal: bool = False) -> Ended:
    told = Told("i1", "0" * 64, "nightly", "local", "0" * 64, "k1", rehearsal, 0)
    return safe.end_all(service, told, keep_tokens=False)


def test_an_invitation_is_used_once_and_not_once_more_after_the_recovery(
    service: Service,
) -> None:
    with service.store.write() as connection:
        person = people.create_person(
            connection,
            service.clock,
            NewPerson.of(name="mai", display_name="Mai", department="it"),
        )
        code = invitations.issue(
            connection,
            service.clock,
            service.entrance.keys,
            person,
            seconds=3600,
            by="local:operator",
        ).code
    assert _end(service).codes >= 1
    with service.store.read() as connection:
        found = invitations.look_up(connection, service.clock, service.entrance.keys, code)
        left = connection.execute(select(func.count()).select_from(invitation)).scalar_one()
    assert not isinstance(found, invitations.Invitation)
    assert left == 0


def test_what_was_given_for_the_moment_is_ended_and_what_was_given_stays(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        subject = find_person(connection, "clerk").subject
        for role, source in (("role:it.clerk", ""), ("role:it.head", "activation:e1")):
            add_grant(
                connection,
                service.policy.rules,
                subject=subject,
                role=role,
                department="it",
                granted_by="local:operator",
                at=now,
                expires_at=now + 3_600_000_000,
                source=source,
            )
    assert _end(service).grants == 1
    with service.store.read() as connection:
        left = {
            one.role
            for one in list_grants(connection, valid_at=service.clock.micros())
            if one.subject == subject
        }
    assert "role:it.clerk" in left
    assert "role:it.head" not in left


def test_a_way_in_that_waited_opens_no_more(service: Service) -> None:
    begun = recovery.begin(service, Proof("shares", 3), "nobody is left")
    _end(service)
    with service.store.read() as connection:
        found = incidents.read(connection, begun.id)
    assert found.ended_by == "local:operator"
    assert not found.running(service.clock.micros())


@pytest.mark.parametrize("rehearsal", [True, False])
def test_the_switch_of_a_plan_hears_of_no_rehearsal(service: Service, *, rehearsal: bool) -> None:
    operator = Caller(authentication.local_operator(service))
    values = {"repository": "local", "schedule": "", "ping_url": SWITCH}
    backup_plans.add_plan(service, operator, "weekly", values)
    _end(service, rehearsal=rehearsal)
    assert service.backups.plan("weekly").ping_url == ("" if rehearsal else SWITCH)
