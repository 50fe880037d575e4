"""The root key: made once, kept only in the form that the seal wrapped."""

from __future__ import annotations

from dataclasses import dataclass

import uuid_utils
from sqlalchemy import Connection, insert, select

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Sealed
from secvault.keyring.seal import Seal
from secvault.store import tables


@dataclass(frozen=True)
class Root:
    """The opened root key of one vault."""

    vault_id: str
    key: Secret


def create_root(connection: Connection, seal: Seal, clock: Clock, random: aead.Random) -> Root:
    """Make the vault's root key and store it wrapped. Raises Conflict when the store has a vault.

    random: of the root key; the seal draws its own.
    """
    if connection.execute(select(tables.vault.c.id)).first() is not None:
        raise Conflict("this store holds a vault already; it is not initialised again")
    root = Root(uuid_utils.uuid7().hex, Secret(aead.draw(aead.KEY_BYTES, random)))
    connection.execute(
        insert(tables.vault).values(
            id=root.vault_id,
            created_at=clock.micros(),
            seal=seal.kind,
            wrapped_root=seal.wrap(root.key, root.vault_id),
        )
    )
    return root


def unseal(connection: Connection, seal: Seal) -> Root:
    """Return the root key.

    Raises Sealed (no vault, no seal key), ConfigurationError (another kind of seal), Damaged.
    """
    row = connection.execute(select(tables.vault)).one_or_none()
    if row is None:
        raise Sealed("there is no vault here yet: run `secvault init`")
    if row.seal != seal.kind:
        raise ConfigurationError(
            f"seal.kind: the vault is under a seal of kind {row.seal}, not {seal.kind}"
        )
    return Root(row.id, seal.unwrap(row.wrapped_root, row.id))
