"""Plans as rows: one version after the other, whoever writes at the same moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from secvault.backup import plan_secrets, plans
from secvault.config import PlanSettings
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound, VersionMismatch
from secvault.store import Store
from secvault.store.tables import backup_plan

KEY = Secret(bytes(32))


@pytest.fixture
def store(any_store: Store) -> Store:
    """A store of each engine."""
    return any_store


def made(store: Store, name: str = "files", **values: Any) -> plans.StoredPlan:
    with store.write() as connection:
        return plans.add(connection, name, plans.parse(values), by="user:an", now=1)


def read(store: Store, name: str = "files") -> plans.StoredPlan:
    with store.read() as connection:
        return plans.get(connection, name)


def changed(store: Store, version: int, **values: Any) -> None:
    with store.write() as connection:
        plans.change(
            connection,
            plans.get(connection, "files"),
            version,
            by="user:binh",
            now=2,
            settings=plans.parse(values),
            paused_at=None,
        )


def test_a_plan_comes_back_as_it_was_written(store: Store) -> None:
    written = made(store, keep_daily=7, windows=["22:00-05:30"], folders=["/srv/tài liệu"])
    assert read(store) == written
    with store.read() as connection:
        assert plans.all_stored(connection) == (written,)
    with pytest.raises(Conflict, match="already"):
        made(store)


def test_of_many_who_change_one_version_at_the_same_moment_one_does(store: Store) -> None:
    made(store)
    won: list[int] = []
    lost: list[VersionMismatch] = []

    def change(number: int) -> None:
        try:
            changed(store, 1, keep_daily=number)
        except VersionMismatch as error:
            lost.append(error)
        else:
            won.append(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    after = read(store)
    assert (after.version, after.settings.keep_daily) == (2, won[0])
    assert (after.made_by, after.changed_by, after.changed_at) == ("user:an", "user:binh", 2)


def test_a_plan_that_is_removed_takes_its_secrets_with_it(store: Store) -> None:
    plan = made(store)
    with store.write() as connection:
        plan_secrets.keep(connection, KEY, "files", plan.settings, {"ping_url": "https://x/1"})
    assert read(store).secrets == {"ping_url"}
    with pytest.raises(VersionMismatch), store.write() as connection:
        plans.remove(connection, plan.name, 7)
    assert read(store).secrets == {"ping_url"}
    with store.write() as connection:
        plans.remove(connection, plan.name, 1)
    with pytest.raises(NotFound):
        read(store)
    # One of its name does not come to them.
    made(store)
    assert read(store).secrets == frozenset()
    with store.read() as connection:
        assert plan_secrets.reveal(connection, KEY, "files", plan.settings, "ping_url") is None


def test_there_is_an_end_to_plans_and_to_the_size_of_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        made(store, excludes=["x" * plans.LARGEST])
    monkeypatch.setattr(plans, "MOST", 2)
    made(store, "one")
    made(store, "two")
    with pytest.raises(Conflict, match="remove one first"):
        made(store, "three")


@pytest.mark.parametrize(
    "text", ["{}x", '{"nope":1}', '{"keep_last": 1}', '{"keep_last":"many"}', "[]"]
)
def test_a_row_that_was_altered_is_named_as_damage(store: Store, text: str) -> None:
    made(store)
    with store.write() as connection:
        connection.execute(update(backup_plan).values(settings=text))
    with pytest.raises(Damaged, match="backup plan files"):
        read(store)


PLANS = st.builds(
    PlanSettings,
    vault=st.just(True),
    excludes=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=3).map(tuple),
    windows=st.lists(st.sampled_from(["22:00-05:30", "12:00-13:00"]), max_size=2).map(tuple),
    keep_last=st.integers(1, 10_000),
    priority=st.integers(0, 100),
    owner=st.text(st.characters(codec="utf-8"), max_size=20),
)


@given(PLANS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settings_are_the_same_after_they_were_written_down(plan: PlanSettings) -> None:
    bare, secrets = plan_secrets.split(plan)
    assert (bare, secrets) == (plan, {})
    assert plans.parse(bare.model_dump(mode="json")) == plan
