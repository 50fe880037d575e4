"""What witnesses have co-signed: kept beside the checkpoints, and published with their notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from secvault.audit.checkpoints import StoredCheckpoint
from secvault.crypto.cosignature import Cosignature
from secvault.store.engine import Store, insert_unless_there
from secvault.store.tables import audit_checkpoint, audit_cosignature


def keep_cosignatures(
    connection: Connection, size: int, witness: str, found: Sequence[Cosignature]
) -> None:
    """Store what a witness said of the checkpoint of this size; the first time is what counts.

    found: verified, of this checkpoint, one at least.
    """
    lines = "".join(one.line.format() for one in found)
    values = {
        "size": size,
        "witness": witness,
        "line": lines.encode(),
        "t": max(one.time for one in found) * 1_000_000,
    }
    insert_unless_there(connection, audit_cosignature, values)


def published_note(store: Store, checkpoint: StoredCheckpoint) -> bytes:
    """The checkpoint's note with the lines of all witnesses that co-signed it, in their names'
    order. Whoever knows none of them reads it like the note without.
    """
    with store.read() as connection:
        return note_with_cosignatures(connection, checkpoint)


def note_with_cosignatures(connection: Connection, checkpoint: StoredCheckpoint) -> bytes:
    """As `published_note`, in a transaction that is open already."""
    kept = audit_cosignature.c
    lines = connection.scalars(
        select(kept.line).where(kept.size == checkpoint.size).order_by(kept.witness)
    )
    return checkpoint.note + b"".join(map(bytes, lines))


def published(store: Store, checkpoint: StoredCheckpoint) -> StoredCheckpoint:
    """The checkpoint with its `published_note`."""
    return replace(checkpoint, note=published_note(store, checkpoint))


def newest_cosigned(connection: Connection) -> StoredCheckpoint | None:
    """The newest checkpoint that a witness co-signed, if any did."""
    size = connection.scalar(select(func.max(audit_cosignature.c.size)))
    row = connection.execute(
        select(audit_checkpoint).where(audit_checkpoint.c.size == size)
    ).one_or_none()
    return None if row is None else StoredCheckpoint(*row)
