"""Delays: how they grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.identity import AttemptLimits, Principal, SignInDelayed
from secvault.identity.throttle import Attempts

LIMITS = AttemptLimits()
SECOND = 1_000_000


def test_delays_double_from_the_third_failure_to_a_quarter_of_an_hour() -> None:
    assert [LIMITS.delay(n) for n in range(13)] == [
        0, 0, 0, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900
    ]  # fmt: skip
    assert LIMITS.delay(10**9) == 900


@given(st.integers(0, 100), st.integers(0, 2**50))
def test_an_attempt_is_counted_before_it_is_known_to_fail(failures: int, now: int) -> None:
    after = Attempts(failures, now).counted(now, LIMITS)
    assert after.failures == failures + 1
    assert after.next_try_at == now + LIMITS.delay(failures + 1) * SECOND


@given(st.integers(1, 10**9))
def test_the_stated_wait_is_long_enough_and_whole_seconds(early: int) -> None:
    due = 2**50
    attempts = Attempts(5, due)
    with pytest.raises(SignInDelayed) as delayed:
        attempts.counted(due - early, LIMITS)
    wait = delayed.value.retry_after
    assert wait >= 1
    assert early <= wait * SECOND < early + SECOND
    assert attempts.counted(due - early + wait * SECOND, LIMITS).failures == 6


def test_local_subjects_have_no_second_factor_and_no_credential() -> None:
    jobs = Principal.local("system:jobs", "it")
    assert (jobs.kind, jobs.id, jobs.credential, jobs.second_factor_at) == (
        "system",
        "jobs",
        "",
        None,
    )
    assert Principal.local("local:operator", "it").kind == "local"
    with pytest.raises(AssertionError):
        Principal.local("user:0190", "it")
