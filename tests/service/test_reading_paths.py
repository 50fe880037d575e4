"""What each role gets of each record through every way of reading is what the decision says.

The decision is asked for anew here, field by field; what a way shows is never taken from another.
A new way of reading belongs into `reading_ways.WAYS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.access.vocabulary import department_of
from secvault.errors import Conflict, Refused
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.records.exports.treatment import hows
from secvault.records.imports.spec import Form, OnConflict
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.value import FieldType
from secvault.service import Service, record_history, record_search, records, reveals
from secvault.service.record_exports.asked import Anonymity, Wanted
from secvault.service.record_exports.deidentified import export_deidentified
from secvault.service.record_imports import requests
from secvault.service.record_imports.running import do_import
from secvault.service.spine import Caller
from secvault.tabular.writer import Format
from tests.running_service import House, furnish
from tests.service.reading_house import (
    MORE,
    OF_EACH,
    May,
    Shown,
    aged,
    expected_of,
    furnished_with_records,
    is_mask,
    may_of,
    of_each_role,
    record_of,
    secrets_of,
    texts_of,
)
from tests.service.reading_ways import WAYS
from tests.service.record_imports.files import sent
from tests.service.test_record_exports import whole

pytestmark = pytest.mark.timeout(300)

AGES = (None, 0, 299, 301, 899, 901)
"""Seconds since the second factor was shown."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with a few people."""
    return furnish(tmp_path_factory.mktemp("reading"), more=MORE)


@pytest.fixture(scope="module")
def service(house: House) -> Iterator[Service]:
    """The open service of it, with records of each collection; the tests here change nothing."""
    with house.open() as opened:
        furnished_with_records(opened, house)
        yield opened


@pytest.fixture(scope="module")
def callers(service: Service, house: House) -> Mapping[str, Caller]:
    """Somebody of each role, with a second factor shown just now."""
    return of_each_role(service, house)


asked = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(AGES))


@settings(max_examples=20, deadline=None)
@given(asked)
def test_no_way_of_reading_shows_more_or_less_than_the_decision(
    service: Service, callers: Mapping[str, Caller], case: tuple[int, int, int | None]
) -> None:
    of_role, of_collection, age = case
    role = sorted(callers)[of_role % len(callers)]
    names = _near(service, role, of_collection)
    _compare(service, callers, role, names[of_collection % len(names)], age)


def test_nor_does_one_for_any_role_in_its_own_department(
    service: Service, callers: Mapping[str, Caller]
) -> None:
    # Where all of them show something.
    assert _compare(service, callers, "role:hr.head", "contracts", 0) == {*WAYS}
    # And where much is masked: after a factor that was shown long ago nothing leaves as a file.
    for name in ("employees", "contracts", "payroll", "insurance"):
        shown = _compare(service, callers, "role:hr.head", name, None)
        assert shown - {"attachment"} == {"get", "list", "search", "field", "report"}
    for number, role in enumerate(sorted(callers)):
        names = _near(service, role, 1)
        _compare(service, callers, role, names[number % len(names)], 0)


def _compare(
    service: Service, callers: Mapping[str, Caller], role: str, name: str, age: int | None
) -> set[str]:
    """Compare every way with the decision; the ways that showed something."""
    collection = service.collections[name]
    who = aged(service, callers[role], age)
    showing = set()
    ids = _ids(service, collection)
    known = {one: record_of(service, collection, one) for one in ids}
    asking = {one: may_of(service, who, collection, record) for one, record in known.items()}
    expected = {one: expected_of(collection, known[one], asking[one]) for one in ids}
    for way, how in WAYS.items():
        if not how.covers(collection):
            continue
        try:
            seen = how.read(service, who, collection, ids)
        except Refused:
            seen = {}
        if any(seen.values()):
            showing.add(way)
        for one in ids:
            where = (role, way, name, one, age)
            if all(asking[one](action) for action in how.actions):
                assert seen.get(one) == how.form(collection, expected[one]), where
            else:
                assert one not in seen, where
    for one, record in known.items():
        _compare_searches(service, who, collection, record, expected[one], asking[one])
        _compare_reveals(service, who, collection, record, asking[one])
        _compare_history(service, who, collection, record, asking[one])
    return showing


