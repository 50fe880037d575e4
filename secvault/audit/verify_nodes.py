"""Verification of the stored hashes of whole subtrees, which make proofs quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from secvault.audit.chunks import NODE
from secvault.audit.walk import Walk
from secvault.crypto.merkle import root_of
from secvault.store.straight import straight

_NODES = "SELECT n, hash FROM audit_node WHERE level = ? AND n >= ? AND n < ?"


@dataclass(slots=True)
class Nodes:
    """Compares the stored hashes of whole subtrees with those of the events, level by level."""

    connection: Connection
    walk: Walk
    counts: list[int] = field(default_factory=list)
    gathered: list[list[bytes]] = field(default_factory=list)
    stopped: bool = False

    def take(self, hashes: list[bytes], level: int = 1) -> None:
        """The next nodes of a level, as the events have them."""
        if not hashes or self.stopped:
            return
        while len(self.counts) < level:
            self.counts.append(0)
            self.gathered.append([])
        start = self.counts[level - 1]
        end = self.counts[level - 1] = start + len(hashes)
        for n, stored in straight(self.connection, _NODES, (level, start, end)):
            if stored != hashes[n - start]:
                size = NODE**level
                what = f"the stored hash over events {n * size} to {(n + 1) * size - 1} is not it"
                self.walk.report(None, what)
        gathered = self.gathered[level - 1]
        gathered += hashes
        while len(gathered) >= NODE:
            whole, gathered[:NODE] = gathered[:NODE], []
            self.take([root_of(whole)], level + 1)

    def take_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The nodes of level 1 over these rows."""
        hashes = [row[9] for row in rows]
        if all(isinstance(one, bytes) for one in hashes):
            whole = range(0, len(hashes) - NODE + 1, NODE)
            self.take([root_of(hashes[at : at + NODE]) for at in whole])
        else:
            self.stop()

    def stop(self) -> None:
        """Compare nothing more: the events themselves cannot be hashed."""
        self.stopped = True

    def finish(self) -> None:
        """Report nodes that are over more events than there are."""
        if self.stopped or not self.walk.whole or self.walk.problem_count:
            return
        for level in range(1, 9):
            known = self.counts[level - 1] if level <= len(self.counts) else 0
            beyond = straight(self.connection, _NODES, (level, known, 2**62))
            outside = straight(self.connection, _NODES, (level, -(2**62), 0))
            if beyond or outside:
                what = f"there are stored hashes of level {level} over events that are not there"
                self.walk.report(self.walk.size, what, "truncated")
