"""Rows, sums and digests: what changed meanwhile is known from the one number to the other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.sources import sqlite_figures
from secvault.backup.sources.figures import TableFigures, between


def test_what_was_the_same_is_one_number_and_what_changed_is_two() -> None:
    before = TableFigures(
        {"a": 1, "b": 5, "gone": 1}, {"a": {"x": "1"}, "b": {"x": "9"}}, {"a": "7", "b": "8"}
    )
    after = TableFigures(
        {"a": 1, "b": 3, "new": 1}, {"a": {"x": "1"}, "b": {"x": "2"}}, {"a": "7", "b": "6"}
    )
    assert between(before, after) == {
        "tables": {"a": 1, "b": [3, 5]},
        "sums": {"a": {"x": "1"}, "b": {"x": ["9", "2"]}},
        "digests": {"a": "7"},
    }


def test_without_sums_only_rows_are_told() -> None:
    assert TableFigures({"a": 1}).facts() == {"tables": {"a": 1}}
    assert between(TableFigures({"a": 1}), TableFigures({"a": 1})) == {"tables": {"a": 1}}


values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.binary(max_size=5)
rows = st.lists(st.tuples(values, values), max_size=12)


def figures(content: Any) -> TableFigures:
    found = TableFigures()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", content)
        sqlite_figures.look(connection, "t", found, with_sums=True)
    return found


@given(rows, st.randoms())
def test_the_digest_is_of_the_rows_and_not_of_their_order(content: Any, random: Any) -> None:
    other = random.sample(content, len(content))
    assert figures(content) == figures(other)


@given(rows, st.data())
def test_another_row_or_one_more_gives_another_digest(content: Any, data: st.DataObject) -> None:
    more = [*content, data.draw(st.tuples(values, values))]
    assert figures(more).digests != figures(content).digests
    swapped = [(b, a) for a, b in content]
    if sorted(map(repr, swapped)) != sorted(map(repr, content)):
        assert figures(swapped).digests != figures(content).digests


def test_a_text_and_the_same_bytes_are_not_the_same() -> None:
    assert figures([("x", None)]).digests != figures([(b"x", None)]).digests
