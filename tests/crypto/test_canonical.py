from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secvault.crypto.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    JsonValue,
    canonical_json,
    parse_canonical,
)
from secvault.errors import Damaged, InvalidInput

texts = st.text(st.characters(exclude_categories=["Cs"]))
ascii_keys = st.text(st.characters(max_codepoint=127), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ascii_keys, inner, max_size=5),
    max_leaves=25,
)


def restated(value: JsonValue) -> str:
    """RFC 8785, section 3.2, written out by hand for the values that secvault allows."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            short = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r", 34: r"\"", 92: r"\\"}
            return '"' + "".join(
                short.get(ord(one), one if ord(one) >= 32 else f"\\u{ord(one):04x}")
                for one in value
            ) + '"'  # fmt: skip
        case list():
            return "[" + ",".join(restated(item) for item in value) + "]"
        case dict():
            in_order = sorted(value, key=lambda name: name.encode("utf-16-be"))
            return "{" + ",".join(f"{restated(n)}:{restated(value[n])}" for n in in_order) + "}"


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@given(value=values)
@example(value={"\x7f": "\x7f\u2028</script>", "\x00": "\x1f\b\f", "a\\": '"', "": []})
def test_the_bytes_are_those_of_rfc_8785(value: JsonValue) -> None:
    assert canonical_json(value) == restated(value).encode()


@given(value=values)
def test_what_was_written_reads_back_with_its_types(value: JsonValue) -> None:
    back = parse_canonical(canonical_json(value))

    assert back == value
    assert repr_sorted(back) == repr_sorted(value)


def repr_sorted(value: Any) -> str:
    """Tells True from 1, which compare equal."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{repr_sorted(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_sorted, value)) + "]"
    return repr(value)


# Source: cyberphone/json-canonicalization, testdata (Apache-2.0), without its floating point.
@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (
            {"1": {"f": {"f": "hi", "F": 5}, "\n": 56}, "10": {}, "": "empty", "a": {}, "111": [{}],
             "A": {}},
            '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}',
        ),
        ([56, {"d": True, "10": None, "1": []}], '[56,{"1":[],"10":null,"d":true}]'),
        (
            {"escaping": "\u20ac$\x0f\nA'B\"\\\\\"/", "literals": [None, True, False]},
            '{"escaping":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/","literals":[null,true,false]}',
        ),
        ({"Unnormalized Unicode": "A\u030a"}, '{"Unnormalized Unicode":"A\u030a"}'),
    ],
)  # fmt: skip
def test_the_published_examples_come_out_byte_for_byte(value: JsonValue, canonical: str) -> None:
    assert canonical_json(value) == canonical.encode()
    assert parse_canonical(canonical.encode()) == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "value: floating point"),
        ({"a": [0, float("nan")]}, "/a/1: floating point"),
        ({"a/b": {"~": 2**53}}, "/a~1b/~0: integers must be below"),
        ([-(2**53)], "/0: integers must be below"),
        ({"lương": 1}, "value: keys must be ASCII"),
        ({1: 1}, "value: keys must be ASCII"),
        ((1, 2), "value: tuple has no place"),
        ({"a": b"bytes"}, "/a: bytes has no place"),
        ("\ud800", "lone surrogate"),
        ([["\udfff x"]], "lone surrogate"),
        (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_has_no_canonical_form_is_refused_by_place_and_mend(value: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        canonical_json(value)


def test_a_refusal_never_shows_the_value() -> None:
    for value in (4111.11, 2**60 + 4111, [b"4111"], {"a": "\ud8004111"}):
        with pytest.raises(InvalidInput) as caught:
            canonical_json(value)  # type: ignore[arg-type]
        assert "4111" not in str(caught.value) + str(caught.value.fields)


def test_nesting_is_allowed_up_to_the_limit_and_endless_nesting_is_refused() -> None:
    assert parse_canonical(canonical_json(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    endless: list[JsonValue] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="nested deeper"):
        canonical_json(endless)


def test_integers_up_to_the_limit_are_kept() -> None:
    assert canonical_json([MAX_INTEGER, -MAX_INTEGER]) == b"[9007199254740991,-9007199254740991]"


def test_names_of_an_enumeration_are_written_as_their_values() -> None:
    class Level(enum.IntEnum):
        HIGH = 3

    class Kind(enum.StrEnum):
        READ = "read"

    assert canonical_json({"kind": Kind.READ, "level": Level.HIGH}) == b'{"kind":"read","level":3}'


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b"1\n", b"\xef\xbb\xbf1", b"-0", b"01", b"1.0", b"1e3", b"NaN",
        b"Infinity", b"-Infinity", b"9007199254740992", b'{"a":1,"a":1}', b'{"a":1,"a":2}',
        b'{"b":1,"a":2}', b'{"a": 1}', b"[1,]", b"[1", b'"\\u0041"', b'"\\/"', b'"\\ud800"',
        b'"\\u000F"', b'"\x00"', b'"\xff"', b'"\xed\xa0\x80"', b"'a'", b"undefined", b"nul",
        b'{"\xc3\xb6":1}', b"[" * 100_000, b"[" * 33 + b"]" * 33, b"9" * 5000,
    ],
)  # fmt: skip
def test_bytes_that_are_not_canonical_are_damaged(data: bytes) -> None:
    with pytest.raises(Damaged, match="The drill report is not canonical JSON"):
        parse_canonical(data, "The drill report")


@given(data=st.binary() | st.text('{}[]",:0123456789.eE+-truefalsn\\u ').map(str.encode))
def test_reading_arbitrary_bytes_gives_their_own_value_or_damaged(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except Damaged:
        return
    assert canonical_json(value) == data
