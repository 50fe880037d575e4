"""Moving a mount to another path: its keys go along, in one transaction or not at all."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select, update

from secvault.errors import InvalidInput
from secvault.keyring import mount as mounts
from secvault.keyring import named_key
from secvault.keyring.keyring import Keyring
from secvault.keyring.mount import Mount
from secvault.store import tables
from secvault.store.epoch import KEYS, announce


def move_mount(
    connection: Connection, keyring: Keyring, path: str, to: str, move_id: str
) -> tuple[Mount, int]:
    """Move a mount with its keys; return it and how many keys it has.

    Every key version is wrapped anew, because it is bound to its place. Raises NotFound; Damaged,
    when a version does not open; InvalidInput, when there is a mount at `to` or over it.
    """
    present = mounts.read_mount(connection, path)
    if to == path:
        raise InvalidInput(f'path already in use at "{to}/"')
    announce(connection, KEYS)
    moved = replace(present, path=to, move_id=move_id, moved_from=path)
    mounts.insert_mount(connection, moved)
    names = named_key.key_names(connection, path)
    for name in names:
        _move_key(connection, keyring, path, to, name)
    connection.execute(delete(tables.mount).where(tables.mount.c.path == path))
    return moved, len(names)


def _move_key(connection: Connection, keyring: Keyring, path: str, to: str, name: str) -> None:
    key, version, usage = tables.named_key, tables.named_key_version, tables.key_usage
    versions = keyring.rewrapped(connection, named_key.read_key(connection, path, name), to)
    told = {
        row.version: {"messages": row.messages, "warned_at": row.warned_at}
        for row in connection.execute(
            select(version.c.version, version.c.messages, version.c.warned_at).where(
                version.c.mount == path, version.c.name == name
            )
        )
    }
    row = connection.execute(select(key).where(key.c.mount == path, key.c.name == name)).one()
    connection.execute(
        update(usage).where(usage.c.mount == path, usage.c.name == name).values(mount=to)
    )
    named_key.delete_key(connection, path, name)
    connection.execute(insert(key).values({**row._asdict(), "mount": to}))
    for each in versions:
        connection.execute(
            insert(version).values({"mount": to, "name": name, **vars(each), **told[each.version]})
        )
    keyring.bind(connection, to, name)
