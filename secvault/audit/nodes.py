"""Hashes of whole subtrees, kept so that a proof need not read every leaf.

A node of level L is the hash of 256**L events, as a tile of level L has them (c2sp.org/tlog-tiles).
Level 0 is the leaves' own hashes, in the events' rows. Nodes are made of leaves and save time only:
what is missing is computed, and a proof made from a wrong one does not hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from secvault.audit import archive_rows
from secvault.audit.append import LOG
from secvault.crypto.merkle import Range, fold, perfect_subtrees, root_of
from secvault.crypto.tiles import WIDTH
from secvault.store.engine import Store, insert_unless_there
from secvault.store.straight import straight
from secvault.store.tables import audit_head, audit_node

_NODES_AT_ONCE = 64


def keep_nodes(store: Store) -> int:
    """Store the nodes that the log has come to fill; how many. Any process may, at any time."""
    kept = 0
    level = 1
    while True:
        with store.read() as connection:
            size = connection.scalar(select(audit_head.c.size).where(audit_head.c.log == LOG)) or 0
            newest = connection.scalar(
                select(func.max(audit_node.c.n)).where(audit_node.c.level == level)
            )
            start = 0 if newest is None else newest + 1
            end = min(size // WIDTH**level, start + _NODES_AT_ONCE)
            made = [_node(connection, level, n) for n in range(start, end)]
        with store.write() as connection:
            for n, found in enumerate(made, start):
                insert_unless_there(connection, audit_node, {"level": level, "n": n, "hash": found})
        kept += len(made)
        if made:
            continue
        if size // WIDTH ** (level + 1) == 0:
            return kept
        level += 1


def hashes(connection: Connection, level: int, start: int, end: int) -> list[bytes]:
    """The nodes of a level from `start` to below `end`, all of which the log must have filled."""
    found = _nodes(connection, level, [(start, end)])
    return _of(found, (start, end))


def range_hash(connection: Connection, at: Range) -> bytes:
    """The hash of a range that is a subtree of the log's tree."""
    return range_hashes(connection, [at])[0]


def range_hashes(connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
    """The hash of each range, in their order.

    All ranges of a level are read at once: a proof of a long log has dozens.
    """
    cut = [[_spans(each) for each in perfect_subtrees(*at)] for at in ranges]
    wanted: dict[int, list[Range]] = {}
    for level, span in itertools.chain.from_iterable(cut):
        wanted.setdefault(level, []).append(span)
    found = {level: _nodes(connection, level, spans) for level, spans in wanted.items()}
    return [
        fold([root_of(_of(found[level], span)) for level, span in subtrees]) for subtrees in cut
    ]


def _of(found: Mapping[int, bytes], span: Range) -> list[bytes]:
    """Those of a span. One that the store lost is left out, so that no proof made of it holds."""
    return [found[n] for n in range(*span) if n in found]


def _spans(subtree: Range) -> tuple[int, Range]:
    """The level, and the range of its nodes, that a subtree is made of."""
    start, end = subtree
    level = ((end - start).bit_length() - 1) // 8
    step = WIDTH**level
    return level, (start // step, end // step)


def _nodes(connection: Connection, level: int, spans: Sequence[Range]) -> dict[int, bytes]:
    """The hash of each node of a level that lies in one of the spans."""
    if level == 0:
        return _leaves(connection, spans)
    statement = "SELECT n, hash FROM audit_node WHERE level = ? AND n >= ? AND n < ?"
    found = _read(connection, statement, [(level, *span) for span in spans])
    for n in itertools.chain.from_iterable(range(*span) for span in spans):
        if n not in found:
            found[n] = _node(connection, level, n)
    return found


def _leaves(connection: Connection, spans: Sequence[Range]) -> dict[int, bytes]:
    live = archive_rows.boundary(connection)
    found: dict[int, bytes] = {}
    for start, end in spans:
        stop = min(end, live)
        if start < stop:
            for n, kept in archive_rows.leaves(connection, start // WIDTH, -(-stop // WIDTH)):
                found.update(enumerate(archive_rows.cut(kept), n * WIDTH))
    statement = "SELECT seq, leaf_hash FROM audit_event WHERE seq >= ? AND seq < ?"
    rest = [(max(start, live), end) for start, end in spans if end > live]
    return found | _read(connection, statement, rest)


def _read(
    connection: Connection, statement: str, values: Sequence[tuple[int, ...]]
) -> dict[int, bytes]:
    """What the statement gives for all these values: hashes by their number."""
    if not values:
        return {}
    statements = " UNION ALL ".join([statement] * len(values))
    return dict(straight(connection, statements, [*itertools.chain.from_iterable(values)]))


def _node(connection: Connection, level: int, n: int) -> bytes:
    return root_of(hashes(connection, level - 1, n * WIDTH, (n + 1) * WIDTH))
