"""Checkpoints of the log: signed statements of its size and root that outlive any later change.

Before a new one is signed, the leaves since the last one are hashed again from their stored
bytes, on top of what the last one's signature covers. So the log never signs a state that
contradicts an earlier one, whatever has been done to its tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from secvault.audit import entries
from secvault.audit.append import LOG, start_head
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint, verify_by_name
from secvault.crypto.merkle import Frontier, leaf_hash
from secvault.crypto.note import NoteSigner, NoteVerifier
from secvault.errors import Damaged, InvalidInput
from secvault.store.engine import Store
from secvault.store.tables import audit_checkpoint, audit_event, audit_head

MAX_PAGE = 1_000

# The frontier at the last checkpoint. It needs no protection: it must fold to the signed root.
_SIGNED = "main/checkpoint"


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it is stored. note: what to publish. t: when signed, microseconds UTC."""

    size: int
    root: bytes
    note: bytes
    t: int


def sign_head(
    store: Store,
    clock: Clock,
    signer: NoteSigner,
    *,
    origin: str,
    earlier: Sequence[NoteVerifier] = (),
    beside: Sequence[NoteSigner] = (),
) -> StoredCheckpoint:
    """The signed checkpoint of the log as it is now; the last one if nothing was appended since.

    signer: by custom named as the origin. earlier: keys that signed before the present one, also
    under another origin. beside: those of them that sign as well, while they are being replaced.
    Hashes the events since the last checkpoint. Raises Damaged, and signs nothing, if the log
    does not continue the last checkpoint: it was changed, cut, or put back to an older state.
    """
    verifiers = (signer.verifier(), *earlier)
    with store.read() as connection:
        last = _newest(connection)
        head = _frontier(connection, LOG)
        if last is not None:
            _check_note(last, verifiers)
            if last.size > head.size:
                raise _contradicts(last, f"the log has only {head.size} events")
        rebuilt = _rebuild(connection, last, head.size)
        newest = connection.scalar(select(func.max(audit_event.c.seq)))
    if rebuilt != head or newest != (head.size - 1 if head.size else None):
        raise Damaged("the head of the audit log does not fit its events; verify the log")
    if last is not None and last.size == head.size:
        return last
    checkpoint = Checkpoint(origin, head.size, head.root())
    note = sign_checkpoint(checkpoint, signer, *beside)
    made = StoredCheckpoint(head.size, checkpoint.root, note, clock.micros())
    with store.write() as connection:
        return _keep(connection, made, head)


def newest_checkpoint(store: Store) -> StoredCheckpoint | None:
    """The last checkpoint that was signed, if any; its signature is not looked at."""
    with store.read() as connection:
        return _newest(connection)


def checkpoints(
    store: Store, *, before: int | None = None, limit: int = 100
) -> tuple[StoredCheckpoint, ...]:
    """Checkpoints, largest first, of sizes below `before`. limit: 1 to 1,000."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {MAX_PAGE}")
    wanted = select(audit_checkpoint).order_by(audit_checkpoint.c.size.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(audit_checkpoint.c.size < before)
    with store.read() as connection:
        return tuple(StoredCheckpoint(*row) for row in connection.execute(wanted))


def stored_bodies(connection: Connection, start: int, end: int) -> Iterator[bytes]:
    """The leaf bytes that are there from sequence number `start` to below `end`.

    See `entries.bodies`.
    """
    return entries.bodies(connection, start, end)


def _rebuild(connection: Connection, last: StoredCheckpoint | None, size: int) -> Frontier:
    """The frontier at `size`, from the last checkpoint on. Raises Damaged if it breaks away."""
    trusted = Frontier()
    if last is not None:
        trusted = _frontier(connection, _SIGNED)
        if trusted.size != last.size or trusted.root() != last.root:
            trusted = Frontier().extend(map(leaf_hash, stored_bodies(connection, 0, last.size)))
        if trusted.root() != last.root:
            raise _contradicts(last, "the events before it are not those that it covers")
    return trusted.extend(map(leaf_hash, stored_bodies(connection, trusted.size, size)))


def _keep(connection: Connection, made: StoredCheckpoint, head: Frontier) -> StoredCheckpoint:
    """Store the checkpoint, unless another process stored one of this size or larger meanwhile."""
    start_head(connection, _SIGNED)
    connection.execute(select(audit_head).where(audit_head.c.log == _SIGNED).with_for_update())
    present = _newest(connection)
    if present is not None and present.size >= made.size:
        return present
    connection.execute(
        insert(audit_checkpoint).values(size=made.size, root=made.root, note=made.note, t=made.t)
    )
    connection.execute(
        update(audit_head)
        .where(audit_head.c.log == _SIGNED)
        .values(size=made.size, frontier=head.to_bytes(), last_t=made.t)
    )
    return made


def _newest(connection: Connection) -> StoredCheckpoint | None:
    row = connection.execute(
        select(audit_checkpoint).order_by(audit_checkpoint.c.size.desc()).limit(1)
    ).one_or_none()
    return None if row is None else StoredCheckpoint(*row)


def _frontier(connection: Connection, log: str) -> Frontier:
    row = connection.execute(select(audit_head).where(audit_head.c.log == log)).one_or_none()
    return Frontier() if row is None else Frontier.from_bytes(row.size, row.frontier)


def _check_note(stored: StoredCheckpoint, verifiers: Sequence[NoteVerifier]) -> None:
    signed = verify_by_name(stored.note, verifiers)
    if (signed.size, signed.root) != (stored.size, stored.root):
        raise _contradicts(stored, "its row says something else than its signature")


def _contradicts(last: StoredCheckpoint, why: str) -> Damaged:
    return Damaged(
        f"the audit log contradicts its checkpoint of size {last.size}: {why}. "
        "Keep both as evidence and verify the log"
    )
