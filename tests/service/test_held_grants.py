"""What somebody was given, with what it brings and by whom."""

from __future__ import annotations

import pytest

from secvault.errors import InvalidInput, Refused
from secvault.service import authentication, grants, held_grants
from secvault.service.spans import Span
from secvault.service.spine import Caller
from tests.running_service import House, furnish


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with a clerk and a head of human resources."""
    return furnish(tmp_path_factory.mktemp("held"))


def test_a_grant_is_told_with_the_roles_that_it_brings_and_who_gave_it(house: House) -> None:
    with house.open() as service:
        admin = Caller(authentication.authenticate(service, house.tokens["admin"]))
        day = 86_400_000_000
        later = Span(not_before=service.clock.micros() + day, seconds=86_400)
        grants.add_grant(
            service,
            admin,
            subject="user:head",
            role="role:analysis.analyst",
            department="analysis",
            span=later,
        )
        held = held_grants.grants_of(service, admin, "head")
        now, to_come = sorted(held, key=lambda one: one.to_come)
        assert (now.grant.role, now.to_come) == ("role:hr.head", False)
        assert ("role:hr.head", "role:hr.clerk") in now.brings
        assert (to_come.to_come, to_come.by) == (True, "admin")
        assert held_grants.grants_of(service, admin, "svc:system")
        grants.revoke_grant(service, admin, to_come.grant.id)
        assert held_grants.grants_of(service, admin, "head") == (now,)
        with pytest.raises(InvalidInput):
            held_grants.grants_of(service, admin, "nobody")
        clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
        with pytest.raises(Refused):
            held_grants.grants_of(service, clerk, "clerk")
