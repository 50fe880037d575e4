"""Keys shared with others: exported under another's key, agreed on, and certified."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import (
    Authenticated,
    Body,
    Mount,
    Name,
    Word,
    to_base64,
    transit_router,
)
from secvault.api.vault import read_body, vault_answer, writes
from secvault.crypto.key_kind import AES256_GCM96
from secvault.service import transit

router = transit_router()

_RESOURCE = "{department}/{mount}/{name}"
_BYOK = "/{mount:path}/byok-export/{destination}/{source}"

Hash = Annotated[
    str, Query(alias="hash", description="Of the inner OAEP: SHA1 to SHA512.", max_length=16)
]


class Agreeing(msgspec.Struct):
    """Whose public half (PEM) and which key of ours agree, and the kind of what is made."""

    peer_public_key: str = ""
    base_key_name: str = ""
    base_key_version: int = 0
    derived_key_type: str = AES256_GCM96
    key_derivation_algorithm: str = "ecdh"


class Request(msgspec.Struct):
    """csr: a request, PEM, whose subject and extensions are taken over."""

    csr: str = ""
    version: int | None = None


class Certificates(msgspec.Struct):
    """A chain in PEM, the key's own certificate first."""

    certificate_chain: str = ""
    version: int | None = None


@router.get(_BYOK)
@operation("{department}/{mount}/{source}", "key.export")
def key_byok_export(
    at: Authenticated, mount: Mount, destination: Name, source: Name, hashed: Hash = "SHA256"
) -> Response:
    """An exportable key wrapped for an RSA key, in the form that `import` takes."""
    return _wrapped(at, mount, destination, source, None, hashed)


@router.get(_BYOK + "/{version}")
@operation("{department}/{mount}/{source}", "key.export")
def key_byok_export_version(
    at: Authenticated,
    mount: Mount,
    destination: Name,
    source: Name,
    version: Word,
    hashed: Hash = "SHA256",
) -> Response:
    """One version, or the `latest`, wrapped for an RSA key."""
    return _wrapped(at, mount, destination, source, version, hashed)


@writes(router, "/{mount:path}/derive-key/{name}", Agreeing, status_code=204)
@operation(_RESOURCE, "key.derive")
def key_derive(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Make a symmetric key by ECDH of a key of ours and another's public half."""
    service, caller = at
    asked = read_body(body, Agreeing).body
    transit.derive_key(
        service,
        caller,
        mount,
        name,
        base=asked.base_key_name,
        base_version=asked.base_key_version,
        peer=asked.peer_public_key,
        algorithm=asked.key_derivation_algorithm,
        kind=asked.derived_key_type,
    )
    return Response(status_code=204)


@writes(router, "/{mount:path}/keys/{name}/csr", Request)
@operation(_RESOURCE, "data.sign")
def key_request_certificate(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """A certificate request that the key signed."""
    service, caller = at
    given = read_body(body, Request)
    key, made = transit.request_certificate(
        service, caller, mount, name, given.body.version, given.body.csr
    )
    shown = {"csr": made, "name": key.name, "type": key.kind}
    return vault_answer(caller, shown, warnings=given.warnings)


@writes(router, "/{mount:path}/keys/{name}/set-certificate", Certificates)
@operation(_RESOURCE, "key.update")
def key_set_certificate(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Keep the certificate chain that was issued for the key."""
    service, caller = at
    given = read_body(body, Certificates)
    key, kept = transit.set_certificate(
        service, caller, mount, name, given.body.version, given.body.certificate_chain
    )
    shown = {"certificate_chain": kept, "name": key.name, "type": key.kind}
    return vault_answer(caller, shown, warnings=given.warnings)


def _wrapped(
    at: Authenticated,
    mount: str,
    destination: str,
    source: str,
    version: str | None,
    hash_function: str,
) -> Response:
    service, caller = at
    kind, wrapped = transit.export_wrapped(
        service, caller, mount, destination, source, version, hash_function
    )
    keys = {str(number): to_base64(each) for number, each in wrapped.items()}
    return vault_answer(caller, {"keys": keys, "name": source, "type": kind})
