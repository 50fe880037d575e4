"""Proofs about the log that need nothing but a public key to check.

Each is against a signed checkpoint, and is checked against it here before it leaves: a log whose
tables were changed gives Damaged instead of a proof that nobody can use.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault.audit import entries
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.nodes import hashes, range_hashes
from secvault.crypto.checkpoint import Checkpoint, verify_checkpoint
from secvault.crypto.merkle import (
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from secvault.crypto.note import NoteVerifier
from secvault.crypto.range_proof import range_ranges, verify_range
from secvault.errors import Damaged, InvalidInput, NotFound
from secvault.store.tables import audit_checkpoint

LONGEST_STRETCH = 10_000
"""How many events a stretch has at the most; `package` proves longer ones, with their bytes."""

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That the log has an event. entry: its leaf bytes. note: the checkpoint that it is proven by.

    hashes: the inclusion proof of RFC 6962 for leaf `seq` of the tree of the checkpoint's size.
    """

    seq: int
    entry: bytes
    hashes: tuple[bytes, ...]
    note: bytes

    def format(self) -> str:
        """The proof as text (c2sp.org/tlog-proof); the entry goes beside it."""
        lines = [_FIRST_LINE, f"index {self.seq}", *map(_base64, self.hashes), ""]
        return "\n".join(lines) + "\n" + self.note.decode()

    def check(self, verifiers: Sequence[NoteVerifier], origin: str) -> Checkpoint:
        """The checkpoint, if the proof holds. Raises Damaged."""
        signed = verify_checkpoint(self.note, verifiers, origin)
        self.verify(signed)
        return signed

    def verify(self, signed: Checkpoint) -> None:
        """Return if the proof leads to this checkpoint, whose signatures have been seen to.

        Raises Damaged.
        """
        verify_inclusion(leaf_hash(self.entry), self.seq, signed.size, self.hashes, signed.root)


@dataclass(frozen=True, slots=True)
class Consistency:
    """That one checkpoint only appended to another. hashes: the proof of RFC 6962."""

    old: bytes
    new: bytes
    hashes: tuple[bytes, ...]

    def check(
        self, verifiers: Sequence[NoteVerifier], origin: str
    ) -> tuple[Checkpoint, Checkpoint]:
        """Both checkpoints, if the proof holds. Raises Damaged."""
        old = verify_checkpoint(self.old, verifiers, origin)
        new = verify_checkpoint(self.new, verifiers, origin)
        verify_consistency(old.size, old.root, new.size, new.root, self.hashes)
        return old, new


@dataclass(frozen=True, slots=True)
class Stretch:
    """That these are all events from `start` to below `end`.

    leaves: their leaf hashes. hashes: see `crypto.range_proof`. note: the checkpoint.
    """

    start: int
    end: int
    leaves: tuple[bytes, ...]
    hashes: tuple[bytes, ...]
    note: bytes


def parse_inclusion(text: str, entry: bytes) -> Inclusion:
    """The proof that `Inclusion.format` wrote. Raises Damaged for any other text."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if blank and len(lines) >= 2 and lines[0] == _FIRST_LINE and lines[1].startswith("index "):
        try:
            hashes = tuple(base64.b64decode(line, validate=True) for line in lines[2:])
            found = Inclusion(int(lines[1].removeprefix("index ")), entry, hashes, note.encode())
        except ValueError:
            raise _no_proof() from None
        if found.format() == text:
            return found
    raise _no_proof()


def prove_inclusion(connection: Connection, signed: StoredCheckpoint, seq: int) -> Inclusion:
    """The proof for event `seq`. Raises NotFound when the checkpoint does not reach it; Damaged."""
    if not 0 <= seq < signed.size:
        raise NotFound(f"there is no event {seq} in the checkpoint of size {signed.size}")
    entry = entries.body(connection, seq)
    if entry is None:
        raise Damaged(f"event {seq} is missing; verify the log")
    proof = tuple(range_hashes(connection, inclusion_ranges(seq, signed.size)))
    verify_inclusion(leaf_hash(bytes(entry)), seq, signed.size, proof, signed.root)
    return Inclusion(seq, bytes(entry), proof, signed.note)


def prove_consistency(
    connection: Connection, old: StoredCheckpoint, new: StoredCheckpoint
) -> Consistency:
    """The proof that `new` continues `old`. Raises InvalidInput unless 0 < old <= new; Damaged."""
    proof = tuple(range_hashes(connection, consistency_ranges(old.size, new.size)))
    verify_consistency(old.size, old.root, new.size, new.root, proof)
    return Consistency(old.note, new.note, proof)


def prove_beginning(
    connection: Connection, size: int, root: bytes, new: Checkpoint
) -> tuple[bytes, ...]:
    """The proof that a log of this size and root, a copy's for instance, is what `new` began with.

    connection: of the log that `new` is of. Raises InvalidInput unless 0 < size <= new.size;
    Damaged when it is another log, or one that went on otherwise.
    """
    proof = tuple(range_hashes(connection, consistency_ranges(size, new.size)))
    verify_consistency(size, root, new.size, new.root, proof)
    return proof


def prove_stretch(
    connection: Connection, signed: StoredCheckpoint, start: int, end: int
) -> Stretch:
    """The leaf hashes from `start` to below `end`, and the proof that they are all.

    Raises InvalidInput for a range that is empty, beyond the checkpoint, or of more than
    `LONGEST_STRETCH` events; Damaged.
    """
    if end - start > LONGEST_STRETCH:
        raise InvalidInput.at("end", f"is more than {LONGEST_STRETCH} after the start; export it")
    proof = tuple(range_hashes(connection, range_ranges(start, end, signed.size)))
    leaves = tuple(hashes(connection, 0, start, end))
    verify_range(leaves, start, signed.size, proof, signed.root)
    return Stretch(start, end, leaves, proof, signed.note)


def prove_leaves(
    connection: Connection, signed: StoredCheckpoint, start: int, leaves: Sequence[bytes]
) -> tuple[bytes, ...]:
    """The hashes that prove these leaf hashes, at least one, to be all from `start` on. Raises
    Damaged.
    """
    ranges = range_ranges(start, start + len(leaves), signed.size)
    proof = tuple(range_hashes(connection, ranges))
    verify_range(leaves, start, signed.size, proof, signed.root)
    return proof


def checkpoint_of_size(connection: Connection, size: int) -> StoredCheckpoint:
    """The stored checkpoint of exactly this size. Raises NotFound."""
    row = connection.execute(
        select(audit_checkpoint).where(audit_checkpoint.c.size == size)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no checkpoint of size {size} was signed")
    return StoredCheckpoint(*row)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _no_proof() -> Damaged:
    return Damaged(f"The text is no proof: {_FIRST_LINE}, index, hashes, a checkpoint.")
