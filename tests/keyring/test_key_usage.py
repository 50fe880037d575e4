"""Counts of use add up over threads and processes, and never hold up or fail who is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, select

from secvault.clock import Clock
from secvault.errors import Unavailable
from secvault.keyring import Keyring, key_usage
from secvault.keyring.key_usage import KeyUsage, summaries, uses_of
from secvault.keyring.named_key import delete_key
from secvault.store import Store, tables


@dataclass
class Hands:
    """A clock that tests set, in microseconds."""

    now: int = 1_000

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now, monotonic=time.monotonic, sleep=time.sleep)


@dataclass
class Away:
    """A store that cannot be written to, until it is back."""

    store: Store
    away: bool = True
    asked: list[bool] = field(default_factory=list)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.asked.append(self.away)
        if self.away:
            raise Unavailable("away")
        with self.store.write() as connection:
            yield connection


@pytest.fixture
def made(any_store: Store, keyring: Keyring) -> Store:
    """A store with a key `k` and a key `idle`."""
    with any_store.write() as connection:
        for name in ("k", "idle"):
            keyring.create(connection, "transit", name)
    return any_store


def _uses(store: Store) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(vars(use).values()) for use in uses_of(connection, "transit", "k")]


def test_uses_of_several_processes_add_up(made: Store) -> None:
    hands = Hands()
    one, other = (KeyUsage(made, hands.clock()) for _ in range(2))
    one.note("svc:a", "transit", "k", "encrypt", {1: 3})
    hands.now = 2_000
    other.note("svc:a", "transit", "k", "encrypt", {1: 4, 2: 1})
    other.note("svc:b", "transit", "k", "decrypt", {1: 1})
    # The later one is written first.
    other.flush()
    one.flush()
    one.flush()
    assert _uses(made) == [
        (2, "svc:a", "encrypt", 1, 1, 2_000, 2_000),
        (1, "svc:a", "encrypt", 2, 7, 1_000, 2_000),
        (1, "svc:b", "decrypt", 1, 1, 2_000, 2_000),
    ]
    with made.read() as connection:
        idle, used = summaries(connection, "transit")
    assert (idle.name, idle.operations, idle.last_at) == ("idle", 0, None)
    assert (used.operations, used.items, used.first_at, used.last_at) == (4, 9, 1_000, 2_000)
    one.close()
    other.close()


def test_nothing_is_lost_or_counted_twice_under_threads_that_write_meanwhile(made: Store) -> None:
    usage = KeyUsage(made, Hands().clock())

    def work(_: int) -> None:
        for number in range(200):
            usage.note("svc:a", "transit", "k", "encrypt", {1: 2})
            if number % 50 == 0:
                usage.flush()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    usage.close()
    assert _uses(made) == [(1, "svc:a", "encrypt", 1600, 3200, 1_000, 1_000)]


def test_what_cannot_be_written_now_is_written_later(made: Store) -> None:
    away = Away(made)
    usage = KeyUsage(away, Hands().clock())  # type: ignore[arg-type]
    usage.note("svc:a", "transit", "k", "encrypt", {1: 1})
    with pytest.raises(Unavailable):
        usage.flush()
    usage.note("svc:a", "transit", "k", "encrypt", {1: 1})
    away.away = False
    usage.flush()
    assert _uses(made) == [(1, "svc:a", "encrypt", 2, 2, 1_000, 1_000)]
    away.away = True
    usage.note("svc:a", "transit", "k", "encrypt", {1: 1})
    usage.close()
    assert away.asked == [True, False, True]


def test_it_is_written_by_itself_without_being_asked(
    made: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "FLUSH_SECONDS", 0.02)
    usage = KeyUsage(made, Hands().clock())
    usage.note("svc:a", "transit", "k", "sign", {1: 1})
    end = time.monotonic() + 20
    while not _uses(made):
        assert time.monotonic() < end
        time.sleep(0.01)
    usage.close()


def test_noting_never_waits_for_the_store(made: Store) -> None:
    usage = KeyUsage(made, Hands().clock())
    with made.write():
        for _ in range(1_000):
            usage.note("svc:a", "transit", "k", "encrypt", {1: 1})
    usage.close()
    assert _uses(made)[0][3] == 1_000


def test_the_use_of_a_key_goes_with_the_key(made: Store, keyring: Keyring) -> None:
    usage = KeyUsage(made, Hands().clock())
    for name in ("k", "never-made"):
        usage.note("svc:a", "transit", name, "encrypt", {1: 1})
    usage.flush()
    with made.write() as connection:
        delete_key(connection, "transit", "k")
    usage.note("svc:a", "transit", "k", "encrypt", {1: 1})
    usage.close()
    with made.write() as connection:
        keyring.create(connection, "transit", "k")
        assert connection.execute(select(tables.key_usage)).all() == []
