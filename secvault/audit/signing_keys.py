"""The keys that sign the log: one signs now, former ones still verify what they signed.

After a rotation both sign for a while, so that whoever has only the old key still checks new
checkpoints, and sees the new key's signature beside it. A key's name is the origin of the log that
it signs; another name says that the log goes on from a state that contradicts what was signed
before (see `rollback`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection, insert, select, update

from secvault.crypto.note import NoteVerifier
from secvault.store.engine import insert_unless_there
from secvault.store.tables import audit_signing_key

FIRST_PURPOSE = "audit-signing"


@dataclass(frozen=True)
class AuditKey:
    """A key of the log. until: to when it signs beside its successor, None for the newest.

    since, until: microseconds UTC. purpose: names the private half in the keyring. reason: why
    the log goes on under another origin with it; empty for a rotation.
    """

    number: int
    vkey: str
    purpose: str
    since: int
    until: int | None
    reason: str

    @property
    def verifier(self) -> NoteVerifier:
        """The public half."""
        return NoteVerifier.from_vkey(self.vkey)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key as text, in hexadecimal: what events name it by."""
        return sha256(self.vkey.encode()).hexdigest()

    def signs(self, now: int) -> bool:
        """Whether it signs at this moment."""
        return self.until is None or now < self.until


def purpose_of(number: int) -> str:
    """What the private half of a key is named by."""
    return FIRST_PURPOSE if number == 1 else f"{FIRST_PURPOSE}-{number}"


def next_origin(origin: str, at: int) -> str:
    """The origin that the log goes on under after a break: `<vault>/audit/<moment, UTC>`.

    The moment, and no number, because the next number may have been in use in what was lost.
    """
    root = origin.rpartition("/audit")[0]
    return f"{root}/audit/{datetime.fromtimestamp(at / 1_000_000, UTC):%Y%m%dT%H%M%SZ}"


def audit_keys(connection: Connection) -> tuple[AuditKey, ...]:
    """All keys, the newest first."""
    rows = connection.execute(select(audit_signing_key).order_by(audit_signing_key.c.number.desc()))
    return tuple(AuditKey(*row) for row in rows)


def keep_first(connection: Connection, vkey: str, at: int) -> None:
    """Put down the key that the log began with, unless it is."""
    row = {"number": 1, "vkey": vkey, "purpose": FIRST_PURPOSE, "since": at, "until": None}
    insert_unless_there(connection, audit_signing_key, {**row, "reason": ""})


def keep_next(connection: Connection, key: AuditKey, former_until: int) -> None:
    """Put down the key that signs from now on; the ones before it sign until `former_until`."""
    table = audit_signing_key
    connection.execute(
        update(table)
        .where(table.c.until.is_(None) | (table.c.until > former_until))
        .values(until=former_until)
    )
    connection.execute(
        insert(table).values(
            number=key.number,
            vkey=key.vkey,
            purpose=key.purpose,
            since=key.since,
            until=key.until,
            reason=key.reason,
        )
    )
