"""Operations of the encryption API: named keys, and what is encrypted with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from secvault.crypto import transit
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound, Refused
from secvault.keyring import named_key, wrapping
from secvault.keyring.keyring import AES256_GCM96, RESERVED_MOUNTS
from secvault.keyring.named_key import NamedKey
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class ToEncrypt:
    """One plaintext; key_version 0 means the latest."""

    plaintext: bytes
    associated_data: bytes = b""
    key_version: int = 0


@dataclass(frozen=True)
class ToDecrypt:
    """One ciphertext in the form `vault:v<version>:<base64>`."""

    ciphertext: str
    associated_data: bytes = b""
    key_version: int = 0


@dataclass(frozen=True)
class Encrypted:
    """A ciphertext and the key version that it is under."""

    ciphertext: str
    key_version: int


_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def create_key(
    service: Service, caller: Caller, mount: str, name: str, *, kind: str, exportable: bool
) -> NamedKey:
    """Make a key, or return the one that is there unchanged, as the transit engine does."""
    operation = _operation(service, "key.create", mount, name)

    def act(connection: Connection) -> Outcome[NamedKey]:
        present = named_key.find_key(connection, mount, name)
        if present is not None:
            return Outcome(present)
        try:
            made = service.keyring.create(connection, mount, name, kind=kind, exportable=exportable)
        except Conflict:
            # Another transaction made it since the look.
            made = named_key.read_key(connection, mount, name)
        return Outcome(made)

    return service.spine.change(caller, operation, act)


def read_key(service: Service, caller: Caller, mount: str, name: str) -> NamedKey:
    """The key's versions and limits. Raises NotFound."""
    operation = _operation(service, "key.read", mount, name)
    return service.spine.read(
        caller, operation, lambda connection: Outcome(named_key.read_key(connection, mount, name))
    )


def list_keys(service: Service, caller: Caller, mount: str) -> tuple[str, ...]:
    """The names of the mount's keys."""
    operation = _operation(service, "key.list", mount, "*")

    def act(connection: Connection) -> Outcome[tuple[str, ...]]:
        names = named_key.key_names(connection, mount)
        return Outcome(names, count=len(names))

    return service.spine.read(caller, operation, act)


def rotate_key(service: Service, caller: Caller, mount: str, name: str) -> NamedKey:
    """Add a version, which new encryptions use. Raises InvalidInput for a missing key."""
    operation = _operation(service, "key.rotate", mount, name)

    def act(connection: Connection) -> Outcome[NamedKey]:
        try:
            return Outcome(service.keyring.rotate(connection, mount, name))
        except NotFound:
            raise InvalidInput("key not found") from None

    return service.spine.change(caller, operation, act)


def export_key(service: Service, caller: Caller, mount: str, name: str) -> dict[int, Secret]:
    """The bytes of every version of an exportable key. Raises NotFound, InvalidInput."""
    operation = _operation(service, "key.export", mount, name)

    def act(connection: Connection) -> Outcome[dict[int, Secret]]:
        key = named_key.read_key(connection, mount, name)
        if not key.exportable:
            raise InvalidInput("private key material is not exportable")
        versions = service.keyring.export(connection, key)
        return Outcome(versions, count=len(versions))

    return service.spine.read(caller, operation, act)


def wrapping_public_key(service: Service, caller: Caller, mount: str) -> str:
    """The public key, PEM, that imported keys are wrapped for."""
    operation = _operation(service, "key.import", mount, "*")
    # Before the wrapping key, which is made at its first use, and takes long to make.
    service.spine.decide(caller, operation)
    key = wrapping.wrapping_key(service.keyring)
    return service.spine.read(caller, operation, lambda _: Outcome(wrapping.public_pem(key)))


def import_key(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    wrapped: bytes,
    *,
    kind: str,
    hash_function: str,
    exportable: bool,
) -> None:
    """Make a key of material that was wrapped for `wrapping_public_key`. Raises Conflict."""
    operation = _operation(service, "key.import", mount, name)
    service.spine.decide(caller, operation)
    private = wrapping.wrapping_key(service.keyring)

    def act(connection: Connection) -> Outcome[None]:
        material = wrapping.unwrap_import(wrapped, private, hash_function)
        service.keyring.create(
            connection, mount, name, kind=kind, exportable=exportable, material=material
        )
        return Outcome(None)

    service.spine.change(caller, operation, act)


