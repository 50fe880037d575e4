"""Invitations: a code that works once, for who was never active; a wrong one tells nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.identity import SignInDelayed, SignInRefused, activation, invitations, people
from secvault.identity.invitations import Issued
from secvault.identity.people import NewPerson, Person
from secvault.identity.places import NetworkLimits
from secvault.identity.sign_in import Credentials, sign_in
from secvault.store.tables import invitation

HOUR = 3600


def invited(house: Any, name: str = "mai") -> Person:
    house.time.pass_by(1)  # People are listed in the order of their creation.
    with house.store.write() as connection:
        return people.create_person(connection, house.clock, NewPerson.of(name, "Trần Mai", "hr"))


def issue(house: Any, person: Person, seconds: int = HOUR) -> Issued:
    with house.store.write() as connection:
        return invitations.issue(
            connection, house.clock, house.keys, person, seconds=seconds, by="user:admin"
        )


def refusal(house: Any, code: Secret) -> tuple[object, ...]:
    with pytest.raises(SignInRefused) as refused:
        activation.check(house.entrance, code, "192.0.2.7")
    error = refused.value
    return type(error), str(error), error.code, error.status, error.fields


def test_a_code_is_good_until_its_time_is_over(house: Any) -> None:
    mai = invited(house)
    issued = issue(house, mai)
    assert issued.code.text().startswith("sva_")
    house.time.pass_by(HOUR - 1)
    found = activation.check(house.entrance, issued.code)
    assert (found.person, found.first, found.password) == (mai.id, False, None)
    house.time.pass_by(1)
    with pytest.raises(SignInRefused) as refused:
        activation.check(house.entrance, issued.code)
    assert refused.value.reason == "invitation_expired"


def test_unknown_expired_voided_and_mistyped_codes_are_answered_alike(house: Any) -> None:
    mai = invited(house)
    voided, over = issue(house, mai), issue(house, mai, seconds=1)
    house.time.pass_by(2)
    other = issue(house, invited(house, "minh"))
    text = other.code.text()
    wrong = [
        voided.code,
        over.code,
        Secret.of(text[:-1] + ("0" if text[-1] != "0" else "1")),
        Secret.of(text.replace("sva_", "svt_")),
        Secret.of(""),
        Secret.of("mật khẩu"),
        Secret.of("x" * 200),
    ]
    assert len({refusal(house, code) for code in wrong}) == 1
    assert activation.check(house.entrance, other.code).person is not None


def test_every_wrong_code_reaches_the_store_in_the_same_statements(house: Any) -> None:
    over = issue(house, invited(house), seconds=1)
    house.time.pass_by(2)
    seen = house.watched()
    asked = []
    for code in (over.code, Secret.of("nonsense"), Secret.of("sva_")):
        seen.clear()
        refusal(house, code)
        asked.append([statement for statement in seen if "network" not in statement])
    assert asked[0] == asked[1] == asked[2] != []


def test_a_network_that_tries_many_codes_waits_and_right_codes_do_not_count(house: Any) -> None:
    good = issue(house, invited(house))
    house = replace(house, entrance=replace(house.entrance, networks=NetworkLimits(burst=3)))
    for _ in range(10):
        activation.check(house.entrance, good.code, "192.0.2.7")
    for _ in range(3):
        refusal(house, Secret.of("nonsense"))
    with pytest.raises(SignInDelayed):
        activation.check(house.entrance, good.code, "192.0.2.200")
    activation.check(house.entrance, good.code, "203.0.113.5")


def test_neither_the_code_nor_its_secret_is_stored(house: Any) -> None:
    issued = issue(house, invited(house))
    with house.store.read() as connection:
        [row] = connection.execute(select(invitation)).all()
    stored = repr(tuple(row))
    assert issued.code.text().split("_")[2] not in stored
    assert len(row.secret_digest) == 32


def test_who_was_ever_active_is_never_invited(house: Any) -> None:
    for state in ("active", "disabled"):
        if state == "disabled":
            with house.store.write() as connection:
                people.disable_person(connection, house.clock, house.lan.id)
        with pytest.raises(Conflict, match=state):
            issue(house, house.lan)


def test_a_person_has_one_code_at_a_time(house: Any) -> None:
    mai = invited(house)
    first, second = issue(house, mai), issue(house, mai)
    refusal(house, first.code)
    activation.check(house.entrance, second.code)
    with house.store.write() as connection:
        assert invitations.end(connection, mai.id)
        assert not invitations.end(connection, mai.id)
    refusal(house, second.code)


def test_an_invited_person_cannot_sign_in_and_costs_what_others_cost(house: Any) -> None:
    invited(house)
    house.slots.entered = 0
    for password in ("", "năm con mèo đen"):
        with pytest.raises(SignInRefused) as refused:
            sign_in(house.entrance, Credentials("mai", Secret.of(password), house.code()))
        assert refused.value.reason == "disabled"
    assert house.slots.entered == 2


def test_whoever_was_never_active_is_invited_again_after_being_disabled(house: Any) -> None:
    mai = invited(house)
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, mai.id)
        people.enable_person(connection, mai.id)
        assert people.read_person(connection, mai.id).state == people.INVITED
    issue(house, mai)
