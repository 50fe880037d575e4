"""What each role gets of each record through every way of reading is what the decision says.

The decision is asked for anew here, field by field; what a way shows is never taken from another.
A new way of reading belongs into `WAYS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access import AccessRequest, add_grant
from secvault.access.vocabulary import (
    ALL,
    EMERGENCY_ROLE,
    GRANTED_EVERYWHERE,
    RESERVED_ROLES,
    department_of,
)
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import Refused
from secvault.identity.people import find_person
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.records.mask import masked
from secvault.sample import back_office
from secvault.service import Service, authentication, record_history, records, reveals
from secvault.service.record_views import RecordView
from secvault.service.spine import Caller
from tests.running_service import PASSWORD, House, add_person, furnish

pytestmark = pytest.mark.timeout(300)

OF_EACH = 2
AGES = (None, 0, 299, 301, 899, 901)
"""Seconds since the second factor was shown."""
LONG = 6
"""A value of fewer characters may stand anywhere by chance."""


@dataclass(frozen=True)
class Masked:
    """What is shown in place of a value."""

    text: str


Shown = Mapping[str, Any]
"""Field to a value in clear, or to a Masked one."""
Way = Callable[[Service, Caller, Collection, str], Shown]


def _of_view(view: RecordView) -> Shown:
    return {**view.fields, **{name: Masked(text) for name, text in view.masked.items()}}


def _by_reading(service: Service, who: Caller, collection: Collection, record: str) -> Shown:
    return _of_view(records.read_record(service, who, collection.name, record))


def _by_listing(service: Service, who: Caller, collection: Collection, record: str) -> Shown:
    page = records.list_records(service, who, collection.name, "", records.PAGE_LIMIT)
    (view,) = [one for one in page.records if one.id == record]
    return _of_view(view)


def _field_by_field(service: Service, who: Caller, collection: Collection, record: str) -> Shown:
    found = {}
    for name in service_record(service, collection, record).field_names:
        try:
            found[name] = records.read_field(service, who, collection.name, record, name)
        except Refused:
            continue
    return found


WAYS: Mapping[str, Way] = {
    "get": _by_reading,
    "list": _by_listing,
    "field": _field_by_field,
}
"""Ways that show a record. What shows no masks (`field`) shows what is clear, and no more."""
WITHOUT_MASKS = {"field"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with two records of each collection, made by nobody."""
    more = {"SECVAULT_REVEALS__PER_HOUR": "100000"}
    return furnish(tmp_path_factory.mktemp("reading"), more=more)


@pytest.fixture(scope="module")
def service(house: House) -> Iterator[Service]:
    """The open service of it; the tests here change nothing but by revealing."""
    with house.open() as opened:
        _store(opened)
        yield opened


@pytest.fixture(scope="module")
def callers(service: Service, house: House) -> Mapping[str, Caller]:
    """Somebody of each role that the policy gives, in the department of the role, signed in."""
    made = {}
    for number, role in enumerate(_roles(service)):
        name, home = f"person-{number}", department_of(role)
        seed = add_person(service, name, home)
        with service.store.write() as connection:
            add_grant(
                connection,
                service.policy.rules,
                subject=find_person(connection, name).subject,
                role=role,
                department=ALL if role in GRANTED_EVERYWHERE else home,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
        code = Secret.of(house.hands.code(seed))
        opened = authentication.sign_in(service, name, Secret.of(PASSWORD), code)
        made[role] = Caller(opened.principal)
    return made


def _store(service: Service) -> None:
    seen: dict[str, int] = {}
    with service.store.write() as connection:
        for one in back_office():
            seen[one.collection] = seen.get(one.collection, 0) + 1
            if seen[one.collection] <= OF_EACH:
                collection = service.collections[one.collection]
                at = service.clock.micros()
                rows.create_record(
                    connection, service.keyring, collection, one.id, one.values, at, service.random
                )
    assert set(seen) == set(service.collections)


def _roles(service: Service) -> list[str]:
    named = {rule.sub for rule in service.policy.rules.rules if rule.sub.startswith("role:")}
    return sorted(named - RESERVED_ROLES - {EMERGENCY_ROLE})


def service_record(service: Service, collection: Collection, record: str) -> rows.Record:
    """The record itself, by no right."""
    with service.store.read() as connection:
        return rows.read_record(connection, service.keyring, collection, record)


def _aged(service: Service, caller: Caller, age: int | None) -> Caller:
    """The caller as of a session whose second factor was shown so long ago."""
    shown = None if age is None else service.clock.micros() - age * 1_000_000
    return replace(caller, principal=replace(caller.principal, second_factor_at=shown))


def _may(service: Service, who: Caller, collection: Collection, record: rows.Record) -> Any:
    about = facts.about(collection, record.id, record.plain)
    context = replace(service.spine.context(who), about=about)

    def may(action: str, field: str = "*") -> bool:
        request = AccessRequest(
            who.principal.subject, collection.department, collection.name, field, action, context
        )
        return service.policy.decide(request).allowed

    return may


def _expected(collection: Collection, record: rows.Record, may: Callable[..., bool]) -> Shown:
    shown: dict[str, Any] = {}
    for name in record.field_names:
        mask = collection.fields[name].mask
        if may("record.read", name):
            shown[name] = record.value(name)
        elif mask is not None and may("record.read_masked", name):
            shown[name] = Masked(masked(mask, record.value(name)))
    return shown


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, str) and len(value) >= LONG:
        yield value


