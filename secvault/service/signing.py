"""The keys that secvault signs with, and the names that they sign under."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.crypto.note import NoteSigner, NoteVerifier
from secvault.keyring import Keyring


@dataclass(frozen=True)
class SigningKeys:
    """One Ed25519 key for the audit log's checkpoints, one for evidence."""

    audit: NoteSigner
    evidence: NoteSigner

    @property
    def verifiers(self) -> tuple[NoteVerifier, NoteVerifier]:
        """The public halves, audit first."""
        return self.audit.verifier(), self.evidence.verifier()


def signing_keys(keyring: Keyring, organisation: str) -> SigningKeys:
    """The vault's signing keys, made at first use. Opens transactions of its own.

    The audit key's name is the log's origin: it holds the vault's id, so that two vaults of one
    organisation are two logs.
    """
    name = f"{organisation}/{keyring.vault_id}"
    return SigningKeys(
        NoteSigner(f"{name}/audit", keyring.internal("audit-signing")),
        NoteSigner(f"{name}/evidence", keyring.internal("evidence-signing")),
    )
