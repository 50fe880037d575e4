"""The open keyring: hands out key versions that it unwraps with the root key."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import NoneType

from sqlalchemy import Connection, select

from secvault.clock import Clock
from secvault.crypto import aead, key_kind
from secvault.crypto.derivation import HMAC_COUNTER
from secvault.crypto.key_kind import AES256_GCM96
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.keyring import named_key
from secvault.keyring.binding import Binding
from secvault.keyring.key_options import check_options
from secvault.keyring.key_version import make_version
from secvault.keyring.message_count import counted_elsewhere
from secvault.keyring.named_key import DEFAULT_OPTIONS, KeyOptions, NamedKey, StoredVersion
from secvault.keyring.open_key import KeyVersion, OpenKey, Versions
from secvault.keyring.place import material_place
from secvault.keyring.root import Root, earlier, read_stored
from secvault.keyring.roots import Renew, Roots
from secvault.store import Store, tables
from secvault.store.engine import insert_unless_there
from secvault.store.straight import straight

# Mounts of our own. `internal` holds peppers and signing keys, `records` one key per collection.
INTERNAL = "internal"
RECORDS = "records"
TRANSIT = "transit"
RESERVED_MOUNTS = frozenset({INTERNAL, RECORDS})

# Straight to the driver: whoever reads a record or looks one up asks this each time.
_WRAPPED = (
    "SELECT named_key_version.wrapped, named_key.sealed_options FROM named_key_version "
    "JOIN named_key ON named_key.mount = named_key_version.mount "
    "AND named_key.name = named_key_version.name "
    "WHERE named_key_version.mount = ? AND named_key_version.name = ? "
    "AND named_key_version.version = ?"
)


class Keyring:
    """Named keys of an unsealed vault.

    Changes take the caller's connection, so that they share its transaction with the audit entry.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        root: Root,
        random: aead.Random = os.urandom,
        renew: Renew | None = None,
    ) -> None:
        """renew: gives the store's present root, when another process has rotated it."""
        self._store = store
        self._clock = clock
        self._vault_id = root.vault_id
        self._roots = Roots(store, root, renew, random)
        self._binding = Binding(self._roots)
        self._random = random

    @property
    def vault_id(self) -> str:
        """The vault whose root this is."""
        return self._vault_id

    @property
    def roots(self) -> Roots:
        """The open root."""
        return self._roots

    def over(self, store: Store) -> Keyring:
        """The keyring of a restored copy of this vault, whatever seal it was copied under.

        Its root is this one, or an earlier one that this one opens. Raises Damaged, Sealed.
        """
        root = self._roots.present
        with store.read() as connection:
            copied = read_stored(connection)
        if copied.vault_id != root.vault_id:
            raise Damaged("the copy is of another vault")
        if copied.generation != root.generation:
            with self._store.read() as connection:
                root = earlier(connection, root, copied.generation)
        return Keyring(store, self._clock, root, self._random)

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
        options: KeyOptions = DEFAULT_OPTIONS,
        *,
        material: Secret | None = None,
        public: str | None = None,
    ) -> NamedKey:
        """Make a key with version 1: of fresh randomness, or imported.

        material: imported bytes, as `key_kind.import_private` gives them. public: instead of it, an
        imported public half. Raises InvalidInput, NotFound (the mount), Conflict.
        """
        named_key.check_name(name)
        kind = check_options(options)
        if material is not None:
            material = key_kind.import_private(kind, material.expose())
        if material is not None or public is not None:
            # The engine derives from imported keys by its older function.
            kdf = HMAC_COUNTER if options.derived else options.kdf
            size = len(material.expose()) if material and kind.family == "hmac" else 0
            options = replace(options, imported=True, kdf=kdf, key_size=size)
        self.department_of(connection, mount)
        named_key.insert_key(connection, mount, name, options, self._clock.micros())
        self._add_version(connection, mount, name, 1, options, material, public)
        return self._binding.seal(connection, mount, name)

    def import_version(
        self,
        connection: Connection,
        key: NamedKey,
        *,
        material: Secret | None = None,
        public: str | None = None,
    ) -> NamedKey:
        """Add a version of brought material. Raises InvalidInput."""
        if material is not None:
            kind = key_kind.kind_of(key.kind)
            material = key_kind.import_private(kind, material.expose())
        options = KeyOptions(kind=key.kind, key_size=key.key_size)
        number = named_key.lock_latest(connection, key.mount, key.name) + 1
        return self._next_version(
            connection, key.mount, key.name, number, options, material, public
        )

    def fill_version(
        self, connection: Connection, key: NamedKey, number: int, material: Secret
    ) -> None:
        """Give a version of which only the public half was imported its private half.

        Raises InvalidInput: there is no such version, it has one, or it is not the pair.
        """
        version = self.open(connection, key).versions.get(number)
        if version is None:
            raise InvalidInput("no such key version")
        if version.material is not None:
            raise InvalidInput("private key imported, key version cannot be updated")
        material = key_kind.import_private(version.kind, material.expose())
        if not key_kind.is_pair(version.kind, material, version.public):
            raise InvalidInput("cannot import key, key pair does not match")
        wrapped = self._binding.wrap_version(
            connection,
            key.mount,
            key.name,
            replace(version, material=material),
            bound=key.sealed_options is not None,
        ).wrapped
        named_key.update_version(connection, key.mount, key.name, number, wrapped=wrapped)

    def ensure(self, connection: Connection, mount: str, name: str) -> None:
        """Make the key unless it is there, or another transaction makes it at this moment."""
        if named_key.find_key(connection, mount, name) is None:
            with suppress(Conflict):
                self.create(connection, mount, name)

    def rotate(self, connection: Connection, mount: str, name: str) -> NamedKey:
        """Add a version, which new encryptions use; older ones keep opening.

        Raises NotFound, and InvalidInput for an imported key that is only to have imported
        versions.
        """
        latest = named_key.lock_latest(connection, mount, name)
        key = named_key.read_key(connection, mount, name)
        if key.imported and not key.allow_rotation:
            raise InvalidInput(
                f"imported key {name} does not allow rotation within secvault; import a version"
            )
        options = KeyOptions(kind=key.kind, key_size=key.key_size)
        made = self._next_version(connection, mount, name, latest + 1, options, None, None)
        # As the engine: from here on an imported key is one like any other.
        return self.update(connection, mount, name, imported=False) if key.imported else made

    def rotate_if(
        self, connection: Connection, mount: str, name: str, due: Callable[[NamedKey], bool]
    ) -> NamedKey | None:
        """Rotate the key if it is due as it is now; None when another node was faster.

        Raises NotFound.
        """
        named_key.lock_latest(connection, mount, name)
        key = named_key.read_key(connection, mount, name)
        if not due(key):
            return None
        return self.rotate(connection, mount, name)

    def restore(
        self,
        connection: Connection,
        mount: str,
        name: str,
        options: KeyOptions,
        versions: Iterable[KeyVersion],
        limits: Mapping[str, int | bool],
        messages: Mapping[int, int],
    ) -> NamedKey:
        """Make a key of the versions of a backup. limits: columns of the row, as they were.

        messages: how many the versions had sealed, where the backup says so. Raises Conflict when
        the key exists, NotFound (the mount), InvalidInput.
        """
        named_key.check_name(name)
        check_options(options)
        self.department_of(connection, mount)
        named_key.insert_key(connection, mount, name, options, self._clock.micros())
        for version in versions:
            wrapped = self._binding.wrap_version(connection, mount, name, version)
            begun = counted_elsewhere(version.kind, messages.get(version.number, 0))
            named_key.insert_version(connection, mount, name, replace(wrapped, messages=begun))
        named_key.update_key(connection, mount, name, **limits)
        return self._binding.seal(connection, mount, name)

    def update(self, connection: Connection, mount: str, name: str, **changes: object) -> NamedKey:
        """Change columns of the key's row, which are bound to it. Raises NotFound, Damaged."""
        named_key.lock_latest(connection, mount, name)
        bound = self._binding.ensure(connection, named_key.read_key(connection, mount, name))
        named_key.update_key(connection, mount, name, **changes)
        if bound:
            return self._binding.seal(connection, mount, name)
        return named_key.read_key(connection, mount, name)

    def check(self, key: NamedKey) -> None:
        """Return if the key's options are as they were set here. Raises Damaged."""
        self._binding.check(key)

    def open(self, connection: Connection, key: NamedKey) -> OpenKey:
        """The key with all versions that are there; a damaged one raises when it is used.

        Raises Damaged when the key's options are not as they were set here.
        """
        self._binding.check(key)
        stored = named_key.stored_versions(connection, key.mount, key.name)
        opened = partial(self._binding.open_version, key)
        return OpenKey(key, Versions({each.version: partial(opened, each) for each in stored}))

    def rewrapped(
        self, connection: Connection, key: NamedKey, mount: str
    ) -> tuple[StoredVersion, ...]:
        """All versions, wrapped for a bound key of the same name in another mount.

        The caller stores them and then calls `bind`. Raises Damaged.
        """
        versions = self.open(connection, key).versions
        wrap = self._binding.wrap_version
        return tuple(wrap(connection, mount, key.name, each) for each in versions.values())

    def bind(self, connection: Connection, mount: str, name: str) -> NamedKey:
        """Seal the options of a key whose versions are wrapped for a bound key."""
        return self._binding.seal(connection, mount, name)

    def material(self, connection: Connection, mount: str, name: str, version: int) -> Secret:
        """The bytes of one version. Raises Damaged when it is gone or was changed."""
        found = self._material(connection, mount, name, version)
        if found is None:
            raise Damaged(f"version {version} of the key {mount}/{name} is gone")
        return found

    def _material(
        self, connection: Connection, mount: str, name: str, version: int
    ) -> Secret | None:
        at = (mount, name, version)
        found = straight(connection, _WRAPPED, at)
        if not found:
            return None
        wrapped, options = found[0]
        # The driver gives what it finds; see `store.written`.
        if type(wrapped) is not bytes or type(options) not in (bytes, NoneType):
            raise Damaged(f"version {version} of the key {mount}/{name} is damaged")
        place = material_place(*at, bound=options is not None)
        return self._binding.unwrap(*at, wrapped, place)

    def for_encryption(
        self, connection: Connection, key: NamedKey, version: int = 0
    ) -> tuple[int, Secret]:
        """The version to encrypt with: `version`, or the latest when 0.

        Raises InvalidInput, Damaged.
        """
        self._binding.check(key)
        chosen = version or key.latest_version
        if not max(1, key.min_encryption_version) <= chosen <= key.latest_version:
            raise InvalidInput.at(
                "key_version",
                f"encryption needs a version from the minimum to {key.latest_version}",
            )
        return chosen, self.material(connection, key.mount, key.name, chosen)

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
        with self._store.write() as connection:
            return self.internal_in(connection, purpose, kind, make)

    def internal_in(
        self,
        connection: Connection,
        purpose: str,
        kind: str = AES256_GCM96,
        make: Callable[[], Secret] | None = None,
    ) -> Secret:
        """The same in the caller's transaction, which must be one that writes if it makes the key.

        Raises Damaged when the key is there and does not open.
        """
        found = self._material(connection, INTERNAL, purpose, 1)
        if found is not None:
            return found
        if named_key.find_key(connection, INTERNAL, purpose) is None:
            fresh = make() if make else Secret(aead.draw(aead.KEY_BYTES, self._random))
            self.add_mount(connection, INTERNAL, INTERNAL, "it")
            # Another process may have been faster; then its key is the key.
            with suppress(Conflict):
                self._insert_internal(connection, purpose, kind, fresh)
        return self.material(connection, INTERNAL, purpose, 1)

    def _insert_internal(
        self, connection: Connection, purpose: str, kind: str, fresh: Secret
    ) -> None:
        at = self._clock.micros()
        named_key.insert_key(connection, INTERNAL, purpose, KeyOptions(kind=kind), at)
        # Of these nobody sets options: they are not bound.
        place = material_place(INTERNAL, purpose, 1, bound=False)
        wrapped = self._roots.seal(connection, fresh, place)
        stored = StoredVersion(1, wrapped, None, None, at)
        named_key.insert_version(connection, INTERNAL, purpose, stored)

    def _next_version(
        self,
        connection: Connection,
        mount: str,
        name: str,
        version: int,
        options: KeyOptions,
        material: Secret | None,
        public: str | None,
    ) -> NamedKey:
        bound = self._binding.ensure(connection, named_key.read_key(connection, mount, name))
        self._add_version(connection, mount, name, version, options, material, public, bound=bound)
        if bound:
            return self._binding.seal(connection, mount, name)
        return named_key.read_key(connection, mount, name)

    def _add_version(
        self,
        connection: Connection,
        mount: str,
        name: str,
        version: int,
        options: KeyOptions,
        material: Secret | None,
        public: str | None,
        *,
        bound: bool = True,
    ) -> None:
        imported = material is not None
        made = make_version(version, options, material, public, self._random, self._clock.micros())
        stored = self._binding.wrap_version(connection, mount, name, made, bound=bound)
        if imported:
            stored = replace(stored, messages=counted_elsewhere(made.kind))
        named_key.insert_version(connection, mount, name, stored)
