"""Verification: is the log whole and unchanged? One pass over the rows, memory flat.

Two verdicts, kept apart. *Integrity*: what is stored is what was recorded; only an attack or
decay breaks it. *Completeness*: nothing that a process set out to record is missing; a gap in
its numbers breaks it, unless an `audit.lost` event in the log itself accounts for the gap.

A change that is newer than the newest checkpoint, made by somebody who recomputes every hash,
shows in neither: publish checkpoints often, and outside of this store.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, TextClause, text

from secvault.audit.append import LOG, SERVING_COLUMNS, columns
from secvault.audit.catalogue import LOST
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.silence import SIGNS_OF_LIFE, Silences, Stop
from secvault.crypto.checkpoint import Checkpoint, verify_by_name, verify_checkpoint
from secvault.crypto.merkle import HASH_BYTES, Frontier, leaf_hash
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged
from secvault.store.engine import Store

MAX_PROBLEMS = 1_000
"""How many problems a report lists; the others are counted."""

_CHUNK = 2_000

# As text, so that values of a wrong type, which SQLite stores without a word, arrive here as they
# are and can be reported.
_EVENTS = text(
    "SELECT seq, id, t, kind, outcome, actor, resource, department, body, leaf_hash"
    " FROM audit_event WHERE seq > :after ORDER BY seq LIMIT :limit"
)
_CHECKPOINTS = text(
    "SELECT size, root, note FROM audit_checkpoint WHERE size > :after ORDER BY size LIMIT :limit"
)
_HEAD = text("SELECT size, frontier, last_t FROM audit_head WHERE log = :log")
_OUTBOX = text("SELECT count(*) FROM audit_outbox")

Verdict = Literal["integrity", "completeness"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was recorded. seq: the event at fault, None if it is not one."""

    seq: int | None
    what: str
    verdict: Verdict = "integrity"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verification found.

    size, root: of the events that are there. problems: the first 1,000 of `problem_count`.
    pending: events in the outbox, which enter the log next. checkpoints: how many were checked.
    stops: times in which no worker ran, in the log's own words. unread: publications that could
    not be compared, and why.
    """

    size: int
    root: bytes
    problems: tuple[Problem, ...]
    problem_count: int
    pending: int
    checkpoints: int
    intact: bool
    complete: bool
    stops: tuple[Stop, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Both verdicts are good."""
        return self.intact and self.complete

    @property
    def first_bad_seq(self) -> int | None:
        """The first event at fault. Where only a root tells, the first that may be."""
        return min((p.seq for p in self.problems if p.seq is not None), default=None)