def _secrets(collection: Collection, record: rows.Record, shown: Shown) -> set[str]:
    """The texts of sensitive fields that are not shown, and stand in nothing that is."""
    open_text = json.dumps(list(shown.values()), default=str, ensure_ascii=False)
    return {
        text
        for name in record.field_names
        if collection.fields[name].sensitive and (name not in shown or _is_mask(shown[name]))
        for text in _texts(record.value(name))
        if text not in open_text
    }


def _is_mask(value: Any) -> bool:
    return isinstance(value, Masked)


asked = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(AGES))


@settings(max_examples=60, deadline=None)
@given(asked)
def test_no_way_of_reading_shows_more_or_less_than_the_decision(
    service: Service, callers: Mapping[str, Caller], case: tuple[int, int, int | None]
) -> None:
    of_role, of_collection, age = case
    role = sorted(callers)[of_role % len(callers)]
    names = _near(service, role, of_collection)
    name = names[of_collection % len(names)]
    collection = service.collections[name]
    who = _aged(service, callers[role], age)
    for one in _ids(service, collection):
        record = service_record(service, collection, one)
        may = _may(service, who, collection, record)
        expected = _expected(collection, record, may)
        for way, read in WAYS.items():
            try:
                shown = read(service, who, collection, one)
            except Refused:
                assert not may("record.list"), (role, way)
                continue
            wanted = dict(expected)
            if way in WITHOUT_MASKS:
                wanted = {field: value for field, value in wanted.items() if not _is_mask(value)}
            else:
                assert may("record.list"), (role, way)
            assert shown == wanted, (role, way, name, age)
        _compare_reveals(service, who, collection, record, may)
        _compare_history(service, who, collection, record, may)


def _near(service: Service, role: str, draw: int) -> list[str]:
    """Mostly the collections of the role's department: of the others it is refused all the same."""
    own = [
        name
        for name, one in sorted(service.collections.items())
        if one.department == department_of(role)
    ]
    return own if own and draw % 5 else sorted(service.collections)


def _compare_reveals(
    service: Service,
    who: Caller,
    collection: Collection,
    record: rows.Record,
    may: Callable[..., bool],
) -> None:
    for field in record.field_names:
        if not collection.fields[field].sensitive:
            continue
        try:
            shown = reveals.reveal_field(
                service, who, collection.name, record.id, field, "a property test"
            )
        except Refused:
            assert not may("record.reveal", field)
        else:
            assert may("record.reveal", field)
            assert (shown.field, shown.value) == (field, record.value(field))


def _compare_history(
    service: Service,
    who: Caller,
    collection: Collection,
    record: rows.Record,
    may: Callable[..., bool],
) -> None:
    try:
        history = record_history.record_history(
            service, who, collection.name, record.id, collection_wide=True, limit=1000
        )
    except Refused:
        assert not may("record.history")
        return
    assert may("record.history")
    said = repr(history)
    assert not [text for text in _secrets(collection, record, {}) if text in said]


def _ids(service: Service, collection: Collection) -> tuple[str, ...]:
    with service.store.read() as connection:
        return rows.record_ids(connection, collection, "", OF_EACH)


def test_what_is_revealable_is_what_can_be_revealed_after_a_factor_is_shown(
    service: Service, callers: Mapping[str, Caller]
) -> None:
    for role, caller in callers.items():
        for name in ("payroll", "formulas", "transactions"):
            collection = service.collections[name]
            for one in _ids(service, collection):
                record = service_record(service, collection, one)
                stale, fresh = (_aged(service, caller, age) for age in (None, 0))
                try:
                    view = records.read_record(service, stale, name, one)
                except Refused:
                    continue
                may = _may(service, fresh, collection, record)
                hidden = {*view.masked, *view.withheld}
                assert set(view.revealable) == {
                    field for field in hidden if may("record.reveal", field)
                }, role
