"""What the tests of identity share: stores of both kinds, a clock to set, and a furnished house."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import event

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.identity import (
    Argon2Cost,
    AttemptLimits,
    IdentityKeys,
    PasswordHasher,
    Principal,
    enrolment,
    people,
    service_accounts,
    sessions,
    sign_in,
    tokens,
    totp,
)
from secvault.identity.people import NewPerson, Person
from secvault.identity.sign_in import Credentials, Entrance, SignedIn
from secvault.store import Store

CHEAP = Argon2Cost(memory=8, passes=1)
NOON = 1_790_000_010  # ten seconds into a step


@dataclass
class FakeTime:
    """A clock that stands still until it is moved. at: seconds since the epoch."""

    at: int = NOON
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(
            wall=lambda: self.at * 1_000_000,
            monotonic=lambda: float(self.at),
            sleep=lambda _seconds: None,
        )

    def pass_by(self, seconds: int) -> None:
        self.at += seconds


class Slots:
    """A semaphore that counts how often it was entered: once for each password hash."""

    def __init__(self) -> None:
        self.entered = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.entered += 1

    def __exit__(self, *_: object) -> None:
        return None


@dataclass
class House:
    """A store with a person in it, who has a password and a confirmed device."""

    time: FakeTime
    entrance: Entrance
    slots: Slots
    lan: Person
    password: Secret
    seed: Secret

    @property
    def store(self) -> Store:
        return self.entrance.store

    @property
    def clock(self) -> Clock:
        return self.time.clock

    @property
    def keys(self) -> IdentityKeys:
        return self.entrance.keys

    def code(self, steps: int = 0) -> Secret:
        """The device's code now, or so many steps later."""
        return totp.code_at(self.seed, totp.COMMON, self.time.at // 30 + steps)

    def wrong_code(self) -> Secret:
        """Six digits that are no code of these minutes."""
        near = {self.code(steps).text() for steps in range(-2, 3)}
        return Secret.of(next(f"{n:06d}" for n in range(10) if f"{n:06d}" not in near))

    def enter(
        self, name: str = "lan", password: Secret | None = None, code: Secret | None = None
    ) -> SignedIn:
        return sign_in.sign_in(
            self.entrance, Credentials(name, password or self.password, code or self.code())
        )

    def session(self, presented: Secret) -> Principal:
        return sessions.authenticate(
            self.store, self.clock, self.keys, presented.text(), self.entrance.sessions
        )

    def account(self, name: str = "payroll-export") -> service_accounts.ServiceAccount:
        with self.store.write() as connection:
            return service_accounts.create_account(
                connection, self.clock, name=name, department="hr", owner=self.lan.id
            )

    def token(self, account: str, **said: Any) -> tokens.IssuedToken:
        with self.store.write() as connection:
            return tokens.issue_token(
                connection,
                self.clock,
                self.keys,
                account=account,
                **{"display_name": "night run", **said},
            )

    def watched(self) -> list[str]:
        """The statements that reach the database from now on, as they come."""
        seen: list[str] = []

        def see(*said: Any) -> None:
            if not said[2].startswith("BEGIN"):
                seen.append(said[2])

        # On PostgreSQL the reader is the writer's engine with other options.
        shared = self.store.dialect == "postgresql"
        for engine in [self.store.writer] if shared else [self.store.writer, self.store.reader]:
            event.listen(engine, "before_cursor_execute", see)
        return seen

    def allowing(self, attempts: AttemptLimits) -> House:
        """The same house with other limits."""
        return replace(self, entrance=replace(self.entrance, attempts=attempts))


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture(scope="session")
def keys() -> IdentityKeys:
    return IdentityKeys(Secret(b"p" * 32), Secret(b"t" * 32), Secret(b"s" * 32), Secret(b"c" * 32))


@pytest.fixture
def hasher(keys: IdentityKeys) -> PasswordHasher:
    return PasswordHasher(keys.password_pepper, nullcontext(), CHEAP)


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture
def house(store: Store, time: FakeTime, keys: IdentityKeys, slots: Slots) -> House:
    hasher = PasswordHasher(keys.password_pepper, slots, CHEAP)
    password, seed = Secret.of("năm con mèo đen"), Secret(bytes(range(20)))
    hashed = hasher.hash_new(password)
    with store.write() as connection:
        lan = people.create_person(
            connection, time.clock, NewPerson.of("Lan", "Nguyễn Thị Lan", "hr"), hashed
        )
        enrolment.adopt_device(
            connection, time.clock, keys, lan, name="phone", seed=totp.base32(seed)
        )
    slots.entered = 0
    entrance = Entrance(store, time.clock, keys, hasher)
    return House(time, entrance, slots, lan, password, seed)
