"""Signing, verifying, HMACs, hashes and random bytes."""

from __future__ import annotations

from collections.abc import Sequence

from secvault.crypto import digest
from secvault.crypto.aead import draw
from secvault.crypto.signature import Manner
from secvault.errors import InvalidInput
from secvault.keyring import signing
from secvault.keyring.signing import Signed, ToSign, ToVerify
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.transit.place import each, operation_on

MOST_RANDOM_BYTES = 131_072


def sign(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    items: Sequence[ToSign],
    manner: Manner,
    key_version: int,
) -> list[Signed | InvalidInput]:
    """Sign each item with the version, 0 for the latest. Raises InvalidInput for the whole."""
    operation = operation_on(service, "data.sign", mount, name)
    manner.check()
    return each(
        service,
        caller,
        operation,
        items,
        lambda key, item: signing.sign(key, item, manner, key_version),
        "signing key not found",
        lambda key: signing.check_signing(key, manner),
    )


def verify(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    items: Sequence[ToVerify],
    manner: Manner,
) -> list[bool | InvalidInput]:
    """Whether each signature is the key's; one that cannot be read is answered by its error."""
    operation = operation_on(service, "data.verify", mount, name)
    manner.check()
    return each(
        service,
        caller,
        operation,
        items,
        lambda key, item: signing.verify(key, item, manner),
        "signature verification key not found",
        lambda key: signing.check_verifying(key, manner),
    )


def authenticate(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    items: Sequence[bytes],
    algorithm: str,
    key_version: int,
) -> list[str | InvalidInput]:
    """The HMAC of each item under the version, 0 for the latest."""
    operation = operation_on(service, "data.hmac", mount, name)
    digest.hmac_function(algorithm)
    return each(
        service,
        caller,
        operation,
        items,
        lambda key, item: signing.authenticate(key, item, algorithm, key_version),
    )


def verify_codes(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    items: Sequence[ToVerify],
    algorithm: str,
) -> list[bool | InvalidInput]:
    """Whether each HMAC is the key's; one that cannot be read is answered by its error."""
    operation = operation_on(service, "data.verify", mount, name)
    digest.hmac_function(algorithm)
    return each(
        service,
        caller,
        operation,
        items,
        lambda key, item: signing.is_authentic(key, item, algorithm),
    )


def hash_data(
    service: Service, caller: Caller, mount: str | None, data: bytes, algorithm: str
) -> bytes:
    """The hash of `data`. mount: None for the service itself. Raises InvalidInput."""
    operation = _operation(service, "data.hash", mount)
    return service.spine.read(caller, operation, lambda _: Outcome(digest.digest(algorithm, data)))


def random_bytes(service: Service, caller: Caller, mount: str | None, count: int) -> bytes:
    """Fresh random bytes, at most 131,072. mount: None for the service itself.

    Raises InvalidInput.
    """
    operation = _operation(service, "data.random", mount)
    if count < 1:
        raise InvalidInput("'bytes' cannot be less than 1")
    if count > MOST_RANDOM_BYTES:
        raise InvalidInput(f"'bytes' should be less than {MOST_RANDOM_BYTES}")
    return service.spine.read(
        caller,
        operation,
        lambda _: Outcome(draw(count, service.random), detail={"bytes": count}),
    )


def _operation(service: Service, action: str, mount: str | None) -> Operation:
    if mount is None:
        return Operation(action, "it", "*", "it/tools")
    return operation_on(service, action, mount)
