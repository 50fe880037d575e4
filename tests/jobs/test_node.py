from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.jobs import node
from secvault.jobs.durable import Flow
from secvault.jobs.node import DEAD_SECONDS, Watch, hand_over
from secvault.store import Store


@pytest.fixture
def store(any_store: Store) -> Store:
    """A store of each engine."""
    return any_store


@dataclass
class Ledger:
    """What DBOS would know: workflows and who has them."""

    rows: list[Flow]
    version: str = "jobs-1"
    forgotten: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    die_at_resume: bool = False

    def unfinished(self) -> tuple[Flow, ...]:
        return tuple(self.rows)

    def resume(self, jobs: list[str]) -> None:
        if self.die_at_resume:
            raise KeyboardInterrupt
        self.resumed += jobs
        self.rows = [replace(f, status="waiting") if f.job in jobs else f for f in self.rows]

    def forget(self, jobs: list[str]) -> None:
        self.forgotten += jobs
        self.rows = [f for f in self.rows if f.job not in jobs]


def running(job: str, executor: str, version: str = "jobs-1") -> Flow:
    return Flow(job, "running", executor, version)


def beats(store: Store, *ids: str, now: int = 1) -> None:
    with store.write() as connection:
        for id_ in ids:
            node.beat(connection, id_, now)


def rows(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return node.beats(connection)


def take(store: Store, ledger: Ledger, *dead: str, now: int = 100) -> tuple[str, ...]:
    return hand_over(store, ledger, me="me", dead=frozenset(dead), now=now)


def test_a_beat_that_stands_still_for_45_seconds_is_a_dead_node() -> None:
    watch = Watch()
    found = {second: watch.dead({"a": 1, "b": second}, float(second)) for second in range(0, 56, 5)}
    assert found[40] == frozenset()
    assert found[45] == found[55] == frozenset({"a"})


def test_a_node_that_beats_again_lives() -> None:
    watch = Watch()
    for second in range(0, 50, 5):
        watch.dead({"a": 1}, float(second))
    assert watch.dead({"a": 2}, 50.0) == frozenset()


def test_a_minute_in_which_nobody_could_look_kills_nobody() -> None:
    watch = Watch()
    watch.dead({"a": 1}, 0.0)
    assert watch.dead({"a": 1}, 60.0) == frozenset()


@given(st.lists(st.integers(-(10**12), 10**12), min_size=12, max_size=30, unique=True))
def test_a_node_whose_clock_is_wrong_lives_as_long_as_its_beat_changes(values: list[int]) -> None:
    watch = Watch()
    for second, beat_at in enumerate(values):
        assert watch.dead({"a": beat_at}, second * 5.0) == frozenset()


def test_work_of_the_dead_is_resumed_and_work_of_the_living_is_left(store: Store) -> None:
    beats(store, "me", "dead", "alive")
    ledger = Ledger([running("1", "dead"), running("2", "alive"), running("3", "me")])
    assert take(store, ledger, "dead") == ("1",)
    assert ledger.resumed == ["1"]
    assert rows(store).keys() == {"me", "alive"}
    assert take(store, ledger) == ()


def test_a_node_without_a_row_is_dead(store: Store) -> None:
    beats(store, "me")
    ledger = Ledger([running("1", "gone")])
    assert take(store, ledger) == ("1",)
    assert rows(store).keys() == {"me"}


def test_work_begun_by_another_version_begins_anew(store: Store) -> None:
    beats(store, "me", "dead")
    waiting = Flow("2", "waiting", "dead", "jobs-0")
    ledger = Ledger([running("1", "dead", "jobs-0"), waiting, running("3", "dead")])
    assert set(take(store, ledger, "dead")) == {"1", "2", "3"}
    assert ledger.forgotten == ["1", "2"]
    assert ledger.resumed == ["3"]


def test_one_of_eight_that_try_at_once_takes_over(store: Store) -> None:
    beats(store, "me", "dead")
    ledger = Ledger([running("1", "dead"), running("2", "dead")])
    taken: list[str] = []
    threads = [
        threading.Thread(target=lambda now=now: taken.extend(take(store, ledger, "dead", now=now)))
        for now in range(100, 108)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(taken) == sorted(ledger.resumed) == ["1", "2"]
    assert rows(store).keys() == {"me"}


def test_what_was_handed_on_before_the_lock_was_won_is_left_alone(store: Store) -> None:
    beats(store, "me", "dead")

    class Overtaken(Ledger):
        looks = 0

        def unfinished(self) -> tuple[Flow, ...]:
            found = super().unfinished()
            self.looks += 1
            if self.looks == 1:
                # Another comes between our look at the workflows and our look at the nodes.
                hand_over(store, self, me="other", dead=frozenset({"dead"}), now=99)
            return found

    ledger = Overtaken([running("1", "dead")])
    assert take(store, ledger, "dead") == ()
    assert ledger.resumed == ["1"]


def test_a_rescuer_that_dies_on_the_way_is_followed_by_another(store: Store) -> None:
    beats(store, "me", "dead")
    dying = Ledger([running("1", "dead")], die_at_resume=True)
    with pytest.raises(KeyboardInterrupt):
        take(store, dying, "dead", now=50)
    assert rows(store)["dead"] == 50
    ledger = Ledger(dying.rows)
    assert take(store, ledger, now=60) == ()
    watch = Watch()
    found: frozenset[str] = frozenset()
    for second in range(0, int(DEAD_SECONDS) + 5, 5):
        found = watch.dead({"dead": rows(store)["dead"]}, float(second))
    assert take(store, ledger, *found, now=200) == ("1",)


def test_a_node_taken_for_dead_that_wakes_is_listed_again(store: Store) -> None:
    beats(store, "me", "frozen")
    take(store, Ledger([running("1", "frozen")]), "frozen")
    beats(store, "frozen", now=300)
    assert rows(store) == {"me": 1, "frozen": 300}
    with store.write() as connection:
        node.leave(connection, "frozen")
    assert rows(store).keys() == {"me"}
