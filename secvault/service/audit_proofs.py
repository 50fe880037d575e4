"""Operations that hand out proofs about the audit log, and the log itself as tiles.

Reading a proof or a tile tells as much as reading the log, is allowed to the same people, and is an
event like it. Checking a proof needs a public key and no vault.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from secvault.audit import checkpoints, cosignatures, export, nodes, proofs
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.proofs import Consistency, Inclusion, Stretch
from secvault.crypto.checkpoint import Checkpoint, origin_of
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.note import NoteVerifier, take_apart
from secvault.crypto.tiles import CHECKPOINT, Tile
from secvault.errors import NotFound
from secvault.service.audit_log import LOG
from secvault.service.log_signing import sign_now
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome


@dataclass(frozen=True)
class CheckedInclusion:
    """A proof that was checked here, as whoever has the log's public keys checks it elsewhere.

    leaf: the hash of the entry. checkpoint: what it leads to. signed_by: the keys of the log whose
    signatures were found right. others: names of those who signed beside, such as witnesses, whose
    signatures are for the holders of their keys to check.
    """

    proof: Inclusion
    leaf: bytes
    checkpoint: Checkpoint
    signed_by: tuple[NoteVerifier, ...]
    others: tuple[str, ...]


def prove_event_checked(service: Service, caller: Caller, seq: int) -> CheckedInclusion:
    """`prove_event`, and the proof checked from the entry up to the signatures. Raises as that."""
    found = prove_event(service, caller, seq)
    origin = origin_of(found.note)
    known = [each for each in service.signing.audit_verifiers if each.name == origin]
    checkpoint = found.check(known, origin)
    _, lines = take_apart(found.note)
    signed = {(line.name, line.key_id) for line in lines}
    ours = {(each.name, each.key_id) for each in known}
    return CheckedInclusion(
        found,
        leaf_hash(found.entry),
        checkpoint,
        tuple(each for each in known if (each.name, each.key_id) in signed),
        tuple(line.name for line in lines if (line.name, line.key_id) not in ours),
    )


def prove_event(service: Service, caller: Caller, seq: int) -> Inclusion:
    """That the log has event `seq`, by the newest checkpoint that a witness co-signed.

    Where none that reaches it is, by the newest of all, which is signed now if need be.

    Raises NotFound; Damaged when the log does not bear it out.
    """

    def act(_: object) -> Outcome[Inclusion]:
        signed = cosignatures.published(service.store, _reaching(service, seq + 1))
        with service.store.read() as later:
            found = proofs.prove_inclusion(later, signed, seq)
        return Outcome(found, detail={"seq": seq, "size": signed.size})

    return service.spine.read(caller, LOG, act)


def prove_growth(service: Service, caller: Caller, old: int, new: int | None) -> Consistency:
    """That the checkpoint of size `new` (None for the newest) only appended to that of `old`.

    Raises NotFound when no such checkpoint was signed, InvalidInput unless 0 < old <= new, Damaged.
    """

    def act(connection: Connection) -> Outcome[Consistency]:
        earlier = proofs.checkpoint_of_size(connection, old)
        later = newest(service) if new is None else proofs.checkpoint_of_size(connection, new)
        found = proofs.prove_consistency(
            connection,
            cosignatures.published(service.store, earlier),
            cosignatures.published(service.store, later),
        )
        return Outcome(found, detail={"old": earlier.size, "size": later.size})

    return service.spine.read(caller, LOG, act)


def prove_range(service: Service, caller: Caller, start: int, end: int) -> Stretch:
    """That the hashes it has are of all events from `start` to below `end`, and of nothing else.

    Raises InvalidInput for a range that is empty, too long or beyond the log; Damaged.
    """

    def act(_: object) -> Outcome[Stretch]:
        signed = _reaching(service, end)
        with service.store.read() as later:
            found = proofs.prove_stretch(later, signed, start, end)
        return Outcome(found, count=end - start, detail={"seq": start, "size": signed.size})

    return service.spine.read(caller, LOG, act)


def read_tile(service: Service, caller: Caller, path: str) -> bytes:
    """What lies at `path` of the log's tiles: a tile, a bundle of entries, or the checkpoint.

    Raises InvalidInput for a path that is none, NotFound for what no checkpoint has reached yet.
    """
    tile = None if path == CHECKPOINT else Tile.parse(path)

    def act(connection: Connection) -> Outcome[bytes]:
        signed = newest(service)
        if tile is None:
            note = cosignatures.note_with_cosignatures(connection, signed)
            return Outcome(note, detail={"size": signed.size})
        if not tile.fits(signed.size):
            raise NotFound(f"the checkpoint of size {signed.size} does not reach this tile")
        return Outcome(export.tile_bytes(connection, tile), count=tile.width)

    return service.spine.read(caller, LOG, act)


def export_tiles(
    service: Service, caller: Caller, folder: Path, progress: export.Progress = lambda _: None
) -> StoredCheckpoint:
    """Write the whole log, as it is now, below `folder`; the checkpoint that the folder is of.

    See `audit.export`. Raises InvalidInput, Damaged.
    """

    def act(_: object) -> Outcome[StoredCheckpoint]:
        service.audit.drain()
        signed = cosignatures.published(service.store, _signed_now(service))
        nodes.keep_nodes(service.store)
        known = service.signing.audit_verifiers
        export.export(service.store, signed, folder, known, progress=progress)
        return Outcome(signed, count=signed.size, detail={"size": signed.size})

    return service.spine.read(caller, LOG, act)


def newest(service: Service) -> StoredCheckpoint:
    """The newest checkpoint; one is signed where there is none yet."""
    return checkpoints.newest_checkpoint(service.store) or _signed_now(service)


def _reaching(service: Service, size: int) -> StoredCheckpoint:
    with service.store.read() as connection:
        cosigned = cosignatures.newest_cosigned(connection)
    if cosigned is not None and cosigned.size >= size:
        return cosigned
    signed = newest(service)
    if signed.size < size:
        service.audit.drain()
        signed = _signed_now(service)
    return signed


def _signed_now(service: Service) -> StoredCheckpoint:
    return sign_now(service)