def encrypt(
    service: Service, caller: Caller, mount: str, name: str, items: Sequence[ToEncrypt]
) -> list[Encrypted | InvalidInput]:
    """Encrypt each item; one that cannot be is answered by its error. Makes a missing key.

    The key is made only when the caller may create keys, as the transit engine does.
    """
    operation = _operation(service, "data.encrypt", mount, name)
    service.spine.decide(caller, operation)
    with service.store.read() as connection:
        missing = named_key.find_key(connection, mount, name) is None
    if missing:
        try:
            create_key(service, caller, mount, name, kind=AES256_GCM96, exportable=False)
        except Refused:
            raise InvalidInput("encryption key not found") from None

    def one(connection: Connection, key: NamedKey, item: ToEncrypt) -> Encrypted:
        version, material = service.keyring.for_encryption(connection, key, item.key_version)
        sealed = transit.seal_named(
            item.plaintext, material, version, item.associated_data, service.random
        )
        return Encrypted(sealed, version)

    return _each(service, caller, operation, mount, name, items, one)


def decrypt(
    service: Service, caller: Caller, mount: str, name: str, items: Sequence[ToDecrypt]
) -> list[bytes | InvalidInput]:
    """Decrypt each item; one that cannot be is answered by its error."""
    operation = _operation(service, "data.decrypt", mount, name)

    def one(connection: Connection, key: NamedKey, item: ToDecrypt) -> bytes:
        return _open(service, connection, key, item)

    return _each(service, caller, operation, mount, name, items, one)


def rewrap(
    service: Service, caller: Caller, mount: str, name: str, items: Sequence[ToDecrypt]
) -> list[Encrypted | InvalidInput]:
    """Move each ciphertext to the latest key version, without showing the plaintext."""
    operation = _operation(service, "data.rewrap", mount, name)

    def one(connection: Connection, key: NamedKey, item: ToDecrypt) -> Encrypted:
        plaintext = _open(service, connection, key, item)
        version, material = service.keyring.for_encryption(connection, key, item.key_version)
        sealed = transit.seal_named(
            plaintext, material, version, item.associated_data, service.random
        )
        return Encrypted(sealed, version)

    return _each(service, caller, operation, mount, name, items, one)


def _open(service: Service, connection: Connection, key: NamedKey, item: ToDecrypt) -> bytes:
    ciphertext = transit.parse_named(item.ciphertext)
    material = service.keyring.for_decryption(connection, key, ciphertext.version)
    try:
        return transit.open_named(ciphertext, material, item.associated_data)
    except Damaged as error:
        # The caller's text is at fault; a stored key that is damaged remains our failure.
        raise InvalidInput(error.detail) from None


def _each(
    service: Service,
    caller: Caller,
    operation: Operation,
    mount: str,
    name: str,
    items: Sequence[_Item],
    one: Callable[[Connection, NamedKey, _Item], _Done],
) -> list[_Done | InvalidInput]:
    def act(connection: Connection) -> Outcome[list[_Done | InvalidInput]]:
        key = named_key.find_key(connection, mount, name)
        if key is None:
            raise InvalidInput("encryption key not found")
        done: list[_Done | InvalidInput] = []
        for item in items:
            try:
                done.append(one(connection, key, item))
            except InvalidInput as error:
                done.append(error)
        return Outcome(done, count=len(done))

    return service.spine.read(caller, operation, act)


def _operation(service: Service, action: str, mount: str, name: str) -> Operation:
    if name != "*":
        named_key.check_name(name)
    if mount in RESERVED_MOUNTS:
        raise NotFound(f"there is no mount {mount}/")
    with service.store.read() as connection:
        department = service.keyring.department_of(connection, mount)
    return Operation(
        action=action,
        department=department,
        object=f"{mount}/{name}" if name != "*" else "*",
        resource=f"{department}/{mount}/{name}",
    )
