"""The open keyring: hands out key versions that it unwraps with the root key."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Connection, select

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound, Refused
from secvault.keyring import named_key
from secvault.keyring.named_key import NamedKey
from secvault.keyring.root import Root
from secvault.store import Store, tables
from secvault.store.engine import insert_unless_there

AES256_GCM96 = "aes256-gcm96"

# Mounts of our own. `internal` holds peppers and signing keys, `records` one key per collection.
INTERNAL = "internal"
RECORDS = "records"
TRANSIT = "transit"
RESERVED_MOUNTS = frozenset({INTERNAL, RECORDS})


class Keyring:
    """Named keys of an unsealed vault.

    Changes take the caller's connection, so that they share its transaction with the audit entry.
    """

    def __init__(
        self, store: Store, clock: Clock, root: Root, random: aead.Random = os.urandom
    ) -> None:
        self._store = store
        self._clock = clock
        self._root = root
        self._random = random

    @property
    def vault_id(self) -> str:
        """The vault whose root this is."""
        return self._root.vault_id

    def over(self, store: Store) -> Keyring:
        """The keyring of another store under the same root: a restored copy of this vault."""
        return Keyring(store, self._clock, self._root, self._random)

    def add_mount(self, connection: Connection, path: str, kind: str, department: str) -> None:
        """Make a mount unless it is there; its keys belong to the department."""
        at = self._clock.micros()
        row = {"path": path, "kind": kind, "department": department, "created_at": at}
        insert_unless_there(connection, tables.mount, row)

    def department_of(self, connection: Connection, mount: str) -> str:
        """The department that a mount belongs to. Raises NotFound."""
        table = tables.mount
        found = connection.execute(
            select(table.c.department).where(table.c.path == mount)
        ).scalar_one_or_none()
        if found is None:
            raise NotFound(f"there is no mount {mount}/")
        return str(found)

    def create(
        self,
        connection: Connection,
        mount: str,
        name: str,
        *,
        kind: str = AES256_GCM96,
        exportable: bool = False,
        material: Secret | None = None,
    ) -> NamedKey:
        """Make a key with version 1, of fresh randomness or of imported `material`.

        material: 32 bytes for aes256-gcm96. Raises InvalidInput, NotFound (the mount), Conflict.
        """
        named_key.check_name(name)
        if kind != AES256_GCM96:
            raise InvalidInput.at("type", f"only {AES256_GCM96} keys can be made")
        if material is not None and len(material.expose()) != aead.KEY_BYTES:
            raise InvalidInput.at("ciphertext", "the imported key must have 32 bytes")
        self.department_of(connection, mount)
        return self._insert(connection, mount, name, kind, material, exportable=exportable)

    def ensure(self, connection: Connection, mount: str, name: str) -> None:
        """Make the key unless it is there, or another transaction makes it at this moment."""
        if named_key.find_key(connection, mount, name) is None:
            with suppress(Conflict):
                self.create(connection, mount, name)

    def rotate(self, connection: Connection, mount: str, name: str) -> NamedKey:
        """Add a version, which new encryptions use; older ones keep opening. Raises NotFound."""
        table = tables.named_key
        latest = connection.execute(
            select(table.c.latest_version)
            .where(table.c.mount == mount, table.c.name == name)
            .with_for_update()
        ).scalar_one_or_none()
        if latest is None:
            raise NotFound(f"there is no key {mount}/{name}")
        self._add_version(connection, mount, name, latest + 1, None)
        return named_key.read_key(connection, mount, name)

    def material(self, connection: Connection, mount: str, name: str, version: int) -> Secret:
        """The bytes of one version. Raises NotFound, or Damaged when the stored wrap changed."""
        table = tables.named_key_version
        wrapped = connection.execute(
            select(table.c.wrapped).where(
                table.c.mount == mount, table.c.name == name, table.c.version == version
            )
        ).scalar_one_or_none()
        if wrapped is None:
            raise Damaged(f"version {version} of the key {mount}/{name} is gone")
        try:
            return Secret(aead.open_sealed(wrapped, self._root.key, _context(mount, name, version)))
        except Damaged:
            raise Damaged(f"version {version} of the key {mount}/{name} is damaged") from None

    def for_encryption(
        self, connection: Connection, key: NamedKey, version: int = 0
    ) -> tuple[int, Secret]:
        """The version to encrypt with: `version`, or the latest when 0. Raises InvalidInput."""
        chosen = version or key.latest_version
        if not max(1, key.min_encryption_version) <= chosen <= key.latest_version:
            raise InvalidInput.at(
                "key_version",
                f"encryption needs a version from the minimum to {key.latest_version}",
            )
        return chosen, self.material(connection, key.mount, key.name, chosen)

    def for_decryption(self, connection: Connection, key: NamedKey, version: int) -> Secret:
        """The version that a ciphertext names. Raises InvalidInput when it may not be used."""
        if version < key.min_decryption_version:
            raise InvalidInput.at(
                "ciphertext", "its key version is below the minimum for decryption"
            )
        if version > key.latest_version:
            raise InvalidInput.at("ciphertext", "it names a key version that does not exist")
        return self.material(connection, key.mount, key.name, version)

    def export(self, connection: Connection, key: NamedKey) -> dict[int, Secret]:
        """The bytes of every version. Raises Refused unless the key was made exportable."""
        if not key.exportable:
            raise Refused(f"the key {key.resource} was not made exportable")
        return {
            version: self.material(connection, key.mount, key.name, version)
            for version in range(key.min_decryption_version, key.latest_version + 1)
        }

    def internal(
        self, purpose: str, kind: str = AES256_GCM96, make: Callable[[], Secret] | None = None
    ) -> Secret:
        """The key that belongs to one purpose of secvault itself, made at first use.

        32 random bytes, unless `make` makes the key. Opens transactions of its own: call it
        outside of one.
        """
        with self._store.read() as connection:
            if named_key.find_key(connection, INTERNAL, purpose) is not None:
                return self.material(connection, INTERNAL, purpose, 1)
        fresh = make() if make else Secret(aead.draw(aead.KEY_BYTES, self._random))
        with self._store.write() as connection:
            self.add_mount(connection, INTERNAL, INTERNAL, "it")
            # Another process may have been faster; then its key is the key.
            with suppress(Conflict):
                self._insert(connection, INTERNAL, purpose, kind, fresh, exportable=False)
            return self.material(connection, INTERNAL, purpose, 1)

    def _insert(
        self,
        connection: Connection,
        mount: str,
        name: str,
        kind: str,
        material: Secret | None,
        *,
        exportable: bool,
    ) -> NamedKey:
        at = self._clock.micros()
        imported = material is not None and mount != INTERNAL
        named_key.insert_key(
            connection, mount, name, kind, at, exportable=exportable, imported=imported
        )
        self._add_version(connection, mount, name, 1, material)
        return named_key.read_key(connection, mount, name)

    def _add_version(
        self, connection: Connection, mount: str, name: str, version: int, material: Secret | None
    ) -> None:
        fresh = material or Secret(aead.draw(aead.KEY_BYTES, self._random))
        wrapped = aead.seal(
            fresh.expose(), self._root.key, _context(mount, name, version), self._random
        )
        named_key.insert_version(connection, mount, name, wrapped, version, self._clock.micros())


def _context(mount: str, name: str, version: int) -> bytes:
    return aead.bind("secvault/named-key", mount, name, str(version))
