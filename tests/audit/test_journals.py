"""Journals and the log: what was kept enters the log once, whoever dies, and fails closed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from secvault.audit import AuditLog, Event
from secvault.audit.journals import Journals
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import page
from secvault.audit.verify import verify
from secvault.clock import Clock, system_clock
from secvault.errors import AuditUnavailable
from secvault.store import Store, open_store

PROGRAM = Path(__file__).with_name("writing_process.py")
HALF = 64 * 1024
FOR_EVER = 1_000_000

Reading = Callable[[int], Event]


@pytest.fixture
def folder(sqlite_store: Store) -> Path:
    """Where the journals of the store lie."""
    return Path(f"{sqlite_store.writer.url.database}-audit")


def _log(store: Store, folder: Path, node: str = "n", **given: object) -> AuditLog:
    journals = Journals(folder, system_clock(), half_bytes=HALF, **given)  # type: ignore[arg-type]
    return AuditLog(store, system_clock(), node=node, journals=journals)


def _kept(log: AuditLog, event: Event) -> None:
    """Keep it in the journal, which is made when it is first asked for."""
    made = log.draft(event)
    deadline = time.monotonic() + 20
    while not log.keep([made]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _events(store: Store) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    after = None
    while True:
        part = page(store, after=after, limit=1_000, newest_first=False)
        events += part.events
        if part.next is None:
            return events
        after = part.next


def _requests(store: Store) -> list[str]:
    return [event.event.request for event in _events(store) if event.event.request]


def _is_whole(store: Store) -> bool:
    return verify(store, (), origin="any").problems == ()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@contextmanager
def _broken(store: Store) -> Iterator[None]:
    """Nothing can be appended to the log meanwhile."""
    with store.write() as connection:
        connection.execute(text("ALTER TABLE audit_head RENAME TO elsewhere"))
    try:
        yield
    finally:
        with store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO audit_head"))


@contextmanager
def _process(store: Store, name: str, count: int = FOR_EVER) -> Iterator[subprocess.Popen[bytes]]:
    url = f"sqlite:///{store.writer.url.database}"
    command = [sys.executable, str(PROGRAM), url, "keep", name, str(count)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: subprocess.Popen[bytes], lines: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().decode().strip() for _ in range(lines)]


def _killed(process: subprocess.Popen[bytes]) -> list[str]:
    """What it had acknowledged beyond what was read."""
    assert process.stdout is not None
    process.kill()
    rest = process.stdout.read().splitlines(keepends=True)
    return [line.decode().strip() for line in rest if line.endswith(b"\n")]


def test_what_is_kept_enters_the_log_soon_and_in_order(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    for number in range(300):
        _kept(log, reading(number))
    deadline = time.monotonic() + 20
    while len(_requests(sqlite_store)) < 300 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _requests(sqlite_store) == [f"r-{number}" for number in range(300)]
    log.close()
    assert _files(folder) == []
    assert _is_whole(sqlite_store)


def test_a_power_cut_takes_nothing_that_was_acknowledged_and_repeats_nothing(
    sqlite_store: Store, folder: Path, reading: Reading, tmp_path: Path
) -> None:
    """The database as it was on disk at each moment, with the journals of that moment."""
    on_disk = tmp_path / "on-disk.db"
    waited = []
    within = Store.write

    @contextmanager
    def write(store: Store, *, lasting: bool = True) -> Iterator[Connection]:
        with within(store, lasting=lasting) as connection:
            yield connection
            wrote = connection.connection.driver_connection.total_changes  # type: ignore[union-attr]
        # A commit that changed nothing does not wait for the disk.
        if lasting and wrote != (waited[-1] if waited else 0):
            waited.append(wrote)
            _copied(store, on_disk)

    cuts = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "write", write)
        log = _log(sqlite_store, folder)
        for number in range(900):
            _kept(log, reading(number))
            if number % 90 == 89:
                cut = tmp_path / f"cut-{number}"
                cut.mkdir()
                # The database first: it has on disk whatever the journals gave up for it.
                shutil.copy(on_disk, cut / "vault.db")
                shutil.copytree(folder, cut / "vault.db-audit")
                cuts.append((number + 1, cut / "vault.db"))
                time.sleep(0.15)
        log.close()
    lagging = 0
    for count, database in cuts:
        store = open_store(f"sqlite:///{database}")
        lagging += len(_requests(store)) < count
        after = _log(store, Path(f"{database}-audit"))
        after.drain()
        after.close()
        assert _requests(store) == [f"r-{number}" for number in range(count)]
        assert _is_whole(store)
        store.close()
    assert lagging, "no cut came before the log was on disk"


def _copied(store: Store, to: Path) -> None:
    beside = to.with_suffix(".new")
    with (
        closing(sqlite3.connect(store.writer.url.database or "")) as source,
        closing(sqlite3.connect(beside)) as copy,
    ):
        source.backup(copy)
    beside.replace(to)


def test_what_was_moved_without_waiting_for_the_disk_is_on_disk_soon(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.drain()
    _kept(log, reading(1))
    journals = log._journals
    assert journals is not None
    deadline = time.monotonic() + 20
    while any(one.taken != one.durable for one in journals._mine()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # Without another commit that waits: the next to take the journal may overwrite it.
    assert _requests(sqlite_store) == ["r-0", "r-1"]
    log.close()


def test_what_is_recorded_after_it_stands_after_it(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    for number in range(0, 40, 2):
        _kept(log, reading(number))
        log.record(reading(number + 1))
    log.close()
    assert _requests(sqlite_store) == [f"r-{number}" for number in range(40)]


def test_without_a_journal_nothing_is_kept(sqlite_store: Store, reading: Reading) -> None:
    log = AuditLog(sqlite_store, system_clock(), node="n")
    assert not log.keep([log.draft(reading(0))])
    log.close()
    assert _requests(sqlite_store) == []


def test_a_closed_log_keeps_nothing(sqlite_store: Store, folder: Path, reading: Reading) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.close()
    assert not log.keep([log.draft(reading(1))])
    assert _requests(sqlite_store) == ["r-0"]


@pytest.mark.parametrize("kills", [3, pytest.param(15, marks=[pytest.mark.slow, pytest.mark.real])])
def test_what_killed_processes_had_acknowledged_is_in_the_log_once(
    sqlite_store: Store, folder: Path, kills: int
) -> None:
    acknowledged: list[str] = []
    for number in range(kills):
        with (
            _process(sqlite_store, f"a{number}") as first,
            _process(sqlite_store, f"b{number}") as second,
        ):
            acknowledged += _said(first, 100 + 211 * number % 700) + _said(second, 50)
            acknowledged += _killed(first) + _killed(second)
    assert _files(folder)
    log = _log(sqlite_store, folder)
    log.drain()
    log.close()
    assert _files(folder) == []
    requests = _requests(sqlite_store)
    assert len(set(requests)) == len(requests)
    assert set(acknowledged) <= set(requests)
    # Whatever else was under way: at most one event of each of four threads.
    assert len(requests) - len(acknowledged) <= 2 * 4 * kills
    assert _is_whole(sqlite_store)


def test_what_a_living_process_has_acknowledged_is_in_the_log_after_a_drain_and_only_once(
    sqlite_store: Store, folder: Path
) -> None:
    log = _log(sqlite_store, folder)
    with _process(sqlite_store, "a", 3_000) as process:
        acknowledged: list[str] = []
        while len(acknowledged) < 3_000:
            acknowledged += _said(process, 500)
            log.drain()
            assert set(acknowledged) <= set(_requests(sqlite_store))
        assert process.wait(60) == 0
    log.close()
    assert sorted(_requests(sqlite_store)) == sorted(acknowledged)
    assert _files(folder) == []
    assert _is_whole(sqlite_store)


def test_a_dead_journal_that_several_take_at_once_is_taken_once(
    sqlite_store: Store, folder: Path
) -> None:
    with _process(sqlite_store, "a") as process:
        acknowledged = _said(process, 300)
        # Nothing can be taken meanwhile.
        with sqlite_store.write():
            acknowledged += _said(process, 40) + _killed(process)
    barrier = threading.Barrier(4, timeout=120)

    def take(number: int) -> None:
        barrier.wait()
        log = _log(sqlite_store, folder, f"n{number}")
        log.drain()
        log.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    requests = _requests(sqlite_store)
    assert len(set(requests)) == len(requests)
    assert set(acknowledged) <= set(requests)
    assert _files(folder) == []
    assert _is_whole(sqlite_store)


def test_what_the_log_cannot_take_waits_in_the_journal_until_that_is_full(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.drain()
    kept = 1
    with _broken(sqlite_store):
        while log.keep([log.draft(reading(kept))]):
            kept += 1
        with pytest.raises(AuditUnavailable):
            log.record(reading(1_000_000))
    assert kept * 400 > HALF
    log.drain()
    assert _requests(sqlite_store) == [f"r-{number}" for number in range(kept)]
    _kept(log, reading(kept))
    log.close()
    assert _is_whole(sqlite_store)


def test_what_the_log_could_not_take_before_the_end_is_taken_at_the_next_start(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.drain()
    with _broken(sqlite_store):
        _kept(log, reading(1))
        log.close()
    assert _files(folder)
    AuditLog(
        sqlite_store, system_clock(), node="n", journals=Journals(folder, system_clock())
    ).close()
    assert _requests(sqlite_store) == ["r-0", "r-1"]
    assert _files(folder) == []


def test_after_a_fault_of_the_disk_nothing_is_acknowledged_by_that_journal_and_the_gap_is_told(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    broken = False

    def sync(handle: int) -> None:
        if broken:
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(handle)

    log = _log(sqlite_store, folder, sync=sync)
    _kept(log, reading(0))
    (first,) = _files(folder)
    broken = True
    with pytest.raises(AuditUnavailable, match="Input/output error"):
        log.keep([log.draft(reading(1)), log.draft(reading(2))])
    assert log.trouble is not None
    broken = False
    _kept(log, reading(3))
    log.drain()
    assert log.trouble is None
    (second,) = _files(folder)
    assert second != first
    log.close()
    assert _requests(sqlite_store) == ["r-0", "r-3"]
    assert [e.event.count for e in _events(sqlite_store) if e.event.kind == "audit.lost"] == [2]
    assert _is_whole(sqlite_store)


def test_a_damaged_journal_stops_the_log_until_somebody_moves_it_away(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.drain()
    with _broken(sqlite_store):
        for number in range(1, 6):
            _kept(log, reading(number))
        log.close()
    (file,) = _files(folder)
    file.write_bytes(file.read_bytes().replace(b"pay-3", b"pay-9"))
    after = _log(sqlite_store, folder)
    with pytest.raises(AuditUnavailable, match=r"journal .* is damaged"):
        after.record(reading(10))
    file.rename(folder.with_name("for-the-auditor"))
    after.record(reading(11))
    after.close()
    assert _requests(sqlite_store) == ["r-0", "r-11"]


def test_an_older_database_that_was_put_back_gets_what_the_journal_still_has(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    for number in range(700):
        _kept(log, reading(number))
        if number % 50 == 0:
            log.drain()
    with _broken(sqlite_store):
        _kept(log, reading(700))
        log.close()
    with sqlite_store.write() as connection:
        for table in ("audit_journal", "audit_event", "audit_head"):
            for (name,) in connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                connection.execute(text(f'DROP TRIGGER "{name}"'))
            connection.execute(text(f"DELETE FROM {table}"))
    log = _log(sqlite_store, folder)
    log.drain()
    log.close()
    found = _requests(sqlite_store)
    assert len(found) > 50
    assert found == [f"r-{number}" for number in range(701)][-len(found) :]
    assert _is_whole(sqlite_store)


def test_rows_of_journals_that_are_gone_are_forgotten(
    sqlite_store: Store, folder: Path, reading: Reading
) -> None:
    log = _log(sqlite_store, folder)
    _kept(log, reading(0))
    log.close()
    _log(sqlite_store, folder).close()
    with sqlite_store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_journal")).scalar_one() == 0


def test_what_the_reserve_keeps_enters_the_log_once_when_it_can_be_written(
    sqlite_store: Store, stepping: Clock, reading: Reading, tmp_path: Path
) -> None:
    journals = Journals(tmp_path / "audit", stepping, reserve=True)
    log = AuditLog(sqlite_store, stepping, node="node-1", journals=journals)
    log.drain()
    with sqlite_store.aside() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        (allowed,) = connection.exec_driver_sql("PRAGMA max_page_count").one()
    kept = 0
    for number in range(200):
        try:
            kept += log.record(reading(number), reserve=True) == -1
        except AuditUnavailable as error:
            raise AssertionError(f"{number} was refused") from error
        if kept:
            break
    assert kept == 1
    with pytest.raises(AuditUnavailable, match="make room"):
        log.record(reading(500))
    with sqlite_store.aside() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {allowed * 100}")
    log.drain()
    log.close()
    requests = [event.event.request for event in page(sqlite_store, limit=500).events]
    assert requests.count(f"r-{number}") == 1
    assert "r-500" not in requests
    assert verify(sqlite_store, (), origin="any").ok
