"""Activating an account: nobody but its owner knows password and seed, and it happens once."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, SecvaultError
from secvault.identity import (
    AttemptLimits,
    SignInRefused,
    activation,
    devices,
    hardware_tokens,
    invitations,
    people,
    recovery_codes,
    totp,
)
from secvault.identity.activation import Activated, Begun, FirstDevice
from secvault.identity.people import NewPerson
from secvault.identity.seed_files import read_csv
from secvault.identity.sign_in import Credentials, sign_in
from tests.identity.test_invitations import invited, issue

CHOSEN = "Đường về nhà xa"
PHONE = FirstDevice("phone", "company")


def begin(house: Any, code: Secret, password: str = CHOSEN, **more: Any) -> Begun:
    shown = activation.check(house.entrance, code)
    hashed = house.entrance.hasher.hash_new(Secret.of(password))
    return activation.begin(house.entrance, shown, hashed, more.pop("device", PHONE), **more)


def codes(house: Any, begun: Begun, steps: tuple[int, int] = (-1, 0)) -> tuple[Secret, Secret]:
    assert begun.enrolment is not None
    seed, now = totp.parse_seed(begun.enrolment.seed), house.time.at // 30
    first, second = (totp.code_at(seed, totp.COMMON, now + step) for step in steps)
    return first, second


def complete(house: Any, code: Secret, given: tuple[Secret, Secret], **more: Any) -> Activated:
    return activation.complete(
        house.entrance, activation.check(house.entrance, code), given, **more
    )


def test_a_code_becomes_somebody_who_signs_in_however_the_password_is_typed(house: Any) -> None:
    code = issue(house, invited(house)).code
    begun = begin(house, code)
    done = complete(house, code, codes(house, begun))
    assert (done.person.state, done.person.activated_at) == ("active", house.clock.micros())
    assert len(done.recovery_codes) == recovery_codes.CODES
    for form in ("NFC", "NFD"):
        house.time.pass_by(30)
        typed = Secret.of(unicodedata.normalize(form, CHOSEN))
        _, present = codes(house, begun)
        assert sign_in(house.entrance, Credentials("mai", typed, present)).device == done.device.id
    with pytest.raises(SignInRefused):
        activation.check(house.entrance, code)
    recovered = recovery_codes.sign_in(
        house.entrance, "mai", Secret.of(CHOSEN), done.recovery_codes[0]
    )
    assert recovered.principal.recovering


def test_until_two_codes_were_shown_nobody_signs_in(house: Any) -> None:
    code = issue(house, invited(house)).code
    begun = begin(house, code)
    with pytest.raises(SignInRefused):
        sign_in(house.entrance, Credentials("mai", Secret.of(CHOSEN), codes(house, begun)[1]))
    with pytest.raises(InvalidInput):
        complete(house, code, codes(house, begun, (0, -1)))
    complete(house, code, codes(house, begun))


def test_it_can_be_begun_anew_and_the_last_password_and_seed_count(house: Any) -> None:
    code = issue(house, invited(house)).code
    first = begin(house, code, "the password of before")
    again = begin(house, code, device=FirstDevice("another phone", "company"))
    with pytest.raises(InvalidInput):
        complete(house, code, codes(house, first))
    house.time.pass_by(30)
    done = complete(house, code, codes(house, again))
    with house.store.read() as connection:
        [only] = devices.list_devices(connection, done.person.id)
    assert only.name == "another phone"
    house.time.pass_by(30)
    present = codes(house, again)[1]
    with pytest.raises(SignInRefused):
        sign_in(house.entrance, Credentials("mai", Secret.of("the password of before"), present))
    house.time.pass_by(30)
    sign_in(house.entrance, Credentials("mai", Secret.of(CHOSEN), codes(house, again)[1]))


def test_what_was_begun_waits_ten_minutes_and_the_code_its_own_time(house: Any) -> None:
    code = issue(house, invited(house)).code
    with pytest.raises(Conflict, match="choose a password"):
        complete(house, code, (Secret.of("000000"), Secret.of("000000")))
    late = begin(house, code)
    house.time.pass_by(601)
    with pytest.raises(Conflict, match="begin anew"):
        complete(house, code, codes(house, late))
    complete(house, code, codes(house, begin(house, code)))


def test_a_code_that_is_voided_in_between_activates_nobody(house: Any) -> None:
    mai = invited(house)
    old = issue(house, mai).code
    begun, shown = begin(house, old), activation.check(house.entrance, old)
    new = issue(house, mai).code
    with pytest.raises(SignInRefused):
        activation.complete(house.entrance, shown, codes(house, begun))
    hashed = house.entrance.hasher.hash_new(Secret.of(CHOSEN))
    with pytest.raises(SignInRefused):
        activation.begin(house.entrance, shown, hashed, PHONE)
    with house.store.read() as connection:
        assert people.read_person(connection, mai.id).state == people.INVITED
    complete(house, new, codes(house, begin(house, new)))


@pytest.mark.parametrize("together", [2, 12])
def test_of_activations_at_the_same_moment_one_wins(house: Any, together: int) -> None:
    house = house.allowing(AttemptLimits(free=1_000, lock_after=1_000))
    code = issue(house, invited(house)).code
    given = codes(house, begin(house, code))
    gate = threading.Barrier(together, timeout=120)

    def attempt(_: int) -> str:
        shown = activation.check(house.entrance, code)
        gate.wait()
        try:
            activation.complete(house.entrance, shown, given)
        except SecvaultError:
            return "refused"
        return "in"

    with ThreadPoolExecutor(together) as pool:
        outcomes = Counter(pool.map(attempt, range(together)))
    assert outcomes == {"in": 1, "refused": together - 1}


def test_of_two_who_begin_at_once_the_winners_password_fits_the_winners_seed(house: Any) -> None:
    code = issue(house, invited(house)).code
    gate = threading.Barrier(2, timeout=120)

    def attempt(password: str) -> Begun | None:
        gate.wait()
        try:
            return begin(house, code, password)
        except Conflict:
            return None

    passwords = ("cái ghế bằng gỗ lim", "con thuyền giấy nhỏ")
    with ThreadPoolExecutor(2) as pool:
        begun = list(pool.map(attempt, passwords))
    won = []
    for password, each in zip(passwords, begun, strict=True):
        if each is None:
            continue
        try:
            complete(house, code, codes(house, each))
        except (InvalidInput, SignInRefused):
            house.time.pass_by(30)
            continue
        house.time.pass_by(30)
        sign_in(house.entrance, Credentials("mai", Secret.of(password), codes(house, each)[1]))
        won.append(password)
    assert len(won) == 1


def test_when_the_first_administrator_is_not_admitted_nothing_is_changed(house: Any) -> None:
    with house.store.write() as connection:
        code = invitations.issue_first(
            connection, house.clock, house.keys, seconds=600, by="local:operator"
        ).code
    with pytest.raises(InvalidInput, match="name"):
        begin(house, code)
    begun = begin(house, code, names=NewPerson.of("first", "First", "it"))

    def refuse(*_: object) -> None:
        raise Conflict("there is one")

    with pytest.raises(Conflict, match="there is one"):
        complete(house, code, codes(house, begun), admit=refuse)
    with house.store.read() as connection:
        assert people.read_person(connection, begun.person.id).state == people.INVITED
    renamed = begin(house, code, names=NewPerson.of("an.nguyen", "An", "it"))
    assert (renamed.person.id, renamed.person.name) == (begun.person.id, "an.nguyen")
    assert complete(house, code, codes(house, renamed)).person.name == "an.nguyen"


def test_an_assigned_hardware_token_can_be_the_first_device(house: Any) -> None:
    mai, seed = invited(house), totp.base32(house.seed)
    code = issue(house, mai).code
    assigned = replace(PHONE, assigned=True)
    with pytest.raises(InvalidInput, match="no token is assigned"):
        begin(house, code, device=assigned)
    with house.store.write() as connection:
        rows = read_csv(f"serial,secret\n40412,base32:{seed.text()}\n".encode())
        hardware_tokens.import_tokens(connection, house.clock, house.keys, rows)
        device = hardware_tokens.assign_token(connection, house.clock, house.keys, mai, "40412")
    # An app that was begun and dropped leaves the token waiting.
    begin(house, code)
    assert begin(house, code, device=assigned).enrolment is None
    done = complete(house, code, (house.code(-1), house.code()))
    assert done.device.id == device.id
