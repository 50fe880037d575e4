"""Clocks of devices: which steps are looked at, what is learned, and how far that goes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.identity import totp
from secvault.identity.drift import FURTHEST_DRIFT, FURTHEST_SHIFT, DeviceClock
from secvault.store.tables import totp_device

PRESENT = 1_000_000
clocks = st.builds(
    DeviceClock,
    st.integers(-FURTHEST_SHIFT, FURTHEST_SHIFT),
    st.integers(-FURTHEST_DRIFT * 1000, FURTHEST_DRIFT * 1000),
)


def test_a_device_in_step_has_its_present_code_and_the_one_before() -> None:
    assert DeviceClock().steps(PRESENT) == (PRESENT - 1, PRESENT)


@given(clocks)
def test_never_more_than_three_steps_in_a_row_are_looked_at(clock: DeviceClock) -> None:
    steps = clock.steps(PRESENT)
    assert len(steps) in (2, 3)
    assert steps == tuple(range(steps[0], steps[0] + len(steps)))
    assert all(abs(step - PRESENT - clock.shift) <= FURTHEST_DRIFT + 1 for step in steps)


@given(clocks, st.lists(st.integers(0, 2), max_size=40))
def test_what_is_learned_stays_within_bounds(clock: DeviceClock, choices: list[int]) -> None:
    """Whoever has the right codes can move the window by two steps, and no further."""
    for choice in choices:
        steps = clock.steps(PRESENT)
        clock = clock.learned(PRESENT, steps[min(choice, len(steps) - 1)])
        assert abs(clock.drift) <= FURTHEST_DRIFT * 1000


def test_three_late_codes_in_a_row_open_the_step_before_them() -> None:
    clock = DeviceClock()
    for _ in range(2):
        clock = clock.learned(PRESENT, PRESENT - 1)
        assert len(clock.steps(PRESENT)) == 2
    clock = clock.learned(PRESENT, PRESENT - 1)
    assert clock.steps(PRESENT) == (PRESENT - 2, PRESENT - 1, PRESENT)
    for _ in range(3):
        clock = clock.learned(PRESENT, PRESENT)
    assert clock.steps(PRESENT) == (PRESENT - 1, PRESENT)


def test_a_device_that_is_always_late_is_followed_by_signing_in(house: Any) -> None:
    for _ in range(3):
        house.enter(code=house.code(-1))
        house.time.pass_by(60)
    house.enter(code=house.code(-2))
    with house.store.read() as connection:
        row = connection.execute(totp_device.select()).one()
    assert (row.shift, row.drift < -500) == (0, True)


def test_codes_of_sixty_seconds_eight_digits_and_another_hash_let_in(house: Any) -> None:
    shape = totp.Shape.of("SHA512", 8, 60)
    with house.store.write() as connection:
        connection.execute(totp_device.update().values(algorithm="SHA512", digits=8, period=60))
    code = totp.code_at(house.seed, shape, house.time.at // 60)
    assert len(code.text()) == 8
    house.enter(code=code)
    assert totp.matching_step(house.seed, shape, Secret.of(code.text()[2:]), range(9)) is None
