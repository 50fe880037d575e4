"""Activations and claims at the same moment give one grant, on either engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secvault.access import list_grants
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired, Conflict, NotAuthenticated, NotFound, SecvaultError
from secvault.service import (
    bootstrap,
    eligibilities,
    opening,
    people,
    role_activation,
    role_requests,
)
from secvault.service.eligibilities import WantedEligibility
from secvault.service.role_activation import Use
from secvault.service.role_requests import WantedRole
from secvault.service.spine import Caller
from tests.running_service import PASSWORD, SEED, Hands, add_person, signed_in
from tests.service.approval_house import Staff, staffed
from tests.service.test_approvals_at_once import HouseAt

ADMINISTRATION = ("role:it.admin", "it")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def staff(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Staff]:
    """One administrator, and dung, over each engine."""
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
        signed_in(service, house, "admin")
        house.seeds["dung"] = add_person(service, "dung", "it")
        yield staffed(service, house)


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all at the same moment; what each gave, or the type of its error."""
    together = threading.Barrier(len(works), timeout=300)
    ends: list[object] = []

    def run(work: Callable[[], object]) -> None:
        together.wait()
        try:
            ends.append(work())
        except SecvaultError as error:
            ends.append(type(error))

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return ends


def held(staff: Staff, who: Caller, role: str) -> int:
    with staff.service.store.read() as connection:
        return len(
            list_grants(
                connection,
                subject=who.principal.subject,
                role=role,
                valid_at=staff.service.clock.micros(),
            )
        )


def test_of_many_activations_one_wins(staff: Staff) -> None:
    wanted = WantedEligibility("user:dung", *ADMINISTRATION)
    eligibilities.add(staff.service, staff.again("admin"), wanted)
    dung = staff.again("dung")
    use = Use(*ADMINISTRATION, "because")
    ends = at_once(*[lambda: role_activation.activate(staff.service, dung, use)] * 4)
    assert ends.count(Conflict) == 3
    assert held(staff, dung, "role:it.admin") == 1


def test_of_many_claims_of_one_request_one_wins(staff: Staff) -> None:
    asked = WantedRole("role:it.auditor", "*", 3600, "because")
    request = role_requests.ask(staff.service, staff.again("dung"), asked).request.id
    staff.approve(staff.again("admin"), request)
    dung = staff.again("dung")
    ends = at_once(*[lambda: role_requests.claim(staff.service, dung, request)] * 4)
    lost = [each for each in ends if each in (Conflict, ApprovalRequired)]
    assert len(lost) == 3, ends
    assert held(staff, dung, "role:it.auditor") == 1


def test_after_a_removal_or_a_disabling_is_answered_nothing_runs(staff: Staff) -> None:
    use = Use(*ADMINISTRATION, "because")
    for ending in ("remove", "disable"):
        an = staff.again("admin")
        wanted = WantedEligibility("user:dung", *ADMINISTRATION)
        made = eligibilities.add(staff.service, an, wanted)
        dung = staff.again("dung")

        def end(ending: str = ending, made_id: str = made.id, an: Caller = an) -> object:
            if ending == "remove":
                return eligibilities.remove(staff.service, an, made_id)
            return people.disable_person(staff.service, an, "dung")

        ends = at_once(
            *[lambda dung=dung: role_activation.activate(staff.service, dung, use)] * 3,  # type: ignore[misc]
            end,
        )
        errors = {each for each in ends if isinstance(each, type)}
        assert errors <= {Conflict, NotFound, NotAuthenticated}, ends
        assert held(staff, dung, "role:it.admin") == 0
