"""Verification: is the log whole and unchanged? One pass over the rows, memory flat.

Two verdicts, kept apart. *Integrity*: what is stored is what was recorded; only an attack or
decay breaks it. *Completeness*: nothing that a process set out to record is missing; a gap in
its numbers breaks it, unless an `audit.lost` event in the log itself accounts for the gap.

A change that is newer than the newest checkpoint, made by somebody who recomputes every hash,
shows in neither: publish checkpoints often, and outside of this store.

Chunks of events are looked over quickly (`chunks`), in processes of their own where there are many
(`looking`); a chunk in which anything is odd is walked event by event (`walk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import Connection, text

from secvault.audit import verify_archives
from secvault.audit.append import LOG
from secvault.audit.chunks import CHUNK, COLUMNS, NODE, RANGE, Chunk
from secvault.audit.looking import Piece, looked_over
from secvault.audit.silence import Stop
from secvault.audit.verify_archives import Fault, Unread
from secvault.audit.verify_marks import Keys, marks_of
from secvault.audit.verify_nodes import Nodes
from secvault.audit.walk import MAX_PROBLEMS, Mark, Problem, Verdict, Walk
from secvault.crypto.merkle import Frontier, root_of
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged
from secvault.store.engine import Store
from secvault.store.straight import straight

__all__ = ["MAX_PROBLEMS", "AuditReport", "Problem", "Verdict", "verify"]

# As text, so that values of a wrong type, which SQLite stores without a word, arrive here as they
# are and can be reported.
_EVENTS = f"SELECT {COLUMNS} FROM audit_event WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
_BELOW = f"SELECT {COLUMNS} FROM audit_event WHERE seq < 0 ORDER BY seq LIMIT ?"  # noqa: S608
_NEWEST = "SELECT max(seq) FROM audit_event"
_HEAD = text("SELECT size, frontier, last_t FROM audit_head WHERE log = :log")
_OUTBOX = text("SELECT count(*) FROM audit_outbox")

Progress = Callable[[int, int], object]
"""Told how many events of how many have been checked."""

Looking = Callable[[Store, Connection, Iterable[Piece]], Iterator[tuple[Piece, Chunk | None]]]
"""Looks over pieces of the log, in their order; None where one has to be walked."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verification found.

    size, root: of the events that are there. problems: the first 1,000 of `problem_count`.
    pending: events in the outbox, which enter the log next. checkpoints: how many were checked.
    archived: events that lie in archives. hashes_only: those of them of which no more than the
    hashes could be checked here. stops: times in which no worker ran, in the log's own words.
    unread: publications that could not be compared, and why.
    """

    size: int
    root: bytes
    problems: tuple[Problem, ...]
    problem_count: int
    pending: int
    checkpoints: int
    intact: bool
    complete: bool
    archived: int = 0
    hashes_only: int = 0
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

    @property
    def kinds(self) -> frozenset[str]:
        """What was done to the log; see `walk.Kind`."""
        return frozenset(problem.kind for problem in self.problems)


def verify(
    store: Store,
    verifiers: Sequence[NoteVerifier],
    *,
    origin: str,
    former: Sequence[NoteVerifier] = (),
    published: Iterable[bytes] = (),
    progress: Progress = lambda _done, _total: None,
    looking: Looking = looked_over,
) -> AuditReport:
    """Check every event, hash, number and checkpoint of one consistent state of the log.

    verifiers: the keys that may sign checkpoints. former: those that signed under the origins that
    the log had before it was put back to an older state and went on. published: checkpoint notes
    kept outside of this store (S3, an auditor's disk), which show that it was put back to an older
    state. Works on a copy as well. Raises Damaged if the database itself cannot be read,
    Unavailable.
    """
    walk = Walk()
    with store.read() as connection:
        keys = Keys(tuple(verifiers), origin, tuple(former))
        marks = _Marks(marks_of(connection, walk, published, keys))
        live = verify_archives.live_from(connection)
        _pass(store, connection, walk, marks, live, progress, looking)
        for mark in marks.up_to(None):
            walk.check_root(mark)
        _check_head(connection, walk)
        walk.finish()
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
        archived=live,
        hashes_only=walk.unread,
        stops=tuple(walk.silences.stops),
    )


@dataclass(slots=True)
class _Marks:
    """Marks in the order of their sizes, taken as far as the pass has come."""

    rest: Iterator[Mark]
    held: list[Mark] = field(default_factory=list)

    def up_to(self, size: int | None) -> Iterator[Mark]:
        """Those of at most `size` (None: all), each once."""
        for mark in chain(self._given_back(), self.rest):
            if size is not None and mark.size > size:
                self.held.insert(0, mark)
                return
            yield mark

    def give_back(self, marks: list[Mark]) -> None:
        """Have them given out again, before the others."""
        self.held[:0] = marks

    def _given_back(self) -> Iterator[Mark]:
        while self.held:
            yield self.held.pop(0)


def _pass(
    store: Store,
    connection: Connection,
    walk: Walk,
    marks: _Marks,
    live: int,
    progress: Progress,
    looking: Looking,
) -> None:
    """Take all events and compare the tree with the marks that they reach."""
    for row in straight(connection, _BELOW, (MAX_PROBLEMS,)):
        walk.take(row)
    total = _size(connection, live)
    end = min(total, _head_size(connection))
    nodes = Nodes(connection, walk)
    given: dict[int, list[Mark]] = {}
    begin = _archived(connection, walk, marks, nodes, live, end, lambda now: progress(now, total))

    def pieces() -> Iterator[Piece]:
        for start in range(begin, end, CHUNK):
            here = min(start + CHUNK, end)
            given[start] = list(marks.up_to(here))
            yield Piece(start, here, sorted({m.size for m in given[start] if m.size > start}))

    with closing(looking(store, connection, pieces())) as looked:  # type: ignore[type-var]
        for piece, chunk in looked:
            own = given.pop(piece.start)
            if chunk is not None and walk.joins(piece.start, chunk):
                _join(walk, piece, chunk, own)
                nodes.take(chunk.nodes)
            else:
                rows = straight(connection, RANGE, (piece.start, piece.end))
                rest = _walked(walk, rows, own)
                if walk.frontier.size != piece.end:
                    given[piece.start] = rest
                    break
                for mark in rest:
                    walk.check_root(mark)
                nodes.take_rows(rows)
            progress(min(piece.end, total), total)
    nodes.finish()
    marks.give_back([mark for start in sorted(given) for mark in given[start]])
    _go_on(connection, walk, marks, progress, total)


def _size(connection: Connection, live: int) -> int:
    ((newest,),) = straight(connection, _NEWEST)
    return max(0 if newest is None else newest + 1, live, 1)


def _archived(
    connection: Connection,
    walk: Walk,
    marks: _Marks,
    nodes: Nodes,
    live: int,
    end: int,
    tell: Callable[[int], object],
) -> int:
    """Take what archives hold, and the events behind it up to where a chunk begins.

    Returns where that is; `end` when an event before it is missing.
    """
    begin = max(live, min(-(-live // CHUNK) * CHUNK, end))
    leaves: list[bytes] = []
    behind = straight(connection, RANGE, (live, begin)) if live else []
    for item in chain(verify_archives.archived(connection) if live else (), behind):
        for mark in marks.up_to(walk.size):
            walk.check_root(mark)
        if isinstance(item, Fault):
            walk.report(item.seq, item.what, item.kind, verdict=item.verdict)
            continue
        if isinstance(item, Unread):
            walk.pass_over(item.seq, item.leaf)
            leaves.append(item.leaf)
        else:
            walk.take(item)
            leaves.append(item[9] if isinstance(item[9], bytes) else b"")
        if len(leaves) == NODE:
            nodes.take([root_of(leaves)])
            leaves = []
        if walk.size % CHUNK == 0:
            tell(walk.size)
    for fault in verify_archives.left_behind(connection, live) if live else ():
        walk.report(fault.seq, fault.what, fault.kind, verdict=fault.verdict)
    if walk.frontier.size == walk.size == begin:
        return begin
    nodes.stop()
    return end


def _join(walk: Walk, piece: Piece, chunk: Chunk, marks: list[Mark]) -> None:
    by_size: dict[int, list[Mark]] = {}
    for mark in marks:
        by_size.setdefault(mark.size, []).append(mark)
    for mark in by_size.get(piece.start, ()):
        walk.check_root(mark)
    walk.join(piece.start, chunk, by_size)


def _walked(walk: Walk, rows: Iterable[tuple[Any, ...]], marks: list[Mark]) -> list[Mark]:
    """Take the rows one by one; the marks that they do not reach."""
    rest = list(marks)
    for row in rows:
        while rest and rest[0].size <= walk.size:
            walk.check_root(rest.pop(0))
        walk.take(row)
    return rest


def _go_on(
    connection: Connection, walk: Walk, marks: _Marks, progress: Progress, total: int
) -> None:
    """Take what follows an event that is missing, or what lies beyond the head, one by one."""
    after = walk.size - 1
    while rows := straight(connection, _EVENTS, (after, CHUNK)):
        own = list(marks.up_to(rows[-1][0]))
        marks.give_back(_walked(walk, rows, own))
        after = rows[-1][0]
        progress(min(after + 1, total), total)


def _head_size(connection: Connection) -> int:
    """What the head says, as far as it says anything; `_check_head` reports what is wrong."""
    row = connection.execute(_HEAD, {"log": LOG}).one_or_none()
    return row.size if row is not None and isinstance(row.size, int) else 0


def _check_head(connection: Connection, walk: Walk) -> None:
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
        what = f"the head of the log has only {head.size} events"
        walk.report(head.size, what, "inserted")
        return
    walk.check_root(Mark(head.size, head.root(), "head of the log"))
    if row.last_t != walk.last_t:
        walk.report(None, "the time in the head of the log is not that of its newest event")
