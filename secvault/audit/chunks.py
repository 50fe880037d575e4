"""Looking over many events at once: the quick part of verification, a pure function of their rows.

It only ever says that all is well. A chunk in which anything at all is odd is walked again, event
by event (`walk`), which says what is wrong and where; so the two can differ in speed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from secvault.audit.leaf import outline
from secvault.audit.silence import SIGNS_OF_LIFE
from secvault.crypto.merkle import perfect_subtrees, tree_over
from secvault.errors import Damaged

CHUNK = 4_096
"""How many events are looked over at a time: whole nodes of level 1, and a subtree of the tree."""

NODE = 256
"""How many events a node of level 1 is over."""

COLUMNS = "seq, id, t, kind, outcome, actor, resource, department, body, leaf_hash"
"""What is looked at of an event, in this order."""

RANGE = f"SELECT {COLUMNS} FROM audit_event WHERE seq >= ? AND seq < ? ORDER BY seq"  # noqa: S608

Rows = Sequence[tuple[Any, ...]]


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a chunk whose events fit their hashes, their columns and each other.

    stacks: for each size that was asked for, and for its end, the hashes of the perfect subtrees
    from the start of the chunk to there, largest first. nodes: those of level 1, in order.
    writers: node, process start, first and last number of each process that wrote in it. signs:
    number and bytes of each of `silence.SIGNS_OF_LIFE`, in order.
    """

    stacks: dict[int, list[bytes]]
    nodes: list[bytes]
    first_t: int
    last_t: int
    writers: list[tuple[str, str, int, int]]
    signs: list[tuple[int, bytes]]


def look_over(rows: Rows, start: int, end: int, sizes: Sequence[int] = ()) -> Chunk | None:
    """What is known of the events from `start` to below `end`; None if anything is odd in them.

    rows: as `RANGE` gives them. start: a multiple of `CHUNK`. end: at most `CHUNK` later.
    sizes: of the log, within the chunk, at which its root will be asked for.
    """
    if [row[0] for row in rows] != list(range(start, end)):
        return None
    try:
        hashes = [sha256(b"\x00" + row[8]).digest() for row in rows]
        if hashes != [row[9] for row in rows]:
            return None
        seen = _outlined(rows)
    except (Damaged, TypeError):
        # Bytes that are no event, or no bytes.
        return None
    if seen is None:
        return None
    tree = tree_over(hashes)
    stacks = {
        size: [
            tree[(b - a).bit_length() - 1][(a - start) // (b - a)]
            for a, b in perfect_subtrees(start, size)
        ]
        for size in {*sizes, end}
    }
    nodes = tree[8] if len(tree) > 8 else []
    first_t, last_t, writers = seen
    told = [(*writer, first, last) for writer, (first, last) in writers.items()]
    signs = [(row[0], row[8]) for row in rows if row[3] in SIGNS_OF_LIFE]
    return Chunk(stacks, nodes, first_t, last_t, told, signs)


def _outlined(rows: Rows) -> tuple[int, int, Mapping[tuple[str, str], tuple[int, int]]] | None:
    """First and last time, and each writer's first and last number; None if anything is odd."""
    writers: dict[tuple[str, str], tuple[int, int]] = {}
    first_t = last_t = -1
    last_writer, first, last = ("", ""), 0, -1
    for row in rows:
        served, writer, counter, _ = outline(row[8])
        if row[1:8] != served:
            return None
        t = served[1]
        if t < last_t:
            return None
        if last_t < 0:
            first_t = t
        last_t = t
        if writer != last_writer:
            writers[last_writer] = (first, last)
            last_writer = writer
            first, last = writers.get(writer, (counter, counter - 1))
        if counter != last + 1:
            return None
        last = counter
    writers[last_writer] = (first, last)
    del writers["", ""]
    return first_t, last_t, writers
