"""Any bit, any value, any row of what is kept of records changed: damage, or no matter.

Records here share data keys, so that what binds an envelope to its record is tried alone. What
stands in `record_index` is only ever a hint: which records may be meant; it decides nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from secvault.errors import Damaged, NotFound
from secvault.store import open_store
from tests.records.ledger import Ledger, entry, opened, reopened, values

pytestmark = pytest.mark.slow

KEPT: Mapping[str, Mapping[str, Any]] = {
    "pay-1": entry("nv-1", "0011002233445", note="x"),
    "pay-2": entry("nv-1", "9876543210123", name="Trần Văn Minh"),
    "pay-3": entry("nv-2", "0071000111111", month="2026-12"),
    "own-1": entry(None, "0071000222222"),
}
PLACES: Mapping[str, tuple[str, ...]] = {
    "record": (
        "collection",
        "id",
        "subject",
        "version",
        "plain",
        "tag",
        "created_at",
        "updated_at",
    ),
    "record_field": ("collection", "record", "field", "envelope"),
    "data_key": ("collection", "subject", "wrapped"),
}
"""What the tags and the data keys bind."""
HINTS: Mapping[str, tuple[str, ...]] = {
    "record": ("schema_version", "person", "team"),
    "record_index": ("collection", "field", "kind", "version", "token", "record"),
    "data_key": ("created_at",),
}


def columns(places: Mapping[str, tuple[str, ...]]) -> st.SearchStrategy[tuple[str, str]]:
    return st.sampled_from([(table, name) for table, names in places.items() for name in names])


@dataclass(frozen=True)
class Changed:
    """A copy of the database with the records, to be changed by the back door."""

    file: Path
    database: sqlite3.Connection

    def values(self, table: str, name: str) -> list[Any]:
        """All values of a column, in the order of the rows."""
        found = self.database.execute(f"SELECT {name} FROM {table} ORDER BY {_ROW[table]}")
        return [value for (value,) in found]

    def put(self, table: str, name: str, values: Mapping[int, Any]) -> None:
        """Put these values into a column, by the number of the row."""
        row = _ROW[table]
        rows = self.database.execute(f"SELECT {row} FROM {table} ORDER BY {row}").fetchall()
        # Two that change places go by a third value, which no key forbids.
        between = [(number, f"~{number}") for number in values] if len(values) > 1 else []
        places = ", ".join("?" * len(rows[0]))
        statement = f"UPDATE {table} SET {name} = ? WHERE ({row}) = ({places})"
        try:
            for number, value in (*between, *values.items()):
                self.database.execute(statement, (value, *rows[number]))
        except sqlite3.IntegrityError:
            # There is such a row already: not even SQL can do this.
            reject()

    def outcome(self) -> dict[str, Any]:
        """By record, what comes of reading it; and of reading all."""
        with self.ledger() as ledger:
            found = {one: _said(lambda one=one: ledger.read(one)) for one in KEPT}  # type: ignore[misc]
            return {**found, "all": _said(lambda: list(ledger.read_all()))}

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger over it."""
        store = open_store(f"sqlite:///{self.file}")
        try:
            yield reopened(store)
        finally:
            store.close()


_ROW = {
    **dict.fromkeys(("record", "record_field", "data_key"), "rowid"),
    # Which has no other name for its rows than all of them.
    "record_index": "collection, field, kind, version, token, record",
}


