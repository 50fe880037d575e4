"""Signing in: both factors, one answer to everything else, and each guess counted first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, NotAuthenticated
from secvault.identity import (
    Argon2Cost,
    AttemptLimits,
    PasswordHasher,
    Reason,
    SignInDelayed,
    SignInRefused,
    devices,
    enrolment,
    people,
    sign_in,
    totp,
)
from secvault.identity.people import NewPerson
from secvault.identity.sign_in import Credentials
from secvault.store import open_store
from secvault.store.tables import person, session, totp_device

PATIENT = AttemptLimits(free=1_000, lock_after=1_000)


def reason_of(attempt: Callable[[], object]) -> Reason:
    with pytest.raises(SignInRefused) as refused:
        attempt()
    return refused.value.reason


def sessions_of(house: Any) -> int:
    with house.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(session)).scalar_one())


def disable(house: Any) -> None:
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, house.lan.id)


def test_a_name_a_password_and_a_code_let_in(house: Any) -> None:
    signed_in = house.enter("ＬＡＮ")
    assert house.session(signed_in.token).subject == house.lan.subject
    with house.store.read() as connection:
        somebody = people.read_person(connection, house.lan.id)
    assert somebody.last_sign_in_at == house.clock.micros()
    assert somebody.failures == 0


def test_every_refusal_says_the_same_and_tells_the_log_why(house: Any) -> None:
    house = house.allowing(PATIENT)
    refused: dict[Reason, SignInRefused] = {}

    def attempt(**shown: Any) -> None:
        with pytest.raises(SignInRefused) as raised:
            house.enter(**shown)
        refused[raised.value.reason] = raised.value

    attempt(name="nobody")
    attempt(name="no such\x00name")
    attempt(password=Secret.of("wrong password"))
    attempt(code=house.wrong_code())
    house.enter()
    attempt()
    disable(house)
    attempt()
    assert set(refused) == {
        "unknown_person",
        "wrong_password",
        "wrong_code",
        "replayed_code",
        "disabled",
    }
    assert len({(type(each), str(each), each.detail, each.code) for each in refused.values()}) == 1
    assert all(isinstance(each, NotAuthenticated) for each in refused.values())
    assert all(each.__cause__ is None for each in refused.values())
    assert refused[Reason.UNKNOWN_PERSON].person == ""
    assert {each.person for reason, each in refused.items() if reason != "unknown_person"} == {
        house.lan.id
    }


def test_every_refusal_costs_one_hash(house: Any) -> None:
    house = house.allowing(PATIENT)
    wrong = {"password": Secret.of("wrong password")}
    attempts: list[dict[str, Any]] = [
        {"name": "nobody"},
        {"name": "nobody", **wrong},
        {"name": "no such name"},
        {"password": Secret.of("x" * 100_000)},
        {"password": Secret(b"\xff")},
        wrong,
        {"code": house.wrong_code()},
    ]
    for disabled in (False, True):
        if disabled:
            disable(house)
        for shown in attempts:
            house.slots.entered = 0
            reason_of(lambda: house.enter(**shown))  # noqa: B023
            assert house.slots.entered == 1, shown


def test_unknown_names_are_delayed_like_known_ones(house: Any) -> None:
    answers: dict[str, list[Any]] = {}
    for name in ("lan", "nobody", "no such name"):
        answers[name] = []
        house.time.pass_by(3600)
        for _ in range(30):
            with pytest.raises((SignInRefused, SignInDelayed)) as raised:
                house.enter(name, password=Secret.of("wrong password"))
            wait = getattr(raised.value, "retry_after", 0)
            answers[name].append((type(raised.value), str(raised.value), wait))
            house.time.pass_by(wait // 2 + 1)
    assert answers["lan"] == answers["nobody"] == answers["no such name"]
    assert answers["lan"][3][2] == 7


def test_a_delay_costs_nothing_and_checks_nothing(house: Any) -> None:
    for _ in range(3):
        reason_of(lambda: house.enter(password=Secret.of("wrong password")))
    house.slots.entered = 0
    with pytest.raises(SignInDelayed) as delayed:
        house.enter()
    assert house.slots.entered == 0
    assert (delayed.value.retry_after, delayed.value.person) == (8, house.lan.id)
    house.time.pass_by(8)
    house.enter()
    house.time.pass_by(30)
    house.enter(code=house.code())


def test_failures_are_on_disk_before_the_password_is_checked(house: Any, any_url: str) -> None:
    """Whoever kills the process at the check has still spent the attempt."""
    seen = []
    elsewhere = open_store(any_url)

    class Killed(PasswordHasher):
        def verify(self, stored: Any, password: Secret) -> bool:
            with elsewhere.read() as connection:
                seen.append(people.read_person(connection, house.lan.id).failures)
            raise KeyboardInterrupt

    hasher = Killed(house.keys.password_pepper, house.slots)
    entrance = replace(house.entrance, hasher=hasher)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            sign_in.sign_in(entrance, Credentials("lan", house.password, house.code()))
    elsewhere.close()
    assert seen == [1, 2]


def test_a_code_works_once(house: Any) -> None:
    house.enter()
    assert reason_of(house.enter) == "replayed_code"
    house.time.pass_by(29)
    assert reason_of(lambda: house.enter(code=house.code(-1))) == "replayed_code"
    assert sessions_of(house) == 1


def test_the_code_before_works_late_but_not_after_a_newer_one(house: Any) -> None:
    house.enter(code=house.code(-1))
    house.enter(code=house.code())
    assert reason_of(lambda: house.enter(code=house.code(-1))) == "replayed_code"


@pytest.mark.parametrize("steps", [-3, -2, 1, 2, 120, -120])
def test_codes_of_other_times_do_not_work(house: Any, steps: int) -> None:
    assert reason_of(lambda: house.enter(code=house.code(steps))) == "wrong_code"


def test_only_the_six_digits_themselves_are_a_code(house: Any) -> None:
    house, code = house.allowing(PATIENT), house.code().text()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    spelled = (
        wide,
        f" {code}",
        f"{code} ",
        f"{code[:3]} {code[3:]}",
        code[1:],
        f"0{code}",
        "",
        "-",
    )
    for other in spelled:
        assert reason_of(lambda: house.enter(code=Secret.of(other))) == "wrong_code"  # noqa: B023
    house.enter()


def test_a_used_code_is_refused_after_a_restart(house: Any, any_url: str) -> None:
    house.enter()
    house.store.close()
    reopened = open_store(any_url)
    entrance = replace(house.entrance, store=reopened)
    credentials = Credentials("lan", house.password, house.code())
    assert reason_of(lambda: sign_in.sign_in(entrance, credentials)) == "replayed_code"
    reopened.close()


def test_a_clock_that_was_set_back_lets_nobody_in_and_locks_nobody_out(house: Any) -> None:
    house = house.allowing(AttemptLimits(free=1_000))
    house.enter()
    step = house.time.at // 30
    house.time.at = step * 30 - 121
    for _ in range(20):
        assert reason_of(house.enter) == "clock_went_back"
    house.time.at = step * 30 - 120
    assert reason_of(house.enter) == "replayed_code"
    house.time.at = (step + 1) * 30
    house.enter()


def test_ten_wrong_codes_lock_the_device_and_an_administrator_unlocks_it(house: Any) -> None:
    locked = []
    for _ in range(10):
        with pytest.raises(SignInRefused) as refused:
            house.enter(code=house.wrong_code())
        assert refused.value.reason == "wrong_code"
        locked.append(len(refused.value.locked))
        house.time.pass_by(900)
    assert locked == [0] * 9 + [1]
    assert reason_of(house.enter) == "locked"
    with house.store.write() as connection:
        (device,) = devices.list_devices(connection, house.lan.id)
        assert (device.state, device.failures) == ("locked", 10)
        assert devices.unlock_device(connection, device.id).state == "active"
        people.clear_failures(connection, house.lan.id)
    house.enter()


def test_the_tenth_code_may_be_the_right_one(house: Any) -> None:
    for _ in range(9):
        reason_of(lambda: house.enter(code=house.wrong_code()))
        house.time.pass_by(900)
    house.enter()
    with house.store.read() as connection:
        (device,) = devices.list_devices(connection, house.lan.id)
    assert (device.state, device.failures) == ("active", 0)


def test_wrong_passwords_never_lock_a_device(house: Any) -> None:
    for _ in range(20):
        reason_of(lambda: house.enter(password=Secret.of("wrong password")))
        house.time.pass_by(900)
    house.enter()


def test_an_unlocked_device_remembers_which_codes_were_used(house: Any) -> None:
    used = house.code()
    house.enter(code=used)
    with house.store.write() as connection:
        (device,) = devices.list_devices(connection, house.lan.id)
        connection.execute(totp_device.update().values(state="locked"))
        devices.unlock_device(connection, device.id)
        with pytest.raises(Conflict, match="not locked"):
            devices.unlock_device(connection, device.id)
    assert reason_of(lambda: house.enter(code=used)) == "replayed_code"


def test_a_delayed_device_does_not_tell_that_the_password_was_right(house: Any) -> None:
    """An administrator who clears the person's failures leaves the device's delay standing."""
    for _ in range(3):
        reason_of(lambda: house.enter(code=house.wrong_code()))
    with house.store.write() as connection:
        people.clear_failures(connection, house.lan.id)
    assert reason_of(house.enter) == "delayed"


def test_any_of_several_devices_lets_in_and_the_others_stay_unharmed(house: Any) -> None:
    seed = Secret(bytes(range(100, 120)))
    with house.store.write() as connection:
        enrolment.adopt_device(
            connection, house.clock, house.keys, house.lan, name="token", seed=totp.base32(seed)
        )
    for n in range(12):
        house.time.pass_by(60)
        if n % 2:
            house.enter()
        else:
            house.enter(code=totp.code_at(seed, totp.COMMON, house.time.at // 30))
    with house.store.read() as connection:
        both = devices.list_devices(connection, house.lan.id)
    assert [(each.state, each.failures) for each in both] == [("active", 0)] * 2


def test_a_delay_of_one_device_leaves_the_others_usable(house: Any) -> None:
    for _ in range(3):
        reason_of(lambda: house.enter(code=house.wrong_code()))
    seed = Secret(bytes(range(100, 120)))
    with house.store.write() as connection:
        people.clear_failures(connection, house.lan.id)
        enrolment.adopt_device(
            connection, house.clock, house.keys, house.lan, name="token", seed=totp.base32(seed)
        )
    house.enter(code=totp.code_at(seed, totp.COMMON, house.time.at // 30))


def test_nobody_gets_in_without_a_second_factor(house: Any) -> None:
    with house.store.write() as connection:
        connection.execute(totp_device.delete())
    assert reason_of(house.enter) == "no_second_factor"
    with house.store.write() as connection:
        enrolment.begin_enrolment(
            connection, house.clock, house.keys, house.lan, name="x", issuer="x"
        )
    assert reason_of(house.enter) == "no_second_factor"


def test_a_password_alone_is_enough_for_the_first_enrolment_only(
    house: Any, hasher: PasswordHasher
) -> None:
    hashed = hasher.hash(house.password)
    with house.store.write() as connection:
        minh = people.create_person(
            connection, house.clock, NewPerson.of("minh", "Minh", "it"), hashed
        )
    assert sign_in.prove_password(house.entrance, "Minh", house.password).id == minh.id

    def prove(name: str, password: str) -> Callable[[], object]:
        return lambda: sign_in.prove_password(house.entrance, name, Secret.of(password))

    assert reason_of(prove("minh", "wrong password")) == "wrong_password"
    assert reason_of(prove("nobody", "wrong password")) == "unknown_person"
    assert reason_of(prove("lan", house.password.text())) == "second_factor_needed"


def test_a_password_does_not_grow_old(house: Any) -> None:
    house.time.pass_by(10 * 365 * 24 * 60 * 60)
    assert house.session(house.enter().token).id == house.lan.id


def test_a_hash_of_lower_cost_is_replaced_at_sign_in(house: Any) -> None:
    dearer = PasswordHasher(
        house.keys.password_pepper, house.slots, Argon2Cost(memory=16, passes=2)
    )
    better = replace(house, entrance=replace(house.entrance, hasher=dearer))

    def stored() -> str:
        with house.store.read() as connection:
            return str(connection.execute(select(person.c.password_hash)).scalar_one())

    assert "m=8,t=1" in stored()
    reason_of(lambda: better.enter(code=house.wrong_code()))
    assert "m=8,t=1" in stored()
    better.enter()
    assert "m=16,t=2" in stored()
    better.time.pass_by(60)
    better.slots.entered = 0
    better.enter()
    assert better.slots.entered == 1


@pytest.mark.parametrize("change", ["disabled", "password"])
def test_whoever_is_changed_while_the_password_is_checked_stays_out(
    house: Any, change: str
) -> None:
    class Slow(PasswordHasher):
        def verify(self, stored: Any, password: Secret) -> bool:
            with house.store.write() as connection:
                if change == "disabled":
                    people.disable_person(connection, house.clock, house.lan.id)
                else:
                    other = self.hash(Secret.of("another password"))
                    people.set_password(connection, house.clock, house.lan.id, other)
            return super().verify(stored, password)

    hasher = Slow(house.keys.password_pepper, house.slots, Argon2Cost(8, 1))
    slow = replace(house, entrance=replace(house.entrance, hasher=hasher))
    assert reason_of(slow.enter) == "changed_meanwhile"
    assert sessions_of(house) == 0


def test_what_is_recorded_with_a_sign_in_shares_its_transaction(house: Any) -> None:
    given = Credentials("lan", house.password, house.code())

    def unwritable(_connection: object, _signed_in: object) -> None:
        raise Conflict("the log is full")

    with pytest.raises(Conflict, match="the log is full"):
        sign_in.sign_in(house.entrance, given, record=unwritable)
    assert sessions_of(house) == 0
    recorded: list[sign_in.SignedIn] = []
    signed_in = sign_in.sign_in(
        house.entrance, given, record=lambda _connection, each: recorded.append(each)
    )
    assert recorded == [signed_in]


def test_a_damaged_seed_is_damage_and_lets_nobody_in(house: Any) -> None:
    with house.store.write() as connection:
        connection.execute(totp_device.update().values(sealed_seed=b"\x01" * 49))
    with pytest.raises(Damaged, match="TOTP device"):
        house.enter()
    assert sessions_of(house) == 0


def test_no_secret_shows_in_what_is_passed_around(house: Any) -> None:
    given = Credentials("lan", house.password, house.code())
    signed_in = house.enter()
    shown = f"{given!r} {signed_in!r} {house.entrance!r} {house.keys!r}"
    for secret in (house.password, house.code(), signed_in.token, house.keys.totp):
        assert secret.text() not in shown
