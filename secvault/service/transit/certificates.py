"""Certificates of signing keys: requests for them, and the chains that were issued."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.crypto import certificate
from secvault.errors import InvalidInput
from secvault.keyring import named_key
from secvault.keyring.named_key import NamedKey
from secvault.keyring.open_key import KeyVersion, OpenKey
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.place import opened, operation_on


def request_certificate(
    service: Service, caller: Caller, mount: str, name: str, version: int | None, template: str
) -> tuple[NamedKey, str]:
    """The key, and a certificate request, PEM, that it signed. version: None for the latest.

    template: a request, PEM, whose subject and extensions are taken over. Raises InvalidInput.
    """
    operation = operation_on(service, "data.sign", mount, name)

    def act(connection: Connection) -> Outcome[tuple[NamedKey, str]]:
        key = _signing(service, connection, mount, name)
        try:
            chosen = _private(_chosen(key, version))
        except InvalidInput as error:
            raise InvalidInput(f"could not create the csr: {error.detail}") from None
        made = certificate.certificate_request(chosen.private, template)
        return Outcome((key.key, made), detail={"version": chosen.number})

    return service.spine.read(caller, operation, act)


def set_certificate(
    service: Service, caller: Caller, mount: str, name: str, version: int | None, chain: str
) -> tuple[NamedKey, str]:
    """Keep the chain, PEM, with a version, None for the latest; return the key and the chain.

    The first certificate must be of the version's key. Raises InvalidInput.
    """
    operation = operation_on(service, "key.update", mount, name)

    def act(connection: Connection) -> Outcome[tuple[NamedKey, str]]:
        key = _signing(service, connection, mount, name)
        parsed = certificate.parse_chain(chain)
        try:
            chosen = _chosen(key, version)
            kept = certificate.check_chain(parsed, chosen.public)
        except InvalidInput as error:
            raise InvalidInput(f"failed to persist certificate chain: {error.detail}") from None
        named_key.update_version(connection, mount, name, chosen.number, certificate_chain=kept)
        return Outcome((key.key, kept), detail={"version": chosen.number})

    # A certificate is public, and protects the key no less: it needs nobody.
    return service.spine.change(caller, operation, act, lambda _: None)


def _signing(service: Service, connection: Connection, mount: str, name: str) -> OpenKey:
    missing = f"key with provided name '{name}' not found"
    key = opened(service, connection, mount, name, missing)
    if not key.kind.signs:
        raise InvalidInput(f"key type '{key.kind.name}' does not support signing")
    if key.key.derived:
        raise InvalidInput("operation not supported for keys with derivation enabled")
    return key


def _private(version: KeyVersion) -> KeyVersion:
    if version.material is None:
        raise InvalidInput("private key not imported for key version selected")
    return version


def _chosen(key: OpenKey, version: int | None) -> KeyVersion:
    number = key.key.latest_version if version is None else version
    found = key.versions.get(number)
    if found is None or number < key.key.min_decryption_version:
        raise InvalidInput("no such key version")
    return found
