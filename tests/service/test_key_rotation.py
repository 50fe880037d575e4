"""Keys are rotated when their own period is over, once, and by nobody's hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from secvault.audit.query import Question, page
from secvault.config import KeySettings
from secvault.errors import Refused
from secvault.keyring.named_key import read_key
from secvault.service import Service, authentication, rewrap_runs, transit
from secvault.service.key_rotation import Told, rotate_due_keys
from secvault.service.spine import Caller, Operation, Spine
from secvault.store import tables
from tests.running_service import House

HOUR = 3600


def _system(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["system"]))


def _rotated(service: Service, told: Told | None = None) -> tuple[str, ...]:
    return rotate_due_keys(service, told or Told()).rotated


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
    assert _rotated(service) == ()
    house.hands.seconds += HOUR
    assert _rotated(service) == ("transit/often",)
    assert _rotated(service) == ()
    assert _versions(service, system, "often", "never") == [2, 1]


def test_a_rotation_by_the_clock_is_in_the_audit_log(service: Service, house: House) -> None:
    options = transit.KeyOptions(auto_rotate_seconds=HOUR)
    transit.create_key(service, _system(service, house), "transit", "often", options)
    house.hands.seconds += HOUR
    _rotated(service)
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
        done = list(threads.map(lambda _: _rotated(service), range(8)))
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
    assert _rotated(service) == ()


def _set(service: Service, name: str, **columns: object) -> None:
    version = tables.named_key_version
    with service.store.write() as connection:
        connection.execute(update(version).where(version.c.name == name).values(**columns))


def _spoil(service: Service, name: str, kind: str) -> None:
    table = tables.named_key
    with service.store.write() as connection:
        connection.execute(update(table).where(table.c.name == name).values(kind=kind))


def _events(service: Service, kind: str) -> list[tuple[str, str, dict[str, object]]]:
    service.audit.drain()
    found = page(service.store, Question(kind=kind), limit=100).events
    return [(one.event.outcome, one.event.resource, dict(one.event.detail)) for one in found]


def test_a_key_that_cannot_be_rotated_holds_up_no_other_and_is_told_of_once(
    service: Service, house: House
) -> None:
    system = _system(service, house)
    for name in ("a", "broken", "z"):
        options = transit.KeyOptions(auto_rotate_seconds=HOUR)
        transit.create_key(service, system, "transit", name, options)
    _spoil(service, "broken", "no-such-kind")
    house.hands.seconds += HOUR
    told = Told()
    turn = rotate_due_keys(service, told)
    assert turn.rotated == ("transit/a", "transit/z")
    assert [(one.key, one.code) for one in turn.failed] == [("transit/broken", "damaged")]
    for _ in range(3):
        again = rotate_due_keys(service, told)
        assert (again.rotated, again.failed) == ((), ())
    failures = [one for one in _events(service, "key.rotate") if one[0] != "ok"]
    assert failures == [("error", "it/transit/broken", {"reason": "damaged"})]

    _spoil(service, "broken", "aes256-gcm96")
    assert rotate_due_keys(service, told).rotated == ("transit/broken",)
    assert told.keys == set()
    assert _versions(service, system, "a", "broken", "z") == [2, 2, 2]


def test_a_key_whose_row_is_damaged_holds_up_no_other(service: Service, house: House) -> None:
    system = _system(service, house)
    for name in ("a", "z"):
        options = transit.KeyOptions(auto_rotate_seconds=HOUR)
        transit.create_key(service, system, "transit", name, options)
    with service.store.write() as connection:
        connection.exec_driver_sql("UPDATE named_key SET key_size = x'00' WHERE name = 'a'")
    house.hands.seconds += HOUR
    told = Told()
    turn = rotate_due_keys(service, told)
    assert turn.rotated == ("transit/z",)
    assert [(one.key, one.code) for one in turn.failed] == [("transit/a", "damaged")]
    assert rotate_due_keys(service, told).failed == ()


def test_a_version_that_has_sealed_much_is_told_of_once_and_then_rotated(
    service: Service, house: House
) -> None:
    system = _system(service, house)
    keys = service.settings.keys
    transit.create_key(service, system, "transit", "busy", transit.KeyOptions())
    told = Told()
    _set(service, "busy", messages=keys.warn_messages - 1)
    assert rotate_due_keys(service, told).warned == ()
    _set(service, "busy", messages=keys.warn_messages)
    assert rotate_due_keys(service, told).warned == ("transit/busy",)
    for _ in range(2):
        assert rotate_due_keys(service, Told()).warned == ()
    warned = {
        "version": 1,
        "messages": keys.warn_messages,
        "threshold": keys.rotate_messages,
    }
    assert _events(service, "key.warn") == [("ok", "it/transit/busy", warned)]
    assert _versions(service, system, "busy") == [1]
    _set(service, "busy", messages=keys.rotate_messages)
    assert _rotated(service) == ("transit/busy",)
    assert rotate_due_keys(service, told).warned == ()


def test_the_thresholds_are_those_of_the_settings(service: Service, house: House) -> None:
    chosen = KeySettings(rotate_messages=2**20, warn_messages=2**19, collection_days=0)
    settings = service.settings.model_copy(update={"keys": chosen})
    transit.create_key(service, _system(service, house), "transit", "k", transit.KeyOptions())
    _set(service, "k", messages=2**20)
    assert _rotated(service) == ()
    assert _rotated(replace(service, settings=settings)) == ("transit/k",)


def test_the_keys_of_collections_are_rotated_after_their_days_and_their_data_keys_re_wrapped(
    service: Service, house: House
) -> None:
    with service.store.read() as connection:
        made = read_key(connection, "records", "payroll").created[1]
    house.hands.seconds = made / 1_000_000 + 365 * 86_400 - 1
    assert _rotated(service) == ()
    house.hands.seconds += 1
    done = _rotated(service)
    assert set(done) == {f"records/{name}" for name in service.collections}
    assert _rotated(service) == ()
    operator = Caller(authentication.local_operator(service))
    runs = rewrap_runs.list_runs(service, operator, 500)
    assert {each.collection for each in runs} == set(service.collections)
    assert {(each.state, each.requested_by) for each in runs} == {("requested", "system:jobs")}


def test_days_of_nought_leave_the_keys_of_collections_alone(service: Service, house: House) -> None:
    settings = service.settings.model_copy(update={"keys": KeySettings(collection_days=0)})
    house.hands.seconds += 3650 * 86_400
    assert _rotated(replace(service, settings=settings)) == ()


class _NoWarnings(Spine):
    """Refuses to warn of anything."""

    def change(self, caller: Caller, operation: Operation, *rest: Any, **more: Any) -> Any:
        if operation.action == "key.warn":
            raise Refused("no")
        return super().change(caller, operation, *rest, **more)


def test_a_warning_that_is_refused_keeps_no_key_from_its_rotation(
    service: Service, house: House
) -> None:
    transit.create_key(service, _system(service, house), "transit", "k", transit.KeyOptions())
    _set(service, "k", messages=service.settings.keys.rotate_messages)
    spine = _NoWarnings(service.store, service.clock, service.policy, service.audit)
    told = Told()
    turn = rotate_due_keys(replace(service, spine=spine), told)
    assert turn.rotated == ("transit/k",)
    assert [(one.key, one.code) for one in turn.failed] == [("transit/k", "refused")]
