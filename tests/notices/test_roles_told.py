"""What happens to roles is told: to the holder, to who may approve, and to who asked."""

from __future__ import annotations

import pytest

from secvault.access.eligibility import Eligibility
from secvault.notices import outbox
from secvault.service import (
    authentication,
    eligibilities,
    grants,
    people,
    role_activation,
    role_requests,
)
from secvault.service.approvals import operations as approvals
from secvault.service.eligibilities import WantedEligibility
from secvault.service.grant_ends import keep_enough, warn_of_ends
from secvault.service.role_activation import Use
from secvault.service.role_requests import WantedRole
from secvault.service.spans import Span
from secvault.service.spine import Caller
from tests.notices.conftest import Office
from tests.running_service import House

CHANNEL = "channel:ops"
DAY = 86_400


@pytest.fixture
def names(office: Office) -> dict[str, str]:
    """Who is who among the recipients, after what is known has been told."""
    found = people.list_people(office.service, _operator(office)).people
    office.tell()
    return {each.person.name: f"person:{each.person.id}" for each in found}


def _operator(office: Office) -> Caller:
    return Caller(authentication.local_operator(office.service))


def news(office: Office) -> set[tuple[str, str]]:
    """What a turn of the worker notes."""
    before = _noted(office)
    office.tell()
    return _noted(office) - before


def _noted(office: Office) -> set[tuple[str, str]]:
    with office.service.store.read() as connection:
        found = outbox.listed(connection, limit=1000)
    return {(each.kind, each.recipient) for each in found}


def test_a_role_that_was_asked_for_is_told_from_asking_to_its_end(
    office: Office, house: House, names: dict[str, str]
) -> None:
    service = office.service
    asker = office.sign_in("clerk", "")
    wanted = WantedRole("role:hr.team_lead", "hr", 40 * DAY, "because")
    view = role_requests.ask(service, asker, wanted)
    # Whoever may fill a place: the administrator, and the head of the department.
    told = {("approval_asked", to) for to in (names["admin"], names["head"], CHANNEL)}
    assert news(office) == told
    digest = view.request.proposal.digest
    for name in ("head", "admin"):
        assert news(office) == set()
        approvals.approve(service, office.sign_in(name, ""), view.request.id, digest)
    assert news(office) == {("role_approved", names["clerk"])}
    role_requests.claim(service, office.sign_in("clerk", ""), view.request.id)
    assert news(office) == {("role_given", names["clerk"])}
    house.hands.seconds += 11 * DAY
    warn_of_ends(service)
    assert ("role_ends", names["clerk"]) in news(office)


def test_a_refusal_is_told_to_who_asked(office: Office, names: dict[str, str]) -> None:
    wanted = WantedRole("role:hr.team_lead", "hr", DAY, "because")
    view = role_requests.ask(office.service, office.sign_in("clerk", ""), wanted)
    office.tell()
    approvals.refuse(office.service, office.sign_in("head", ""), view.request.id)
    assert news(office) == {("role_refused", names["clerk"])}


def _eligible(office: Office, role: str, department: str) -> Eligibility:
    wanted = WantedEligibility("user:clerk", role, department)
    return eligibilities.add(office.service, _operator(office), wanted)


def test_an_activation_is_told_when_it_is_of_a_privileged_role(
    office: Office, names: dict[str, str]
) -> None:
    _eligible(office, "role:quality.head", "quality")
    _eligible(office, "role:quality.clerk", "quality")
    clerk = office.sign_in("clerk", "")
    assert news(office) == set()
    for role in ("role:quality.clerk", "role:quality.head"):
        role_activation.activate(office.service, clerk, Use(role, "quality", "because"))
    to = (names["clerk"], names["admin"], CHANNEL)
    assert news(office) == {("role_activated", each) for each in to}


def test_the_end_of_a_privileged_role_and_that_it_was_put_off_are_told_to_administrators_too(
    office: Office, house: House, names: dict[str, str]
) -> None:
    service = office.service
    made = grants.add_grant(
        service,
        _operator(office),
        subject="user:clerk",
        role="role:quality.head",
        department="quality",
        span=Span(seconds=60 * DAY),
    )
    assert news(office) == {
        ("privileged_grant", to) for to in (names["clerk"], names["admin"], CHANNEL)
    }
    house.hands.seconds += 31 * DAY
    assert warn_of_ends(service) == (made.id,)
    to = (names["clerk"], names["admin"], CHANNEL)
    assert news(office) == {("role_ends", each) for each in to}
    house.hands.seconds += 330 * DAY
    (kept,) = keep_enough(service)
    assert kept.role == "role:it.admin"
    assert news(office) == {("role_kept", to) for to in (names["admin"], CHANNEL)}
