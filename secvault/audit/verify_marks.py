"""What the tree must be, and who says so: every signed checkpoint, here and elsewhere."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from secvault.audit.walk import Mark, Walk
from secvault.crypto.checkpoint import Checkpoint, verify_by_name, verify_checkpoint
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged

_CHECKPOINTS = text(
    "SELECT size, root, note FROM audit_checkpoint WHERE size > :after ORDER BY size LIMIT :limit"
)
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Keys:
    """What checkpoints of this log are signed with, and under which origin.

    former: keys of the origins that it had before.
    """

    verifiers: tuple[NoteVerifier, ...]
    origin: str
    former: tuple[NoteVerifier, ...] = ()

    def opened(self, note: bytes) -> Checkpoint:
        """The signed checkpoint. Raises Damaged."""
        try:
            return verify_checkpoint(note, self.verifiers, self.origin)
        except Damaged:
            if not self.former:
                raise
        return verify_by_name(note, self.former)


def marks_of(
    connection: Connection,
    walk: Walk,
    published: Iterable[bytes],
    keys: Keys,
) -> Iterator[Mark]:
    """All checkpoints whose signatures are right, in the order of their sizes."""
    outside: list[Mark] = []
    for at, note in enumerate(published):
        walk.checkpoints += 1
        try:
            signed = keys.opened(note)
        except Damaged as error:
            walk.report(None, f"published checkpoint {at}: {error.detail}")
        else:
            outside.append(Mark(signed.size, signed.root, "published checkpoint"))
    stored = _stored_checkpoints(connection, walk, keys)
    return heapq.merge(
        stored, sorted(outside, key=lambda mark: mark.size), key=lambda mark: mark.size
    )


def _stored_checkpoints(connection: Connection, walk: Walk, keys: Keys) -> Iterator[Mark]:
    for row in _rows(connection):
        walk.checkpoints += 1
        try:
            note = row.note if isinstance(row.note, bytes) else b""
            signed = keys.opened(note)
        except Damaged as error:
            walk.report(None, f"the checkpoint of size {row.size}: {error.detail}")
            continue
        if (signed.size, signed.root) == (row.size, row.root):
            yield Mark(signed.size, signed.root, "checkpoint")
        else:
            walk.report(None, f"the checkpoint of size {row.size} is not what was signed")


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    """All checkpoints that are stored, some at a time."""
    after = -(2**63)
    while True:
        rows = connection.execute(_CHECKPOINTS, {"after": after, "limit": _AT_ONCE}).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]
