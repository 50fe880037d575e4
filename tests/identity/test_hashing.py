"""The processes that hash, and the room in which people wait for them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.crypto.argon2id import Argon2Cost, argon2id
from secvault.errors import Overloaded, TooManyAttempts, Unavailable
from secvault.hash_program import LOWER_PRIORITY
from secvault.identity.hashing import HashingProcesses, WaitingRoom

COST = Argon2Cost(memory=8, passes=1)
SALT = bytes(range(16))


@pytest.fixture
def processes() -> Iterator[HashingProcesses]:
    """One process, ended after the test."""
    made = HashingProcesses(1)
    yield made
    made.close()


def children() -> list[int]:
    found = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [
        int(pid) for pid in found if b"hash_program" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_a_process_hashes_as_this_one_does(processes: HashingProcesses) -> None:
    for secret in (b"secret", b"", bytes(range(256))):
        made = processes.argon2id(secret, SALT, COST)
        assert made == argon2id(secret, SALT, COST)


def test_the_process_gives_way_to_others_and_knows_nothing_of_the_service(
    processes: HashingProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECVAULT_STORE__URL", "postgresql://somebody:password@host/db")
    processes.argon2id(b"secret", SALT, COST)
    (pid,) = children()
    assert os.getpriority(os.PRIO_PROCESS, pid) == max(os.nice(0), LOWER_PRIORITY)
    assert b"SECVAULT" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert b"secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_process_that_was_ended_is_started_again(processes: HashingProcesses) -> None:
    made = processes.argon2id(b"secret", SALT, COST)
    (first,) = children()
    os.kill(first, 9)
    assert processes.argon2id(b"secret", SALT, COST) == made
    (second,) = children()
    assert second != first


def test_where_no_process_can_be_started_that_is_told_and_the_next_is_hashed_again(
    processes: HashingProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = processes.argon2id(b"secret", SALT, COST)
    (first,) = children()
    os.kill(first, 9)

    def refused(*_command: object, **_how: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as for_now:
        for_now.setattr("subprocess.Popen", refused)
        for _ in range(2):
            with pytest.raises(Unavailable, match="Cannot allocate memory"):
                processes.argon2id(b"secret", SALT, COST)
    assert processes.argon2id(b"secret", SALT, COST) == made


def test_closing_ends_the_processes() -> None:
    made = HashingProcesses(2)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: made.argon2id(b"secret", SALT, COST), range(4)))
    made.close()
    assert children() == []


def test_who_finds_no_place_is_turned_away_and_places_come_back() -> None:
    room = WaitingRoom(2)
    with room():
        with room(), pytest.raises(Overloaded) as refused, room():
            raise AssertionError("there was no place")
        with room():
            pass
    assert refused.value.retry_after >= 1
    assert not isinstance(refused.value, TooManyAttempts)


def test_who_is_turned_away_has_not_failed(house: Any) -> None:
    full = WaitingRoom(1)
    crowded = replace(house, entrance=replace(house.entrance, waiting_room=full))
    statements = crowded.watched()
    with full():
        for name in ("lan", "nobody"):
            for _ in range(5):
                with pytest.raises(Overloaded):
                    crowded.enter(name=name)
    assert statements == []
    assert crowded.slots.entered == 0
    crowded.enter()
