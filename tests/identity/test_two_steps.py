"""Signing in by two steps: the rules of `sign_in` hold, and a step counts once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import (
    AttemptLimits,
    Reason,
    SignInDelayed,
    SignInRefused,
    people,
    two_steps,
)
from secvault.identity.people import NewPerson
from secvault.identity.sign_in import SignedIn


def _begin(house: Any, name: str = "lan", password: Secret | None = None) -> str:
    return two_steps.begin(house.entrance, name, password or house.password).request.text()


def _complete(house: Any, request: str, code: Secret | None = None) -> SignedIn:
    return two_steps.complete(house.entrance, request, code or house.code())


def test_password_and_then_code_open_a_session(house: Any) -> None:
    signed_in = _complete(house, _begin(house))
    assert house.session(signed_in.token).subject == house.lan.subject


def test_the_first_step_opens_nothing_and_is_stored_as_a_digest(house: Any) -> None:
    request = _begin(house)
    with house.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar() == 0
        rows = connection.exec_driver_sql("SELECT * FROM mfa_request").all()
    assert request not in str(rows)
    assert request.split("_")[2] not in str(rows)


@pytest.mark.parametrize("name", ["lan", "nobody", "", "\x00"])
def test_a_wrong_password_and_an_unknown_name_cost_and_say_the_same(house: Any, name: str) -> None:
    with pytest.raises(SignInRefused) as refused:
        _begin(house, name, Secret.of("sai mật khẩu rồi"))
    assert house.slots.entered == 1
    assert refused.value.detail == SignInRefused(Reason.WRONG_PASSWORD).detail


def test_whoever_has_no_second_factor_does_not_get_in(house: Any) -> None:
    hashed = house.entrance.hasher.hash_new(house.password)
    with house.store.write() as connection:
        people.create_person(
            connection, house.clock, NewPerson.of("minh", "Lê Văn Minh", "hr"), hashed
        )
    with pytest.raises(SignInRefused) as refused:
        _begin(house, "minh")
    assert refused.value.reason is Reason.NO_SECOND_FACTOR


def test_a_request_is_used_once_even_when_sent_twenty_times_at_once(house: Any) -> None:
    request = _begin(house)
    code = house.code()

    def enter(_: int) -> bool:
        try:
            _complete(house, request, code)
        except (InvalidInput, SignInRefused):
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(enter, range(20))) == 1


def test_a_used_code_is_refused_and_a_new_one_goes_with_the_same_request(house: Any) -> None:
    house.enter()
    request = _begin(house)
    with pytest.raises(SignInRefused) as refused:
        _complete(house, request)
    assert refused.value.reason is Reason.REPLAYED_CODE
    house.time.pass_by(30)
    assert _complete(house, request)
    house.time.pass_by(30)
    with pytest.raises(InvalidInput, match="invalid request ID"):
        _complete(house, request)


def test_a_request_ends_by_time_by_a_new_password_and_by_disabling(house: Any) -> None:
    late = _begin(house)
    house.time.pass_by(two_steps.REQUEST_SECONDS)
    with pytest.raises(InvalidInput, match="invalid request ID"):
        _complete(house, late)
    before = _begin(house)
    house.time.pass_by(1)
    hashed = house.entrance.hasher.hash_new(house.password)
    with house.store.write() as connection:
        people.set_password(connection, house.clock, house.lan.id, hashed)
    with pytest.raises(SignInRefused) as refused:
        _complete(house, before)
    assert refused.value.reason is Reason.CHANGED_MEANWHILE
    shut = _begin(house)
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, house.lan.id)
    with pytest.raises(SignInRefused):
        _complete(house, shut)
    with house.store.write() as connection:
        people.enable_person(connection, house.lan.id)
    with pytest.raises(InvalidInput, match="invalid request ID"):
        _complete(house, shut)


def test_right_passwords_without_codes_are_slowed_down_like_guesses(house: Any) -> None:
    strict = house.allowing(AttemptLimits(free=3))
    for _ in range(3):
        _begin(strict)
    with pytest.raises(SignInDelayed):
        _begin(strict)


def test_success_forgets_the_attempts(house: Any) -> None:
    strict = house.allowing(AttemptLimits(free=3))
    for _ in range(3):
        request = _begin(strict)
        _complete(strict, request, house.code())
        house.time.pass_by(30)
    assert _begin(strict)


def test_wrong_codes_lock_the_device_here_too(house: Any) -> None:
    strict = house.allowing(AttemptLimits(free=100, lock_after=3))
    request = _begin(strict)
    for _ in range(3):
        with pytest.raises(SignInRefused):
            _complete(strict, request, house.wrong_code())
    with pytest.raises(SignInRefused) as refused:
        _complete(strict, request)
    assert refused.value.reason is Reason.LOCKED


@pytest.mark.parametrize("request_text", ["", "x", "svm_", "svt_aaaaaaaaaa", "không"])
def test_a_text_that_is_no_request_is_refused(house: Any, request_text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid request ID"):
        _complete(house, request_text)
