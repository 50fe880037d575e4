"""A named key as rows: what it is, its versions, and the limits on their use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.store import tables
from secvault.store.engine import insert_unless_there

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")


@dataclass(frozen=True)
class NamedKey:
    """A key with versions 1 to `latest_version`; `created` holds each version's time in micros."""

    mount: str
    name: str
    kind: str
    department: str
    latest_version: int
    min_decryption_version: int
    min_encryption_version: int
    exportable: bool
    imported: bool
    created: Mapping[int, int]

    @property
    def resource(self) -> str:
        """Its place in the resource tree, for decisions and the audit log."""
        return f"{self.mount}/{self.name}"


def check_name(name: str, field: str = "name") -> str:
    """Return `name` when it can name a key or mount. Raises InvalidInput."""
    if not NAME.fullmatch(name):
        raise InvalidInput.at(
            field,
            "use 1 to 128 letters, digits, '_', '-' and '.', beginning and ending with a letter, "
            "digit or '_'",
        )
    return name


def read_key(connection: Connection, mount: str, name: str) -> NamedKey:
    """Return the key. Raises NotFound."""
    found = find_key(connection, mount, name)
    if found is None:
        raise NotFound(f"there is no key {mount}/{name}")
    return found


def find_key(connection: Connection, mount: str, name: str) -> NamedKey | None:
    """Return the key, or None."""
    key = tables.named_key
    query = (
        select(key, tables.mount.c.department)
        .join(tables.mount, tables.mount.c.path == key.c.mount)
        .where(key.c.mount == mount, key.c.name == name)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    version = tables.named_key_version
    created = connection.execute(
        select(version.c.version, version.c.created_at)
        .where(version.c.mount == mount, version.c.name == name)
        .order_by(version.c.version)
    )
    return _key(row, {row.version: row.created_at for row in created})


def key_names(connection: Connection, mount: str) -> tuple[str, ...]:
    """The names of all keys of a mount, in order."""
    key = tables.named_key
    return tuple(
        connection.execute(
            select(key.c.name).where(key.c.mount == mount).order_by(key.c.name)
        ).scalars()
    )


def insert_key(
    connection: Connection,
    mount: str,
    name: str,
    kind: str,
    at: int,
    *,
    exportable: bool,
    imported: bool,
) -> None:
    """Make the row of a key with version 1 still to come. Raises Conflict when it exists.

    Also when another transaction makes it at this moment: this one waits to see which it is.
    """
    row = {
        "mount": mount,
        "name": name,
        "kind": kind,
        "latest_version": 0,
        "min_decryption_version": 1,
        "min_encryption_version": 0,
        "exportable": exportable,
        "imported": imported,
        "created_at": at,
    }
    if not insert_unless_there(connection, tables.named_key, row):
        raise Conflict(f"the key {mount}/{name} exists already")


def insert_version(
    connection: Connection, mount: str, name: str, wrapped: bytes, version: int, at: int
) -> None:
    """Store a wrapped version and make it the latest."""
    connection.execute(
        insert(tables.named_key_version).values(
            mount=mount, name=name, version=version, wrapped=wrapped, created_at=at
        )
    )
    key = tables.named_key
    connection.execute(
        update(key).where(key.c.mount == mount, key.c.name == name).values(latest_version=version)
    )


def _key(row: Row[tuple[object, ...]], created: Mapping[int, int]) -> NamedKey:
    return NamedKey(
        mount=row.mount,
        name=row.name,
        kind=row.kind,
        department=row.department,
        latest_version=row.latest_version,
        min_decryption_version=row.min_decryption_version,
        min_encryption_version=row.min_encryption_version,
        exportable=row.exportable,
        imported=row.imported,
        created=created,
    )