@pytest.fixture(scope="module")
def original(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the records, one of them changed once."""
    file = tmp_path_factory.mktemp("damaged") / "whole.db"
    shutil.copy(migrated_file, file)
    store = open_store(f"sqlite:///{file}")
    ledger = opened(store)
    ledger.create_all({name: dict(said) for name, said in KEPT.items()})
    ledger.update("pay-1", {"month": "2026-10"}, 1)
    store.close()
    return file


@contextmanager
def copied(original: Path, folder: Path) -> Iterator[Changed]:
    """A copy of it in this folder, in place of the one before."""
    file = folder / "changed.db"
    for left in folder.glob("changed.db*"):
        left.unlink()
    shutil.copy(original, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        yield Changed(file, database)


def _said(act: Callable[[], Any]) -> Any:
    try:
        read = act()
        return read if isinstance(read, list) else (read.version, values(read))
    except Damaged:
        return "damaged"
    except NotFound:
        return "not found"


WHOLE: Mapping[str, Any] = {
    **{name: (1, dict(said)) for name, said in KEPT.items()},
    "pay-1": (2, {**KEPT["pay-1"], "month": "2026-10"}),
    "all": sorted(KEPT),
}


def assert_found(outcome: Mapping[str, Any]) -> None:
    """It was noticed where it matters, and nobody got anything else than was written."""
    assert outcome != WHOLE
    for name in KEPT:
        assert outcome[name] in (WHOLE[name], "damaged", "not found")


def flipped(value: Any, bit: int) -> Any:
    if isinstance(value, bytes):
        number = int.from_bytes(value, "big") ^ 1 << bit % (8 * len(value))
        return number.to_bytes(len(value), "big")
    if isinstance(value, int):
        return value ^ 1 << bit % 48
    place = bit // 5 % len(value)
    # The five low bits of a letter or digit make another one, or a sign.
    return value[:place] + chr(ord(value[place]) ^ 1 << bit % 5) + value[place + 1 :]


COPYING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_undamaged_copy_reads(original: Path, tmp_path: Path) -> None:
    with copied(original, tmp_path) as copy:
        assert copy.outcome() == WHOLE


@COPYING
@given(at=columns(PLACES), row=st.integers(0), bit=st.integers(0))
def test_a_flipped_bit_of_what_is_bound_is_found(
    original: Path, tmp_path: Path, at: tuple[str, str], row: int, bit: int
) -> None:
    with copied(original, tmp_path) as copy:
        kept = copy.values(*at)
        number = row % len(kept)
        copy.put(*at, {number: flipped(kept[number], bit)})
        assert_found(copy.outcome())


@COPYING
@given(at=columns(PLACES), rows=st.tuples(st.integers(0), st.integers(0)))
def test_two_swapped_values_of_what_is_bound_are_found(
    original: Path, tmp_path: Path, at: tuple[str, str], rows: tuple[int, int]
) -> None:
    with copied(original, tmp_path) as copy:
        kept = copy.values(*at)
        one, other = (row % len(kept) for row in rows)
        assume(kept[one] != kept[other])
        copy.put(*at, {one: kept[other], other: kept[one]})
        assert_found(copy.outcome())


@COPYING
@given(
    at=columns(PLACES),
    row=st.integers(0),
    value=st.sampled_from([0, 7, "", "x", b"", b"x", 1.5, "2026", b"{}", '{"month":1}']),
)
def test_a_value_of_any_other_type_is_found(
    original: Path, tmp_path: Path, at: tuple[str, str], row: int, value: object
) -> None:
    with copied(original, tmp_path) as copy:
        kept = copy.values(*at)
        copy.put(*at, {row % len(kept): value})
        assume(copy.values(*at) != kept)
        assert_found(copy.outcome())


@COPYING
@given(table=st.sampled_from(sorted(PLACES)), row=st.integers(0))
def test_a_row_that_is_gone_is_found(original: Path, tmp_path: Path, table: str, row: int) -> None:
    with copied(original, tmp_path) as copy:
        kept = len(copy.values(table, "collection"))
        copy.database.execute(
            f"DELETE FROM {table} WHERE rowid IN "
            f"(SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET ?)",
            (row % kept,),
        )
        assert_found(copy.outcome())


@settings(COPYING, max_examples=25)
@given(at=columns(HINTS), rows=st.tuples(st.integers(0), st.integers(0)), bit=st.integers(0))
def test_a_changed_hint_changes_nothing_that_is_read(
    original: Path, tmp_path: Path, at: tuple[str, str], rows: tuple[int, int], bit: int
) -> None:
    with copied(original, tmp_path) as copy:
        kept = copy.values(*at)
        one, other = (row % len(kept) for row in rows)
        new = kept[other] if kept[one] != kept[other] else flipped(kept[one] or "none", bit)
        copy.put(*at, {one: new})
        assert copy.outcome() == WHOLE
        with copy.ledger() as ledger:
            # What the index of a record has to be, its values say.
            assert (ledger.tokens() == ledger.tokens_due()) == (at[0] != "record_index")
            for name in KEPT:
                ledger.reseal(name)
            assert {name: _said(lambda name=name: ledger.read(name)) for name in KEPT} == {  # type: ignore[misc]
                name: WHOLE[name] for name in KEPT
            }
            assert ledger.tokens_due() <= ledger.tokens()


@pytest.mark.parametrize(
    "places",
    [
        (("record", "id"), ("record_field", "record")),
        (("record", "id"),),
        (("record_field", "record"),),
    ],
    ids=["records", "rows", "fields"],
)
def test_two_records_under_one_key_cannot_take_each_others_place(
    original: Path, tmp_path: Path, places: tuple[tuple[str, str], ...]
) -> None:
    with copied(original, tmp_path) as copy:
        for table, name in places:
            for before, after in (("pay-1", "~"), ("pay-2", "pay-1"), ("~", "pay-2")):
                copy.database.execute(
                    f"UPDATE {table} SET {name} = ? WHERE {name} = ?", (after, before)
                )
        outcome = copy.outcome()
        assert (outcome["pay-1"], outcome["pay-2"]) == ("damaged", "damaged")
        assert (outcome["pay-3"], outcome["own-1"]) == (WHOLE["pay-3"], WHOLE["own-1"])


def test_a_field_of_a_sibling_under_the_same_key_does_not_open(
    original: Path, tmp_path: Path
) -> None:
    with copied(original, tmp_path) as copy:
        copy.database.execute(
            "UPDATE record_field SET envelope = (SELECT envelope FROM record_field WHERE "
            "record = 'pay-2' AND field = 'account') WHERE record = 'pay-1' AND field = 'account'"
        )
        with copy.ledger() as ledger, pytest.raises(Damaged, match="ledger/pay-1/account"):
            ledger.read("pay-1")


@pytest.mark.parametrize("subject", ["nv-2", "own-1", "pay-1"])
def test_a_record_put_under_the_key_of_another_subject_does_not_open(
    original: Path, tmp_path: Path, subject: str
) -> None:
    with copied(original, tmp_path) as copy:
        copy.database.execute("UPDATE record SET subject = ? WHERE id = 'pay-1'", (subject,))
        assert copy.outcome()["pay-1"] == "damaged"
