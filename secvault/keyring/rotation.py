"""Rotating the root key: every key version is wrapped anew, in one transaction or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import Connection, bindparam, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.place import hmac_place, material_place
from secvault.keyring.root import Root, rotate
from secvault.keyring.seals.seal import Wrapped
from secvault.store import tables


def rotate_root(
    connection: Connection,
    old: Root,
    wrap: Callable[[Root], Wrapped],
    clock: Clock,
    random: aead.Random = os.urandom,
) -> Root:
    """Make a new root and wrap all that hangs on the old one under it; return the new one.

    Nothing but key versions hangs on the root directly. wrap: puts the new root under the present
    seal. When the caller's transaction is undone, nothing has changed. Raises Conflict, Damaged
    (a version does not open), and what `wrap` raises.
    """
    new = Root(
        old.vault_id, Secret(aead.draw(aead.KEY_BYTES, random)), generation=old.generation + 1
    )
    # Before the versions are read: it keeps others from adding one under the old root.
    rotate(connection, old, new, wrap(new), clock, random)
    table = tables.named_key_version
    rows = connection.execute(
        select(table.c.mount, table.c.name, table.c.version, table.c.wrapped, table.c.wrapped_hmac)
    ).all()
    changed = []
    for mount, name, version, material, hmac_key in rows:
        at = (mount, name, version)
        wrapped_hmac = None if hmac_key is None else _moved(hmac_key, hmac_place(*at), old, new, at)
        changed.append(
            {
                "of_mount": mount,
                "of_name": name,
                "of_version": version,
                # Empty where only the public half was imported.
                "material": material and _moved(material, material_place(*at), old, new, at),
                "hmac_key": wrapped_hmac,
            }
        )
    if changed:
        statement = update(table).where(
            table.c.mount == bindparam("of_mount"),
            table.c.name == bindparam("of_name"),
            table.c.version == bindparam("of_version"),
        )
        connection.execute(
            statement.values(wrapped=bindparam("material"), wrapped_hmac=bindparam("hmac_key")),
            changed,
        )
    return new


def _moved(wrapped: bytes, place: bytes, old: Root, new: Root, at: tuple[str, str, int]) -> bytes:
    try:
        opened = aead.open_sealed(wrapped, old.key, place)
    except Damaged:
        mount, name, version = at
        raise Damaged(
            f"version {version} of the key {mount}/{name} is damaged, so the root was not rotated; "
            "restore the store from a backup, or delete the key"
        ) from None
    return aead.seal(opened, new.key, place)
