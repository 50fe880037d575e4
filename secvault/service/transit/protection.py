"""What is asked to be changed of a key, and what of it takes a protection away."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.keyring.named_key import NamedKey
from secvault.service.approval import Terms


@dataclass(frozen=True)
class KeyChanges:
    """What is to be changed of a key; None leaves it. Exportable and backup are only ever set."""

    min_decryption_version: int | None = None
    min_encryption_version: int | None = None
    deletion_allowed: bool | None = None
    exportable: bool | None = None
    allow_plaintext_backup: bool | None = None
    auto_rotate_seconds: int | None = None


def lowered(key: NamedKey, changes: KeyChanges) -> Terms | None:
    """Those of the changes that protect the key less than now; None when there are none.

    It may be deleted, exported or backed up in clear, an older version decrypts or encrypts
    again, or it is rotated later or never.
    """
    found = {
        "deletion_allowed": changes.deletion_allowed is True and not key.deletion_allowed,
        "exportable": changes.exportable is True and not key.exportable,
        "allow_plaintext_backup": changes.allow_plaintext_backup is True
        and not key.allow_plaintext_backup,
        # Where it is 1, a 0 changes nothing.
        "min_decryption_version": key.min_decryption_version > 1
        and _less(changes.min_decryption_version, key.min_decryption_version),
        "min_encryption_version": _less(changes.min_encryption_version, key.min_encryption_version),
        "auto_rotate_seconds": _later(changes.auto_rotate_seconds, key.auto_rotate_seconds),
    }
    return {name: getattr(changes, name) for name, lower in found.items() if lower} or None


def _less(wanted: int | None, present: int) -> bool:
    return wanted is not None and wanted < present


def _later(wanted: int | None, present: int) -> bool:
    if wanted is None or present == 0:
        return False
    return wanted == 0 or wanted > present
