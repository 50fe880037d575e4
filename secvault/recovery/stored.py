"""The kits and the sets of shares as they are kept, and where kits were written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.recovery.contents import Parts
from secvault.recovery.kit import KitShares
from secvault.store.tables import backup_repository, recovery_kit, recovery_place, recovery_shares

T = TypeVar("T")
# The one that has its file still, whatever the clock said when one before it was issued.
_NEWEST = (
    recovery_kit.c.document.is_(None),
    recovery_kit.c.issued_at.desc(),
    recovery_kit.c.id.desc(),
)


@dataclass(frozen=True)
class StoredShares:
    """The set of shares in force. root_generation: the vault's root when it was made.

    sealed_secret: what the shares give, under the vault's key for it.
    """

    id: str
    identifier: int
    threshold: int
    shares: int
    checks: tuple[str, ...]
    sealed_secret: bytes
    root_generation: int
    made_at: int
    made_by: str

    def of_kit(self, holders: Sequence[str]) -> KitShares:
        """As kits name it; holders beyond the number of shares are left out."""
        named = tuple(holders[: self.shares])
        return KitShares(self.threshold, self.shares, self.identifier, named, self.checks)


@dataclass(frozen=True)
class StoredKit:
    """One kit. Times in micros. document, outside: of the newest one; None for earlier ones."""

    id: str
    shares_id: str
    issued_at: int
    issued_by: str
    digest: str
    parts: Parts
    document: bytes | None
    outside: bytes | None
    taken_at: int | None
    taken_by: str | None


@dataclass(frozen=True)
class Place:
    """Where kits are written. kit: the last one that was. fault: why not the newest; or empty."""

    place: str
    kit: str | None
    written_at: int | None
    fault: str


def seal_secret(secret: Secret, key: Secret, shares_id: str, random: aead.Random) -> bytes:
    """What the shares of the set give, for its row."""
    return aead.seal(secret.expose(), key, _place(shares_id), random)


def open_secret(shares: StoredShares, key: Secret) -> Secret:
    """What the shares give. Raises Damaged."""
    return Secret(
        aead.open_sealed(
            shares.sealed_secret, key, _place(shares.id), "The secret of the recovery kit"
        )
    )


def shares_in_force(connection: Connection) -> StoredShares | None:
    """The set of shares that kits are made for; None before the first was made."""
    table = recovery_shares
    row = connection.execute(
        select(table)
        .where(table.c.sealed_secret.is_not(None))
        .order_by(table.c.made_at.desc(), table.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return StoredShares(
        row.id,
        row.identifier,
        row.threshold,
        row.shares,
        _read(row.checks, tuple[str, ...]),
        row.sealed_secret,
        row.root_generation,
        row.made_at,
        row.made_by,
    )


def keep_shares(connection: Connection, made: StoredShares) -> None:
    """Put the set in force. What earlier ones give is forgotten."""
    table = recovery_shares
    connection.execute(update(table).values(sealed_secret=None))
    row = {**vars(made), "checks": json.dumps([*made.checks])}
    connection.execute(insert(table).values(row))


def newest_kit(connection: Connection) -> StoredKit | None:
    """The kit that was issued last; None before the first."""
    table = recovery_kit
    row = connection.execute(select(table).order_by(*_NEWEST).limit(1)).one_or_none()
    return None if row is None else _kit(row)


def find_kit(connection: Connection, kit: str) -> StoredKit | None:
    """The kit of this id."""
    row = connection.execute(select(recovery_kit).where(recovery_kit.c.id == kit)).one_or_none()
    return None if row is None else _kit(row)


def last_taken(connection: Connection) -> StoredKit | None:
    """The newest kit that somebody took out."""
    table = recovery_kit
    row = connection.execute(
        select(table).where(table.c.taken_at.is_not(None)).order_by(*_NEWEST).limit(1)
    ).one_or_none()
    return None if row is None else _kit(row)


def keep_kit(connection: Connection, kit: StoredKit) -> None:
    """Keep it as the newest; of earlier ones only what they were about stays."""
    table = recovery_kit
    connection.execute(update(table).values(document=None, outside=None))
    row = {**vars(kit), "parts": json.dumps({**kit.parts})}
    connection.execute(insert(table).values(row))


def mark_taken(connection: Connection, kit: str, at: int, by: str) -> None:
    """Note that somebody took it out."""
    connection.execute(
        update(recovery_kit).where(recovery_kit.c.id == kit).values(taken_at=at, taken_by=by)
    )


def places(connection: Connection) -> tuple[Place, ...]:
    """Where kits were written, or should have been, by name."""
    table = recovery_place
    return tuple(
        Place(row.place, row.kit, row.written_at, row.fault or "")
        for row in connection.execute(select(table).order_by(table.c.place))
    )


def note_places(connection: Connection, written: Sequence[Place]) -> None:
    """Note how writing the newest kit went, in exactly these places.

    One that failed keeps what is known of the last kit there.
    """
    table = recovery_place
    before = {one.place: one for one in places(connection)}
    connection.execute(delete(table))
    for one in written:
        known = before.get(one.place)
        if one.fault and known is not None:
            one = replace(one, kit=known.kit, written_at=known.written_at)  # noqa: PLW2901
        row = {**vars(one), "fault": one.fault or None}
        connection.execute(insert(table).values(row))


def made_repositories(connection: Connection) -> frozenset[str]:
    """The names of those that something was saved into."""
    table = backup_repository
    return frozenset(
        connection.execute(select(table.c.name).where(table.c.identity.is_not(None))).scalars()
    )


def _kit(row: Row[Any]) -> StoredKit:
    found = row._asdict()
    return StoredKit(**{**found, "parts": _read(found["parts"], dict[str, str])})


def _read(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise Damaged("what is kept of the recovery kit is damaged; issue it anew") from None


def _place(shares_id: str) -> bytes:
    return aead.bind("secvault/recovery-shares", shares_id)
