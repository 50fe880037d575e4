"""The root of the kit put under a new seal, and the copy joined with its data keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from secvault.audit import signing_keys as audit_rows
from secvault.audit.verify import AuditReport
from secvault.audit.verify import verify as verify_log
from secvault.backup import rejoin as joining
from secvault.backup.rejoin import Rejoined
from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged, InvalidInput, SecvaultError
from secvault.keyring import FileSeal, Keyring
from secvault.keyring.keyring import INTERNAL
from secvault.keyring.root import Root, read_stored, reseal
from secvault.keyring.seals.seal import wrapped_by
from secvault.recovery.kit import KitHead, KitSecrets
from secvault.service.opening import make_key
from secvault.store import Store, tables
from secvault.store.record_rows import names_of_tables
from secvault.store.scrub import scrub


class RootNotInKit(SecvaultError):
    """The kit has no root key that opens this copy."""

    code = "root-not-in-kit"
    title = "The kit does not open this copy"
    exit_code = 5


@dataclass(frozen=True)
class LogSeen:
    """What the copy's audit log is. unknown: how many of its keys do not stand in the kit; what
    those sign may be of whoever wrote them into the copy.
    """

    report: AuditReport
    origin: str
    unknown: int


def root_for(store: Store, secrets: KitSecrets, clock: Clock, random: Random) -> Root:
    """The root that this copy was made under, seen to open what hangs on it.

    Raises RootNotInKit, InvalidInput for a copy of another vault, Damaged.
    """
    with store.read() as connection:
        stored = read_stored(connection)
        some = connection.execute(
            select(tables.named_key.c.name).where(tables.named_key.c.mount == INTERNAL).limit(1)
        ).scalar_one_or_none()
    if stored.vault_id != secrets.vault:
        raise InvalidInput("the snapshot is of another vault than the kit")
    behind = secrets.generation - stored.generation
    if behind < 0:
        raise RootNotInKit(
            f"the root key was rotated after this kit was issued (the copy has generation "
            f"{stored.generation}, the kit {secrets.generation}); use a newer kit, or an older "
            "snapshot with --snapshot"
        )
    if behind >= len(secrets.roots):
        raise RootNotInKit(
            f"the copy was made under the root key of generation {stored.generation}, and the "
            f"kit holds {len(secrets.roots)} of them, the oldest of generation "
            f"{secrets.generation - len(secrets.roots) + 1}; use a newer snapshot, or the kit of "
            "then"
        )
    key = secrets.root_keys()[behind]
    root = Root(stored.vault_id, key, stored.generation)
    if some is not None:
        try:
            Keyring(store, clock, root, random).internal(some)
        except Damaged:
            raise RootNotInKit(
                "the root key of the kit does not open the keys of this copy: the keys of the copy "
                "were exchanged, or the kit is of another state of the vault"
            ) from None
    return root


def seal_anew(store: Store, root: Root, key_file: Path, random: Random) -> FileSeal:
    """Put the root under a file seal of this machine; its key is made unless it is there.

    The seal of the old machine opens this copy no more, and is not needed. Raises Conflict.
    """
    seal = FileSeal(key_file, random)
    make_key(seal)
    wrapped = wrapped_by(seal, root.key, root.vault_id)
    with store.write() as connection:
        reseal(connection, root, wrapped)
    return seal


def rejoin(
    store: Store, root: Root, files: Sequence[Path], clock: Clock, random: Random
) -> Rejoined | None:
    """Bring the data keys back, without those of whoever was erased since.

    None where the copy has them: it is of before they were kept apart, or this was done already.
    Records whose key is in no file were deleted since, and are left out. Raises Damaged.
    """
    with store.read() as connection:
        if joining.has_keys(connection):
            return None
    keyring = Keyring(store, clock, root, random)
    with store.write() as connection:
        done = joining.rejoin(
            connection, keyring, files, clock.micros(), without_deleted=True, random=random
        )
    scrub(store, clock, names_of_tables())
    return done


def look_at_log(store: Store, head: KitHead) -> LogSeen:
    """Verify the copy's audit log, with its own keys; and which of them the kit knows.

    Raises Damaged where the log is not whole, or none of its keys stands in the kit.
    """
    with store.read() as connection:
        keys = audit_rows.audit_keys(connection)
    if not keys:
        raise Damaged("the copy's audit log has no key that signs it")
    origin = keys[0].verifier.name
    verifiers = [key.verifier for key in keys]
    report = verify_log(
        store,
        [each for each in verifiers if each.name == origin],
        origin=origin,
        former=[each for each in verifiers if each.name != origin],
    )
    if not report.ok:
        raise Damaged(f"the copy's audit log is damaged: {report.problems[0].what}")
    printed = {text for text in head.audit_keys if _is_key(text)}
    unknown = sum(key.vkey not in printed for key in keys)
    if printed and unknown == len(keys):
        raise Damaged(
            "no key of the copy's audit log stands in the kit: the log is another one than that of "
            "the vault that the kit is of"
        )
    return LogSeen(report, origin, unknown)


def _is_key(text: str) -> bool:
    try:
        NoteVerifier.from_vkey(text)
    except SecvaultError:
        return False
    return True
