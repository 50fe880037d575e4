"""The first administrator: once, by a code that only this machine's operator can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.access import list_grants
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated
from secvault.identity import people, totp
from secvault.identity.activation import Activated
from secvault.identity.people import NewPerson
from secvault.service import Service, activation, authentication, bootstrap, grants, invitations
from secvault.service import people as operations
from secvault.service.opening import create_vault
from secvault.service.spine import Caller
from tests.running_service import SEED, Hands, House

PASSWORD = Secret.of("nineteen quiet harbours")


@pytest.fixture
def new_house(tmp_path: Path) -> House:
    house = House(tmp_path, Hands(), {}, {})
    create_vault(house.settings, house.hands.clock())
    return house


@pytest.fixture
def new(new_house: House) -> Iterator[Service]:
    """A vault in which nobody is."""
    with new_house.open() as opened:
        yield opened


def activate(
    house: House, service: Service, code: Secret, name: str = "", password: Secret = PASSWORD
) -> Activated:
    begun = activation.begin(service, code, password=password, device="phone", name=name)
    assert begun.enrolment is not None
    seed = begun.enrolment.seed.text()
    first, second = (Secret.of(house.hands.code(seed, step)) for step in (-1, 0))
    return activation.complete(service, code, (first, second))


def test_the_code_makes_one_administrator_and_then_there_is_none_to_be_had(
    new_house: House, new: Service
) -> None:
    assert bootstrap.no_administrator_yet(new)
    code = bootstrap.issue_first(new).code
    shown = activation.look(new, code)
    assert (shown.person, shown.first) == (None, True)
    with pytest.raises(InvalidInput, match="name"):
        activation.begin(new, code, password=PASSWORD, device="phone")
    done = activate(new_house, new, code, "an.nguyen")
    with new.store.read() as connection:
        [grant] = list_grants(connection, subject=done.person.subject)
    assert (grant.role, grant.department) == ("role:it.admin", "it")
    assert not bootstrap.no_administrator_yet(new)
    with pytest.raises(NotAuthenticated):
        activation.look(new, code)
    with pytest.raises(Conflict, match="an administrator already"):
        bootstrap.issue_first(new)
    with pytest.raises(Conflict, match="an administrator already"):
        bootstrap.first_administrator(
            new, name="eve", display_name="Eve", password=PASSWORD, seed=Secret.of(SEED)
        )


def test_a_new_code_voids_the_one_before_and_goes_on_where_it_was(
    new_house: House, new: Service
) -> None:
    old = bootstrap.issue_first(new).code
    begun = activation.begin(new, old, password=PASSWORD, device="phone", name="an")
    code = bootstrap.issue_first(new).code
    with pytest.raises(NotAuthenticated):
        activation.look(new, old)
    done = activate(new_house, new, code, "an.nguyen")
    assert (done.person.id, done.person.name) == (begun.person.id, "an.nguyen")


def test_the_code_ends_by_its_time(new_house: House, new: Service) -> None:
    code = bootstrap.issue_first(new).code
    new_house.hands.seconds += new.settings.identity.bootstrap_minutes * 60
    with pytest.raises(NotAuthenticated):
        activation.look(new, code)


def test_a_code_from_before_there_was_an_administrator_makes_no_second_one(
    new_house: House, new: Service
) -> None:
    code = bootstrap.issue_first(new).code
    operator = Caller(authentication.local_operator(new))
    invited = invitations.invite(new, operator, NewPerson.of("lan", "Lan", "it"))
    assert invited.code is not None
    lan = activate(new_house, new, invited.code)
    assert bootstrap.no_administrator_yet(new)
    given = grants.add_grant(
        new, operator, subject="user:lan", role="role:it.admin", department="it"
    )
    grants.revoke_grant(new, operator, given.id)
    operations.disable_person(new, operator, lan.person.id)
    assert not bootstrap.no_administrator_yet(new)
    with pytest.raises(Conflict, match="an administrator already"):
        activate(new_house, new, code, "eve")
    with new.store.read() as connection:
        assert people.find_person(connection, "eve").state == people.INVITED
        assert not list_grants(connection, role="role:it.admin", valid_at=new.clock.micros())


def test_unattended_set_up_goes_on_from_what_somebody_has_begun(
    new_house: House, new: Service
) -> None:
    code = bootstrap.issue_first(new).code
    activation.begin(new, code, password=PASSWORD, device="phone", name="admin")
    made = bootstrap.first_administrator(
        new, name="admin", display_name="Admin", password=PASSWORD, seed=Secret.of(SEED)
    )
    assert made.state == people.ACTIVE
    authentication.sign_in(new, "admin", PASSWORD, Secret.of(new_house.hands.code(SEED)))
    with pytest.raises(NotAuthenticated):
        activation.look(new, code)


def test_without_a_name_of_somebody_the_seed_must_be_one(new: Service) -> None:
    with pytest.raises(InvalidInput):
        bootstrap.first_administrator(
            new, name="admin", display_name="Admin", password=PASSWORD, seed=Secret.of("no seed")
        )
    assert bootstrap.no_administrator_yet(new)
    assert totp.parse_seed(Secret.of(SEED))
