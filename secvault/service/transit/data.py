"""Encrypting, decrypting and rewrapping, and fresh data keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from secvault.crypto.aead import draw
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, Refused
from secvault.keyring import encryption, named_key
from secvault.keyring.encryption import Encrypted, ToDecrypt, ToEncrypt
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import OpenKey
from secvault.service.service import Service
from secvault.service.spine import Caller
from secvault.service.transit import settings
from secvault.service.transit.keys import create_key
from secvault.service.transit.place import each, operation_on

DATA_KEY_BITS = (128, 256, 512)


def encrypt(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    items: Sequence[ToEncrypt],
    options: KeyOptions | None = None,
) -> list[Encrypted | InvalidInput]:
    """Encrypt each item; one that cannot be is answered by its error. Makes a missing key.

    The key is made only when the caller may create keys, as the transit engine does. options: of
    the key that is made.
    """
    operation = operation_on(service, "data.encrypt", mount, name)
    service.spine.decide(caller, operation)
    with service.store.read() as connection:
        missing = named_key.find_key(connection, mount, name) is None
    if missing:
        if settings.never_makes_keys(service, mount):
            raise InvalidInput("encryption key not found")
        chosen = options or KeyOptions(derived=any(item.context for item in items))
        try:
            create_key(service, caller, mount, name, chosen)
        except Refused:
            raise InvalidInput("encryption key not found") from None
    return each(
        service,
        caller,
        operation,
        items,
        partial(_sealed, service),
    )


def decrypt(
    service: Service, caller: Caller, mount: str, name: str, items: Sequence[ToDecrypt]
) -> list[bytes | InvalidInput]:
    """Decrypt each item; one that cannot be is answered by its error."""
    operation = operation_on(service, "data.decrypt", mount, name)
    return each(service, caller, operation, items, encryption.decrypt)


def rewrap(
    service: Service, caller: Caller, mount: str, name: str, items: Sequence[ToDecrypt]
) -> list[Encrypted | InvalidInput]:
    """Move each ciphertext to the latest key version, without showing the plaintext."""
    operation = operation_on(service, "data.rewrap", mount, name)
    return each(
        service,
        caller,
        operation,
        items,
        partial(_rewrapped, service),
    )


def data_key(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    *,
    bits: int,
    context: bytes,
    associated_data: bytes = b"",
    key_version: int = 0,
) -> tuple[Secret, Encrypted]:
    """A fresh data key of 128, 256 or 512 bits, in clear and encrypted. Raises InvalidInput."""
    operation = operation_on(service, "data.key", mount, name)
    if bits not in DATA_KEY_BITS:
        raise InvalidInput("invalid bit length; use 128, 256 or 512")
    fresh = Secret(draw(bits // 8, service.random))
    item = ToEncrypt(fresh.expose(), associated_data, key_version, context)
    (made,) = each(
        service,
        caller,
        operation,
        [item],
        partial(_sealed, service),
    )
    if isinstance(made, InvalidInput):
        raise made
    return fresh, made


def _sealed(service: Service, key: OpenKey, item: ToEncrypt) -> Encrypted:
    service.messages.spend(key, item)
    return encryption.encrypt(key, item, service.random)


def _rewrapped(service: Service, key: OpenKey, item: ToDecrypt) -> Encrypted:
    service.messages.spend(key, item)
    return encryption.rewrap(key, item, service.random)
