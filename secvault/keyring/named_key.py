"""A named key as rows: what it is, its versions, and the limits on their use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.crypto.derivation import HKDF_SHA256
from secvault.crypto.key_kind import AES256_GCM96
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.store import tables
from secvault.store.engine import insert_unless_there
from secvault.store.epoch import KEYS, announce

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")


@dataclass(frozen=True)
class KeyOptions:
    """What is chosen when a key is made.

    kind: a name of `crypto.key_kind.KINDS`. convergent: equal plaintexts in one context give equal
    ciphertexts; needs `derived`. key_size: bytes of an HMAC key. auto_rotate_seconds: 0 for never.
    kdf: how a derived key derives, of `crypto.derivation`.
    """

    kind: str = AES256_GCM96
    derived: bool = False
    convergent: bool = False
    exportable: bool = False
    allow_plaintext_backup: bool = False
    auto_rotate_seconds: int = 0
    key_size: int = 0
    imported: bool = False
    allow_rotation: bool = True
    kdf: str = HKDF_SHA256


DEFAULT_OPTIONS = KeyOptions()


@dataclass(frozen=True)
class NamedKey:
    """A key with versions up to `latest_version`; those below `min_available_version` are gone.

    created: each version's time in microseconds. public: each version's public half, where it has
    one, as `crypto.key_kind.public_text` writes it. certificates: each version's chain, PEM, where
    one was set. sealed_options: see `keyring.binding`.
    """

    mount: str
    name: str
    kind: str
    department: str
    latest_version: int
    min_decryption_version: int
    min_encryption_version: int
    exportable: bool
    imported: bool
    derived: bool
    convergent: bool
    allow_plaintext_backup: bool
    deletion_allowed: bool
    allow_rotation: bool
    soft_deleted: bool
    key_size: int
    min_available_version: int
    auto_rotate_seconds: int
    backed_up_at: int | None
    created: Mapping[int, int]
    public: Mapping[int, str]
    messages: Mapping[int, int]
    kdf: str = HKDF_SHA256
    certificates: Mapping[int, str] = field(default_factory=dict)
    sealed_options: bytes | None = field(default=None, repr=False)

    @property
    def resource(self) -> str:
        """Its place in the resource tree, for decisions and the audit log."""
        return f"{self.mount}/{self.name}"


_COLUMNS = frozenset(each.name for each in fields(NamedKey)) - {
    "department",
    "created",
    "public",
    "messages",
    "certificates",
}


def check_name(name: str, field: str = "name") -> str:
    """Return `name` when it can name a key or a part of a mount. Raises InvalidInput."""
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
    versions = connection.execute(
        select(
            version.c.version,
            version.c.created_at,
            version.c.public,
            version.c.messages,
            version.c.certificate_chain,
        )
        .where(version.c.mount == mount, version.c.name == name)
        .order_by(version.c.version)
    ).all()
    return _key(
        row,
        {each.version: each.created_at for each in versions},
        {each.version: each.public for each in versions if each.public is not None},
        {each.version: each.messages for each in versions},
        {each.version: each.certificate_chain for each in versions if each.certificate_chain},
    )


def key_names(connection: Connection, mount: str) -> tuple[str, ...]:
    """The names of all keys of a mount, in order."""
    key = tables.named_key
    return tuple(
        connection.execute(
            select(key.c.name).where(key.c.mount == mount).order_by(key.c.name)
        ).scalars()
    )


def insert_key(connection: Connection, mount: str, name: str, options: KeyOptions, at: int) -> None:
    """Make the row of a key with version 1 still to come. Raises Conflict when it exists.

    Also when another transaction makes it at this moment: this one waits to see which it is.
    """
    row = {
        **vars(options),
        "mount": mount,
        "name": name,
        "latest_version": 0,
        "min_decryption_version": 1,
        "min_encryption_version": 0,
        "created_at": at,
    }
    announce(connection, KEYS)
    if not insert_unless_there(connection, tables.named_key, row):
        raise Conflict(f"the key {mount}/{name} exists already")


@dataclass(frozen=True)
class StoredVersion:
    """A version as it is kept: the parts wrapped, the public half in clear.

    messages: how many it may have sealed elsewhere, see `message_count`.
    """

    version: int
    wrapped: bytes
    wrapped_hmac: bytes | None
    public: str | None
    created_at: int
    messages: int = 0
    certificate_chain: str | None = None


def lock_latest(connection: Connection, mount: str, name: str) -> int:
    """The number of the latest version, its key locked until the transaction ends.

    Raises NotFound.
    """
    table = tables.named_key
    latest = connection.execute(
        select(table.c.latest_version)
        .where(table.c.mount == mount, table.c.name == name)
        .with_for_update()
    ).scalar_one_or_none()
    if latest is None:
        raise NotFound(f"there is no key {mount}/{name}")
    return int(latest)


def insert_version(connection: Connection, mount: str, name: str, stored: StoredVersion) -> None:
    """Store a version and make it the latest."""
    connection.execute(
        insert(tables.named_key_version).values(mount=mount, name=name, **vars(stored))
    )
    update_key(connection, mount, name, latest_version=stored.version)


def stored_versions(connection: Connection, mount: str, name: str) -> tuple[StoredVersion, ...]:
    """All versions that are there, in order."""
    table = tables.named_key_version
    rows = connection.execute(
        select(
            table.c.version,
            table.c.wrapped,
            table.c.wrapped_hmac,
            table.c.public,
            table.c.created_at,
            table.c.certificate_chain,
        )
        .where(table.c.mount == mount, table.c.name == name)
        .order_by(table.c.version)
    )
    return tuple(StoredVersion(**row._asdict()) for row in rows)


def update_version(
    connection: Connection, mount: str, name: str, version: int, **changes: object
) -> None:
    """Change columns of a version's row."""
    announce(connection, KEYS)
    table = tables.named_key_version
    connection.execute(
        update(table)
        .where(table.c.mount == mount, table.c.name == name, table.c.version == version)
        .values(**changes)
    )


def update_key(connection: Connection, mount: str, name: str, **changes: object) -> None:
    """Change columns of the key's row."""
    announce(connection, KEYS)
    key = tables.named_key
    connection.execute(
        update(key).where(key.c.mount == mount, key.c.name == name).values(**changes)
    )


def delete_versions(connection: Connection, mount: str, name: str, below: int | None = None) -> int:
    """Remove the versions below this one, or all; return how many. Nothing opens them again."""
    announce(connection, KEYS)
    table = tables.named_key_version
    statement = delete(table).where(table.c.mount == mount, table.c.name == name)
    if below is not None:
        statement = statement.where(table.c.version < below)
    return connection.execute(statement).rowcount


def delete_key(connection: Connection, mount: str, name: str) -> None:
    """Remove the key with all of its versions and the statistics of its use."""
    delete_versions(connection, mount, name)
    for table in (tables.key_usage, tables.named_key):
        connection.execute(delete(table).where(table.c.mount == mount, table.c.name == name))


def _key(
    row: Row[Any],
    created: Mapping[int, int],
    public: Mapping[int, str],
    messages: Mapping[int, int],
    certificates: Mapping[int, str],
) -> NamedKey:
    stored = {name: value for name, value in row._asdict().items() if name in _COLUMNS}
    return NamedKey(
        **stored,
        department=row.department,
        created=created,
        public=public,
        messages=messages,
        certificates=certificates,
    )
