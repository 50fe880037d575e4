from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event as Signal
from threading import current_thread

import pytest
from msgspec.structs import replace as changed
from sqlalchemy import Connection, event, func, select, text

from secvault.audit import AuditLog, Event
from secvault.audit.intake import Intake, Waiting
from secvault.audit.query import page
from secvault.audit.verify import verify
from secvault.clock import Clock
from secvault.errors import AuditUnavailable, InvalidInput
from secvault.store import Store
from secvault.store.tables import audit_event, audit_outbox, epoch

Reading = Callable[[int], Event]


def _requests(store: Store) -> list[str]:
    return [e.event.request for e in page(store, limit=1_000, newest_first=False).events]


def _outbox(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(audit_outbox)).scalar_one()


@contextmanager
def _refusing(store: Store) -> Iterator[list[Exception]]:
    """The store fails each commit of the log's own thread while the list holds an error."""
    failures: list[Exception] = []

    def refuse(_connection: Connection) -> None:
        if failures and current_thread().name == "audit-log":
            raise failures[0]

    event.listen(store.writer, "commit", refuse)
    yield failures
    event.remove(store.writer, "commit", refuse)


def test_an_event_is_in_the_store_when_record_returns(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    assert [log.record(reading(number)) for number in range(3)] == [0, 1, 2]
    with any_store.read() as connection:
        rows = connection.execute(select(audit_event.c.seq, audit_event.c.actor)).all()
    assert rows == [(0, "user:u-7"), (1, "user:u-7"), (2, "user:u-7")]


def test_events_of_one_call_keep_their_order(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    assert log.record_many(map(reading, range(3_000))) == list(range(3_000))
    first = page(any_store, limit=1_000, newest_first=False).events
    assert [e.event.request for e in first] == [f"r-{n}" for n in range(1_000)]
    assert [e.number.counter for e in first] == list(range(1_000))


def test_many_threads_leave_no_gap_and_no_duplicate(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with ThreadPoolExecutor(16) as threads:
        seqs = list(threads.map(log.record, map(reading, range(400))))
    assert sorted(seqs) == list(range(400))
    by_seq = dict(enumerate(_requests(any_store)))
    assert all(by_seq[seq] == f"r-{number}" for number, seq in enumerate(seqs))
    assert verify(any_store, (), origin="any").ok


def test_two_logs_on_one_store_make_one_sequence(
    any_store: Store, stepping: Clock, reading: Reading
) -> None:
    logs = [AuditLog(any_store, stepping, node=f"node-{at}") for at in range(2)]
    with ThreadPoolExecutor(4) as threads:
        seqs = list(threads.map(lambda n: logs[n % 2].record(reading(n)), range(100)))
    for opened in logs:
        opened.close()
    assert sorted(seqs) == list(range(100))
    assert verify(any_store, (), origin="any").ok


def test_time_in_the_log_never_goes_back(
    any_store: Store, stepping: Clock, reading: Reading
) -> None:
    moments = iter([5_000_000, 5_000_001, 4_000_000, 4_000_001, 6_000_000, 6_000_001])
    log = AuditLog(any_store, replace(stepping, wall=lambda: next(moments, 7_000_000)), node="n")
    for number in range(4):
        log.record(reading(number))
    log.close()
    times = [e.t for e in page(any_store, newest_first=False).events]
    assert times == sorted(times)
    assert verify(any_store, (), origin="any").ok


def test_an_event_that_does_not_fit_fails_its_caller_alone(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with pytest.raises(InvalidInput):
        log.record(changed(reading(1), kind="record.stolen"))
    with pytest.raises(InvalidInput):
        log.record_many([reading(2), changed(reading(3), request="r 3")])
    assert log.record(reading(4)) == 0
    assert _requests(any_store) == ["r-4"]


def test_an_enqueued_event_enters_the_log_with_its_transaction(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with any_store.write() as connection:
        connection.execute(epoch.insert().values(name="x", value=1))
        identifier = log.enqueue(connection, reading(1))
        log.enqueue(connection, reading(2))
    assert log.drain() <= 2
    assert _requests(any_store) == ["r-1", "r-2"]
    assert page(any_store, newest_first=False).events[0].id == identifier
    assert _outbox(any_store) == 0


def test_an_enqueued_event_vanishes_with_its_transaction(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    def change() -> None:
        with any_store.write() as connection:
            log.enqueue(connection, reading(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert log.drain() == 0
    assert _requests(any_store) == []


def test_a_kick_appends_the_outbox_without_anybody_waiting(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    done = Signal()

    def committed(_connection: object) -> None:
        done.set()

    with any_store.write() as connection:
        log.enqueue(connection, reading(1))
    event.listen(any_store.writer, "commit", committed)
    log.kick()
    assert done.wait(20)
    log.close()
    assert _requests(any_store) == ["r-1"]


def test_an_outbox_larger_than_a_batch_is_emptied_in_order(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with any_store.write() as connection:
        for number in range(1_200):
            log.enqueue(connection, reading(number))
    log.drain()
    assert _outbox(any_store) == 0
    assert _requests(any_store) == [f"r-{n}" for n in range(1_000)]
    assert verify(any_store, (), origin="any").size == 1_200


def test_what_a_dead_process_left_in_the_outbox_is_appended_at_the_next_start(
    any_store: Store, stepping: Clock, reading: Reading
) -> None:
    before = AuditLog(any_store, stepping, node="node-1")
    before.close()
    with any_store.write() as connection:
        before.enqueue(connection, reading(1))
    AuditLog(any_store, stepping, node="node-1").close()
    assert _requests(any_store) == ["r-1"]
    assert _outbox(any_store) == 0


def test_events_enter_the_log_after_the_change_that_they_followed(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with any_store.write() as connection:
        log.enqueue(connection, reading(1))
    log.record(reading(2))
    assert _requests(any_store) == ["r-1", "r-2"]


def test_an_intent_has_an_id_to_pair_its_outcome_with(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    intent = log.intend(changed(reading(1), kind="backup.run", outcome="intent", detail={}))
    log.record(changed(reading(2), kind="backup.run", correlation=intent, detail={}))
    first, second = page(any_store, newest_first=False).events
    assert first.id == second.event.correlation == intent
    with pytest.raises(InvalidInput):
        log.intend(reading(3))


def test_a_store_that_fails_refuses_the_operation_and_the_log_says_so_later(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    log.record(reading(0))
    with _refusing(any_store) as failures:
        failures.append(RuntimeError("disk on fire"))
        for number in (1, 2):
            with pytest.raises(AuditUnavailable) as refused:
                log.record(reading(number))
            assert "disk on fire" not in refused.value.detail
        assert "RuntimeError" in (log.trouble or "")
        failures.clear()
        log.record(reading(3))
    assert log.trouble is None
    kinds = [(e.event.kind, e.event.count) for e in page(any_store, newest_first=False).events]
    assert kinds == [("record.read", None), ("audit.lost", 2), ("record.read", None)]
    assert verify(any_store, (), origin="any").ok


def test_a_failed_batch_leaves_the_outbox_for_the_next(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with _refusing(any_store) as failures:
        failures.append(RuntimeError())
        with any_store.write() as connection:
            log.enqueue(connection, reading(1))
        with pytest.raises(AuditUnavailable):
            log.drain()
        failures.clear()
        log.drain()
    assert _requests(any_store) == ["r-1"]
    assert verify(any_store, (), origin="any").ok


def test_the_log_recovers_by_itself_when_nobody_asks(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with _refusing(any_store) as failures:
        failures.append(RuntimeError())
        with pytest.raises(AuditUnavailable):
            log.record(reading(1))
        recovered = Signal()
        event.listen(any_store.writer, "commit", lambda _c: recovered.set())
        failures.clear()
        assert recovered.wait(20)
    log.close()
    assert [e.event.kind for e in page(any_store).events] == ["audit.lost"]


def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_counted_as_lost(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    """The server commits, the line breaks before it says so."""
    log.record(reading(0))
    commit = any_store.writer.dialect.do_commit

    def commit_and_break(connection: object) -> None:
        commit(connection)  # type: ignore[arg-type]
        any_store.writer.dialect.do_commit = commit  # type: ignore[method-assign]
        raise ConnectionResetError

    any_store.writer.dialect.do_commit = commit_and_break  # type: ignore[method-assign,assignment]
    with pytest.raises(AuditUnavailable):
        log.record(reading(1))
    log.record(reading(2))
    assert _requests(any_store) == ["r-0", "r-1", "r-2"]
    assert verify(any_store, (), origin="any").ok


def test_a_full_disk_refuses_operations_and_room_heals_it(
    sqlite_store: Store, stepping: Clock, reading: Reading
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1")
    log.record(reading(0))
    with sqlite_store.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    recorded, refused = 0, 0
    for number in range(1, 6):
        try:
            recorded += len(log.record_many([reading(number)] * 100))
        except AuditUnavailable:
            refused += 100
    assert refused
    assert "full" in (log.trouble or "")
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    log.record(reading(9))
    log.close()
    report = verify(sqlite_store, (), origin="any")
    assert report.ok
    assert report.size == 1 + recorded + 1 + 1
    (lost,) = [e.event for e in page(sqlite_store).events if e.event.kind == "audit.lost"]
    assert lost.count == refused


def test_an_operation_waits_no_longer_than_it_was_told_to(
    sqlite_store: Store, stepping: Clock, reading: Reading
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1", wait_seconds=0.2)
    log.record(reading(0))
    with sqlite_store.write(), pytest.raises(AuditUnavailable) as refused:
        log.record(reading(1))
    assert "0.2 seconds" in refused.value.detail
    log.close()
    assert verify(sqlite_store, (), origin="any").ok


def test_an_operation_that_gave_up_in_the_queue_stays_out_of_the_log(
    sqlite_store: Store, stepping: Clock, reading: Reading
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1", wait_seconds=0.3)
    log.record(reading(0))
    with sqlite_store.write(), ThreadPoolExecutor(1) as other:
        held = other.submit(log.record, reading(1))
        with pytest.raises(AuditUnavailable):
            held.result()
        # The writing thread still holds the first batch, so this one never leaves the queue.
        with pytest.raises(AuditUnavailable):
            log.record(reading(2))
    log.close()
    assert "r-2" not in _requests(sqlite_store)
    assert verify(sqlite_store, (), origin="any").ok


def test_a_full_queue_refuses_those_who_come_last(reading: Reading) -> None:
    intake = Intake(limit=2)
    intake.put([Waiting(), Waiting()], 0.01)
    late = Waiting()
    with pytest.raises(AuditUnavailable):
        intake.put([late], 0.01)
    assert len(intake.take(None) or ()) == 2
    intake.put([late], 0.01)
    assert intake.take(None) == [late]


def test_a_list_that_only_half_fits_into_the_queue_is_cancelled() -> None:
    intake = Intake(limit=2)
    three = [Waiting(), Waiting(), Waiting()]
    with pytest.raises(AuditUnavailable):
        intake.put(three, 0.01)
    assert [waiting.outcome.cancelled() for waiting in three] == [True, True, False]


def test_a_closed_log_refuses_but_finishes_what_it_had_taken(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with any_store.write() as connection:
        log.enqueue(connection, reading(1))
    log.close()
    with pytest.raises(AuditUnavailable, match="stopping"):
        log.record(reading(2))
    assert _requests(any_store) == ["r-1"]


def test_a_tampered_outbox_row_stops_the_log_and_is_named(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    with any_store.write() as connection:
        log.enqueue(connection, reading(1))
        connection.execute(text("UPDATE audit_outbox SET id = 'x'"))
    with pytest.raises(AuditUnavailable, match="outbox row x"):
        log.record(reading(2))


def test_a_removed_head_stops_the_log(log: AuditLog, any_store: Store, reading: Reading) -> None:
    log.record(reading(1))
    with any_store.write() as connection:
        connection.execute(text("DELETE FROM audit_head"))
    with pytest.raises(AuditUnavailable, match="head"):
        log.record(reading(2))


def test_a_node_needs_a_name(sqlite_store: Store, stepping: Clock) -> None:
    with pytest.raises(InvalidInput, match="node"):
        AuditLog(sqlite_store, stepping, node="node 1")
