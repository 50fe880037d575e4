"""Recovery codes in the store: made, used once, counted; on each engine, from many at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from secvault.crypto.secret import Secret
from secvault.errors import TooManyAttempts
from secvault.identity import AttemptLimits, SignInRefused, paper_code, people, recovery_codes
from secvault.identity.recovery_codes import CODES
from secvault.store.tables import recovery_code, session

# So that the code's single use is what is tested, not the delays.
PATIENT = AttemptLimits(free=1_000, lock_after=1_000)


def codes_of(house: Any) -> tuple[Secret, ...]:
    with house.store.write() as connection:
        made: tuple[Secret, ...] = recovery_codes.make_codes(
            connection, house.clock, house.keys, house.lan.id
        )
    return made


def enter(house: Any, code: Secret) -> str:
    try:
        recovery_codes.sign_in(house.entrance, "lan", house.password, code)
    except SignInRefused as refused:
        return str(refused.reason)
    except TooManyAttempts:
        return "delayed"
    return "in"


def test_a_code_works_once_even_when_sent_fifty_times_at_once(house: Any) -> None:
    house = house.allowing(PATIENT)
    code, together = codes_of(house)[3], threading.Barrier(50, timeout=120)

    def submit(_: int) -> str:
        together.wait()
        return enter(house, code)

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(submit, range(50)))
    assert outcomes == {"in": 1, "replayed_code": 49}
    with house.store.read() as connection:
        opened = connection.execute(select(func.count()).select_from(session)).scalar_one()
    assert opened == 1


def test_guesses_sent_side_by_side_are_all_counted(house: Any) -> None:
    codes_of(house)
    together, wrong = threading.Barrier(50, timeout=120), Secret.of("0" * 25)

    def guess(_: int) -> str:
        together.wait()
        return enter(house, wrong)

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(guess, range(50)))
    assert outcomes == {"wrong_code": 3, "delayed": 47}


def test_ten_wrong_codes_lock_the_set_until_it_is_unlocked(house: Any) -> None:
    code = codes_of(house)[0]
    for _ in range(10):
        assert enter(house, Secret.of("0" * 25)) == "wrong_code"
        house.time.pass_by(16 * 60)
    assert enter(house, code) == "locked"
    with house.store.write() as connection:
        people.clear_failures(connection, house.lan.id)
        recovery_codes.unlock(connection, house.lan.id)
    assert enter(house, code) == "in"


def test_two_who_make_codes_at_the_same_moment_leave_one_set(house: Any) -> None:
    together = threading.Barrier(4, timeout=120)

    def make(_: int) -> tuple[Secret, ...]:
        together.wait()
        return codes_of(house)

    codes_of(house)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(4)))
    with house.store.read() as connection:
        kept = connection.execute(select(func.count()).select_from(recovery_code)).scalar_one()
    assert kept == CODES
    house = house.allowing(PATIENT)
    assert Counter(enter(house, each[0]) for each in made) == {"in": 1, "wrong_code": 3}


def test_a_disabled_person_is_not_let_in_by_a_code(house: Any) -> None:
    code = codes_of(house)[0]
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, house.lan.id)
    assert enter(house, code) == "disabled"
    with house.store.write() as connection:
        people.enable_person(connection, house.lan.id)
    house.time.pass_by(60)
    assert enter(house, code) == "in"


def test_the_session_of_a_code_is_narrowed_and_its_factor_is_not_fresh(house: Any) -> None:
    signed_in = recovery_codes.sign_in(house.entrance, "lan", house.password, codes_of(house)[0])
    shown = house.session(signed_in.token)
    assert shown == signed_in.principal
    assert (shown.recovering, shown.second_factor_at) == (True, None)
    assert shown.narrowing == (frozenset({"role:any.signed_in"}),)
    assert shown.factors == ("password", "recovery")


def test_the_stored_digests_differ_for_each_person_and_hold_no_code(house: Any) -> None:
    codes = codes_of(house)
    with house.store.read() as connection:
        digests = connection.execute(select(recovery_code.c.digest)).scalars().all()
    assert len(set(digests)) == CODES
    plain = codes[0].text().replace("-", "")
    assert paper_code.digest_of(house.keys, "another", plain) not in digests
    assert paper_code.digest_of(house.keys, house.lan.id, plain) in digests
    assert not any(code.expose() in digest for code in codes for digest in digests)


@given(st.text(max_size=80))
def test_what_is_typed_becomes_codes_of_25_characters_or_nothing(typed: str) -> None:
    plain = paper_code.plain_codes(Secret.of(typed.encode("utf-8", "ignore").decode()))
    assert all(len(each) == 25 for each in plain)


@given(st.binary(min_size=16, max_size=16))
def test_a_code_has_125_bits_of_what_was_drawn(drawn: bytes) -> None:
    code = paper_code.new_code(lambda _: drawn)
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = sum(alphabet.index(each) << (5 * place) for place, each in enumerate(code))
    assert number == int.from_bytes(drawn, "big") % 2**125


def test_a_code_as_shown_is_read_back(house: Any) -> None:
    patient = replace(house, entrance=replace(house.entrance, attempts=PATIENT))
    for code in codes_of(house):
        assert enter(patient, Secret.of(f" {code.text().lower()} ")) == "in"


def test_making_and_using_codes_at_the_same_moment_never_wait_for_each_other(house: Any) -> None:
    house = house.allowing(PATIENT)
    codes = codes_of(house)
    together = threading.Barrier(12, timeout=120)

    def work(number: int) -> str:
        together.wait()
        if number % 3 == 0:
            codes_of(house)
            return "made"
        return enter(house, codes[number % 10])

    with ThreadPoolExecutor(12) as pool:
        outcomes = Counter(pool.map(work, range(12)))
    assert outcomes["made"] == 4
    assert set(outcomes) <= {"made", "in", "wrong_code", "replayed_code", "changed_meanwhile"}
