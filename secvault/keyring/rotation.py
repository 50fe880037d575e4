"""Rotating the root key: every key version is wrapped anew, in one transaction or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import Connection, bindparam, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.place import hmac_place, material_place, options_place
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

    Nothing but key versions and the options of keys hangs on the root directly. wrap: puts the new
    root under the present seal. When the caller's transaction is undone, nothing has changed.
    Raises Conflict, Damaged (a version does not open), and what `wrap` raises.
    """
    new = Root(
        old.vault_id, Secret(aead.draw(aead.KEY_BYTES, random)), generation=old.generation + 1
    )
    # Before the versions are read: it keeps others from adding one under the old root.
    rotate(connection, old, new, wrap(new), clock, random)
    _move_options(connection, old, new)
    table, key = tables.named_key_version, tables.named_key
    of_its_key = (key.c.mount == table.c.mount) & (key.c.name == table.c.name)
    rows = connection.execute(
        select(
            table.c.mount,
            table.c.name,
            table.c.version,
            table.c.wrapped,
            table.c.wrapped_hmac,
            table.c.public,
            key.c.sealed_options,
        ).join(key, of_its_key)
    ).all()
    changed = []
    for mount, name, version, material, hmac_key, public, options in rows:
        at = (mount, name, version)
        of = f"version {version} of the key {mount}/{name}"
        place = material_place(*at, bound=options is not None)
        hmac_at = hmac_place(*at, public, bound=options is not None)
        changed.append(
            {
                "of_mount": mount,
                "of_name": name,
                "of_version": version,
                # Empty where only the public half was imported.
                "material": material and _moved(material, place, old, new, of),
                "hmac_key": None if hmac_key is None else _moved(hmac_key, hmac_at, old, new, of),
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


def _move_options(connection: Connection, old: Root, new: Root) -> None:
    key = tables.named_key
    changed = [
        {
            "of_mount": row.mount,
            "of_name": row.name,
            "sealed": _moved(
                row.sealed_options,
                options_place(row),
                old,
                new,
                f"what seals the options of the key {row.mount}/{row.name}",
            ),
        }
        for row in connection.execute(select(key).where(key.c.sealed_options.is_not(None)))
    ]
    if changed:
        statement = update(key).where(
            key.c.mount == bindparam("of_mount"), key.c.name == bindparam("of_name")
        )
        connection.execute(statement.values(sealed_options=bindparam("sealed")), changed)


def _moved(wrapped: bytes, place: bytes, old: Root, new: Root, what: str) -> bytes:
    try:
        opened = aead.open_sealed(wrapped, old.key, place)
    except Damaged:
        raise Damaged(
            f"{what} is damaged, so the root was not rotated; restore the store from a backup, or "
            "delete the key"
        ) from None
    return aead.seal(opened, new.key, place)
