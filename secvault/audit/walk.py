"""The walk over the log, event by event, that says what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from secvault.audit.append import SERVING_COLUMNS
from secvault.audit.catalogue import LOST
from secvault.audit.chunks import Chunk
from secvault.audit.leaf import Outline, decode, outline
from secvault.audit.silence import SIGNS_OF_LIFE, Silences
from secvault.crypto.merkle import HASH_BYTES, Frontier, leaf_hash, perfect_subtrees
from secvault.errors import Damaged

MAX_PROBLEMS = 1_000
"""How many problems a report lists; the others are counted."""

_MAX_HOLES = 10_000

Verdict = Literal["integrity", "completeness"]

Kind = Literal["altered", "missing", "inserted", "reordered", "truncated", "rolled back"]
"""What somebody did to the log, as far as the log can tell. altered: something is not what it was.
missing: events are gone from its middle. inserted: events are there that were not recorded.
reordered: they are not in the order of their recording. truncated: the newest are gone. rolled
back: so are the head and the checkpoints that knew of them, as in an old copy."""

Source = Literal["published checkpoint", "checkpoint", "head of the log"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was recorded. seq: the event at fault, None if it is not one."""

    seq: int | None
    what: str
    verdict: Verdict = "integrity"
    kind: Kind = "altered"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the root of the log must be at some size, and who says so."""

    size: int
    root: bytes
    source: Source


@dataclass(slots=True)
class _Hole:
    """Numbers of one process, from `first` to `last`, that were passed over at event `seq`."""

    seq: int
    first: int
    last: int
    filled: int = 0


@dataclass(slots=True)
class Walk:
    """What one pass has seen so far. frontier: over the stored leaf hashes, each checked against
    its body. good: size at which the root was last found right, by who said so. whole: no root
    was wrong and no event missing yet, so that roots can still be compared. last_bad: the newest
    event at fault. beyond: the largest mark that the log does not reach, by who said so. last_t,
    last_t_at: the newest time so far, and which event has it. overtaken: the last that was found
    to have been recorded after events that follow it. unread: archived events of which only the
    hashes were seen, which may be those that numbers are missing of. silences: see `silence`.
    """

    size: int = 0
    frontier: Frontier = field(default_factory=Frontier)
    good: dict[Source, int] = field(default_factory=dict)
    whole: bool = True
    last_t: int = 0
    last_t_at: int = 0
    overtaken: int = -1
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    holes: dict[tuple[str, str], list[_Hole]] = field(default_factory=dict)
    checkpoints: int = 0
    problems: list[Problem] = field(default_factory=list)
    counts: dict[Verdict, int] = field(default_factory=lambda: {"integrity": 0, "completeness": 0})
    last_bad: int = -1
    unread: int = 0
    beyond: dict[Source, int] = field(default_factory=dict)
    silences: Silences = field(default_factory=Silences)

    @property
    def problem_count(self) -> int:
        """How many problems there are, listed or not."""
        return sum(self.counts.values())

    def report(
        self,
        seq: int | None,
        what: str,
        kind: Kind = "altered",
        *,
        verdict: Verdict = "integrity",
    ) -> None:
        """Note a problem."""
        self.counts[verdict] += 1
        if seq is not None and verdict == "integrity":
            self.last_bad = max(self.last_bad, seq)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(seq, what, verdict, kind))

    def joins(self, start: int, chunk: Chunk) -> bool:
        """Whether a chunk from `start` on that is well in itself goes on from here."""
        return (
            self.frontier.size == self.size == start
            and chunk.first_t >= self.last_t
            and all(
                first == self.counters.get((node, begun), -1) + 1
                for node, begun, first, _ in chunk.writers
            )
        )

    def join(self, start: int, chunk: Chunk, marks: Mapping[int, list[Mark]]) -> None:
        """Take a chunk that `joins`, and compare the tree with the marks within it, by size."""
        before = self.frontier
        for size in sorted(chunk.stacks):
            reached = before
            subtrees = perfect_subtrees(start, size)
            for (low, high), root in zip(subtrees, chunk.stacks[size], strict=True):
                reached = reached.join(root, high - low)
            self.frontier, self.size = reached, size
            for mark in marks.get(size, ()):
                self.check_root(mark)
        self.last_t, self.last_t_at = chunk.last_t, self.size - 1
        for node, begun, _, last in chunk.writers:
            self.counters[node, begun] = last
        for seq, body in chunk.signs:
            self._follow(seq, body)

    def take(self, row: tuple[Any, ...]) -> None:
        """Check one event against itself and those before it."""
        seq, body, stored = row[0], row[8], row[9]
        if seq < self.size:
            self.report(seq, "an event was inserted before the first", "inserted")
            return
        if seq > self.size:
            self.report(self.size, f"{seq - self.size} events were removed", "missing")
            self.whole = False
        if not isinstance(body, bytes):
            body = b""
        computed = leaf_hash(body)
        if stored != computed:
            self.report(seq, "the bytes of the event and their stored hash do not fit")
        usable = isinstance(stored, bytes) and len(stored) == HASH_BYTES
        self.frontier = self.frontier.push(stored if usable else computed)
        self.size = seq + 1
        try:
            event = outline(body)
        except Damaged:
            self.report(seq, "the stored bytes are not an event")
            return
        for name, said, right in zip(SERVING_COLUMNS[1:], row[1:8], event.served, strict=True):
            if said != right:
                self.report(seq, f"the column {name} does not say what the event says")
        self._check_order(seq, event)
        if event.served[2] in SIGNS_OF_LIFE:
            self._follow(seq, body)

    def _follow(self, seq: int, body: bytes) -> None:
        try:
            stored = decode(body, seq=seq)
        except Damaged:
            self.report(seq, "the stored bytes are not an event")
            return
        for silence in self.silences.take(stored):
            self.report(seq, silence, "missing", verdict="completeness")

    def pass_over(self, seq: int, leaf: bytes) -> None:
        """Go on with the leaf hash of an event that was not read."""
        if seq != self.size:
            self.report(self.size, f"{seq - self.size} events were removed", "missing")
            self.whole = False
        self.frontier = self.frontier.push(leaf)
        self.size = seq + 1
        self.unread += 1
        # Whether a worker was silent among events that cannot be read is not known.
        self.silences.forget()

    def check_root(self, mark: Mark) -> None:
        """Compare the tree with what it must be at this point."""
        if mark.size > self.size:
            self.beyond[mark.source] = max(mark.size, self.beyond.get(mark.source, 0))
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

    def finish(self) -> None:
        """Report what only the end of the log shows."""
        for silence in self.silences.end(self.last_t):
            self.report(self.size - 1, silence, "missing", verdict="completeness")
        if self.beyond:
            outside = self.beyond.keys() == {"published checkpoint"}
            source, size = max(self.beyond.items(), key=lambda item: item[1])
            what = f"the newest events were removed: the {source} has {size}"
            if outside:
                what += ", and the log knows nothing of them, as an old copy would not"
            self.report(self.size, what, "rolled back" if outside else "truncated")
        for writer, holes in self.holes.items():
            for hole in holes:
                self._report_hole(writer, hole)

    def _good_for(self, source: Source) -> int:
        # Where a published checkpoint is contradicted, somebody had the log's key as well, and the
        # checkpoints in the store prove nothing.
        published = self.good.get("published checkpoint", 0)
        if source == "published checkpoint":
            return published
        return max(published, self.good.get("checkpoint", 0))

    def _check_order(self, seq: int, event: Outline) -> None:
        t = event.served[1]
        if t >= self.last_t:
            self.last_t, self.last_t_at = t, seq
        elif self.overtaken != self.last_t_at:
            self.overtaken = self.last_t_at
            what = "it was recorded after events that follow it"
            self.report(self.last_t_at, what, "reordered")
        writer, counter = event.writer, event.counter
        last = self.counters.get(writer, -1)
        self.counters[writer] = max(counter, last)
        missing = counter - last - 1
        if missing < 0:
            self._check_late(seq, writer, counter)
        elif missing > self.unread and (event.served[2], event.many) != (LOST, missing):
            holes = self.holes.setdefault(writer, [])
            if len(holes) >= _MAX_HOLES:
                self._report_hole(writer, holes.pop(0))
            holes.append(_Hole(seq, last + 1, counter - 1))

    def _check_late(self, seq: int, writer: tuple[str, str], counter: int) -> None:
        # A number that was passed over before has been moved; one that was seen is there twice.
        for hole in self.holes.get(writer, ()):
            if hole.first <= counter <= hole.last:
                hole.filled += 1
                return
        what = f"it has a number of process {writer[1]} that another event has"
        self.report(seq, what, "inserted")

    def _report_hole(self, writer: tuple[str, str], hole: _Hole) -> None:
        missing = hole.last - hole.first + 1 - hole.filled
        whose = f"of process {writer[1]} on {writer[0]}"
        if hole.filled:
            what = f"from here on, {hole.filled} events {whose} are not in their order"
            self.report(hole.seq, what, "reordered")
        if missing > 0:
            what = f"{missing} earlier events {whose} are missing"
            self.report(hole.seq, what, "missing", verdict="completeness")
