"""Keys are rotated when their own period is over, once, and by nobody's hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from secvault.audit.query import Question, page
from secvault.service import Service, authentication, transit
from secvault.service.key_rotation import rotate_due_keys
from secvault.service.spine import Caller
from tests.running_service import House

HOUR = 3600


def _system(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["system"]))


def _versions(service: Service, caller: Caller, *names: str) -> list[int]:
    return [transit.read_key(service, caller, "transit", name).latest_version for name in names]


def test_a_key_is_rotated_when_its_period_is_over_and_not_before(
    service: Service, house: House
) -> None:
    system = _system(service, house)
    options = transit.KeyOptions(auto_rotate_seconds=2 * HOUR)
    transit.create_key(service, system, "transit", "often", options)
    transit.create_key(service, system, "transit", "never", transit.KeyOptions())
    house.hands.seconds += HOUR
    assert rotate_due_keys(service) == ()
    house.hands.seconds += HOUR
    assert rotate_due_keys(service) == ("transit/often",)
    assert rotate_due_keys(service) == ()
    assert _versions(service, system, "often", "never") == [2, 1]


def test_a_rotation_by_the_clock_is_in_the_audit_log(service: Service, house: House) -> None:
    options = transit.KeyOptions(auto_rotate_seconds=HOUR)
    transit.create_key(service, _system(service, house), "transit", "often", options)
    house.hands.seconds += HOUR
    rotate_due_keys(service)
    service.audit.drain()
    newest = page(service.store, Question(), limit=1).events[0].event
    assert (newest.kind, newest.actor.subject) == ("key.rotate", "system:jobs")
    assert newest.detail == {"from_version": 1, "version": 2}


def test_several_who_look_at_once_rotate_once(service: Service, house: House) -> None:
    system = _system(service, house)
    options = transit.KeyOptions(auto_rotate_seconds=HOUR)
    transit.create_key(service, system, "transit", "often", options)
    house.hands.seconds += HOUR
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: rotate_due_keys(service), range(8)))
    assert sorted(done)[-1] == ("transit/often",)
    assert sum(map(len, done)) == 1
    assert _versions(service, system, "often") == [2]


def test_a_key_that_was_shut_off_is_left_alone(service: Service, house: House) -> None:
    system = _system(service, house)
    operator = Caller(authentication.local_operator(service))
    options = transit.KeyOptions(auto_rotate_seconds=HOUR)
    transit.create_key(service, system, "transit", "often", options)
    transit.set_soft_deleted(service, operator, "transit", "often", deleted=True)
    house.hands.seconds += HOUR
    assert rotate_due_keys(service) == ()
