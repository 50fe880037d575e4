"""`range.proof`: all leaf hashes of a stretch of the log as lines, and what proves them.

The first line is `secvault/range-proof@v1 SIZE START END`: the tree's size, and the entries that
the lines are of, END excluded. Each other line is a mark and a base64 hash:

    <   a subtree left of the range, as many as START has one-bits, the largest first
    +   an entry that answers the question; its bytes are in `events.jsonl`
    -   an entry that does not; its bytes are not in the package
    |   the entry just outside of the period, before or after it; its bytes are in `bounds.jsonl`
    >   a subtree right of the range, from the bottom up

The root that they fold to is that of the checkpoint (see `crypto.range_proof`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection

from secvault.audit import entries
from secvault.audit.entries import CHUNK
from secvault.audit.nodes import hashes, range_hashes
from secvault.audit.query import first_since
from secvault.audit.question import Question
from secvault.crypto.merkle import Frontier
from secvault.crypto.range_proof import range_ranges, root_beyond
from secvault.errors import Damaged
from secvault.store.engine import Store

TITLE = "secvault/range-proof@v1"


@dataclass(frozen=True, slots=True)
class Span:
    """The entries of a period, and its neighbours: `start` to below `end` is what the lines are of.

    first, after: the entries of the period itself. They differ from start and end by the neighbour
    on that side, where there is one.
    """

    first: int
    after: int
    start: int
    end: int

    def neighbours(self) -> tuple[int, ...]:
        """The numbers of the entries just outside of the period."""
        before = () if self.start == self.first else (self.start,)
        return before if self.end == self.after else (*before, self.after)


class Shown:
    """Which entries of a span are shown; an eighth of a byte for each. digest: over their hashes,
    in their order.
    """

    def __init__(self, span: Span) -> None:
        self._first = span.first
        self._bits = bytearray((span.after - span.first + 7) // 8)
        self.digest = sha256()
        self.count = 0

    def add(self, seq: int, leaf: bytes) -> None:
        """One more, of a higher number than the last."""
        at = seq - self._first
        self._bits[at // 8] |= 1 << at % 8
        self.digest.update(leaf)
        self.count += 1

    def __contains__(self, seq: int) -> bool:
        at = seq - self._first
        return bool(self._bits[at // 8] >> at % 8 & 1)


def span_of(connection: Connection, question: Question, size: int) -> Span:
    """The entries of the period in a log of `size`: what has to be proven of them."""
    first, begins = _edge(connection, question.since, question.first, size, 0, max)
    after, ends = _edge(connection, question.until, question.end, size, size, min)
    after = max(first, after)
    start = first - 1 if begins and first > 0 else first
    end = after + 1 if ends and after < size else after
    if start == end < size:
        # A proof is of one entry at least.
        end += 1
    elif start == end > 0:
        start -= 1
    return Span(first, after, start, end)


def _edge(
    connection: Connection,
    at: int | None,
    number: int | None,
    size: int,
    usual: int,
    narrower: Callable[[int, int], int],
) -> tuple[int, bool]:
    """Where the period has an edge, and whether a moment puts it there, which takes a neighbour to
    be proven; a number needs none.
    """
    by_number = usual if number is None else min(number, size)
    if at is None:
        return by_number, False
    found = first_since(connection, at)
    by_moment = size if found is None else min(found, size)
    edge = narrower(by_number, by_moment)
    return edge, number is None or edge != by_number


def proof_lines(store: Store, span: Span, size: int, root: bytes, shown: Shown) -> Iterator[bytes]:
    """The file, in pieces of many lines. Raises Damaged when the log does not bear it out: then
    what came so far proves nothing.
    """
    yield f"{TITLE} {size} {span.start} {span.end}\n".encode()
    ranges = range_ranges(span.start, span.end, size) if size else []
    with store.read() as connection:
        before = range_hashes(connection, [each for each in ranges if each[1] <= span.start])
        after = range_hashes(connection, [each for each in ranges if each[0] >= span.end])
    yield b"".join(_line(b"<", each) for each in before)
    frontier, digest = Frontier(span.start, tuple(before)), sha256()
    for start in range(span.start, span.end, CHUNK):
        end = min(start + CHUNK, span.end)
        with store.read() as connection:
            leaves = hashes(connection, 0, start, end)
        if len(leaves) != end - start:
            raise Damaged(f"events from {start} to {end - 1} are missing; verify the log")
        lines = []
        for seq, leaf in enumerate(leaves, start):
            if not span.first <= seq < span.after:
                mark = b"|"
            elif seq in shown:
                mark = b"+"
                digest.update(leaf)
            else:
                mark = b"-"
            lines.append(_line(mark, leaf))
        frontier = frontier.extend(leaves)
        yield b"".join(lines)
    if digest.digest() != shown.digest.digest():
        raise Damaged("the bytes of an event and their stored hash do not fit; verify the log")
    if size and root_beyond(frontier, size, after) != root:
        raise Damaged("the events are not those of the checkpoint; verify the log")
    yield b"".join(_line(b">", each) for each in after)


def bodies(connection: Connection, numbers: tuple[int, ...]) -> list[bytes]:
    """The leaf bytes of these few events."""
    found = (entries.body(connection, number) for number in numbers)
    return [body for body in found if body is not None]


def _line(mark: bytes, value: bytes) -> bytes:
    return mark + base64.b64encode(value) + b"\n"
