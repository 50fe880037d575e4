"""The rows of work under way: one at a time, alive, ended in one clear state."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy import Connection, select, update

from secvault.backup.claims import Claims, PlanBusy, TakenOver
from secvault.backup.progress import Meter
from secvault.backup.restic_answers import Progress
from secvault.backup.steps import step, steps
from secvault.clock import Clock, system_clock
from secvault.errors import BackupFailed, Cancelled, Unavailable
from secvault.store import Store, tables

RUN = tables.backup_run


@pytest.fixture
def claims(sqlite_store: Store) -> Claims:
    return Claims(sqlite_store, system_clock(), "here:worker:1")


def claim(claims: Claims, run_id: str = "run-1") -> None:
    claims.claim(RUN, "nightly", run_id, repository="local", requested_by="user:thu", started_at=1)


def row(claims: Claims, run_id: str = "run-1") -> dict[str, object]:
    with claims.store.read() as connection:
        return dict(connection.execute(select(RUN).where(RUN.c.id == run_id)).one()._mapping)


def ask_for_the_end(claims: Claims, run_id: str = "run-1") -> None:
    with claims.store.write() as connection:
        connection.execute(update(RUN).where(RUN.c.id == run_id).values(cancel_by="user:an"))


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_another_node_ends_the_work_of_a_process_by_its_row(claims: Claims) -> None:
    elsewhere = replace(claims, node="there:worker:2")
    claim(claims)
    began = Event()

    def ask() -> None:
        began.wait(20)
        ask_for_the_end(elsewhere)

    other = Thread(target=ask)
    other.start()

    def work() -> None:
        with claims.at_work(RUN, "run-1", "the backup") as stop:
            began.set()
            eventually(stop.is_set)
            raise Cancelled("stopped on request")

    with pytest.raises(Cancelled, match="cancelled by user:an"):
        work()
    other.join()

    found = row(claims)
    assert (found["state"], found["finished_at"] is not None) == ("cancelled", True)
    assert found["error"] == "cancelled by user:an; what was saved before is kept"


def test_a_run_whose_end_was_asked_for_while_nobody_worked_on_it_is_not_taken_up(
    claims: Claims,
) -> None:
    claim(claims)
    ask_for_the_end(claims)

    with pytest.raises(Cancelled, match="user:an"):
        claim(replace(claims, node="there:worker:2"))
    assert row(claims)["state"] == "cancelled"
    claim(claims, "run-2")


@pytest.mark.parametrize(
    ("error", "again", "state"),
    [
        (Unavailable("no answer"), True, "waiting"),
        (Unavailable("no answer"), False, "failed"),
        (Cancelled("the worker stops"), True, "waiting"),
        (Cancelled("Ctrl-C"), False, "cancelled"),
        (BackupFailed("no space"), False, "failed"),
    ],
)
def test_what_failed_waits_or_has_ended(
    claims: Claims, error: Exception, again: bool, state: str
) -> None:
    claim(claims)
    with (
        pytest.raises(type(error)),
        claims.at_work(RUN, "run-1", "the backup", again=lambda _: again),
    ):
        raise error

    found = row(claims)
    assert (found["state"], found["error"]) == (state, str(error))
    assert (found["finished_at"] is None) == (state == "waiting")


def test_a_run_that_waits_leaves_the_plan_to_others_and_comes_back(claims: Claims) -> None:
    claim(claims)
    claims.end(RUN, "run-1", "waiting", "no answer")
    claim(claims, "run-2")
    with pytest.raises(PlanBusy):
        claim(claims)
    claims.mark(RUN, "run-2", state="done")
    claim(claims)
    assert (row(claims)["state"], row(claims)["error"]) == ("running", None)


def test_progress_is_written_at_most_once_a_second_and_goes_with_its_phase(
    claims: Claims,
) -> None:
    seconds, seen = [0.0], []
    clock = Clock(system_clock().wall, lambda: seconds[0], lambda _: None)
    ticking = replace(claims, clock=clock)
    claim(ticking)
    written: list[object] = []
    meter = Meter(ticking, RUN, "run-1", seen.append)
    for tenth in range(41):
        seconds[0] = tenth / 10
        meter(Progress("backup", tenth, 100, tenth * 1000, 100_000))
        now = row(ticking)["bytes_done"]
        if not written or now != written[-1]:
            written.append(now)

    assert written == [0, 10_000, 20_000, 30_000, 40_000]
    assert len(seen) == 41
    found = row(ticking)
    assert (found["files_done"], found["files_expected"]) == (40, 100)
    assert (found["bytes_expected"], found["rate"], found["seconds_left"]) == (100_000, 10_000, 6)
    ticking.mark(RUN, "run-1", phase="applying retention")
    found = row(ticking)
    assert [found[name] for name in ("bytes_done", "rate", "seconds_left", "source")] == [None] * 4


def test_the_rate_is_that_of_the_last_seconds(claims: Claims) -> None:
    seconds = [0.0]
    clock = Clock(system_clock().wall, lambda: seconds[0], lambda _: None)
    ticking = replace(claims, clock=clock)
    claim(ticking)
    meter = Meter(ticking, RUN, "run-1", lambda _: None)
    done = 0
    for second in range(60):
        seconds[0] = float(second)
        done += 1_000_000 if second < 40 else 1_000
        meter(Progress("backup", 0, None, done, None))
    assert row(ticking)["rate"] == 1_000
    assert row(ticking)["seconds_left"] is None


def test_a_store_that_does_not_answer_does_not_stop_a_backup(claims: Claims) -> None:
    claim(claims)
    seen: list[Progress] = []
    claims.store.close()
    meter = Meter(Unanswering(claims.store, claims.clock, claims.node), RUN, "run-1", seen.append)
    meter(Progress("backup", 1, 2, 3, 4))
    assert len(seen) == 1


class Unanswering(Claims):
    """Claims over a store that is out of reach."""

    def mark(self, *_: object, **__: object) -> None:
        raise Unavailable("the store does not answer")


def test_steps_are_kept_with_their_attempts_and_how_they_ended(claims: Claims) -> None:
    claim(claims)
    with step(claims, "run-1", "stage"):
        pass
    for again in (True, False):
        with (
            pytest.raises(Unavailable),
            step(claims, "run-1", "save", again=lambda _, again=again: again),
        ):
            raise Unavailable("no answer")
        with claims.store.read() as connection:
            last = steps(connection, "run-1")[-1]
        assert (last.name, last.state) == ("save", "waiting" if again else "failed")
    with step(claims, "run-1", "save"):
        pass
    with claims.store.read() as connection:
        found = steps(connection, "run-1")
    assert [(one.name, one.state, one.attempts, one.error) for one in found] == [
        ("stage", "done", 1, None),
        ("save", "done", 3, None),
    ]


def test_work_that_was_given_up_for_dead_stops_and_touches_nothing_of_its_successor(
    claims: Claims,
) -> None:
    claim(claims)
    elsewhere = replace(claims, node="there:worker:2")

    def stopped_for_long() -> None:
        with claims.at_work(RUN, "run-1", "the backup"):
            with claims.store.write() as connection:
                connection.execute(update(RUN).values(beat_at=1))
            elsewhere.release_silent(RUN, "nightly")
            claim(elsewhere, "run-2")
            claims.mark(RUN, "run-1", phase="saving")

    with pytest.raises(TakenOver):
        stopped_for_long()
    assert row(claims)["error"] == "the process that worked on it died"
    assert row(claims, "run-2")["state"] == "running"


def test_whoever_lost_a_run_to_another_node_does_not_end_it_there(claims: Claims) -> None:
    claim(claims)
    elsewhere = replace(claims, node="there:worker:2")

    def stopped_for_long() -> None:
        with claims.at_work(RUN, "run-1", "the backup"):
            claim(elsewhere)
            raise BackupFailed("it was cut off")

    with pytest.raises(BackupFailed):
        stopped_for_long()
    assert (row(claims)["state"], row(claims)["node"]) == ("running", "there:worker:2")


def test_the_signs_of_life_stop_work_that_was_taken_over(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.backup.claims.LOOK_SECONDS", 0.01)
    claim(claims)
    elsewhere = replace(claims, node="there:worker:2")

    def working() -> None:
        with claims.at_work(RUN, "run-1", "the backup") as stop:
            claim(elsewhere)
            eventually(stop.is_set)
            raise Cancelled("stopped on request")

    with pytest.raises(TakenOver):
        working()
    assert row(claims)["state"] == "running"


def test_only_what_counts_waits_for_the_disk(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(claims)
    waited: list[bool] = []
    write = Store.write

    def noted(store: Store, *, lasting: bool = True) -> AbstractContextManager[Connection]:
        waited.append(lasting)
        return write(store, lasting=lasting)

    monkeypatch.setattr(Store, "write", noted)
    claims.mark(RUN, "run-1")
    claims.mark(RUN, "run-1", phase="saving", bytes_done=1)
    with step(claims, "run-1", "stage"):
        pass
    assert waited == [False] * 4

    waited.clear()
    claims.mark(RUN, "run-1", phase="saving", snapshot="5" * 64)
    with step(claims, "run-1", "save"):
        pass
    with pytest.raises(BackupFailed), step(claims, "run-1", "copy"):
        raise BackupFailed("no room")
    assert waited == [True, True, False, False, True]
