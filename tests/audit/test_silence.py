"""Silence is a gap where a worker ran, and told where none did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from secvault.audit import Actor, AuditLog, Event, archiving
from secvault.audit.archives import Archives
from secvault.audit.archiving import Archiving, Due
from secvault.audit.checkpoints import sign_head
from secvault.audit.entries import reaching
from secvault.audit.looking import Piece, looked_over
from secvault.audit.places import FolderPlace
from secvault.audit.verify import AuditReport, Looking, verify
from secvault.clock import Clock, system_clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store
from tests.audit.conftest import ORIGIN, STARTED

SECOND = 1_000_000
INTERVAL = 300

Worker = Callable[..., AuditLog]


class Story:
    """A log that is written at the times that a test says."""

    def __init__(self, store: Store) -> None:
        self.seconds = 0
        self._store = store
        self._clock = Clock(
            wall=lambda: STARTED + self.seconds * SECOND,
            monotonic=lambda: float(self.seconds),
            sleep=lambda _: None,
        )
        self._logs: dict[str, AuditLog] = {}

    def says(self, who: str, kind: str, after: int = 0, **detail: str | int) -> None:
        """Let so much time pass, then have a process record something."""
        self.seconds += after
        if who not in self._logs:
            self._logs[who] = AuditLog(self._store, self._clock, node=who)
        event = Event(
            kind=kind,
            outcome="ok",
            actor=Actor("system", "secvault"),
            resource="it/audit",
            detail=detail,
        )
        self._logs[who].record(event)

    def starts(self, who: str, seconds: int = 0, program: str = "worker") -> None:
        """A process starts."""
        self.says(who, "audit.started", seconds, program=program)

    def stops(self, who: str, seconds: int = 0) -> None:
        """It says that it stops."""
        self.says(who, "audit.stopped", seconds, program="worker")

    def beats(self, who: str, times: int = 1, seconds: int = INTERVAL) -> None:
        """Heartbeats, each after so many seconds."""
        for _ in range(times):
            self.says(who, "log.heartbeat", seconds, seconds=INTERVAL)

    def verified(self) -> AuditReport:
        """What verification says of it."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()
        return verify(self._store, (), origin=ORIGIN)


@pytest.fixture
def story(sqlite_store: Store) -> Story:
    """Nothing was written yet."""
    return Story(sqlite_store)


def test_a_log_with_its_heartbeats_is_complete_however_little_happens(story: Story) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 50)
    story.stops("a:worker:1", 60)
    report = story.verified()
    assert report.ok, report.problems
    assert report.stops == ()


@pytest.mark.parametrize(("seconds", "gap"), [(2 * INTERVAL, False), (2 * INTERVAL + 1, True)])
def test_more_than_two_intervals_without_a_heartbeat_are_a_gap(
    story: Story, seconds: int, gap: bool
) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 3)
    story.beats("a:worker:1", 1, seconds)
    report = story.verified()
    assert (report.intact, report.complete) == (True, not gap)
    if gap:
        assert (report.problems[0].verdict, report.problems[0].seq) == ("completeness", 4)
        assert "no heartbeat from" in report.problems[0].what


def test_a_silence_that_goes_on_at_the_end_is_found_when_others_still_record(story: Story) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 2)
    story.says("a:web:1", "audit.started", 5000, program="web")
    report = story.verified()
    assert (report.intact, report.complete) == (True, False)


def test_a_time_for_which_the_worker_was_stopped_is_told_and_no_gap(story: Story) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 2)
    story.stops("a:worker:1", 60)
    story.says("a:web:1", "audit.started", 5000, program="web")
    story.starts("a:worker:2", 5000)
    story.beats("a:worker:2", 2)
    report = story.verified()
    assert report.ok, report.problems
    assert [(stop.end - stop.start, stop.announced) for stop in report.stops] == [
        (10_000 * SECOND, True)
    ]


def test_a_worker_that_was_killed_ends_without_a_word_and_the_log_stays_complete(
    story: Story,
) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 2)
    story.starts("a:worker:2", 9000)
    story.beats("a:worker:2", 2)
    report = story.verified()
    assert report.ok, report.problems
    assert [(stop.end - stop.start, stop.announced) for stop in report.stops] == [
        (9000 * SECOND, False)
    ]


def test_a_crash_that_is_started_anew_at_once_is_worth_no_word(story: Story) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 2)
    story.starts("a:worker:2", 3)
    assert story.verified().stops == ()


def test_of_two_workers_one_is_enough(story: Story) -> None:
    story.starts("a:worker:1")
    story.starts("b:worker:1")
    story.beats("a:worker:1", 2)
    story.stops("a:worker:1", 1)
    story.beats("b:worker:1", 5)
    story.starts("a:worker:2", 10)
    report = story.verified()
    assert report.ok, report.problems
    assert report.stops == ()


def test_a_worker_whose_machine_never_came_back_is_missed(story: Story) -> None:
    story.starts("a:worker:1")
    story.beats("a:worker:1", 2)
    story.starts("b:worker:1", 10)
    story.beats("b:worker:1", 2)
    story.stops("b:worker:1", 1)
    story.says("b:web:1", "audit.started", 5000, program="web")
    # By the log's own words that of machine a still runs.
    assert not story.verified().complete


def test_a_log_from_before_heartbeats_has_no_gaps(story: Story) -> None:
    story.starts("a:worker:1")
    story.says("a:web:1", "audit.started", 900_000, program="web")
    assert story.verified().ok


def test_however_the_log_is_read_its_silences_are_the_same(
    story: Story, sqlite_store: Store, signer: NoteSigner, tmp_path: Path
) -> None:
    story.starts("w")
    story.beats("w", 100)
    story.beats("w", seconds=4 * INTERVAL)
    story.beats("w", 150)
    story.stops("w", 10)
    story.starts("w", 9_000)
    story.beats("w", 30)
    story.beats("w", seconds=5 * INTERVAL)
    story.beats("w", 300)
    story.says("api", "auth.sign_in", 7 * INTERVAL)
    story.verified()

    def told(store: Store, looking: Looking) -> tuple[object, ...]:
        report = verify(store, [signer.verifier()], origin=ORIGIN, looking=looking)
        return [(each.seq, each.what) for each in report.problems], report.stops, report.size

    def walked(_s: object, _c: object, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, None]]:
        return ((piece, None) for piece in pieces)

    quickly = told(sqlite_store, looked_over)
    assert len(quickly[0]) == 3
    assert len(quickly[1]) == 1
    assert told(sqlite_store, walked) == quickly
    archives = Archives(FolderPlace(tmp_path), lambda: Secret(bytes(32)))
    store = reaching(sqlite_store, archives)
    signed = sign_head(store, system_clock(), signer, origin=ORIGIN)
    making = Archiving(archives, signed, (signer.verifier(),), 2**60, STARTED, os.urandom)
    written = archiving.write_next(store, Due(before=2**60), making)
    assert written is not None
    with store.write() as connection:
        assert archiving.keep(connection, written)
    assert archiving.remove_archived(store) == 512
    assert told(store, looked_over) == quickly
