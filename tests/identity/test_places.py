"""Where people sign in from: networks that guess are slowed down, owners are not shut out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.crypto.secret import Secret
from secvault.identity import (
    AttemptLimits,
    SignInDelayed,
    SignInRefused,
    passkey_sign_in,
    people,
    places,
    recovery_codes,
    sign_in,
    two_steps,
)
from secvault.identity.places import NetworkLimits, network_of
from secvault.identity.relying_party import RelyingParty
from secvault.identity.sign_in import Credentials
from secvault.store import open_store
from secvault.store.tables import sign_in_network, sign_in_place

PATIENT = AttemptLimits(free=1_000, lock_after=1_000)
PARTY = RelyingParty("localhost", "secvault", ("https://localhost",))
HOME, OFFICE, ELSEWHERE = "192.0.2.7", "198.51.100.9", "203.0.113.50"


def enter(house: Any, address: str, *, name: str = "lan", password: str | None = None) -> None:
    shown = house.password if password is None else Secret.of(password)
    sign_in.sign_in(house.entrance, Credentials(name, shown, house.code(), address))


def outcome(house: Any, address: str, **said: Any) -> str:
    try:
        enter(house, address, **said)
    except SignInDelayed:
        return "delayed"
    except SignInRefused as refused:
        return str(refused.reason)
    return "in"


def limited(house: Any, burst: int) -> Any:
    """The same house, patient with people, not with networks."""
    limits = NetworkLimits(burst=burst)
    return replace(house, entrance=replace(house.entrance, attempts=PATIENT, networks=limits))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", ""),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_network_waits_after_many_failures_whatever_the_names(house: Any) -> None:
    house = limited(house, 5)
    for n in range(5):
        assert outcome(house, HOME, name=f"name{n}") == "unknown_person"
    assert outcome(house, "192.0.2.200") == "delayed"
    assert outcome(house, HOME, name="another") == "delayed"
    assert outcome(house, ELSEWHERE) == "in"
    house.time.pass_by(30)
    assert outcome(house, HOME) == "in"


WAYS_IN: dict[str, Callable[[Any, str, Secret], object]] = {
    "password and code": lambda house, address, password: sign_in.sign_in(
        house.entrance, Credentials("lan", password, house.code(), address)
    ),
    "first of two steps": lambda house, address, password: two_steps.begin(
        house.entrance, "lan", password, address=address
    ),
    "first enrolment": lambda house, address, password: sign_in.prove_password(
        house.entrance, "lan", password, address
    ),
    "password before a passkey": lambda house, address, password: (
        passkey_sign_in.ask_after_password(house.entrance, PARTY, "lan", password, address=address)
    ),
    "recovery code": lambda house, address, password: recovery_codes.sign_in(
        house.entrance, "lan", password, Secret.of("none"), address=address
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_every_way_in_with_a_password_counts_against_its_network(house: Any, way: str) -> None:
    house = limited(house, 2)
    for _ in range(2):
        with pytest.raises(SignInRefused):
            WAYS_IN[way](house, HOME, Secret.of("wrong horse battery"))
    with pytest.raises(SignInDelayed):
        WAYS_IN[way](house, HOME, Secret.of("wrong horse battery"))
    assert outcome(house, ELSEWHERE) == "in"


def test_a_wait_of_a_network_says_how_long(house: Any) -> None:
    house = limited(house, 2)
    for _ in range(2):
        outcome(house, HOME, name="nobody")
    with pytest.raises(SignInDelayed) as delayed:
        enter(house, HOME)
    assert delayed.value.retry_after == 6
    house.time.pass_by(6)
    enter(house, HOME)


def test_those_who_are_right_never_fill_a_network(house: Any) -> None:
    house = limited(house, 2)
    for _ in range(10):
        enter(house, HOME)
        house.time.pass_by(30)


def test_networks_are_counted_for_all_processes_and_through_restarts(
    house: Any, any_url: str
) -> None:
    house = limited(house, 3)
    for _ in range(3):
        outcome(house, HOME, name="nobody")
    other = open_store(any_url)
    entrance = replace(house.entrance, store=other)
    with pytest.raises(SignInDelayed):
        sign_in.sign_in(entrance, Credentials("lan", house.password, house.code(), HOME))
    other.close()


def test_networks_that_were_forgotten_leave_no_rows(house: Any) -> None:
    house = limited(house, 2)
    for n in range(5):
        outcome(house, f"10.0.{n}.1", name="nobody")
    house.time.pass_by(60)
    outcome(house, HOME, name="nobody")
    with house.store.read() as connection:
        assert connection.execute(select(sign_in_network.c.network)).scalars().all() == [
            "192.0.2.0/24"
        ]


def test_counting_of_networks_can_be_switched_off(house: Any) -> None:
    house = limited(house, 0)
    for _ in range(20):
        assert outcome(house, HOME, name="nobody") == "unknown_person"
    assert outcome(house, HOME) == "in"


def test_somebody_elsewhere_cannot_shut_out_the_owner(house: Any) -> None:
    enter(house, HOME)
    house.time.pass_by(30)
    for _ in range(20):
        outcome(house, ELSEWHERE, password="wrong password")
    assert outcome(house, ELSEWHERE) == "delayed"
    assert outcome(house, HOME) == "in"
    assert outcome(house, OFFICE) == "delayed"


def test_an_owner_who_signs_in_forgives_nothing_of_elsewhere(house: Any) -> None:
    enter(house, HOME)
    for _ in range(4):
        outcome(house, ELSEWHERE, password="wrong password")
    house.time.pass_by(30)
    with house.store.read() as connection:
        before = people.read_person(connection, house.lan.id).failures
    enter(house, HOME)
    with house.store.read() as connection:
        assert people.read_person(connection, house.lan.id).failures == before > 0


def test_guesses_at_home_are_slowed_down_as_anywhere(house: Any) -> None:
    enter(house, HOME)
    house.time.pass_by(30)
    said = [outcome(house, HOME, password="wrong password") for _ in range(4)]
    assert said == ["wrong_password"] * 3 + ["delayed"]
    assert outcome(house, OFFICE) == "in"


def test_a_network_is_home_for_thirty_days_and_the_last_eight_are(house: Any) -> None:
    house = house.allowing(AttemptLimits(free=1_000))
    for n in range(10):
        enter(house, f"10.0.{n}.1")
        house.time.pass_by(30)
    with house.store.read() as connection:
        found = connection.execute(select(sign_in_place.c.network)).scalars().all()
        assert sorted(found) == [f"10.0.{n}.0/24" for n in range(2, 10)]
        now = house.clock.micros()
        assert places.is_own(connection, house.lan.id, "10.0.9.0/24", now)
        month = now + places.KNOWN_SECONDS * 1_000_000
        assert not places.is_own(connection, house.lan.id, "10.0.9.0/24", month)


def test_unlocking_somebody_lets_them_try_at_home_too(house: Any) -> None:
    enter(house, HOME)
    house.time.pass_by(30)
    for _ in range(3):
        outcome(house, HOME, password="wrong password")
    with house.store.write() as connection:
        people.clear_failures(connection, house.lan.id)
    assert outcome(house, HOME) == "in"
    with house.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(sign_in_place)).scalar() == 1


def test_many_from_idle_networks_at_once_do_not_wait_in_a_circle(house: Any) -> None:
    """Each finds the others' rows out of date, and would sweep them away."""
    house = limited(house, 1_000)
    addresses = [f"10.0.{n}.1" for n in range(8)]
    together = threading.Barrier(8, timeout=120)

    def attempt(n: int) -> set[str]:
        together.wait()
        said = {outcome(house, addresses[n], name=f"nobody{n}")}
        return said | {outcome(house, addresses[n], password="wrong password")}

    for _ in range(4):
        with ThreadPoolExecutor(8) as pool:
            found = set().union(*pool.map(attempt, range(8)))
        assert found == {"unknown_person", "wrong_password"}
        house.time.pass_by(30 * 60 * 60)
