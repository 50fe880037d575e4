"""The keys that secvault signs with, and the names that they sign under."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit import signing_keys as rows
from secvault.audit.signing_keys import AuditKey
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner, NoteVerifier
from secvault.keyring import Keyring
from secvault.store import Store


@dataclass(frozen=True)
class SigningKeys:
    """Ed25519 keys for the audit log's checkpoints, one for evidence.

    Those of the log are looked up at each use: another process may have rotated them.
    """

    evidence: NoteSigner
    store: Store
    clock: Clock
    keyring: Keyring

    @property
    def audit(self) -> NoteSigner:
        """What signs the log now. Its name is the log's origin."""
        return self._signer(self.audit_keys()[0])

    @property
    def audit_beside(self) -> tuple[NoteSigner, ...]:
        """What was replaced of late and signs as well, for whoever has only the old key."""
        newest, *former = self.audit_keys()
        now, origin = self.clock.micros(), newest.verifier.name
        signing = (key for key in former if key.signs(now) and key.verifier.name == origin)
        return tuple(self._signer(key) for key in signing)

    @property
    def audit_verifiers(self) -> tuple[NoteVerifier, ...]:
        """All public keys that ever signed the log, the newest first."""
        return tuple(key.verifier for key in self.audit_keys())

    def audit_keys(self) -> tuple[AuditKey, ...]:
        """The keys of the log, the newest first."""
        with self.store.read() as connection:
            return rows.audit_keys(connection)

    @property
    def verifiers(self) -> tuple[NoteVerifier, NoteVerifier]:
        """The public halves of what signs now, audit first."""
        return self.audit_keys()[0].verifier, self.evidence.verifier()

    def next_key(self, connection: Connection, name: str, reason: str) -> AuditKey:
        """A new key of the log, made in this transaction; `rows.keep_next` puts it in force."""
        number = rows.audit_keys(connection)[0].number + 1
        purpose = rows.purpose_of(number)
        signer = NoteSigner(name, self.keyring.internal_in(connection, purpose))
        now = self.clock.micros()
        return AuditKey(number, signer.verifier().vkey, purpose, now, None, reason)

    def _signer(self, key: AuditKey) -> NoteSigner:
        return NoteSigner(key.verifier.name, self.keyring.internal(key.purpose))


def signing_keys(keyring: Keyring, organisation: str, store: Store, clock: Clock) -> SigningKeys:
    """The vault's signing keys, made at first use. Opens transactions of its own.

    The first audit key's name is the log's origin: it holds the vault's id, so that two vaults of
    one organisation are two logs.
    """
    name = f"{organisation}/{keyring.vault_id}"
    made = SigningKeys(
        NoteSigner(f"{name}/evidence", keyring.internal("evidence-signing")), store, clock, keyring
    )
    if not made.audit_keys():
        first = NoteSigner(f"{name}/audit", keyring.internal(rows.FIRST_PURPOSE))
        with store.write() as connection:
            rows.keep_first(connection, first.verifier().vkey, clock.micros())
    return made