def _compare_searches(
    service: Service,
    who: Caller,
    collection: Collection,
    record: rows.Record,
    expected: Shown,
    may: May,
) -> None:
    """Nobody learns a value by trying: only who sees it in clear finds the record by it."""
    for name in record.field_names:
        field = collection.fields[name]
        if field.index is None or field.index.exact is None:
            continue
        where = {name: record.value(name)}
        try:
            found = record_search.search_records(service, who, collection.name, where)
        except Refused:
            found = record_search.SearchPage((), "")
        in_clear = name in expected and not is_mask(expected[name])
        shown = record.id in {view.id for view in found.records}
        assert shown is (may("record.list") and in_clear), (collection.name, name)


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
    may: May,
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
    may: May,
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
    assert not [text for text in secrets_of(collection, record, {}) if text in said]


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
                record = record_of(service, collection, one)
                stale, fresh = (aged(service, caller, age) for age in (None, 0))
                try:
                    view = records.read_record(service, stale, name, one)
                except Refused:
                    continue
                may = may_of(service, fresh, collection, record)
                hidden = {*view.masked, *view.withheld}
                assert set(view.revealable) == {
                    field for field in hidden if may("record.reveal", field)
                }, role


def test_a_deidentified_export_shows_no_value_that_it_does_not_say_it_keeps(
    service: Service, callers: Mapping[str, Caller]
) -> None:
    exported = set()
    for role, who in callers.items():
        # Its own, and one of another department.
        for name in {*_near(service, role, 1), "payroll", "shipments"}:
            collection = service.collections[name]
            known = [record_of(service, collection, one) for one in _ids(service, collection)]
            may = may_of(service, who, collection, known[0])
            wanted = Wanted(name, Format.JSONL, reason="a test")
            try:
                content, _ = whole(export_deidentified(service, who, wanted, Anonymity("test")))
            except Refused:
                assert not may("record.export_deidentified"), (role, name)
                continue
            except Conflict:
                # Both are about the same person, whom nobody hides.
                content = b""
            assert may("record.export_deidentified"), (role, name)
            assert role.endswith(".researcher")
            if content:
                exported.add(name)
            how = hows(collection)
            shown = content.decode()
            for record in known:
                told = [
                    text
                    for field in record.field_names
                    if collection.fields[field].sensitive
                    and not _is_told(how[field], record.value(field))
                    for text in texts_of(record.value(field))
                ]
                assert not [text for text in told if text in shown], (role, name)
                assert record.id not in shown
    assert {"payroll", "shipments", "complaints", "transactions"} <= exported


def _is_told(how: Deidentify, value: Any) -> bool:
    """Whether the schema says that the value itself is shown, or just happens to be its band."""
    if how.how is How.BAND and isinstance(value, dict):
        return Decimal(value["amount"]) % Decimal(how.step) == 0
    return how.how is How.KEEP


def test_what_is_wrong_with_a_file_tells_nothing_of_the_records_that_it_would_change(
    service: Service, callers: Mapping[str, Caller]
) -> None:
    for name in ("payments", "payroll", "formulas", "complaints", "datasets", "visitors"):
        collection = service.collections[name]
        head = callers[f"role:{collection.department}.head"]
        known = [record_of(service, collection, one) for one in _ids(service, collection)]
        # One row that cannot be, and one with the values of the other record: whoever sends it
        # learns neither what was there, nor whether some of it was right.
        rows_of: list[dict[str, Any]] = [
            dict.fromkeys(known[0].field_names, "\u2067"),
            {
                field: known[0].value(field)
                for field in known[0].field_names
                if collection.fields[field].type is not FieldType.ATTACHMENT
            },
        ]
        lines_of = [{"id": record.id, **row} for record, row in zip(known, rows_of, strict=True)]
        content = "".join(json.dumps(one) + "\n" for one in lines_of).encode()
        place = sent(
            service,
            head,
            content,
            collection=name,
            form=Form.JSONL,
            on_conflict=OnConflict.UPDATE,
        )
        requests.check_import(service, head, place, by_worker=False)
        assert do_import(service, place, Event()).state == "faulty"
        for role, who in callers.items():
            may = may_of(service, who, collection, known[0])
            try:
                found, faults = requests.import_faults(service, who, place)
            except Refused:
                assert not may("record.import"), (role, name)
                continue
            assert may("record.import"), (role, name)
            assert found.faults == len(faults) > 0
            said = repr(faults)
            for record in known:
                assert not [one for one in secrets_of(collection, record, {}) if one in said]
