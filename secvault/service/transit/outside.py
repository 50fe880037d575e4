"""Keys shared with others: wrapped for another's key, and agreed on with another's public half."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import Connection

from secvault.crypto import key_kind
from secvault.crypto.agreement import agree
from secvault.errors import InvalidInput
from secvault.keyring import named_key, wrapping
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import OpenKey
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.exchange import chosen_versions
from secvault.service.transit.place import opened, operation_on

ECDH = "ecdh"


def export_wrapped(
    service: Service,
    caller: Caller,
    mount: str,
    destination: str,
    source: str,
    version: str | None,
    hash_function: str,
) -> tuple[str, Mapping[int, bytes]]:
    """The kind of the source key, and its versions wrapped for the destination key.

    In the form that `import` takes; versions without a private half are left out. destination: an
    RSA key of the same mount, usually an imported public half. version: as of `export_key`.
    Raises InvalidInput.
    """
    operation = operation_on(service, "key.export", mount, source)
    named_key.check_name(destination)

    def act(connection: Connection) -> Outcome[tuple[str, Mapping[int, bytes]]]:
        there = named_key.find_key(connection, mount, destination)
        if there is None:
            raise InvalidInput("no such destination key to export to")
        if there.soft_deleted:
            raise InvalidInput("for destination key: refusing to use soft-deleted key")
        to = service.keyring.open(connection, there)
        found = named_key.find_key(connection, mount, source)
        if found is None:
            raise InvalidInput("no such source key for export")
        key = service.keyring.open(connection, found)
        if not key.key.exportable:
            raise InvalidInput("key is not exportable")
        if key.key.soft_deleted:
            raise InvalidInput("for source key: refusing to use soft-deleted key")
        public = _destination(to)
        wrapped = {
            each.number: wrapping.wrap_for(
                public,
                key_kind.exchange_form(each.kind, each.material),
                hash_function,
                service.random,
            )
            for each in chosen_versions(key, version)
            if each.material is not None
        }
        detail = {"format": "byok", "key_kind": key.key.kind, "target": destination}
        return Outcome((key.key.kind, wrapped), count=len(wrapped), detail=detail)

    def terms(_connection: Connection) -> Terms:
        return {"format": "byok", "version": version or "all", "target": destination}

    return service.spine.change(caller, operation, act, terms)


def derive_key(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    *,
    base: str,
    base_version: int,
    peer: str,
    algorithm: str,
    kind: str,
) -> None:
    """Make a symmetric key of what the base key and another's public half agree on.

    A key that was made so before, or imported, gets a version. Raises InvalidInput.
    """
    operation = operation_on(service, "key.derive", mount, name)
    service.spine.decide(caller, operation)
    if algorithm != ECDH:
        raise InvalidInput(f"key derivation algorithm {algorithm[:40]} not supported")
    if not peer:
        raise InvalidInput("peer public key not provided")
    wanted = key_kind.KINDS.get(kind.lower())
    if wanted is None or not wanted.symmetric:
        raise InvalidInput(f"unknown key type {kind[:40]}")
    if not base:
        raise InvalidInput("base_key_name: say whose private half is to be used")
    # Both keys are named in what is decided: the base as well as what is made of it.
    service.spine.decide(caller, operation_on(service, "key.derive", mount, base))

    def act(connection: Connection) -> Outcome[None]:
        key = opened(service, connection, mount, base, "specified base key not found")
        agreed = agree(_own(key, base_version), peer, wanted.size)
        present = named_key.find_key(connection, mount, name)
        if present is None:
            options = KeyOptions(kind=wanted.name, imported=True, allow_rotation=False)
            made = service.keyring.create(connection, mount, name, options, material=agreed)
        else:
            if present.soft_deleted:
                raise InvalidInput("error importing key: refusing to use soft-deleted key")
            if not present.imported or present.kind != wanted.name:
                raise InvalidInput(
                    f"error importing key: {name} is another key; choose another name"
                )
            made = service.keyring.import_version(connection, present, material=agreed)
        return Outcome(None, detail={"key_kind": made.kind, "version": made.latest_version})

    service.spine.change(caller, operation, act)


def _own(key: OpenKey, version: int) -> ec.EllipticCurvePrivateKey:
    if not key.kind.agrees:
        raise InvalidInput(f"base key type {key.kind.name} does not support key agreement")
    if version < 0:
        raise InvalidInput("requested version of the base key is negative")
    if version > key.key.latest_version:
        raise InvalidInput(
            "requested version of the base key is higher than the latest key version"
        )
    own = key.for_encryption(version, "the base key").private
    assert isinstance(own, ec.EllipticCurvePrivateKey)  # noqa: S101 - narrows the union
    return own


def _destination(to: OpenKey) -> rsa.RSAPublicKey:
    if not to.kind.signs:
        raise InvalidInput(
            f"key wrapping (requring message signing) is not supported for key type {to.kind.name}"
        )
    public = to.versions[to.key.latest_version].public
    if not isinstance(public, rsa.RSAPublicKey):
        raise InvalidInput("unsupported key type in use; must be a rsa key")
    return public
