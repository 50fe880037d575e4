from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from secvault.clock import Clock, system_clock
from secvault.errors import Conflict, Unavailable
from secvault.store import Store
from secvault.store.epoch import CREDENTIALS, KEYS, POLICY, announce, raise_epoch, read_epochs
from secvault.store.turn import Turns
from secvault.store.watch import FRESH_SECONDS, EpochWatch


@pytest.fixture
def watch(any_store: Store) -> Iterator[EpochWatch]:
    """A watch over the store, which has looked once."""
    made = EpochWatch(any_store, system_clock())
    made.look()
    yield made
    made.close()


def _until(said: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_announced_epoch_grows_once_with_its_transaction(any_store: Store) -> None:
    with any_store.write() as connection:
        announce(connection, KEYS)
        announce(connection, CREDENTIALS)
        announce(connection, KEYS)
        assert read_epochs(connection).keys == 0
    with any_store.write():
        pass
    with any_store.read() as connection:
        assert read_epochs(connection).keys == 1
        assert read_epochs(connection).credentials == 1
        assert read_epochs(connection).policy == 0


def test_a_transaction_that_fails_announces_nothing(any_store: Store, watch: EpochWatch) -> None:
    def fail() -> None:
        with any_store.write() as connection:
            announce(connection, KEYS)
            raise Conflict("no")

    with pytest.raises(Conflict):
        fail()
    with any_store.write():
        pass
    with any_store.read() as connection:
        assert read_epochs(connection).keys == 0


def test_a_change_by_this_process_is_known_when_its_transaction_has_ended(
    any_store: Store, watch: EpochWatch
) -> None:
    for expected in range(1, 20):
        with any_store.write() as connection:
            announce(connection, KEYS)
        seen = watch.present()
        assert seen is not None
        assert seen.keys == expected


def test_a_change_by_another_process_is_noticed(any_store: Store, watch: EpochWatch) -> None:
    with any_store.writer.begin() as connection:
        connection.execute(text("INSERT INTO epoch (name, value) VALUES ('policy', 41)"))
        raise_epoch(connection, POLICY)
    _until(lambda: (seen := watch.present()) is not None and seen.policy == 42)


def test_nothing_is_known_of_a_store_that_does_not_answer(
    any_store: Store, watch: EpochWatch
) -> None:
    assert watch.present() is not None
    with any_store.write() as connection:
        connection.execute(text("ALTER TABLE epoch RENAME TO elsewhere"))
    _until(lambda: watch.present() is None)
    with any_store.write() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO epoch"))
    _until(lambda: watch.present() is not None)


def test_what_was_seen_too_long_ago_is_not_known(any_store: Store) -> None:
    now = [100.0]
    real = system_clock()
    watch = EpochWatch(any_store, Clock(real.wall, lambda: now[0], real.sleep))
    watch.look()
    watch.close()
    assert watch.present() is None
    watch.look()
    assert watch.present() is not None
    now[0] += 1
    assert watch.present() is None


def test_memory_may_be_believed_for_less_long_but_never_longer(any_store: Store) -> None:
    now = [100.0]
    real = system_clock()
    clock = Clock(real.wall, lambda: now[0], real.sleep)
    for asked, believed in ((0.0, 0.0), (0.3, 0.3), (60.0, FRESH_SECONDS)):
        watch = EpochWatch(any_store, clock, asked)
        watch.close()
        watch.look()
        if believed:
            now[0] += believed - 0.01
            assert watch.present() is not None
            now[0] += 0.01
        assert watch.present() is None
        now[0] += 1


def test_a_turn_is_held_by_one_and_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "turn"
    turns, hurried = Turns(file, 20, system_clock()), Turns(file, 0, system_clock())
    inside = 0
    most = 0
    lock = threading.Lock()

    def take() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turns.taken():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    with turns.taken(), pytest.raises(Unavailable, match="busy"), hurried.taken():
        pass
    threads = [threading.Thread(target=take) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert most == 1
    assert file.stat().st_mode & 0o777 == 0o600
