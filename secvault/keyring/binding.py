"""Key versions wrapped and opened under the root, and the options of a key bound to it.

The seal of the options is an envelope of nothing whose associated data are the options: whoever can
write the database but has not the root cannot make a key exportable. Putting back a whole earlier
state of a key, its seal included, is not seen here: the audit log and the backups show that.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from secvault.crypto import key_kind
from secvault.crypto.derivation import HMAC_KEY_BYTES, derive
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring import named_key
from secvault.keyring.named_key import NamedKey, StoredVersion
from secvault.keyring.open_key import KeyVersion
from secvault.keyring.place import hmac_place, material_place, options_place
from secvault.keyring.roots import Roots

_NOTHING = Secret(b"")


class Binding:
    """Wraps and opens for one keyring. Safe for several threads."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots

    def check(self, key: NamedKey) -> None:
        """Return if the options of the key are as they were set. Raises Damaged, Sealed."""
        if key.sealed_options is None:
            return
        try:
            self._roots.open(key.sealed_options, options_place(key))
        except Damaged:
            raise Damaged(
                f"the options of the key {key.resource} were changed past secvault; restore the "
                "store from a backup"
            ) from None

    def seal(self, connection: Connection, mount: str, name: str) -> NamedKey:
        """Seal the options that the key has now; return it."""
        key = named_key.read_key(connection, mount, name)
        sealed = self._roots.seal(connection, _NOTHING, options_place(key))
        named_key.update_key(connection, mount, name, sealed_options=sealed)
        return named_key.read_key(connection, mount, name)

    def ensure(self, connection: Connection, key: NamedKey) -> bool:
        """Whether the key is bound; one that is not becomes so, if all of its versions open.

        Raises Damaged when it is bound and its options were changed.
        """
        self.check(key)
        if key.sealed_options is not None:
            return True
        stored = named_key.stored_versions(connection, key.mount, key.name)
        try:
            opened = [self.open_version(key, each) for each in stored]
        except Damaged:
            return False
        for each in opened:
            wrapped = self.wrap_version(connection, key.mount, key.name, each)
            named_key.update_version(
                connection,
                key.mount,
                key.name,
                each.number,
                wrapped=wrapped.wrapped,
                wrapped_hmac=wrapped.wrapped_hmac,
            )
        self.seal(connection, key.mount, key.name)
        return True

    def open_version(self, key: NamedKey, stored: StoredVersion) -> KeyVersion:
        """A version in clear. Raises Damaged."""
        kind = key_kind.kind_of(key.kind)
        bound = key.sealed_options is not None
        at = (key.mount, key.name, stored.version)
        material = None
        if stored.wrapped:
            material = self.unwrap(*at, stored.wrapped, material_place(*at, bound=bound))
        if stored.wrapped_hmac is not None:
            place = hmac_place(*at, stored.public, bound=bound)
            hmac_key = self.unwrap(*at, stored.wrapped_hmac, place)
        elif material is not None and kind.family == "hmac":
            hmac_key = material
        elif material is not None and not bound:
            hmac_key = derive(material, b"secvault/hmac-key", HMAC_KEY_BYTES)
        else:
            raise Damaged(f"version {stored.version} of the key {key.resource} is damaged")
        return KeyVersion(
            stored.version,
            kind,
            material,
            hmac_key,
            stored.public,
            stored.created_at,
            stored.certificate_chain,
        )

    def unwrap(self, mount: str, name: str, version: int, wrapped: bytes, place: bytes) -> Secret:
        """One part of a version in clear. Raises Damaged, which names the version."""
        try:
            return self._roots.open(wrapped, place)
        except Damaged:
            raise Damaged(f"version {version} of the key {mount}/{name} is damaged") from None

    def wrap_version(
        self,
        connection: Connection,
        mount: str,
        name: str,
        version: KeyVersion,
        *,
        bound: bool = True,
    ) -> StoredVersion:
        """A version as it is kept, of a key that is bound or is still to be."""
        seal = partial(self._roots.seal, connection)
        at = (mount, name, version.number)
        wrapped = b""
        if version.material is not None:
            wrapped = seal(version.material, material_place(*at, bound=bound))
        hmac_wrapped = None
        if version.kind.family != "hmac":
            place = hmac_place(*at, version.public_text, bound=bound)
            hmac_wrapped = seal(version.hmac_key, place)
        return StoredVersion(
            version.number,
            wrapped,
            hmac_wrapped,
            version.public_text,
            version.created_at,
            certificate_chain=version.certificate_chain,
        )
