"""Resync: the password and two codes in a row bring a device that ran away back, three times."""

from __future__ import annotations

from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.identity import AttemptLimits, Reason, SignInRefused
from secvault.identity.resync import resync

PATIENT = AttemptLimits(free=1_000, lock_after=1_000)


def again(house: Any, *steps: int, password: Secret | None = None, name: str = "lan") -> str:
    first, second = (house.code(step) for step in steps)
    return resync(house.entrance, name, password or house.password, (first, second))


def reason(house: Any, *steps: int, **said: Any) -> Reason:
    with pytest.raises(SignInRefused) as refused:
        again(house, *steps, **said)
    return refused.value.reason


@pytest.mark.parametrize("ahead", [-20, -7, 3, 20])
def test_a_device_that_ran_away_is_followed_from_then_on(house: Any, ahead: int) -> None:
    with pytest.raises(SignInRefused):
        house.enter(code=house.code(ahead))
    again(house, ahead - 1, ahead)
    house.time.pass_by(30)
    house.enter(code=house.code(ahead))
    house.time.pass_by(30)
    with pytest.raises(SignInRefused):
        house.enter(code=house.code(0))


def test_both_codes_of_a_resync_are_used_up(house: Any) -> None:
    house = house.allowing(PATIENT)
    again(house, 4, 5)
    for step in (4, 5):
        with pytest.raises(SignInRefused) as refused:
            house.enter(code=house.code(step))
        assert refused.value.reason in ("replayed_code", "wrong_code")
    assert reason(house, 4, 5) == "wrong_code"


@pytest.mark.parametrize("steps", [(-22, -21), (20, 21), (5, 4), (5, 5), (4, 6)])
def test_other_codes_move_nothing(house: Any, steps: tuple[int, int]) -> None:
    assert reason(house, *steps) == "wrong_code"
    house.enter()


def test_codes_before_the_last_accepted_one_move_nothing(house: Any) -> None:
    house.enter()
    assert reason(house, -5, -4) == "wrong_code"
    assert reason(house, -1, 0) == "wrong_code"


def test_a_wrong_password_or_name_is_refused_like_at_signing_in(house: Any) -> None:
    house = house.allowing(PATIENT)
    assert reason(house, 4, 5, password=Secret.of("wrong password")) == "wrong_password"
    assert reason(house, 4, 5, name="nobody") == "unknown_person"


def test_a_device_is_resynced_three_times_a_day_at_most(house: Any) -> None:
    house = house.allowing(PATIENT)
    for ahead in (2, 4, 6):
        again(house, ahead - 1, ahead)
    assert reason(house, 8, 9) == "resynced_too_often"
    house.time.pass_by(24 * 60 * 60)
    again(house, 8, 9)


def test_ten_wrong_resyncs_lock_the_device(house: Any) -> None:
    locked = 0
    for _ in range(10):
        with pytest.raises(SignInRefused) as refused:
            again(house, 30, 31)
        locked += len(refused.value.locked)
        house.time.pass_by(900)
    assert locked == 1
    assert reason(house, 4, 5) == "locked"
