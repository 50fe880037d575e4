"""The first steps: told to who can do them, each until it is done."""

from __future__ import annotations

import re
from dataclasses import replace

from secvault.console.first_steps import PLACES
from secvault.service import authentication, grants, recovery_kits
from secvault.service.first_steps import STEPS, first_steps
from secvault.service.spine import Caller
from tests.console.browsing import signed_in
from tests.running_service import Api, House


def left(house: House, who: str = "admin") -> tuple[str, ...]:
    """What somebody is told."""
    with house.open() as service:
        caller = Caller(authentication.authenticate(service, house.tokens[who]))
        return first_steps(service, replace(caller, actions=None))


def test_an_administrator_finds_what_is_missing_each_with_its_page(api: Api) -> None:
    page = signed_in(api, "admin").get("/").text
    assert "First steps" in page
    steps = re.search(r'<section class="first-steps".*?</section>', page, re.DOTALL)
    assert steps is not None
    for step in ("administrator", "kit", "plan"):
        assert f'<h3><a href="{PLACES[step]}">' in steps[0]
    # What is there already is not asked for.
    assert "Let the first department in" not in steps[0]


def test_who_can_do_none_of_it_is_told_nothing(api: Api) -> None:
    for who in ("clerk", "auditor"):
        assert "First steps" not in signed_in(api, who).get("/").text


def test_every_step_has_its_page_and_every_page_is_there(api: Api) -> None:
    assert set(PLACES) == set(STEPS)
    browser = signed_in(api, "admin")
    for place in PLACES.values():
        assert browser.get(place.partition("#")[0]).status_code in (200, 401), place


def test_a_step_leaves_the_list_when_it_is_done(house: House) -> None:
    before = left(house)
    assert {"administrator", "kit"} <= set(before)
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        recovery_kits.issue_kit(service, operator)
    assert set(before) - set(left(house)) == {"kit"}
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        grants.add_grant(
            service, operator, subject="user:head", role="role:it.admin", department="it"
        )
    assert "administrator" not in left(house)
