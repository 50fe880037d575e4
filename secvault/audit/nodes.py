"""Hashes of whole subtrees, kept so that a proof need not read every leaf.

A node of level L is the hash of 256**L events, as a tile of level L has them (c2sp.org/tlog-tiles).
Level 0 is the leaves' own hashes, in the events' rows. Nodes are made of leaves and save time only:
what is missing is computed, and a proof made from a wrong one does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from secvault.audit import archive_rows
from secvault.audit.append import LOG
from secvault.crypto.merkle import Range, fold, perfect_subtrees, root_of
from secvault.crypto.tiles import WIDTH
from secvault.store.engine import Store, insert_unless_there
from secvault.store.tables import audit_event, audit_head, audit_node

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
    if level == 0:
        return _leaves(connection, start, end)
    n = audit_node.c.n
    rows = connection.execute(
        select(n, audit_node.c.hash).where(audit_node.c.level == level, n >= start, n < end)
    )
    stored = {row.n: bytes(row.hash) for row in rows}
    return [stored.get(at) or _node(connection, level, at) for at in range(start, end)]


def _leaves(connection: Connection, start: int, end: int) -> list[bytes]:
    live = archive_rows.boundary(connection)
    stop = min(end, live)
    found: list[bytes] = []
    if start < stop:
        kept = archive_rows.leaves(connection, start // WIDTH, -(-stop // WIDTH))
        for n, hashes in kept:
            first = n * WIDTH
            found += archive_rows.cut(hashes)[max(start - first, 0) : stop - first]
    seq = audit_event.c.seq
    rows = connection.execute(
        select(audit_event.c.leaf_hash).where(seq >= max(start, live), seq < end).order_by(seq)
    )
    return [*found, *(bytes(row.leaf_hash) for row in rows)]


def range_hash(connection: Connection, at: Range) -> bytes:
    """The hash of a range that is a subtree of the log's tree."""
    return fold([_subtree(connection, each) for each in perfect_subtrees(*at)])


def range_hashes(connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
    """The hash of each range, in their order."""
    return [range_hash(connection, each) for each in ranges]


def _node(connection: Connection, level: int, n: int) -> bytes:
    return root_of(hashes(connection, level - 1, n * WIDTH, (n + 1) * WIDTH))


def _subtree(connection: Connection, at: Range) -> bytes:
    start, end = at
    level = ((end - start).bit_length() - 1) // 8
    step = WIDTH**level
    return root_of(hashes(connection, level, start // step, end // step))