def verify(
    store: Store,
    verifiers: Sequence[NoteVerifier],
    *,
    origin: str,
    published: Iterable[bytes] = (),
    former: Sequence[NoteVerifier] = (),
) -> AuditReport:
    """Check every event, hash, number and checkpoint of one consistent state of the log.

    verifiers: the keys that may sign checkpoints. former: those that signed under the origins that
    the log had before it was put back to an older state and went on. published: checkpoint notes
    kept outside of this store (S3, an auditor's disk), which show that it was put back to an older
    state. Works on a copy as well. Raises Damaged if the database itself cannot be read,
    Unavailable.
    """
    walk = _Walk()
    with store.read() as connection:
        keys = _Keys(tuple(verifiers), origin, tuple(former))
        marks = _marks(connection, walk, published, keys)
        mark = next(marks, None)
        for row in _rows(connection, _EVENTS):
            while mark is not None and mark.size <= walk.size:
                walk.check_root(mark)
                mark = next(marks, None)
            walk.take(row)
        for silence in walk.silences.end(walk.last_t):
            walk.report(walk.size - 1, silence, "completeness")
        while mark is not None:
            walk.check_root(mark)
            mark = next(marks, None)
        _check_head(connection, walk)
        pending = connection.execute(_OUTBOX).scalar_one()
    return AuditReport(
        size=walk.size,
        root=walk.frontier.root(),
        problems=tuple(walk.problems),
        problem_count=walk.problem_count,
        pending=pending,
        checkpoints=walk.checkpoints,
        intact=not walk.counts["integrity"],
        complete=not walk.counts["completeness"],
        stops=tuple(walk.silences.stops),
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """What checkpoints of this log are signed with, and under which origin."""

    verifiers: tuple[NoteVerifier, ...]
    origin: str
    former: tuple[NoteVerifier, ...]

    def opened(self, note: bytes) -> Checkpoint:
        """The signed checkpoint. Raises Damaged."""
        try:
            return verify_checkpoint(note, self.verifiers, self.origin)
        except Damaged:
            if not self.former:
                raise
        return verify_by_name(note, self.former)


Source = Literal["published checkpoint", "checkpoint", "head of the log"]


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the root of the log must be at some size, and who says so."""

    size: int
    root: bytes
    source: Source


@dataclass(slots=True)
class _Walk:
    """What one pass has seen so far. frontier: over the stored leaf hashes, each checked against
    its body. good: size at which the root was last found right, by who said so. whole: no root
    was wrong and no event missing yet, so that roots can still be compared. last_bad: the newest
    event at fault.
    """

    size: int = 0
    frontier: Frontier = field(default_factory=Frontier)
    good: dict[Source, int] = field(default_factory=dict)
    whole: bool = True
    last_t: int = 0
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    checkpoints: int = 0
    problems: list[Problem] = field(default_factory=list)
    counts: dict[Verdict, int] = field(default_factory=lambda: {"integrity": 0, "completeness": 0})
    last_bad: int = -1
    cut: bool = False
    silences: Silences = field(default_factory=Silences)

    @property
    def problem_count(self) -> int:
        return sum(self.counts.values())

    def report(self, seq: int | None, what: str, verdict: Verdict = "integrity") -> None:
        self.counts[verdict] += 1
        if seq is not None and verdict == "integrity":
            self.last_bad = max(self.last_bad, seq)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(seq, what, verdict))

    def take(self, row: Row[Any]) -> None:
        """Check one event against itself and those before it."""
        if row.seq < self.size:
            self.report(row.seq, "an event was inserted before the first")
            return
        if row.seq > self.size:
            self.report(self.size, f"{row.seq - self.size} events were removed")
            self.whole = False
        body = row.body if isinstance(row.body, bytes) else b""
        computed = leaf_hash(body)
        if row.leaf_hash != computed:
            self.report(row.seq, "the bytes of the event and their stored hash do not fit")
        usable = isinstance(row.leaf_hash, bytes) and len(row.leaf_hash) == HASH_BYTES
        self.frontier = self.frontier.push(row.leaf_hash if usable else computed)
        self.size = row.seq + 1
        try:
            event = decode(body, seq=row.seq)
        except Damaged:
            self.report(row.seq, "the stored bytes are not an event")
            return
        self._check_columns(row, event)
        self._check_order(event)
        if event.event.kind in SIGNS_OF_LIFE:
            for silence in self.silences.take(event):
                self.report(event.seq, silence, "completeness")

    def check_root(self, mark: _Mark) -> None:
        """Compare the tree with what it must be at this point."""
        if mark.size > self.size:
            if not self.cut:
                what = f"the newest events were removed: the {mark.source} has {mark.size}"
                self.report(self.size, what)
            self.cut = True
        elif not self.whole:
            return
        elif self.frontier.root() == mark.root:
            self.good[mark.source] = mark.size
        else:
            self.whole = False
            first = self._good_for(mark.source)
            if self.last_bad < first:
                where = f"an event from {first} to {mark.size - 1}"
                self.report(first, f"{where} does not fit the {mark.source} of size {mark.size}")

    def _good_for(self, source: Source) -> int:
        # Where a published checkpoint is contradicted, somebody had the log's key as well, and the
        # checkpoints in the store prove nothing.
        published = self.good.get("published checkpoint", 0)
        if source == "published checkpoint":
            return published
        return max(published, self.good.get("checkpoint", 0))

    def _check_columns(self, row: Row[Any], event: StoredEvent) -> None:
        said = columns(event.seq, event.id, event.t, event.event)
        for name, stored, right in zip(SERVING_COLUMNS, row, said, strict=False):
            if stored != right:
                self.report(event.seq, f"the column {name} does not say what the event says")

    def _check_order(self, event: StoredEvent) -> None:
        if event.t < self.last_t:
            self.report(event.seq, "it was recorded before its predecessor")
        self.last_t = max(self.last_t, event.t)
        writer = (event.number.node, event.number.start)
        counter, last = event.number.counter, self.counters.get(writer, -1)
        self.counters[writer] = max(counter, last)
        missing = counter - last - 1
        if missing < 0:
            self.report(event.seq, f"it is out of the order of its process {writer[1]}")
        elif missing and (event.event.kind, event.event.count) != (LOST, missing):
            self.report(
                event.seq,
                f"{missing} earlier events of process {writer[1]} on {writer[0]} are missing",
                "completeness",
            )


def _marks(
    connection: Connection,
    walk: _Walk,
    published: Iterable[bytes],
    keys: _Keys,
) -> Iterator[_Mark]:
    """All checkpoints whose signatures are right, in the order of their sizes."""
    outside: list[_Mark] = []
    for at, note in enumerate(published):
        walk.checkpoints += 1
        try:
            signed = keys.opened(note)
        except Damaged as error:
            walk.report(None, f"published checkpoint {at}: {error.detail}")
        else:
            outside.append(_Mark(signed.size, signed.root, "published checkpoint"))
    stored = _stored_checkpoints(connection, walk, keys)
    return heapq.merge(
        stored, sorted(outside, key=lambda mark: mark.size), key=lambda mark: mark.size
    )


def _stored_checkpoints(connection: Connection, walk: _Walk, keys: _Keys) -> Iterator[_Mark]:
    for row in _rows(connection, _CHECKPOINTS):
        walk.checkpoints += 1
        try:
            note = row.note if isinstance(row.note, bytes) else b""
            signed = keys.opened(note)
        except Damaged as error:
            walk.report(None, f"the checkpoint of size {row.size}: {error.detail}")
            continue
        if (signed.size, signed.root) == (row.size, row.root):
            yield _Mark(signed.size, signed.root, "checkpoint")
        else:
            walk.report(None, f"the checkpoint of size {row.size} is not what was signed")


def _check_head(connection: Connection, walk: _Walk) -> None:
    row = connection.execute(_HEAD, {"log": LOG}).one_or_none()
    if row is None:
        if walk.size:
            walk.report(None, "the head of the log is missing")
        return
    try:
        head = Frontier.from_bytes(int(row.size), bytes(row.frontier))
    except (Damaged, TypeError, ValueError):
        walk.report(None, "the head of the log cannot be read")
        return
    if head.size < walk.size:
        walk.report(head.size, f"the head of the log has only {head.size} events")
        return
    walk.check_root(_Mark(head.size, head.root(), "head of the log"))
    if row.last_t != walk.last_t:
        walk.report(None, "the time in the head of the log is not that of its newest event")


def _rows(connection: Connection, statement: TextClause) -> Iterator[Row[Any]]:
    """All rows of a statement, in chunks by their first column."""
    after = -(2**63)
    while True:
        rows = connection.execute(statement, {"after": after, "limit": _CHUNK}).all()
        yield from rows
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]
