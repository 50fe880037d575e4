"""A lost phone lets nobody in any more; the last factor is never taken away by one alone."""

from __future__ import annotations

from contextlib import suppress
from threading import Barrier, Thread

import pytest

from secvault.audit.query import Question, page
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotAuthenticated, NotFound, Refused, SecvaultError
from secvault.notices.rules import RULES
from secvault.service import Service, authentication, factors, lost_factors, own_factors
from secvault.service.spine import Caller
from tests.running_service import PASSWORD, STEP, House
from tests.service.approval_house import Staff, staffed


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """An administrator who has just shown a factor, and a clerk with one device."""
    made = staffed(service, house)
    made.an = made.again("admin")
    return made


def second_device(staff: Staff) -> tuple[str, str]:
    """One more device of the clerk's, in use: its id and its seed."""
    service, house = staff.service, staff.house
    clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
    house.hands.seconds += STEP
    begun = own_factors.enrol_device(
        service,
        clerk,
        name="tablet",
        password=Secret.of(PASSWORD),
        code=Secret.of(house.hands.code(house.seeds["clerk"])),
    )
    seed = begun.seed.text()
    codes = (Secret.of(house.hands.code(seed, -1)), Secret.of(house.hands.code(seed)))
    own_factors.confirm_device(service, clerk, begun.device.id, codes)
    return begun.device.id, seed


def phone(staff: Staff) -> str:
    """The id of the clerk's first device."""
    return factors.factors_of(staff.service, staff.an, "clerk").devices[0].id


def sign_in(staff: Staff, seed: str) -> None:
    """As the clerk, with a fresh code of this device."""
    staff.house.hands.seconds += STEP
    code = Secret.of(staff.house.hands.code(seed))
    authentication.sign_in(staff.service, "clerk", Secret.of(PASSWORD), code)


def test_a_lost_phone_lets_nobody_in_all_sessions_end_and_the_other_device_works(
    staff: Staff,
) -> None:
    _, other = second_device(staff)
    done = lost_factors.revoke_factor(staff.service, staff.an, "clerk", phone(staff))
    assert (done.kind, done.sessions_ended) == ("totp", 1)
    with pytest.raises(NotAuthenticated):
        authentication.authenticate(staff.service, staff.house.tokens["clerk"])
    with pytest.raises(NotAuthenticated):
        sign_in(staff, staff.house.seeds["clerk"])
    staff.house.hands.seconds += 900
    sign_in(staff, other)
    detail = staff.last_detail("factor.revoke")
    assert detail == {"person": done.person.id, "factor": "totp", "device": done.factor}


def test_the_last_factor_is_not_taken_away_but_by_a_reset(staff: Staff) -> None:
    with pytest.raises(Conflict, match="reset the second factors"):
        lost_factors.revoke_factor(staff.service, staff.an, "clerk", phone(staff))
    sign_in(staff, staff.house.seeds["clerk"])


def test_one_that_is_locked_is_not_counted_as_another(staff: Staff) -> None:
    _, other = second_device(staff)
    # Wrong codes are counted against both; a right one of the first forgives that one alone.
    for _ in range(12):
        staff.house.hands.seconds += 1000
        with pytest.raises(SecvaultError):
            authentication.sign_in(staff.service, "clerk", Secret.of(PASSWORD), Secret.of("000000"))
    known = factors.factors_of(staff.service, staff.again("admin"), "clerk")
    assert {one.state for one in known.devices} == {"locked"}
    for one in known.devices:
        with pytest.raises(Conflict):
            lost_factors.revoke_factor(staff.service, staff.again("admin"), "clerk", one.id)
    assert other


def test_one_that_was_never_confirmed_goes_and_unknown_ones_are_not_found(staff: Staff) -> None:
    service, house = staff.service, staff.house
    clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
    house.hands.seconds += STEP
    begun = own_factors.enrol_device(
        service,
        clerk,
        name="never",
        password=Secret.of(PASSWORD),
        code=Secret.of(house.hands.code(house.seeds["clerk"])),
    )
    lost_factors.revoke_factor(service, staff.an, "clerk", begun.device.id)
    for unknown in (begun.device.id, "0" * 32, "x"):
        with pytest.raises(NotFound):
            lost_factors.revoke_factor(service, staff.an, "clerk", unknown)
    heads = factors.factors_of(service, staff.an, "head").devices[0].id
    with pytest.raises(NotFound):
        lost_factors.revoke_factor(service, staff.an, "clerk", heads)


def test_ones_own_is_refused_because_that_takes_the_password(staff: Staff) -> None:
    own = factors.factors_of(staff.service, staff.an, "admin").devices[0].id
    with pytest.raises(Conflict, match="your own"):
        lost_factors.revoke_factor(staff.service, staff.an, "admin", own)


def test_it_takes_a_fresh_code_and_the_right_to_it(staff: Staff) -> None:
    second_device(staff)
    head = staff.again("head")
    with pytest.raises(Refused):
        lost_factors.revoke_factor(staff.service, head, "clerk", phone(staff))
    staff.house.hands.seconds += 400
    with pytest.raises(SecvaultError, match="second factor"):
        lost_factors.revoke_factor(staff.service, staff.an, "clerk", phone(staff))


def test_of_two_that_are_taken_away_at_once_one_stays(staff: Staff) -> None:
    other, _ = second_device(staff)
    both, start, done = (phone(staff), other), Barrier(2), []

    def take(factor: str) -> None:
        start.wait()
        with suppress(Conflict):
            done.append(lost_factors.revoke_factor(staff.service, staff.an, "clerk", factor))

    threads = [Thread(target=take, args=(one,)) for one in both]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(done) == 1
    assert len(factors.factors_of(staff.service, staff.an, "clerk").devices) == 1


def test_its_owner_and_the_administrators_are_told(staff: Staff) -> None:
    second_device(staff)
    done = lost_factors.revoke_factor(staff.service, staff.an, "clerk", phone(staff))
    staff.service.audit.drain()
    stored = page(staff.service.store, Question(kind="factor.revoke"), limit=1).events[0]
    told = RULES["factor.revoke", "ok"](stored)
    assert told is not None
    assert (told.person, told.administrators, told.kind) == (
        done.person.id,
        True,
        "factor_revoked",
    )
