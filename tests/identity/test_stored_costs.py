"""After the cost of passwords was changed, times tell no more about who exists than before."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.argon2id import Argon2Cost, argon2id
from secvault.crypto.secret import Secret
from secvault.errors import SecvaultError
from secvault.identity import AttemptLimits, PasswordHasher, people
from secvault.identity.people import NewPerson
from secvault.identity.places import NetworkLimits
from secvault.identity.sign_in import check_password
from secvault.identity.stored_costs import Share, StoredCosts, chosen, stored_at
from secvault.store.tables import person

LONG_AGO = Argon2Cost(memory=8, passes=1)
BEFORE = Argon2Cost(memory=9, passes=2)
TODAY = Argon2Cost(memory=16, passes=1)
WRONG = Secret.of("not the password")
digests = st.binary(min_size=32, max_size=32)


@dataclass
class Noting:
    """Hashes, and notes at which cost."""

    costs: list[Argon2Cost] = field(default_factory=list)

    def __call__(self, secret: bytes, salt: bytes, cost: Argon2Cost) -> bytes:
        self.costs.append(cost)
        return argon2id(secret, salt, cost)


@dataclass
class Changed:
    """A house whose cost was changed from the first person's on. noting: what is hashed since."""

    house: Any
    noting: Noting

    def add(self, cost: Argon2Cost, *names: str) -> None:
        hasher = PasswordHasher(self.house.keys.password_pepper, self.house.slots, cost)
        hashed = hasher.hash(self.house.password)
        with self.house.store.write() as connection:
            for name in names:
                new = NewPerson.of(name, name, "hr")
                people.create_person(connection, self.house.clock, new, hashed)

    def costs(self, *names: str) -> list[Argon2Cost]:
        """Of one attempt with each of these names, which all fail."""
        self.noting.costs.clear()
        for name in names:
            with suppress(SecvaultError):
                check_password(self.house.entrance, name, WRONG)
        return list(self.noting.costs)


@pytest.fixture
def changed(house: Any) -> Changed:
    noting = Noting()
    entrance = replace(
        house.entrance,
        hasher=PasswordHasher(house.keys.password_pepper, house.slots, TODAY, hashing=noting),
        attempts=AttemptLimits(free=10**6, lock_after=10**6),
        networks=NetworkLimits(burst=10**6),
    )
    return Changed(replace(house, entrance=entrance), noting)


def strangers(count: int) -> list[str]:
    return [f"nobody{number}" for number in range(count)]


def test_until_anybody_has_signed_in_strangers_cost_what_people_do(changed: Changed) -> None:
    with changed.house.store.write() as connection:
        people.create_person(connection, changed.house.clock, NewPerson.of("soon", "Soon", "hr"))
    names = ("lan", "soon", "no such name", "x" * 5000, "", *strangers(20))
    assert set(changed.costs(*names)) == {LONG_AGO}


def test_as_many_strangers_as_people_cost_what_it_was_before(changed: Changed) -> None:
    changed.add(TODAY, "an", "binh", "chi")
    found = changed.costs(*strangers(200))
    assert set(found) == {LONG_AGO, TODAY}
    # A quarter of 200 by the digests of this house's fixed key, far from none and from half.
    assert 25 < found.count(LONG_AGO) < 80
    assert changed.costs(*strangers(200)) == found


def test_who_signed_in_is_noticed_within_a_minute_and_all_are_at_todays_cost(
    changed: Changed,
) -> None:
    assert set(changed.costs(*strangers(5))) == {LONG_AGO}
    house = changed.house
    house.enter()
    house.time.pass_by(59)
    assert set(changed.costs(*strangers(5))) == {LONG_AGO}
    house.time.pass_by(1)
    assert set(changed.costs("lan", *strangers(5))) == {TODAY}


def test_passwords_are_counted_by_their_cost(changed: Changed) -> None:
    changed.add(BEFORE, "an", "binh")
    changed.add(TODAY, "chi")
    with changed.house.store.write() as connection:
        people.create_person(connection, changed.house.clock, NewPerson.of("soon", "Soon", "hr"))
    with changed.house.store.read() as connection:
        found = stored_at(connection, TODAY)
    assert set(found[:-1]) == {Share(LONG_AGO, 1), Share(BEFORE, 2)}
    assert found[-1] == Share(TODAY, 1)


