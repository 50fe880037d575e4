"""Fifty submissions of one code at the same moment, from threads and from processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.errors import NotAuthenticated, TooManyAttempts
from secvault.identity import AttemptLimits, SignInRefused, devices
from secvault.store import Store
from secvault.store.tables import session

# So that the code's single use is what is tested, not the delays.
PATIENT = AttemptLimits(free=1_000, lock_after=1_000)


def sessions_in(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(session)).scalar_one())


@pytest.mark.parametrize("limits", [PATIENT, AttemptLimits()], ids=["patient", "usual"])
def test_a_code_works_once_even_when_sent_fifty_times_at_once(
    house: Any, limits: AttemptLimits
) -> None:
    house = house.allowing(limits)
    code, together = house.code(), threading.Barrier(50, timeout=120)

    def submit(_: int) -> str:
        together.wait()
        try:
            house.enter(code=code)
        except SignInRefused as refused:
            return str(refused.reason)
        except TooManyAttempts:
            return "delayed"
        return "in"

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(submit, range(50)))
    assert outcomes["in"] == 1
    assert set(outcomes) <= {"in", "replayed_code", "delayed"}
    assert sessions_in(house.store) == 1


def test_a_code_works_once_over_several_processes(house: Any, any_url: str) -> None:
    said = {
        "url": any_url,
        "at": house.time.at,
        "keys": [key.text() for key in vars(house.keys).values()],
        "password": house.password.text(),
        "code": house.code().text(),
        "times": 13,
    }
    program = Path(__file__).with_name("submit_code.py")
    children = [
        subprocess.Popen(
            [sys.executable, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(said) + "\n")
        child.stdin.flush()
    for child in children:
        assert child.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for child in children:
        child.stdin.write("go\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    outcomes: Counter[str] = Counter()
    for child in children:
        out, _ = child.communicate(timeout=300)
        assert child.returncode == 0
        outcomes.update(json.loads(out))
    assert outcomes == {"in": 1, "replayed_code": 51}
    assert sessions_in(house.store) == 1


def test_a_step_is_used_up_by_one_of_fifty_transactions(house: Any) -> None:
    (counted,) = devices.count_attempt(house.store, house.clock, house.lan.id, PATIENT)
    shown = devices.check_code((counted,), house.keys, house.code(), house.clock)
    together = threading.Barrier(50, timeout=120)

    def use(_: int) -> bool:
        together.wait()
        try:
            with house.store.write() as connection:
                devices.use_up(connection, house.clock, shown, house.lan.id)
        except NotAuthenticated:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(use, range(50))) == 1
    earlier = replace(shown, step=shown.step - 1)
    with house.store.write() as connection, pytest.raises(SignInRefused):
        devices.use_up(connection, house.clock, earlier, house.lan.id)


def test_guesses_sent_side_by_side_are_all_counted(house: Any) -> None:
    """Reserving before checking: no more than three of fifty are looked at."""
    together, wrong = threading.Barrier(50, timeout=120), house.wrong_code()

    def guess(_: int) -> str:
        together.wait()
        try:
            house.enter(code=wrong)
        except SignInRefused as refused:
            return str(refused.reason)
        except TooManyAttempts:
            return "delayed"
        return "in"

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(guess, range(50)))
    assert outcomes == {"wrong_code": 3, "delayed": 47}
