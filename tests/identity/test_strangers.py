"""Names that nobody has: delayed as people are, in all processes, and soon forgotten."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.identity import AttemptLimits, SignInDelayed, SignInRefused, sign_in
from secvault.identity.sign_in import Credentials
from secvault.store import Store, open_store
from secvault.store.tables import stranger


def outcome(house: Any, name: str, store: Store | None = None) -> str:
    entrance = replace(house.entrance, store=store or house.store)
    try:
        sign_in.sign_in(entrance, Credentials(name, house.password, house.code()))
    except SignInDelayed as delayed:
        return f"delayed{delayed.person}"
    except SignInRefused as refused:
        return str(refused.reason)
    return "in"


def test_strangers_are_counted_each_by_themselves(house: Any) -> None:
    assert [outcome(house, "nobody") for _ in range(4)] == ["unknown_person"] * 3 + ["delayed"]
    assert outcome(house, "somebody else") == "unknown_person"
    house.time.pass_by(8)
    assert outcome(house, "nobody") == "unknown_person"


def test_strangers_are_counted_for_all_processes_and_through_restarts(
    house: Any, any_url: str
) -> None:
    for _ in range(3):
        outcome(house, "nobody")
    other = open_store(any_url)
    assert outcome(house, "nobody", other) == "delayed"
    other.close()


def test_attempts_with_an_unknown_name_side_by_side_are_all_counted(house: Any) -> None:
    together = threading.Barrier(20, timeout=120)

    def attempt(_: int) -> str:
        together.wait()
        return outcome(house, "nobody")

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(attempt, range(20)))
    assert outcomes == {"unknown_person": 3, "delayed": 17}


@pytest.mark.parametrize("name", ["nobody\ud800", "x" * 5_000, "", "no\x00body"])
def test_any_text_may_be_a_strangers_name(house: Any, name: str) -> None:
    assert [outcome(house, name) for _ in range(4)] == ["unknown_person"] * 3 + ["delayed"]


def test_a_strangers_name_is_kept_for_a_day_and_never_as_it_is(house: Any) -> None:
    house = house.allowing(AttemptLimits(free=1_000))
    outcome(house, "my password, typed here")
    with house.store.read() as connection:
        rows = connection.execute(select(stranger)).all()
        assert "password" not in str(rows)
    house.time.pass_by(24 * 60 * 60 + 1)
    outcome(house, "another")
    with house.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(stranger)).scalar_one() == 1
