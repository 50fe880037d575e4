"""The seal of kind `pkcs11`: an AES-256 key that never leaves an HSM opens the root (CKM_AES_GCM).

The HSM sees only a key made for each wrapping, never the root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed
from secvault.keyring.seals.seal import join_remote, place, split_remote

_LONGEST_PIN = 256
# What says nothing about the bytes: the device is at fault.
_BROKEN = frozenset(
    {
        "DeviceError",
        "DeviceMemory",
        "DeviceRemoved",
        "HostMemory",
        "SessionClosed",
        "SessionHandleInvalid",
        "TokenNotPresent",
        "UserNotLoggedIn",
    }
)
_TAG_BITS = 8 * aead.TAG_BYTES


@dataclass(frozen=True)
class Pkcs11Seal:
    """Wraps by a key of an HSM. module: the maker's PKCS#11 library; token, key: their labels."""

    module: Path
    token: str
    key: str
    pin_file: Path
    random: aead.Random = field(default=os.urandom, repr=False)

    @property
    def kind(self) -> str:
        """See Seal."""
        return "pkcs11"

    @property
    def parameters(self) -> str:
        """None: token and key stand in the settings."""
        return ""

    def create(self) -> None:
        """Make the AES-256 key in the HSM: sensitive, not extractable.

        Raises Conflict when the token has a key of this label, Sealed.
        """
        import pkcs11  # noqa: PLC0415

        with self._session(writing=True) as session:
            try:
                self._find(session)
            except Sealed:
                pass
            else:
                raise Conflict(f"the token {self.token} has a key {self.key} already")
            session.generate_key(
                pkcs11.KeyType.AES,
                8 * aead.KEY_BYTES,
                label=self.key,
                store=True,
                capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
                template={
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                    pkcs11.Attribute.PRIVATE: True,
                },
            )

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal. Also Sealed when the HSM cannot be used."""
        import pkcs11  # noqa: PLC0415

        key = Secret(aead.draw(aead.KEY_BYTES, self.random))
        nonce = aead.draw(aead.NONCE_BYTES, self.random)
        with self._session() as session:
            wrapped = self._find(session).encrypt(
                key.expose(),
                mechanism=pkcs11.Mechanism.AES_GCM,
                mechanism_param=pkcs11.GCMParams(nonce, _bound(vault_id), _TAG_BITS),
            )
        where = place(vault_id, self.kind, self.parameters)
        sealed = aead.seal(root.expose(), key, where, self.random)
        return join_remote(nonce + bytes(wrapped), sealed)

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """See Seal. Also Sealed when the HSM cannot be used."""
        import pkcs11  # noqa: PLC0415

        wrapped_key, envelope = split_remote(wrapped)
        nonce, body = wrapped_key[: aead.NONCE_BYTES], wrapped_key[aead.NONCE_BYTES :]
        if len(body) != aead.KEY_BYTES + aead.TAG_BYTES:
            raise self._damaged()
        with self._session() as session:
            found = self._find(session)
            try:
                key = found.decrypt(
                    body,
                    mechanism=pkcs11.Mechanism.AES_GCM,
                    mechanism_param=pkcs11.GCMParams(nonce, _bound(vault_id), _TAG_BITS),
                )
            except pkcs11.exceptions.PKCS11Error as error:
                if type(error).__name__ in _BROKEN:
                    raise
                # HSMs answer a wrong tag with various errors (EncryptedDataInvalid,
                # GeneralError); the key was found and the session is open.
                raise self._damaged() from None
        where = place(vault_id, self.kind, self.parameters)
        try:
            return Secret(aead.open_sealed(envelope, Secret(bytes(key)), where))
        except Damaged:
            raise self._damaged() from None

    @contextmanager
    def _session(self, *, writing: bool = False) -> Iterator[Any]:
        import pkcs11  # noqa: PLC0415

        pin = self._pin()
        if not self.module.is_file():
            raise ConfigurationError(f"seal.pkcs11.module: there is no file {self.module}")
        try:
            library = pkcs11.lib(str(self.module))
        except RuntimeError:
            raise ConfigurationError(
                f"seal.pkcs11.module: {self.module} is not a PKCS#11 library that can be loaded"
            ) from None
        try:
            token = library.get_token(token_label=self.token)
            with token.open(user_pin=pin, rw=writing) as session:
                yield session
        except pkcs11.exceptions.PKCS11Error as error:
            raise Sealed(self._said(error)) from None

    def _find(self, session: Any) -> Any:
        import pkcs11  # noqa: PLC0415

        try:
            return session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=self.key)
        except pkcs11.exceptions.NoSuchKey:
            raise Sealed(
                f"seal.pkcs11.key: the token {self.token} has no secret key {self.key}"
            ) from None
        except pkcs11.exceptions.MultipleObjectsReturned:
            raise ConfigurationError(
                f"seal.pkcs11.key: the token {self.token} has several keys {self.key}; give each "
                "a label of its own"
            ) from None

    def _said(self, error: Exception) -> str:
        known = {
            "NoSuchToken": f"seal.pkcs11.token: there is no token {self.token}",
            "PinIncorrect": f"seal.pkcs11.pin_file: the PIN in {self.pin_file} is wrong; each "
            "wrong try counts towards the HSM's limit",
            "PinLocked": "seal.pkcs11: the HSM has locked the PIN; its officer unlocks it",
        }
        kind = type(error).__name__
        return known.get(kind, f"seal.pkcs11: the HSM cannot be used ({kind})")

    def _pin(self) -> str:
        try:
            with self.pin_file.open("rb") as file:
                others = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
                content = file.read(_LONGEST_PIN)
        except OSError as error:
            raise Sealed(
                f"seal.pkcs11.pin_file: {self.pin_file} cannot be read: {error.strerror}"
            ) from None
        if others:
            raise ConfigurationError(
                f"seal.pkcs11.pin_file: {self.pin_file} can be read by others: "
                f"chmod 600 {self.pin_file}"
            )
        try:
            pin = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            pin = ""
        if not pin:
            raise ConfigurationError(f"seal.pkcs11.pin_file: {self.pin_file} holds no PIN")
        return pin

    def _damaged(self) -> Damaged:
        return Damaged(
            f"the root key does not open with the HSM's key {self.key}: it is another key or "
            "another vault's, or the stored root was changed"
        )


def _bound(vault_id: str) -> bytes:
    return aead.bind("secvault/root-key", vault_id)
