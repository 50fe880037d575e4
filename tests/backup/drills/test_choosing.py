"""Whose turn it is: repositories and snapshots, each in turn, whatever became of the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from secvault.backup.drills import order
from secvault.backup.drills.choosing import last_drilled, next_in_turn, random_below
from secvault.backup.drills.order import AS_SET, LEVELS, DrillOrder, wanted
from secvault.config import PlanSettings
from secvault.config.drills import DrillSettings
from secvault.errors import InvalidInput
from secvault.store import Store, tables

NAMES = ("a", "b", "c")


def drilled(store: Store, repository: str, at: int, state: str = "done") -> None:
    row = {"plan": "p", "phase": "x", "requested_by": "x", "node": "n", "beat_at": at}
    with store.write() as connection:
        connection.execute(
            insert(tables.drill).values(
                id=f"{repository}-{at}", state=state, started_at=at, repository=repository, **row
            )
        )


def turn(store: Store, names: Sequence[str] = NAMES) -> str:
    with store.read() as connection:
        return next_in_turn(names, last_drilled(connection, "p", tables.drill.c.repository, names))


def test_those_that_never_were_come_first_and_then_the_longest_unproven(any_store: Store) -> None:
    assert turn(any_store) == "a"
    drilled(any_store, "a", 10)
    assert turn(any_store) == "b"
    drilled(any_store, "b", 30)
    drilled(any_store, "c", 20)
    assert turn(any_store) == "a"


def test_one_that_fails_again_and_again_keeps_no_other_from_its_turn(any_store: Store) -> None:
    seen = []
    for at in range(6):
        name = turn(any_store)
        seen.append(name)
        drilled(any_store, name, at, "failed" if name == "b" else "done")
    assert seen == [*NAMES, *NAMES]


@given(st.integers(1, 1 << 32), st.binary(min_size=64, max_size=64))
def test_a_number_by_chance_is_one_of_those_asked_for(count: int, drawn: bytes) -> None:
    left = [drawn[at : at + 8] for at in range(0, 64, 8)]
    assert 0 <= random_below(lambda _: left.pop(0) if left else bytes(8), count) < count


def test_what_a_plan_asks_for_is_complete_and_less_is_not() -> None:
    plan = PlanSettings(copies=("far",))
    assert wanted("p", plan, AS_SET).complete
    assert wanted("p", plan, AS_SET).levels == LEVELS
    assert wanted("p", plan, DrillOrder(snapshot="latest")).complete
    for less in (
        DrillOrder(levels=("files",)),
        DrillOrder(extent="sample"),
        DrillOrder(snapshot="0a1b2c3d"),
    ):
        assert not wanted("p", plan, less).complete
    sampled = PlanSettings(drill=DrillSettings(extent="sample", levels=("files",)))
    assert wanted("p", sampled, DrillOrder(extent="whole", levels=("vault", "files"))).complete


def test_what_cannot_be_meant_is_refused() -> None:
    plan = PlanSettings(copies=("far",))
    order.require_sound(DrillOrder(repository="far", snapshot="latest"), plan)
    for wrong in (
        DrillOrder(repository="elsewhere"),
        DrillOrder(snapshot="-h"),
        DrillOrder(levels=("files", "files")),
    ):
        with pytest.raises(InvalidInput):
            order.require_sound(wrong, plan)


def test_an_order_is_kept_until_it_is_done(any_store: Store) -> None:
    asked = DrillOrder(snapshot="0a1b2c3d", levels=("files",))
    with any_store.write() as connection:
        order.keep(connection, "drill-1", "p", asked, 1)
        order.keep(connection, "drill-1", "p", AS_SET, 2)
    with any_store.read() as connection:
        assert order.kept(connection, "drill-1") == asked
        assert order.kept(connection, "drill-2") == AS_SET
