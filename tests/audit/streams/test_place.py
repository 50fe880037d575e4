"""A stream's place in the store: moved by acknowledgement alone, and by one node at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secvault.audit import AuditLog, Event
from secvault.audit.streams import place
from secvault.audit.streams.batch import Batch
from secvault.audit.streams.place import Place
from secvault.store import Store

Reading = Callable[[int], Event]
NOW = 1_790_000_000_000_000


def begun(store: Store, *, history: bool = False) -> Place:
    with store.write() as connection:
        return place.begin(connection, "siem", history=history)


def next_of(store: Store, at: Place, at_once: int = 100) -> Batch | None:
    with store.read() as connection:
        return place.next_batch(connection, at, at_once=at_once, form="json")


def test_a_place_moves_by_what_was_acknowledged_and_goes_back_by_the_overlap(
    any_store: Store, log: AuditLog, reading: Reading
) -> None:
    log.record(reading(0))
    at = begun(any_store)
    assert begun(any_store) == at, "it begins once"
    assert (at.first_seq, at.acknowledged_seq, at.next_seq) == (1, 0, 1)
    assert next_of(any_store, at) is None
    for number in range(1, 8):
        log.record(reading(number))
    batch = next_of(any_store, at, 5)
    assert batch is not None
    assert (batch.first, batch.last) == (1, 5)
    with any_store.write() as connection:
        moved = place.acknowledge(connection, at, batch, NOW)
    assert moved is not None
    assert (moved.acknowledged_seq, moved.next_seq) == (5, 6)
    with any_store.write() as connection:
        place.fail(connection, moved, "timeout", NOW, overlap=2)
        failed = place.read(connection, "siem")
        assert failed == replace(
            moved,
            next_seq=4,
            failing_since=NOW,
            attempts=1,
            reason="timeout",
            next_try_at=NOW + 2 * place.MICROS,
        )
        place.fail(connection, failed, "timeout", NOW + 9, overlap=100)
        again = place.read(connection, "siem")
    assert again is not None
    assert (again.next_seq, again.failing_since, again.attempts) == (1, NOW, 2)
    assert again.acknowledged_seq == 5, "what was acknowledged stays so"
    whole = next_of(any_store, again)
    assert whole is not None
    with any_store.write() as connection:
        done = place.acknowledge(connection, again, whole, NOW + 99)
    assert done is not None
    assert (done.acknowledged_seq, done.failing_since, done.reason) == (7, None, None)


def test_of_two_nodes_with_the_same_batch_one_moves_the_place(
    any_store: Store, log: AuditLog, reading: Reading
) -> None:
    log.record(reading(0))
    at = begun(any_store, history=True)
    batch = next_of(any_store, at)
    assert batch is not None
    with any_store.write() as connection:
        assert place.acknowledge(connection, at, batch, NOW) is not None
        assert place.acknowledge(connection, at, batch, NOW) is None
        place.fail(connection, at, "late", NOW, overlap=0)
        kept = place.read(connection, "siem")
    assert kept is not None
    assert (kept.next_seq, kept.reason) == (1, None)


def test_an_entry_that_is_gone_before_it_was_sent_is_no_gap_to_step_over(
    any_store: Store, log: AuditLog, reading: Reading
) -> None:
    for number in range(4):
        log.record(reading(number))
    at = begun(any_store, history=True)
    missing = replace(at, next_seq=at.next_seq - 1)
    with pytest.raises(LookupError):
        next_of(any_store, missing)


def test_it_stands_still_once(any_store: Store, log: AuditLog, reading: Reading) -> None:
    log.record(reading(0))
    at = begun(any_store)
    with any_store.write() as connection:
        assert not place.stall(connection, at, NOW), "nothing fails"
        place.fail(connection, at, "timeout", NOW, overlap=0)
        assert place.stall(connection, at, NOW)
        assert not place.stall(connection, at, NOW)