@pytest.mark.parametrize("damaged", ["x", "1$argon2id$", "1$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA"])
def test_a_damaged_hash_keeps_nobody_out(changed: Changed, damaged: str) -> None:
    changed.add(TODAY, "an")
    with changed.house.store.write() as connection:
        connection.execute(
            person.update().where(person.c.name == "lan").values(password_hash=damaged)
        )
        assert stored_at(connection, TODAY) == (Share(TODAY, 2),)
    assert set(changed.costs("an", *strangers(5))) == {TODAY}


def test_a_damaged_hash_hides_nobody_else(changed: Changed) -> None:
    # It is the first that is looked at: ids are in the order of time.
    with changed.house.store.write() as connection:
        connection.execute(
            person.update().where(person.c.name == "lan").values(password_hash="damaged")
        )
    for cost, names in ((LONG_AGO, ("an", "binh")), (TODAY, ("chi",)), (BEFORE, ("dung",))):
        changed.house.time.pass_by(1)
        changed.add(cost, *names)
    with changed.house.store.read() as connection:
        found = stored_at(connection, TODAY)
    assert found == (Share(LONG_AGO, 2), Share(BEFORE, 1), Share(TODAY, 2))


def test_where_nobody_has_a_password_it_is_todays_cost(changed: Changed) -> None:
    with changed.house.store.write() as connection:
        connection.execute(person.update().values(password_hash=""))
        assert stored_at(connection, TODAY) == (Share(TODAY, 0),)
    assert changed.costs("lan", "nobody") == [TODAY, TODAY]


def test_another_cost_and_a_clock_set_back_are_looked_at_anew(changed: Changed) -> None:
    store, costs = changed.house.store, StoredCosts()
    first = costs.now(store, TODAY, 1_000)
    assert costs.now(store, TODAY, 2_000) is first
    assert costs.now(store, TODAY, 999) is not first
    assert costs.now(store, BEFORE, 1_000)[-1].cost == BEFORE


def test_while_one_looks_others_take_what_was_found_before(changed: Changed) -> None:
    store, costs = changed.house.store, StoredCosts()
    first = costs.now(store, TODAY, 0)
    looking, go_on = threading.Event(), threading.Event()

    class Slow:
        @contextmanager
        def read(self) -> Iterator[Any]:
            looking.set()
            assert go_on.wait(150)
            with store.read() as connection:
                yield connection

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(costs.now, Slow(), TODAY, 60_000_000)  # type: ignore[arg-type]
        assert looking.wait(150)
        changed.add(TODAY, "an")
        try:
            assert costs.now(store, TODAY, 60_000_000) is first
        finally:
            go_on.set()
        assert slow.result(150) == costs.now(store, TODAY, 60_000_000) != first


@given(digests, st.integers(0, 500), st.integers(1, 500))
def test_a_stranger_turns_once_to_todays_cost_and_never_back(
    digest: bytes, before: int, today: int
) -> None:
    """As people do: one after the other signs in."""
    everybody = before + today
    course = [
        chosen((Share(BEFORE, left), Share(TODAY, everybody - left)), digest)
        for left in range(everybody, -1, -1)
    ]
    turned = course.index(TODAY)
    assert set(course[:turned]) <= {BEFORE}
    assert set(course[turned:]) == {TODAY}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4), digests)
def test_nobody_gets_a_cost_that_nobody_has(counts: list[int], digest: bytes) -> None:
    shares = [Share(Argon2Cost(8 + n, 1), count) for n, count in enumerate(counts)]
    got = chosen(shares, digest)
    assert got in [one.cost for one in shares if one.people] or sum(counts) == 0


def test_names_are_spread_as_people_are() -> None:
    shares = (Share(LONG_AGO, 10), Share(BEFORE, 20), Share(TODAY, 70))
    found = [chosen(shares, hashlib.sha256(name.encode()).digest()) for name in strangers(2000)]
    assert abs(found.count(LONG_AGO) - 200) < 70
    assert abs(found.count(BEFORE) - 400) < 90
