"""Passkeys and their challenges in the store: used once, counted, on each engine."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from secvault.errors import Conflict, NotAuthenticated, NotFound, TooManyAttempts
from secvault.identity import (
    Argon2Cost,
    PasswordHasher,
    SignInRefused,
    challenges,
    passkey_sign_in,
    passkeys,
    people,
    sign_in,
)
from secvault.identity.challenges import Challenge, Purpose
from secvault.identity.places import NetworkLimits
from secvault.identity.relying_party import (
    RelyingParty,
    User,
    check_registration,
    creation_options,
    read_registration,
)
from secvault.store.tables import passkey_challenge, person, totp_device
from tests.software_authenticator import ORIGIN, SoftwareAuthenticator

PARTY = RelyingParty("localhost", "secvault", (ORIGIN,))


@pytest.fixture
def key(house: Any) -> SoftwareAuthenticator:
    """A passkey of the person's."""
    made = SoftwareAuthenticator()
    user = User(house.lan.id.encode(), "lan", "Lan")
    answer = read_registration(made.create(creation_options(PARTY, user, b"c" * 32, ())))
    assert answer.challenge == b"c" * 32
    with house.store.write() as connection:
        passkeys.add_passkey(
            connection, house.clock, house.lan.id, "key", check_registration(PARTY, answer)
        )
    return made


def enter(house: Any, given: dict[str, Any]) -> str:
    try:
        passkey_sign_in.complete(house.entrance, PARTY, given)
    except SignInRefused as refused:
        return str(refused.reason)
    return "in"


def at_once(times: int, do: Any) -> Counter[str]:
    together = threading.Barrier(times, timeout=120)

    def one(number: int) -> str:
        together.wait()
        return str(do(number))

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(one, range(times)))


def test_an_answer_sent_fifty_times_at_once_opens_one_session(
    house: Any, key: SoftwareAuthenticator
) -> None:
    given = key.get(passkey_sign_in.ask_anybody(house.entrance, PARTY).options)
    outcomes = at_once(50, lambda _: enter(house, given))
    assert outcomes == {"in": 1, "unknown_challenge": 49}


def test_of_ten_answers_with_one_count_one_is_let_in(
    house: Any, key: SoftwareAuthenticator
) -> None:
    """As when a key was copied and both are used at the same moment."""
    given = []
    for _ in range(10):
        key.count = 4
        given.append(key.get(passkey_sign_in.ask_anybody(house.entrance, PARTY).options))
    outcomes = at_once(10, lambda number: enter(house, given[number]))
    assert outcomes == {"in": 1, "count_went_back": 9}


def test_a_challenge_is_good_for_its_purpose_and_its_time(house: Any) -> None:
    about = Challenge(Purpose.ENROL, house.lan.id, "s" * 10, "key")
    with house.store.write() as connection:
        first, second = (challenges.issue(connection, house.clock, about) for _ in range(2))
    assert len(first) == 32
    assert challenges.take(house.store, house.clock, first) == about
    assert challenges.take(house.store, house.clock, first) is None
    house.time.pass_by(challenges.CHALLENGE_SECONDS)
    assert challenges.take(house.store, house.clock, second) is None
    assert challenges.take(house.store, house.clock, b"") is None


def test_a_password_changed_meanwhile_is_not_one_that_was_shown(
    house: Any, key: SoftwareAuthenticator
) -> None:
    asked = passkey_sign_in.ask_after_password(house.entrance, PARTY, "lan", house.password)
    house.time.pass_by(1)
    with house.store.write() as connection:
        hashed = house.entrance.hasher.hash_new(house.password)
        people.set_password(connection, house.clock, house.lan.id, hashed)
    assert enter(house, key.get(asked.options)) == "changed_meanwhile"


