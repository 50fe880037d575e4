"""Searching finds exactly what comparing every record would find, in order, page by page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, update

from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged, InvalidInput
from secvault.keyring import Keyring
from secvault.records import search
from secvault.records.collection import Collection, Field
from secvault.records.normal_form import normal_form, part_form
from secvault.records.record import create_records
from secvault.records.schema_index import INDEX_TYPES
from secvault.records.search import find_records
from secvault.records.search_terms import parse_search
from secvault.records.value import FieldType
from secvault.store import Store, tables
from tests.records.searchable import (
    AT,
    THINGS,
    TYPES,
    all_pages,
    keep,
    keyring_of,
    raw_of,
    stored,
    things,
)

Values = Mapping[str, JsonValue]


class Undone(Exception):
    """Ends a transaction that is not to stay."""


@pytest.fixture
def keyring(any_store: Store) -> Keyring:
    return keyring_of(any_store)


def undone(store: Store, act: Callable[[Connection], None]) -> None:
    """Do it in a transaction, and undo it."""
    with suppress(Undone), store.write() as connection:
        act(connection)
        raise Undone


@contextmanager
def suppress_at(field: Field) -> Iterator[None]:
    """Let pass that an index over this field does not answer, and nothing else."""
    try:
        yield
    except InvalidInput as error:
        if not field.sensitive or [one.field for one in error.fields] != [field.name]:
            raise


def order(field: Field, value: Any) -> Any:
    """What the values of a field are put in order by, said another way than the program does."""
    if field.type is FieldType.MONEY:
        return (value["currency"], Decimal(value["amount"]))
    if field.type in (FieldType.INTEGER, FieldType.DECIMAL):
        return Decimal(str(value))
    if field.type is FieldType.BOOLEAN:
        return value
    return str(value).encode()


def plainly(field: Field, asked: Mapping[str, Any], value: JsonValue) -> bool:
    """Whether comparing the value itself finds it."""
    if value is None:
        return False
    form: Any = normal_form(field.type, value) if field.sensitive else value

    def same(one: Any) -> Any:
        kept = field.parse(one)
        return normal_form(field.type, kept) if field.sensitive else kept

    (word, *_) = asked
    if word == "in":
        return form in [same(one) for one in asked["in"]]
    if word in ("prefix", "last"):
        part = asked[word]
        if field.sensitive:
            part = part_form(field.type, part, ending=word == "last")
        else:
            part = unicodedata.normalize("NFC", part)
        return str(form).startswith(part) if word == "prefix" else str(form).endswith(part)
    ends = {word: field.parse(end) for word, end in asked.items()}
    if field.type is FieldType.MONEY and any(
        end["currency"] != value["currency"]  # type: ignore[call-overload, index]
        for end in ends.values()
    ):
        return False
    low, high = ends.get("from"), ends.get("to")
    return (low is None or order(field, low) <= order(field, value)) and (
        high is None or order(field, value) <= order(field, high)
    )


@st.composite
def conditions(draw: st.DrawFn, field: Field, raws: list[Any]) -> Mapping[str, Any]:
    """What may be asked of a field, mostly about values that are there."""
    some = st.sampled_from(raws) | raw_of(field) if raws else raw_of(field)
    words = ["in"]
    if field.type in INDEX_TYPES["range"]:
        words.append("range")
    if field.type in INDEX_TYPES["prefix"]:
        words += ["prefix"] if field.type is FieldType.EMAIL else ["prefix", "last"]
    word = draw(st.sampled_from(words))
    if word == "in":
        return {"in": draw(st.lists(some, min_size=1, max_size=3))}
    if word == "range":
        low, high = draw(some), draw(some)
        open_end = draw(st.sampled_from(["", "", "from", "to"]))
        ends = {"from": low, "to": high}
        return {end: value for end, value in ends.items() if end != open_end}
    text = str(draw(some))
    cut = draw(st.integers(1, len(text)))
    return {word: text[:cut] if word == "prefix" else text[-cut:]}


@pytest.mark.parametrize("type_", TYPES, ids=str)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_index_finds_exactly_what_comparing_the_values_finds(
    any_store: Store, keyring: Keyring, type_: FieldType, data: st.DataObject
) -> None:
    field = THINGS.fields[f"{data.draw(st.sampled_from('sn'))}_{type_}"]
    raws = data.draw(st.lists(st.none() | raw_of(field), max_size=8))
    there = [raw for raw in raws if raw is not None]
    asked = data.draw(conditions(field, there))
    assume(is_a_question(field, asked))
    batch = {
        f"t-{number}": {field.name: stored(field, raw)} if raw is not None else {}
        for number, raw in enumerate(raws)
    }
    hidden = data.draw(st.sets(st.sampled_from(sorted(batch)))) if batch else set()
    expected = [
        id_
        for id_, kept in batch.items()
        if plainly(field, asked, kept.get(field.name)) and id_ not in hidden
    ]

    def act(connection: Connection) -> None:
        create_records(connection, keyring, THINGS, batch, AT)
        # What the index cannot answer is refused, and says so at the field.
        with suppress_at(field):
            found = all_pages(
                connection, keyring, THINGS, {field.name: asked}, limit=2, hidden=hidden
            )
            assert found == expected

    undone(any_store, act)


def is_a_question(field: Field, asked: Mapping[str, Any]) -> bool:
    try:
        parse_search(THINGS, {field.name: asked})
    except InvalidInput:
        return False
    return True


SORTED = [one for one in THINGS.fields.values() if not one.sensitive]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(SORTED), st.booleans(), st.integers(1, 4))
def test_pages_are_in_the_order_of_a_normal_field_and_then_of_the_id(
    any_store: Store,
    keyring: Keyring,
    data: st.DataObject,
    field: Field,
    descending: bool,
    limit: int,
) -> None:
    raws = data.draw(st.lists(st.none() | raw_of(field), max_size=9))
    batch: dict[str, dict[str, JsonValue]] = {}
    for number, raw in enumerate(raws):
        kept = {} if raw is None else {field.name: stored(field, raw)}
        batch[f"t-{number}"] = {**kept, "s_boolean": number % 3 > 0}
    looked = [id_ for id_, kept in batch.items() if kept["s_boolean"]]
    valued = [id_ for id_ in looked if field.name in batch[id_]]
    valued.sort(key=lambda id_: (order(field, batch[id_][field.name]), id_), reverse=descending)
    rest = sorted((id_ for id_ in looked if id_ not in valued), reverse=descending)

    def act(connection: Connection) -> None:
        create_records(connection, keyring, THINGS, batch, AT)
        sort = f"{'-' if descending else ''}{field.name}"
        where = {"s_boolean": True}
        assert all_pages(connection, keyring, THINGS, where, sort, limit) == valued + rest

    undone(any_store, act)


def test_all_conditions_must_hold(any_store: Store, keyring: Keyring) -> None:
    batch = {
        f"t-{number}": {"s_integer": number % 3, "n_choice": ("draft", "paid")[number % 2]}
        for number in range(12)
    }
    keep(any_store, keyring, batch, THINGS)
    with any_store.read() as connection:
        where = {"s_integer": {"from": 1, "to": 2}, "n_choice": "paid"}
        found = all_pages(connection, keyring, THINGS, where, "-id", 2)
    assert found == ["t-7", "t-5", "t-11", "t-1"]


def test_where_some_records_do_not_count_their_tokens_are_not_looked_at(
    any_store: Store, keyring: Keyring
) -> None:
    """Else how long a search takes would tell how many of them have the value."""
    keep(any_store, keyring, {f"t-{number}": {"s_text": "Hoa"} for number in range(9)}, THINGS)
    said: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if re.search(r"\brecord_index\b", statement):
            said.append(str(parameters))

    hidden = [f"t-{number}" for number in range(7)]
    event.listen(any_store.reader, "before_cursor_execute", listen)
    try:
        with any_store.read() as connection:
            where = {"s_text": "HOA"}
            found = all_pages(connection, keyring, THINGS, where, hidden=hidden)
    finally:
        event.remove(any_store.reader, "before_cursor_execute", listen)
    assert found == ["t-7", "t-8"]
    assert len(said) == 1
    assert "t-7" in said[0]
    assert "t-6" not in said[0]


def test_a_page_is_full_though_most_candidates_are_dropped(
    any_store: Store, keyring: Keyring
) -> None:
    batch = {f"t-{number:03}": {"s_text": f"name {number % 200}"} for number in range(1000)}
    keep(any_store, keyring, batch, THINGS)
    wanted = parse_search(THINGS, {"s_text": "NAME 7"})
    with any_store.read() as connection:
        page = find_records(connection, keyring, THINGS, wanted, 5)
    assert [one.id for one in page.records] == [f"t-{number:03}" for number in range(7, 1000, 200)]
    assert page.ended is None
    assert page.opened > 5


def test_a_page_that_opened_very_many_in_vain_ends_early_and_goes_on(
    any_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_OPENED", 3)
    batch = {f"t-{number}": {"s_boolean": True, "s_date": "2026-01-01"} for number in range(9)}
    batch["t-8"] = {"s_boolean": True, "s_date": "2026-01-31"}
    keep(any_store, keyring, batch, THINGS)
    wanted = parse_search(THINGS, {"s_date": {"from": "2026-01-31", "to": "2026-01-31"}})
    found: list[str] = []
    after, pages = None, 0
    with any_store.read() as connection:
        while pages == 0 or after is not None:
            page = find_records(connection, keyring, THINGS, wanted, 2, after)
            found += [one.id for one in page.records]
            after, pages = page.ended, pages + 1
    assert found == ["t-8"]
    assert pages > 1


@pytest.mark.parametrize(
    ("where", "sort", "field"),
    [
        ({"nothing": 1}, "id", "nothing"),
        ({"A secret in the wrong place": 1}, "id", "(unreadable name)"),
        ({"s_date": None}, "id", "s_date"),
        ({"s_date": {}}, "id", "s_date"),
        ({"s_date": {"from": "2026-01-01", "is": "2026-01-01"}}, "id", "s_date"),
        ({"s_date": {"prefix": "2026"}}, "id", "s_date"),
        ({"s_text": {"from": "a"}}, "id", "s_text"),
        ({"s_text": {"prefix": ""}}, "id", "s_text"),
        ({"s_text": {"prefix": "\u00ad"}}, "id", "s_text"),
        ({"s_text": {"prefix": "\ud800"}}, "id", "s_text"),
        ({"s_text": {"in": []}}, "id", "s_text"),
        ({"s_text": {"in": ["x"] * 51}}, "id", "s_text"),
        ({"s_text": {"in": "x"}}, "id", "s_text"),
        ({"s_money": {"from": {"amount": "1", "currency": "VND"},
                      "to": {"amount": "1", "currency": "USD"}}}, "id", "s_money"),
        ({"n_money": {"from": None}}, "id", "n_money"),
        ({"n_integer": 1.5}, "id", "n_integer"),
        ({}, "s_text", "sort"),
        ({}, "--id", "sort"),
        ({}, "", "sort"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_at_its_field(
    where: dict[str, Any], sort: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_search(THINGS, where, sort)
    assert [one.field for one in refused.value.fields] == [field]


def test_what_no_index_answers_says_what_does(any_store: Store, keyring: Keyring) -> None:
    few = things({FieldType.TEXT: "index = { last = { length = 4, bits = 8 } }"})
    cases: list[tuple[Collection, dict[str, Any], str]] = [
        (few, {"s_integer": 1}, "has no index"),
        (few, {"s_text": {"prefix": "abcd"}}, "the last 4 or more"),
        (few, {"s_text": {"last": "abc"}}, "needs 4 or more of the last"),
        (few, {"s_text": "abc"}, "the last 4 or more"),
        (THINGS, {"s_date": {"from": "2026-01-01"}}, "both ends"),
        (THINGS, {"s_date": {"from": "0001-01-01", "to": "2026-01-01"}}, "too wide"),
    ]
    with any_store.write() as connection:
        for collection, where, words in cases:
            with pytest.raises(InvalidInput, match=words):
                find_records(connection, keyring, collection, parse_search(collection, where), 5)


def test_a_whole_value_is_found_by_the_index_over_its_end(
    any_store: Store, keyring: Keyring
) -> None:
    few = things({FieldType.TEXT: "index = { last = { length = 4, bits = 8 } }"})
    keep(any_store, keyring, {"t-1": {"s_text": "Hoa Mai"}, "t-2": {"s_text": "Lan Mai"}}, few)
    with any_store.read() as connection:
        assert all_pages(connection, keyring, few, {"s_text": "HOA MAI"}) == ["t-1"]


def test_a_value_that_an_older_schema_sealed_is_found_in_clear_too(
    any_store: Store, keyring: Keyring
) -> None:
    """The field was sensitive when the record was written, and is normal now."""
    was = things()
    keep(any_store, keyring, {"t-1": {"s_integer": 7}, "t-2": {"s_integer": 8}}, was)
    fields = dict(was.fields)
    plain = was.fields["n_integer"]
    now = things(version=2)
    fields["s_integer"] = Field(
        "s_integer", plain.title, plain.type, plain.sensitivity, None, plain.required, plain.limits
    )
    now = Collection(now.name, now.department, now.title, fields, version=2)
    with any_store.read() as connection:
        assert all_pages(connection, keyring, now, {"s_integer": 7}) == ["t-1"]
        assert all_pages(connection, keyring, now, {"s_integer": {"from": 8}}) == ["t-2"]


def test_a_damaged_plain_column_is_damage_and_nothing_else(
    any_store: Store, keyring: Keyring
) -> None:
    keep(any_store, keyring, {"t-1": {"n_integer": 7}, "t-2": {"n_integer": 8}}, THINGS)
    for broken in (b"{", b'{"n_integer":9}'):
        with any_store.write() as connection:
            connection.execute(
                update(tables.record).where(tables.record.c.id == "t-2").values(plain=broken)
            )
        with any_store.read() as connection, pytest.raises(Damaged) as found:
            all_pages(connection, keyring, THINGS, {"n_integer": {"from": 1}})
        assert "things" in found.value.detail


def test_a_condition_shows_no_value() -> None:
    asked = parse_search(THINGS, {"s_text": "Hoa", "s_date": {"from": "2026-01-01"}})
    assert "Hoa" not in repr(asked)
    assert "2026" not in repr(asked)
