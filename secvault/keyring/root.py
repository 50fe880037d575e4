"""The root key: made once, kept only in the form that the seal wrapped, exchanged by rotation."""

from __future__ import annotations

from dataclasses import dataclass

import uuid_utils
from sqlalchemy import Connection, insert, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed
from secvault.keyring.seals.seal import Seal, Wrapped, wrapped_by
from secvault.store import tables

FIRST = 1
"""The generation of a new vault's root; each rotation adds one."""


@dataclass(frozen=True)
class Root:
    """The opened root key of one vault. generation: how often it was rotated, plus one."""

    vault_id: str
    key: Secret
    generation: int = FIRST


@dataclass(frozen=True)
class StoredRoot:
    """The vault's row: its root under its seal."""

    vault_id: str
    wrapped: Wrapped
    generation: int

    def opened_by(self, seal: Seal) -> Root:
        """The root. Raises ConfigurationError (another kind of seal), Sealed, Damaged."""
        if self.wrapped.kind != seal.kind:
            raise ConfigurationError(
                f"seal.kind: the vault is under a seal of kind {self.wrapped.kind}, not {seal.kind}"
            )
        key = seal.unwrap(self.wrapped.root, self.vault_id)
        if len(key.expose()) != aead.KEY_BYTES:
            raise Damaged("the stored root is not a key; restore the store from a backup")
        return Root(self.vault_id, key, self.generation)


def create_root(connection: Connection, seal: Seal, clock: Clock, random: aead.Random) -> Root:
    """Make the vault's root key and store it wrapped. Raises Conflict when the store has a vault.

    random: of the root key; the seal draws its own.
    """
    if connection.execute(select(tables.vault.c.id)).first() is not None:
        raise Conflict("this store holds a vault already; it is not initialised again")
    root = Root(uuid_utils.uuid7().hex, Secret(aead.draw(aead.KEY_BYTES, random)))
    wrapped = wrapped_by(seal, root.key, root.vault_id)
    connection.execute(
        insert(tables.vault).values(
            id=root.vault_id,
            created_at=clock.micros(),
            seal=wrapped.kind,
            seal_parameters=wrapped.parameters,
            wrapped_root=wrapped.root,
            root_generation=root.generation,
        )
    )
    return root


def find_stored(connection: Connection, *, lock: bool = False) -> StoredRoot | None:
    """The vault's row, or None when there is no vault. lock: nobody else changes it meanwhile."""
    table = tables.vault
    statement = select(
        table.c.id,
        table.c.seal,
        table.c.seal_parameters,
        table.c.wrapped_root,
        table.c.root_generation,
    )
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        return None
    wrapped = Wrapped(row.seal, row.seal_parameters, row.wrapped_root)
    return StoredRoot(row.id, wrapped, row.root_generation)


def read_stored(connection: Connection, *, lock: bool = False) -> StoredRoot:
    """The vault's row. Raises Sealed when there is no vault."""
    stored = find_stored(connection, lock=lock)
    if stored is None:
        raise Sealed("there is no vault here yet: run `secvault init`")
    return stored


def unseal(connection: Connection, seal: Seal) -> Root:
    """Return the root key.

    Raises Sealed (no vault, no seal key), ConfigurationError (another kind of seal), Damaged.
    """
    return read_stored(connection).opened_by(seal)


def reseal(connection: Connection, root: Root, wrapped: Wrapped) -> StoredRoot:
    """Put the same root under another seal; return the row as it was.

    Raises Conflict when the root is not the present one any more.
    """
    before = read_stored(connection, lock=True)
    if before.generation != root.generation or before.vault_id != root.vault_id:
        raise Conflict("the root key was rotated at this moment; nothing was changed, try again")
    _store(connection, wrapped, root.generation)
    return before


def rotate(
    connection: Connection,
    old: Root,
    new: Root,
    wrapped: Wrapped,
    clock: Clock,
    random: aead.Random,
) -> None:
    """Make `new` the root, in the transaction in which the keyring wraps its keys anew.

    wrapped: `new` under the present seal. The old root is kept under the new one, so that copies
    of the store from before, which backups hold, still open. Raises Conflict when `old` is not
    the present root, or the seal was changed.
    """
    stored = read_stored(connection, lock=True)
    if stored.generation != old.generation or stored.vault_id != old.vault_id:
        raise Conflict("the root key was rotated at this moment; nothing was changed, try again")
    if (stored.wrapped.kind, stored.wrapped.parameters) != (wrapped.kind, wrapped.parameters):
        raise Conflict("the seal was changed at this moment; nothing was changed, try again")
    connection.execute(
        insert(tables.retired_root).values(
            generation=old.generation,
            wrapped=aead.seal(old.key.expose(), new.key, _retired(old), random),
            retired_at=clock.micros(),
        )
    )
    _store(connection, wrapped, new.generation)


def earlier(connection: Connection, root: Root, generation: int) -> Root:
    """The root of an earlier generation, from the present one. Raises Damaged."""
    table = tables.retired_root
    rows = connection.execute(
        select(table.c.generation, table.c.wrapped)
        .where(table.c.generation >= generation)
        .order_by(table.c.generation.desc())
    ).all()
    for row in rows:
        if row.generation != root.generation - 1:
            break
        before = Root(root.vault_id, root.key, row.generation)
        key = aead.open_sealed(row.wrapped, root.key, _retired(before), "An earlier root")
        root = Root(root.vault_id, Secret(key), row.generation)
    if root.generation != generation:
        raise Damaged(f"the root key of generation {generation} is not known here")
    return root


def _store(connection: Connection, wrapped: Wrapped, generation: int) -> None:
    connection.execute(
        update(tables.vault).values(
            seal=wrapped.kind,
            seal_parameters=wrapped.parameters,
            wrapped_root=wrapped.root,
            root_generation=generation,
        )
    )


def _retired(root: Root) -> bytes:
    return aead.bind("secvault/retired-root", root.vault_id, str(root.generation))
