"""Whether anybody can tell from outside who exists: by the answer, or by the time it takes.

The test of timing interleaves one attempt on each kind of name, in a random order, so that whatever
else the machine does falls on all alike, and compares each pair by the Mann-Whitney U test in its
normal approximation (NIST/SEMATECH e-Handbook, 7.4.1). Its error rates: with nothing to tell, a
pair is called different by chance in 1 of 10,000 runs (two-sided); all three pairs, run once more
before failing, in fewer than 1 of 1,000,000. With 120 attempts of each kind it finds, in more than
99 of 100 runs, a difference by which one kind is slower than the other in 75 of 100 pairs; skipping
the password hash, the usual fault, makes that 100 of 100. Times themselves are not asserted.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import SecvaultError
from secvault.identity import Argon2Cost, AttemptLimits, PasswordHasher, people, sign_in, two_steps
from secvault.identity.people import NewPerson
from secvault.identity.places import NetworkLimits
from secvault.identity.resync import resync
from secvault.identity.sign_in import Credentials

ATTEMPTS = 120
CRITICAL = 3.89  # of the standard normal distribution: two-sided 1e-4
KINDS = {"existing": "lan", "unknown": "nobody", "disabled": "gone"}
WRONG = Secret.of("not the password")
ADDRESS = "192.0.2.7"


def z_of(first: Sequence[float], second: Sequence[float]) -> float:
    """How far the ranks of two samples lie apart, in standard deviations of chance."""
    ordered = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, which) in enumerate(ordered, start=1) if which == 0)
    m, n = len(first), len(second)
    mean = m * (m + n + 1) / 2
    return (ranks - mean) / math.sqrt(m * n * (m + n + 1) / 12)


def told_apart(samples: dict[str, list[float]]) -> dict[tuple[str, str], float]:
    """The pairs of kinds whose times differ by more than chance."""
    found = {(a, b): z_of(samples[a], samples[b]) for a, b in combinations(samples, 2)}
    return {pair: z for pair, z in found.items() if abs(z) > CRITICAL}


@pytest.fixture
def town(house: Any) -> Any:
    """The house with somebody disabled too, a hash that costs some milliseconds, and no delays."""
    cost = Argon2Cost(memory=4 * 1024, passes=1)
    hasher = PasswordHasher(house.keys.password_pepper, house.slots, cost)
    hashed = hasher.hash(house.password)
    with house.store.write() as connection:
        gone = people.create_person(
            connection, house.clock, NewPerson.of("gone", "Gone", "hr"), hashed
        )
        people.disable_person(connection, house.clock, gone.id)
        people.create_person(connection, house.clock, NewPerson.of("soon", "Soon", "hr"))
        people.set_password(connection, house.clock, house.lan.id, hashed)
    entrance = replace(
        house.entrance,
        hasher=hasher,
        attempts=AttemptLimits(free=10**6, lock_after=10**6),
        networks=NetworkLimits(burst=10**6),
    )
    return replace(house, entrance=entrance)


def attempts(town: Any) -> dict[str, Callable[[str, Secret], object]]:
    """Every way in that takes a name and a password."""
    entrance, code = town.entrance, town.wrong_code()
    return {
        "session": lambda name, password: sign_in.sign_in(
            entrance, Credentials(name, password, code, ADDRESS)
        ),
        "first step": lambda name, password: two_steps.begin(
            entrance, name, password, address=ADDRESS
        ),
        "first device": lambda name, password: sign_in.prove_password(
            entrance, name, password, ADDRESS
        ),
        "resync": lambda name, password: resync(
            entrance, name, password, (code, code), address=ADDRESS
        ),
    }


@pytest.mark.parametrize("way", ["session", "first step", "first device", "resync"])
def test_the_answers_are_equal_whoever_it_is(town: Any, way: str) -> None:
    answers = set()
    for name in (*KINDS.values(), "soon", "no such name", "x" * 5000, ""):
        with pytest.raises(SecvaultError) as refused:
            attempts(town)[way](name, WRONG)
        error = refused.value
        answers.add((type(error), str(error), error.code, error.status, error.fields))
    assert len(answers) == 1


def measure(
    attempt: Callable[[str, Secret], object], order: random.Random
) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(ATTEMPTS + 5):
        for kind in order.sample(list(KINDS), len(KINDS)):
            begun = time.perf_counter()
            with pytest.raises(SecvaultError):
                attempt(KINDS[kind], WRONG)
            took = time.perf_counter() - begun
            if turn >= 5:  # What is loaded and cached at first says nothing.
                samples[kind].append(took)
    return samples


@pytest.mark.slow
def test_the_times_do_not_tell_who_exists(town: Any) -> None:
    attempt = attempts(town)["session"]
    order = random.Random(20261125)
    if told_apart(measure(attempt, order)):
        assert told_apart(measure(attempt, order)) == {}


@pytest.mark.slow
def test_the_test_of_times_finds_a_hash_that_was_left_out(town: Any) -> None:
    """So that the test above can fail: the usual fault is found every time."""

    def faulty(name: str, password: Secret) -> object:
        if name == "nobody":
            raise SecvaultError("there is nobody of this name")
        return attempts(town)["session"](name, password)

    order = random.Random(20261125)
    pairs = told_apart(measure(faulty, order))
    assert {("existing", "unknown"), ("unknown", "disabled")} <= set(pairs)