def test_the_password_is_hashed_anew_when_its_cost_was_raised(
    house: Any, key: SoftwareAuthenticator
) -> None:
    dearer = PasswordHasher(
        house.keys.password_pepper, nullcontext(), Argon2Cost(memory=16, passes=1)
    )
    entrance = replace(house.entrance, hasher=dearer)
    asked = passkey_sign_in.ask_after_password(entrance, PARTY, "lan", house.password)
    with house.store.read() as connection:
        kept = connection.execute(select(person.c.password_hash)).scalar_one()
    assert not dearer.needs_upgrade(kept)
    assert enter(house, key.get(asked.options)) == "in"


def test_a_wrong_password_before_a_passkey_is_counted_and_slowed_down(
    house: Any, key: SoftwareAuthenticator
) -> None:
    for _ in range(3):
        passkey_sign_in.ask_after_password(house.entrance, PARTY, "lan", house.password)
    with pytest.raises(TooManyAttempts):
        passkey_sign_in.ask_after_password(house.entrance, PARTY, "lan", house.password)


def test_who_has_only_a_passkey_cannot_enrol_by_the_password_alone(
    house: Any, key: SoftwareAuthenticator
) -> None:
    with house.store.write() as connection:
        connection.execute(delete(totp_device))
    with pytest.raises(SignInRefused) as refused:
        sign_in.prove_password(house.entrance, "lan", house.password)
    assert refused.value.reason == "second_factor_needed"


def test_a_passkey_is_removed_by_its_owner_and_kept_once(
    house: Any, key: SoftwareAuthenticator
) -> None:
    user = User(b"x", "lan", "Lan")
    again = read_registration(key.create(creation_options(PARTY, user, b"c" * 32, ())))
    with house.store.write() as connection, pytest.raises(Conflict):
        passkeys.add_passkey(
            connection, house.clock, house.lan.id, "other", check_registration(PARTY, again)
        )
    with house.store.write() as connection:
        (kept,) = passkeys.list_passkeys(connection, house.lan.id)
        with pytest.raises(NotFound):
            passkeys.remove_passkey(connection, "0" * 32, kept.id)
        passkeys.remove_passkey(connection, house.lan.id, kept.id)
        assert passkeys.list_passkeys(connection, house.lan.id) == ()
    with pytest.raises(NotAuthenticated):
        passkey_sign_in.complete(
            house.entrance,
            PARTY,
            key.get(passkey_sign_in.ask_anybody(house.entrance, PARTY).options),
        )


def test_signing_in_and_removing_at_the_same_moment_never_wait_for_each_other(
    house: Any, key: SoftwareAuthenticator
) -> None:
    with house.store.read() as connection:
        (kept,) = passkeys.list_passkeys(connection, house.lan.id)
    given = [key.get(passkey_sign_in.ask_anybody(house.entrance, PARTY).options) for _ in range(11)]

    def work(number: int) -> str:
        if number < len(given):
            return enter(house, given[number])
        with house.store.write() as connection:
            passkeys.remove_passkey(connection, house.lan.id, kept.id)
        return "removed"

    outcomes = at_once(12, work)
    assert outcomes["removed"] == 1
    assert set(outcomes) <= {"removed", "in", "count_went_back", "unknown_passkey"}
    assert enter(house, given[0]) == "unknown_challenge"


def test_asking_without_a_name_is_bounded_by_network_and_answering_gives_the_place_back(
    house: Any, key: SoftwareAuthenticator
) -> None:
    few = replace(house.entrance, networks=NetworkLimits(burst=5))
    here, elsewhere = "10.1.2.3", "10.1.3.3"
    for _ in range(12):
        asked = passkey_sign_in.ask_anybody(few, PARTY, here).options
        passkey_sign_in.complete(few, PARTY, key.get(asked), address=here)
    for _ in range(5):
        passkey_sign_in.ask_anybody(few, PARTY, here)
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            passkey_sign_in.ask_anybody(few, PARTY, here)
    with house.store.read() as connection:
        rows = select(func.count()).select_from(passkey_challenge)
        assert connection.execute(rows).scalar_one() == 5
    passkey_sign_in.ask_anybody(few, PARTY, elsewhere)
    house.time.pass_by(6)
    passkey_sign_in.ask_anybody(few, PARTY, here)
