"""Tokens of blind indexes: the bytes of docs/reference/formats.md, and what they keep apart."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.records.blind_index import IndexKeys, Kind, cut, token_of, tokens
from secvault.records.collection import Collection
from secvault.records.collection_files import parse_collections

FORMATS = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
ROOT = bytes(range(32))

SCHEMA = """
department = "hr"
title = { en = "Human resources", vi = "Nhân sự" }
[collections.people]
title = { en = "People", vi = "Người" }
[collections.people.fields.name]
title = { en = "Name", vi = "Tên" }
type = "text"
class = "personal"
mask = "hidden"
index = { exact = 32, prefix = { length = 4, bits = 17 }, last = { length = 2, bits = 8 } }
[collections.people.fields.born]
title = { en = "Born", vi = "Sinh" }
type = "date"
class = "personal"
mask = "hidden"
index = { range = { by = "year", bits = 12 }, version = 3 }
[collections.people.fields.note]
title = { en = "Note", vi = "Ghi chú" }
type = "text"
class = "personal"
mask = "hidden"
"""
PEOPLE: Collection = parse_collections({"hr.toml": SCHEMA})["people"]


def by_hand(collection: str, field: str, version: int, message: bytes, bits: int) -> bytes:
    """The token by RFC 5869 and RFC 2104, with nothing of the program."""
    parts = ("secvault/blind-index", collection, field, str(version))
    info = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    extracted = hmac.digest(bytes(32), ROOT, hashlib.sha256)
    key = hmac.digest(extracted, info + b"\x01", hashlib.sha256)
    number = int.from_bytes(hmac.digest(key, message, hashlib.sha256), "big") >> (256 - bits)
    size = -(-bits // 8)
    return (number << (8 * size - bits)).to_bytes(size, "big")


def keys() -> IndexKeys:
    return IndexKeys("people", Secret(ROOT))


def test_the_published_vectors_are_what_the_program_and_a_few_other_lines_make() -> None:
    found = re.search(r"```json blind-index\n(.*?)```", FORMATS.read_text(), re.DOTALL)
    assert found is not None
    vectors = json.loads(found[1])
    assert len(vectors) >= 5
    for one in vectors:
        at = IndexKeys(one["collection"], Secret(bytes.fromhex(one["root"])))
        kind, said = Kind(one["kind"]), one["said"]
        made = token_of(at, one["field"], one["version"], kind, said, one["bits"])
        message = said if one["kind"] == "exact" else f"{one['kind']}\0{said}"
        where = (one["collection"], one["field"], one["version"])
        assert bytes.fromhex(one["root"]) == ROOT
        assert made.hex() == by_hand(*where, message.encode(), one["bits"]).hex() == one["token"]


def test_a_record_has_the_tokens_that_its_schema_asks_for() -> None:
    values: dict[str, JsonValue] = {"name": "NGUYỄN Hoa", "born": "1990-02-03", "note": "x"}
    name = "nguyễn hoa"
    assert tokens(PEOPLE, values, keys()) == [
        ("name", "exact", 1, by_hand("people", "name", 1, name.encode(), 32)),
        ("name", "prefix", 1, by_hand("people", "name", 1, b"prefix\0" + name[:4].encode(), 17)),
        ("name", "last", 1, by_hand("people", "name", 1, b"last\0oa", 8)),
        ("born", "range", 3, by_hand("people", "born", 3, b"range\x001990", 12)),
    ]


def test_what_has_no_value_or_is_too_short_has_no_token() -> None:
    assert tokens(PEOPLE, {"name": None, "note": "secret"}, keys()) == []
    assert [kind for _, kind, _, _ in tokens(PEOPLE, {"name": "Hoa"}, keys())] == ["exact", "last"]


@given(st.binary(min_size=32, max_size=32), st.integers(4, 256))
def test_a_cut_keeps_the_first_bits_and_zeros_the_rest(digest: bytes, bits: int) -> None:
    kept = cut(digest, bits)
    assert len(kept) == -(-bits // 8)
    whole = bin(int.from_bytes(digest, "big"))[2:].zfill(256)
    assert bin(int.from_bytes(kept, "big"))[2:].zfill(8 * len(kept)) == whole[:bits].ljust(
        8 * len(kept), "0"
    )


@pytest.mark.parametrize(
    ("collection", "field", "version"),
    [("people", "name", 2), ("people", "born", 1), ("peoplen", "ame", 1)],
)
def test_collections_fields_and_versions_have_keys_of_their_own(
    collection: str, field: str, version: int
) -> None:
    other = IndexKeys(collection, Secret(ROOT)).key(field, version)
    assert other.expose() != keys().key("name", 1).expose()


def test_a_part_never_has_the_token_of_a_whole_value() -> None:
    made = {token_of(keys(), "name", 1, kind, "abcd", 256) for kind in Kind}
    assert len(made) == len(Kind)


def test_the_keys_are_shown_nowhere() -> None:
    known = keys()
    known.key("name", 1)
    assert "Secret" not in repr(known) or ROOT.hex() not in repr(known)
    assert "_derived" not in repr(known)
