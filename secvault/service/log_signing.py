"""Signing the log as it is now: never against what was shown outside before.

The checkpoint is remembered beside the database before it is handed out, so that a database that
is put back to an older copy is told at the next start, and by the next signature.
"""

from __future__ import annotations

from secvault.audit import checkpoints, rollback
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.crypto.checkpoint import Checkpoint, origin_of, verify_by_name
from secvault.errors import Damaged
from secvault.service import audit_rollback
from secvault.service.service import Service


def sign_now(service: Service) -> StoredCheckpoint:
    """The signed checkpoint of the log as it is now, remembered outside of the database.

    Raises Damaged, and signs nothing, when the log does not continue what it signed before: its
    last checkpoint, or the one that this machine remembers. Raises Unavailable.
    """
    audit_rollback.settle(service)
    data = service.settings.data_folder
    note = rollback.remembered(data)
    known = service.signing.audit_verifiers
    if note is not None:
        shown = rollback.Shown("what this machine signed last", note)
        with service.store.read() as connection:
            found = rollback.contradictions(connection, [shown], known)
        if found:
            raise Damaged(
                f"the audit log was put back or rewritten: {found[0].where} {found[0].what}. "
                "Nothing is signed; restart the service, which says what to do"
            )
    signer = service.signing.audit
    signed = checkpoints.sign_head(
        service.store,
        service.clock,
        signer,
        origin=signer.name,
        earlier=known[1:],
        beside=service.signing.audit_beside,
    )
    if note is None or _replaces(signed, verify_by_name(note, known), signer.name):
        rollback.remember(data, signed.note)
    return signed


def _replaces(signed: StoredCheckpoint, remembered: Checkpoint, origin: str) -> bool:
    """Whether to remember this one now: it is larger, or of the log after an accepted break."""
    if origin_of(signed.note) != origin:
        return False
    return remembered.origin != origin or remembered.size < signed.size
