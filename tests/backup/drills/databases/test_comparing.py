"""What differs from what was saved is found and named; what is the same, or near enough, is not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills.databases import comparing
from secvault.backup.drills.databases.comparing import Compared
from secvault.backup.drills.result import Fault

SAVED: dict[str, Any] = {
    "tables": {"staff": 10, "log": 0},
    "sums": {"staff": {"pay": "150.50", "id": "55"}},
    "digests": {"staff": "123456789", "log": "0"},
    "objects": {"views": 1},
}


def told(found: Any, saved: Any = SAVED, tolerance: float = 0.0) -> list[tuple[str, str]]:
    faults = list(comparing.faults("erp", "books", saved, found, tolerance, Compared()))
    return [(fault.code, fault.where) for fault in faults]


def changed(**parts: Any) -> Any:
    return {**copy.deepcopy(SAVED), **parts}


@pytest.mark.parametrize(
    ("found", "code", "where"),
    [
        (changed(tables={"staff": 9, "log": 0}), "rows-lost", "erp: books: staff"),
        (changed(tables={"staff": 11, "log": 0}), "sum-differs", "erp: books: staff"),
        (changed(tables={"staff": 10}), "table-missing", "erp: books: log"),
        (changed(tables={"x": 1}), "dump-of-another-database", "erp: books"),
        (
            changed(sums={"staff": {"pay": "150.51", "id": "55"}}),
            "sum-differs",
            "erp: books: staff",
        ),
        (changed(sums={"staff": {"id": "55"}}), "sum-differs", "erp: books: staff"),
        (changed(digests={"staff": "1", "log": "0"}), "sum-differs", "erp: books: staff"),
        (changed(objects={"views": 0}), "table-missing", "erp: books"),
    ],
)
def test_what_differs_is_named(found: Any, code: str, where: str) -> None:
    assert told(found) == [(code, where)]


def test_no_value_is_in_the_words() -> None:
    found = changed(sums={"staff": {"pay": "98765.4321", "id": "55"}})
    (fault,) = comparing.faults("erp", "books", SAVED, found, 0.0, Compared())
    assert "98765" not in str(fault)
    assert "150" not in str(fault)


def test_an_empty_database_in_place_of_a_full_one_lacks_its_tables() -> None:
    assert {code for code, _ in told(changed(tables={}, objects={}))} == {"table-missing"}


def test_what_was_written_meanwhile_is_compared_roughly() -> None:
    saved = changed(tables={"staff": [100, 120], "log": 0}, digests={"log": "0"})
    for rows in (70, 100, 110, 120, 500):
        found = changed(tables={"staff": rows, "log": 0}, sums={"staff": {"pay": "7"}})
        assert told(found, saved) == []
    assert told(changed(tables={"staff": 50, "log": 0}), saved)[0][0] == "rows-lost"
    # Only updated meanwhile, which the digest tells.
    saved = changed(digests={"log": "0"})
    assert told(changed(sums={"staff": {"pay": "7", "id": "55"}}), saved) == []
    assert told(changed(tables={"staff": 0, "log": 0}), saved)[0][0] == "rows-lost"


def test_a_tolerance_is_a_share_of_what_was_saved() -> None:
    found = changed(
        tables={"staff": 9, "log": 0}, sums={"staff": {"pay": "140", "id": "50"}}, digests={}
    )
    assert told(found, tolerance=0.1) == []
    assert told(found, tolerance=0.05) == [("rows-lost", "erp: books: staff")]


def test_sums_of_floating_numbers_may_differ_in_their_last_digits_and_nan_is_itself() -> None:
    saved = {"tables": {"t": 2}, "sums": {"t": {"x": "0.30000000000000004", "y": "NaN"}}}
    found = {"tables": {"t": 2}, "sums": {"t": {"x": "0.3", "y": "NaN"}}}
    assert told(found, saved) == []
    assert told({**found, "sums": {"t": {"x": "0.3", "y": "1"}}}, saved) != []


rows = st.integers(0, 10**6)
figures = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.tuples(rows, st.dictionaries(st.text(max_size=4), st.decimals(allow_nan=False), max_size=3)),
    max_size=5,
)


def facts(of: Any) -> Any:
    return {
        "tables": {table: count for table, (count, _) in of.items()},
        "sums": {table: {c: str(v) for c, v in sums.items()} for table, (_, sums) in of.items()},
        "digests": {table: str(count * 7) for table, (count, _) in of.items()},
    }


@given(figures)
def test_the_same_is_never_a_fault(of: Any) -> None:
    assert told(json.loads(json.dumps(facts(of))), facts(of)) == []


@given(figures.filter(bool), st.data())
def test_a_lost_row_always_is(of: Any, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(sorted(of)))
    found = facts(of)
    found["tables"][table] -= 1
    assert told(found, facts(of)) == [("rows-lost", f"erp: books: {table}")]


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text(min_size=1))
def test_facts_that_somebody_has_made_up_raise_nothing_but_faults(sums: Any, table: str) -> None:
    saved = {"tables": {table: "many"}, "sums": {table: sums}, "digests": [], "objects": 7}
    for fault in comparing.faults("erp", "books", saved, {"tables": {table: 1}}, 0, Compared()):
        assert isinstance(fault, Fault)


def test_passwords_are_told_as_another_or_as_missing() -> None:
    found = list(
        comparing.passwords("erp", {"a": "1", "b": "2", "c": "3"}, {"a": True, "b": False})
    )
    assert [(fault.code, fault.where) for fault in found] == [
        ("login-wrong", "erp: b"),
        ("login-wrong", "erp: c"),
    ]
