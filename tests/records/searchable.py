"""A collection with a sealed and a plain field of every type, and values for them."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection

from secvault.clock import Clock
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.keyring import Keyring
from secvault.keyring.root import Root
from secvault.records.collection import Collection, Field
from secvault.records.collection_files import parse_collections
from secvault.records.record import create_records, ensure_collection_keys
from secvault.records.schema_index import INDEX_TYPES
from secvault.records.search import find_records
from secvault.records.search_terms import Place, parse_search
from secvault.records.value import FieldType
from secvault.store import Store, tables

TYPES = tuple(one for one in FieldType if one is not FieldType.ATTACHMENT)
_RANGES = {
    FieldType.DATE: "month",
    FieldType.DATETIME: "year",
    FieldType.INTEGER: "10",
    FieldType.DECIMAL: "power10",
    FieldType.MONEY: "1000000",
}
# So few that other values share a token with most of them.
BITS = 4


def index_of(type_: FieldType) -> str:
    parts = [f"exact = {BITS}"]
    if type_ in INDEX_TYPES["prefix"]:
        parts.append(f"prefix = {{ length = 2, bits = {BITS} }}")
    if type_ in INDEX_TYPES["last"]:
        parts.append(f"last = {{ length = 2, bits = {BITS} }}")
    if type_ in INDEX_TYPES["range"]:
        parts.append(f'range = {{ by = "{_RANGES[type_]}", bits = {BITS} }}')
    return f"index = {{ {', '.join(parts)} }}"


def _field(type_: FieldType, *, sealed: bool, index: str = "") -> str:
    lines = [f"[collections.things.fields.{'s' if sealed else 'n'}_{type_}]"]
    lines += ['title = { en = "F", vi = "F" }', f'type = "{type_}"']
    lines += ['class = "personal"', 'mask = "hidden"', index] if sealed else ['class = "normal"']
    if type_ is FieldType.CHOICE:
        lines.append('choices = ["draft", "Paid", "paid"]')
    return "\n".join(lines)


def things(indexes: Mapping[FieldType, str] | None = None, version: int = 1) -> Collection:
    """The collection. indexes: in place of those that every sealed field has."""
    known = {one: index_of(one) for one in TYPES} if indexes is None else indexes
    text = 'department = "hr"\ntitle = { en = "HR", vi = "HR" }\n[collections.things]\n'
    text += f'title = {{ en = "Things", vi = "Things" }}\nversion = {version}\n'
    for one in TYPES:
        text += _field(one, sealed=True, index=known.get(one, "")) + "\n"
        text += _field(one, sealed=False) + "\n"
    return parse_collections({"hr.toml": text})["things"]


THINGS = things()

# Letters that normalising, folding, compatibility and combining marks make one of.
_LETTERS = "aAàÀ\u0300\u0301áÁßſsSﬁfiKKkÅÅåĐđΣςσıİiI\u00ad\u200b \u00a0Ⅳ"
_WORDS = st.text(_LETTERS, min_size=1, max_size=6) | st.text(min_size=1, max_size=8)
_AMOUNTS = st.sampled_from(
    ["0", "-1", "1", "9", "10", "999999", "1000000", "1500000.5", "-1500000.25", "99.999999"]
)
RAW: Mapping[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: _WORDS,
    FieldType.INTEGER: st.integers(-12, 32) | st.sampled_from([2**53 - 1, -(2**53) + 1]),
    FieldType.DECIMAL: _AMOUNTS | st.sampled_from(["999999999999999999.999999", "0.000001"]),
    FieldType.MONEY: st.tuples(
        st.sampled_from(["0", "1", "999999", "1000000", "2500000", "-1"]),
        st.sampled_from(["VND", "USD", "EUR"]),
    ).map(lambda pair: {"amount": pair[0], "currency": pair[1]}),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.sampled_from(
        ["0001-01-01", "2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01", "2026-03-15"]
    ),
    FieldType.DATETIME: st.datetimes(timezones=st.just(UTC)).map(
        lambda one: one.replace(year=2024 + one.year % 3, day=1).isoformat()
    ),
    FieldType.EMAIL: st.sampled_from(["a@x.vn", "A@x.vn", "ab@X.vn", "b@y.example", "AB@x.vn"]),
    FieldType.PHONE: st.sampled_from(
        ["0912 345 678", "+84912345678", "0084 912 345 679", "+1 202 555 0101", "0313 345 678"]
    ),
    FieldType.ACCOUNT: st.sampled_from(["001100", "0011-00", "ab 12 34 56", "AB123457X", "990012"]),
    FieldType.IDENTITY_NUMBER: st.sampled_from(
        ["001 099 012 345", "001099012345", "001099012346", "012345678"]
    ),
    FieldType.TAX_CODE: st.sampled_from(
        ["0100109106", "0100109106-001", "01 0010 9106", "0101248141"]
    ),
    FieldType.SOCIAL_INSURANCE_NUMBER: st.sampled_from(
        ["0123456789", "01 2345 6789", "001099012345", "0123456780"]
    ),
    FieldType.IBAN: st.sampled_from(
        ["DE89 3704 0044 0532 0130 00", "de89370400440532013000", "GB82WEST12345698765432"]
    ),
    FieldType.CARD: st.sampled_from(
        ["4111 1111 1111 1111", "4111111111111111", "5500005555555559"]
    ),
    FieldType.CHOICE: st.sampled_from(["draft", "Paid", "paid"]),
}


def stored(field: Field, raw: Any) -> JsonValue:
    """The stored form, None where it is no value of the field."""
    try:
        return field.parse(raw)
    except InvalidInput:
        return None


def raw_of(field: Field) -> st.SearchStrategy[Any]:
    """Values of a field as people type them."""
    return RAW[field.type].filter(lambda raw: stored(field, raw) is not None)


AT = 1_793_700_000_000_000


def keyring_of(store: Store) -> Keyring:
    """The keys of a vault that has the collection, in this store."""
    clock = Clock(wall=lambda: AT, monotonic=lambda: 0.0, sleep=lambda _: None)
    made = Keyring(store, clock, Root("vault-1", Secret(bytes(range(32)))))
    with store.write() as connection:
        ensure_collection_keys(connection, made, (THINGS,))
    return made


def all_pages(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    where: Mapping[str, Any],
    sort: str = "id",
    limit: int = 50,
    hidden: Group[str] = (),
) -> list[str]:
    """The ids of all pages, each of which but the last is full. hidden: what does not count."""
    among = tables.record.c.id.not_in(list(hidden)) if hidden else None
    asked = parse_search(collection, where, sort)
    found: list[str] = []
    after: Place | None = None
    while True:
        page = find_records(connection, keyring, collection, asked, limit, after, among=among)
        found += [one.id for one in page.records]
        if page.ended is None:
            return found
        assert len(page.records) == limit
        after = page.ended


def keep(
    store: Store, keyring: Keyring, batch: Mapping[str, Mapping[str, JsonValue]], of: Collection
) -> None:
    """Store the records."""
    with store.write() as connection:
        create_records(connection, keyring, of, batch, AT)
