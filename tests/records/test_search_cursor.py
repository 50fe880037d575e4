"""Cursors: of one search and one caller, and unreadable."""

from __future__ import annotations

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.records.search_cursor import cursor_key, cursor_of, place_at
from secvault.records.search_terms import Place, parse_search
from tests.records.searchable import THINGS


def test_a_cursor_continues_its_own_search_of_its_own_caller_and_says_nothing() -> None:
    root = Secret(bytes(range(32)))
    where = {"s_text": "Hoa"}
    asked = parse_search(THINGS, where, "n_text")
    key = cursor_key(root, "things", "user:1")
    place = Place("t-1", "a value that is shown")
    cursor = cursor_of(place, asked, key)
    assert place_at(cursor, asked, key) == place
    assert "t-1" not in cursor
    assert len({cursor_of(place, asked, key) for _ in range(9)}) == 9
    others = [
        (cursor, parse_search(THINGS, {"s_text": "Lan"}, "n_text"), key),
        (cursor, parse_search(THINGS, where, "-n_text"), key),
        (cursor, asked, cursor_key(root, "things", "user:2")),
        (cursor, asked, cursor_key(root, "others", "user:1")),
        (cursor[:-1], asked, key),
        (cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:], asked, key),
        ("", asked, key),
        ("é", asked, key),
        ("A" * 5000, asked, key),
        ("!" * 40, asked, key),
    ]
    for text, of, under in others:
        with pytest.raises(InvalidInput) as refused:
            place_at(text, of, under)
        assert [one.field for one in refused.value.fields] == ["after"]
