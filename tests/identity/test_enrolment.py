"""Enrolment: a seed is shown once and works after two codes in a row."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import (
    AttemptLimits,
    SignInDelayed,
    SignInRefused,
    devices,
    enrolment,
    people,
    totp,
)
from secvault.identity.people import NewPerson, Person
from secvault.store.tables import totp_device


def begin(house: Any, name: str = "tablet", person: Person | None = None) -> enrolment.Enrolment:
    with house.store.write() as connection:
        return enrolment.begin_enrolment(
            connection, house.clock, house.keys, person or house.lan, name=name, issuer="Á Châu"
        )


def codes(house: Any, begun: enrolment.Enrolment, *steps: int) -> Any:
    seed, present = totp.parse_seed(begun.seed), house.time.at // 30
    return tuple(totp.code_at(seed, totp.COMMON, present + step) for step in steps)


def confirm(house: Any, begun: enrolment.Enrolment, shown: Any, **said: Any) -> devices.Device:
    return enrolment.confirm_enrolment(
        house.store,
        house.clock,
        house.keys,
        **{"person_id": house.lan.id, "device_id": begun.device.id, "codes": shown, **said},
    )


def test_a_device_works_after_two_codes_in_a_row(house: Any) -> None:
    begun = begin(house)
    house.time.pass_by(30)
    device = confirm(house, begun, codes(house, begun, -1, 0))
    assert (device.state, device.name, device.person) == ("active", "tablet", house.lan.id)
    house.time.pass_by(30)
    signed_in = house.enter(code=codes(house, begun, 0)[0])
    assert signed_in.device == device.id


def test_both_codes_of_the_enrolment_are_used_up(house: Any) -> None:
    begun = begin(house)
    shown = codes(house, begun, -1, 0)
    confirm(house, begun, shown)
    for code in shown:
        with pytest.raises(SignInRefused) as refused:
            house.enter(code=code)
        assert refused.value.reason == "replayed_code"


def test_a_device_does_not_work_before_it_is_confirmed(house: Any) -> None:
    begun = begin(house)
    with pytest.raises(SignInRefused) as refused:
        house.enter(code=codes(house, begun, 0)[0])
    assert refused.value.reason == "wrong_code"


@pytest.mark.parametrize(
    "steps", [(0, -1), (0, 0), (-1, -1), (-2, 0), (-1, 1), (0,) * 2, (-30, -29)]
)
def test_codes_that_do_not_follow_one_another_confirm_nothing(house: Any, steps: Any) -> None:
    begun = begin(house)
    with pytest.raises(InvalidInput, match="codes: give two codes"):
        confirm(house, begun, codes(house, begun, *steps))
    with house.store.read() as connection:
        assert devices.read_device(connection, begun.device.id).state == "pending"


@pytest.mark.parametrize(
    ("steps", "said"), [((-7, -6), "3 min behind"), ((5, 6), "3 min ahead"), ((0, 1), "ahead")]
)
def test_a_wrong_clock_of_the_telephone_is_named(house: Any, steps: Any, said: str) -> None:
    begun = begin(house)
    with pytest.raises(InvalidInput, match=said):
        confirm(house, begun, codes(house, begun, *steps))


@pytest.mark.parametrize("digits", ["", "123", "１２３４５６", "abc def"])
def test_what_is_no_code_confirms_nothing(house: Any, digits: str) -> None:
    begun = begin(house)
    with pytest.raises(InvalidInput, match="codes"):
        confirm(house, begun, (Secret.of(digits), Secret.of(digits)))


def test_wrong_codes_slow_the_enrolment_down(house: Any) -> None:
    begun = begin(house)
    for _ in range(3):
        with pytest.raises(InvalidInput):
            confirm(house, begun, codes(house, begun, 0, 0))
    with pytest.raises(SignInDelayed) as delayed:
        confirm(house, begun, codes(house, begun, -1, 0))
    assert delayed.value.retry_after == 8
    house.time.pass_by(8)
    confirm(house, begun, codes(house, begun, -1, 0))


def test_ten_wrong_codes_end_the_enrolment(house: Any) -> None:
    begun, impatient = begin(house), AttemptLimits(free=1_000)
    for _ in range(10):
        with pytest.raises(InvalidInput):
            confirm(house, begun, codes(house, begun, 0, 0), limits=impatient)
    with pytest.raises(Conflict, match="begin again"):
        confirm(house, begun, codes(house, begun, -1, 0), limits=impatient)


def test_an_enrolment_lasts_ten_minutes(house: Any) -> None:
    begun = begin(house)
    assert begun.expires_at == house.clock.micros() + 600 * 1_000_000
    house.time.pass_by(601)
    with pytest.raises(Conflict, match="time to confirm"):
        confirm(house, begun, codes(house, begun, -1, 0))


def test_a_device_is_confirmed_once(house: Any) -> None:
    begun = begin(house)
    confirm(house, begun, codes(house, begun, -1, 0))
    house.time.pass_by(60)
    with pytest.raises(Conflict, match="confirmed already"):
        confirm(house, begun, codes(house, begun, -1, 0))


def test_another_persons_device_cannot_be_confirmed(house: Any) -> None:
    begun = begin(house)
    shown = codes(house, begun, -1, 0)
    for stranger in ({"person_id": "0" * 32}, {"device_id": "\x00"}, {"device_id": "0" * 32}):
        with pytest.raises(NotFound):
            confirm(house, begun, shown, **stranger)
    confirm(house, begun, shown)


def test_what_is_recorded_with_a_confirmation_shares_its_transaction(house: Any) -> None:
    begun = begin(house)

    def unwritable(_connection: object, _device: object) -> None:
        raise Conflict("the log is full")

    with pytest.raises(Conflict, match="the log is full"):
        confirm(house, begun, codes(house, begun, -1, 0), record=unwritable)
    with house.store.read() as connection:
        assert devices.read_device(connection, begun.device.id).state == "pending"


def test_beginning_again_replaces_the_unconfirmed_seed(house: Any) -> None:
    first, second = begin(house), begin(house)
    assert first.seed != second.seed
    with pytest.raises(NotFound):
        confirm(house, first, codes(house, first, -1, 0))
    confirm(house, second, codes(house, second, -1, 0))
    with pytest.raises(Conflict, match="already; choose another name"):
        begin(house)


def test_a_person_has_at_most_five_devices(house: Any) -> None:
    for n in range(4):
        begin(house, f"device {n}")
    with pytest.raises(Conflict, match="at most 5"):
        begin(house, "one too many")
    house.time.pass_by(600)
    begin(house, "after the unconfirmed ones expired")
    with house.store.read() as connection:
        assert len(devices.list_devices(connection, house.lan.id)) == 2


def test_two_people_may_call_their_devices_alike(house: Any) -> None:
    with house.store.write() as connection:
        minh = people.create_person(
            connection, house.clock, NewPerson.of("minh", "Minh", "it"), "not looked at"
        )
    begun = begin(house, "phone", minh)
    assert begun.uri.text().startswith("otpauth://totp/%C3%81%20Ch%C3%A2u:minh?secret=")
    assert begun.seed.text() not in repr(begun)


def test_the_stored_seed_is_sealed(house: Any) -> None:
    begun = begin(house)
    with house.store.read() as connection:
        sealed = connection.execute(
            select(totp_device.c.sealed_seed).where(totp_device.c.id == begun.device.id)
        ).scalar_one()
    assert totp.parse_seed(begun.seed).expose() not in sealed
    opened = totp.open_seed(sealed, house.keys.totp, house.lan.id, begun.device.id)
    assert totp.base32(opened) == begun.seed
