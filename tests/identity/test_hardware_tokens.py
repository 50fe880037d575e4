"""Hardware tokens: in from a file, out to a person, and the seed is never seen again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, NotFound
from secvault.identity import SignInRefused, devices, enrolment, hardware_tokens, people, totp
from secvault.identity.people import NewPerson, Person
from secvault.identity.seed_files import FromFile
from secvault.identity.totp import Shape
from secvault.store.tables import hardware_token, totp_device

SHAPE = Shape("SHA256", 8, 60)
SEED = Secret(bytes(range(32)))


def stock(house: Any, *serials: str) -> None:
    with house.store.write() as connection:
        hardware_tokens.import_tokens(
            connection,
            house.clock,
            house.keys,
            [FromFile(serial, SEED, SHAPE) for serial in serials],
        )


def assign(house: Any, serial: str = "T-1", person: Person | None = None) -> devices.Device:
    with house.store.write() as connection:
        return hardware_tokens.assign_token(
            connection, house.clock, house.keys, person or house.lan, serial
        )


def states(house: Any) -> dict[str, tuple[str, str]]:
    with house.store.read() as connection:
        return {
            token.serial: (token.state, token.person)
            for token in hardware_tokens.list_tokens(connection)
        }


def confirm(house: Any, device: str) -> devices.Device:
    present = house.time.at // 60
    codes = tuple(totp.code_at(SEED, SHAPE, step) for step in (present - 1, present))
    return enrolment.confirm_enrolment(
        house.store,
        house.clock,
        house.keys,
        person_id=house.lan.id,
        device_id=device,
        codes=codes,  # type: ignore[arg-type]
    )


def somebody(house: Any, name: str) -> Person:
    with house.store.write() as connection:
        return people.create_person(
            connection, house.clock, NewPerson.of(name, name, "it"), "not looked at"
        )


def test_a_token_is_imported_assigned_confirmed_and_lets_in(house: Any) -> None:
    stock(house, "T-1", "T-2")
    assert states(house) == {"T-1": ("free", ""), "T-2": ("free", "")}
    device = assign(house)
    assert (device.state, device.digits, device.period) == ("pending", 8, 60)
    assert states(house)["T-1"] == ("assigned", house.lan.id)
    house.time.pass_by(13 * 24 * 60 * 60)
    confirm(house, device.id)
    assert states(house)["T-1"] == ("in use", house.lan.id)
    house.time.pass_by(60)
    signed_in = house.enter(code=totp.code_at(SEED, SHAPE, house.time.at // 60))
    assert signed_in.device == device.id


def test_an_assigned_token_does_not_let_in_before_its_holder_confirmed_it(house: Any) -> None:
    stock(house, "T-1")
    assign(house)
    with pytest.raises(SignInRefused):
        house.enter(code=totp.code_at(SEED, SHAPE, house.time.at // 60))


def test_an_assigned_token_waits_fourteen_days(house: Any) -> None:
    stock(house, "T-1")
    device = assign(house)
    house.time.pass_by(14 * 24 * 60 * 60 + 1)
    with pytest.raises(Conflict, match="time to confirm"):
        confirm(house, device.id)
    confirm(house, assign(house).id)


def test_seeds_are_sealed_for_their_row_and_wiped_once_in_use(house: Any) -> None:
    stock(house, "T-1", "T-2")

    def sealed() -> dict[str, bytes | None]:
        with house.store.read() as connection:
            rows = connection.execute(select(hardware_token.c.serial, hardware_token.c.sealed_seed))
            return {row.serial: row.sealed_seed for row in rows}

    before = sealed()
    assert all(SEED.expose() not in (seed or b"") for seed in before.values())
    confirm(house, assign(house).id)
    assert sealed() == {**before, "T-1": None}
    with house.store.write() as connection:
        connection.execute(hardware_token.update().values(sealed_seed=before["T-1"]))
        connection.execute(totp_device.delete())
    with pytest.raises(Damaged):
        assign(house, "T-2")


def test_an_unconfirmed_token_can_be_given_to_somebody_else(house: Any) -> None:
    minh = somebody(house, "minh")
    stock(house, "T-1")
    first = assign(house, person=minh)
    second = assign(house)
    assert states(house)["T-1"] == ("assigned", house.lan.id)
    with house.store.read() as connection, pytest.raises(NotFound):
        devices.read_device(connection, first.id)
    confirm(house, second.id)
    with pytest.raises(Conflict, match="in use"):
        assign(house, person=minh)


def test_a_file_is_imported_whole_or_not_at_all(house: Any) -> None:
    stock(house, "T-1")
    with pytest.raises(Conflict, match="T-1 is there already"):
        stock(house, "T-0", "T-1")
    assert set(states(house)) == {"T-1"}


def test_a_spent_token_can_come_in_again(house: Any) -> None:
    stock(house, "T-1")
    device = confirm(house, assign(house).id)
    with house.store.write() as connection:
        devices.remove_device(connection, house.lan.id, device.id)
    assert states(house)["T-1"] == ("spent", "")
    with pytest.raises(Conflict, match="spent"):
        assign(house)
    stock(house, "T-1")
    assert states(house)["T-1"] == ("free", "")


def test_a_token_is_retired_unless_it_is_in_use(house: Any) -> None:
    stock(house, "T-1", "T-2")
    confirm(house, assign(house).id)
    assign(house, "T-2")
    with house.store.write() as connection:
        with pytest.raises(Conflict, match="in use"):
            hardware_tokens.retire_token(connection, "T-1")
        hardware_tokens.retire_token(connection, "T-2")
        with pytest.raises(NotFound):
            hardware_tokens.retire_token(connection, "T-2")
        assert len(devices.list_devices(connection, house.lan.id)) == 2


def test_one_token_is_not_given_to_two_people_at_once(house: Any) -> None:
    stock(house, "T-1")
    others = [somebody(house, f"person{n}") for n in range(8)]
    together = threading.Barrier(8, timeout=120)

    def give(person: Person) -> bool:
        together.wait()
        try:
            assign(house, person=person)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(give, others))
    with house.store.read() as connection:
        pending = [
            device
            for person in others
            for device in devices.list_devices(connection, person.id)
            if device.state == "pending"
        ]
    assert len(pending) == 1


def test_the_last_device_in_use_stays(house: Any) -> None:
    with house.store.write() as connection:
        (phone,) = devices.list_devices(connection, house.lan.id)
        with pytest.raises(Conflict, match="last factor"):
            devices.remove_device(connection, house.lan.id, phone.id)
        with pytest.raises(NotFound):
            devices.remove_device(connection, "0" * 32, phone.id)


def test_the_last_device_goes_when_there_is_a_factor_that_is_none(house: Any) -> None:
    with house.store.write() as connection:
        (phone,) = devices.list_devices(connection, house.lan.id)
        devices.remove_device(connection, house.lan.id, phone.id, other_factor=True)
        assert devices.list_devices(connection, house.lan.id) == ()
