"""Encrypt, decrypt, rewrap, and data keys."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import (
    Authenticated,
    Batch,
    Body,
    Mount,
    Name,
    Word,
    context_from,
    from_base64,
    to_base64,
    transit_router,
)
from secvault.api.vault import batch_responses, read_body, vault_answer, writes
from secvault.crypto.key_kind import AES256_GCM96
from secvault.errors import InvalidInput
from secvault.keyring.named_key import KeyOptions
from secvault.service import transit

router = transit_router()

_RESOURCE = "{department}/{mount}/{name}"


class EncryptItem(msgspec.Struct):
    """One plaintext, base64; also one item of a batch. context: of a derived key, base64."""

    plaintext: str | None = None
    associated_data: str = ""
    context: str = ""
    key_version: int = 0
    reference: str = ""


class EncryptBody(EncryptItem):
    """One plaintext, or a batch. type, convergent_encryption: of the key, if it is to be made."""

    batch_input: list[EncryptItem] | None = None
    type: str = AES256_GCM96
    convergent_encryption: bool = False
    partial_failure_response_code: int | None = None


class DecryptItem(msgspec.Struct):
    """One ciphertext; also one item of a batch."""

    ciphertext: str | None = None
    associated_data: str = ""
    context: str = ""
    key_version: int = 0
    reference: str = ""


class DecryptBody(DecryptItem):
    """One ciphertext, or a batch."""

    batch_input: list[DecryptItem] | None = None
    partial_failure_response_code: int | None = None


class DataKeyBody(msgspec.Struct):
    """How long the data key is to be, 128, 256 or 512 bits, and the context of a derived key.

    associated_data: what the encrypted data key is bound to, base64.
    """

    bits: int = 256
    context: str = ""
    associated_data: str = ""
    key_version: int = 0


@writes(router, "/{mount:path}/encrypt/{name}", EncryptBody, responses=batch_responses())
@operation(_RESOURCE, "data.encrypt", "key.create")
def data_encrypt(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Encrypt one plaintext or a batch under the key's latest version, or a stated one."""
    given = read_body(body, EncryptBody)
    asked = given.body
    items = asked.batch_input if asked.batch_input is not None else [asked]
    options = KeyOptions(
        kind=asked.type,
        derived=any(item.context for item in items),
        convergent=asked.convergent_encryption,
    )

    def parse(item: EncryptItem) -> transit.ToEncrypt:
        if item.plaintext is None:
            raise InvalidInput("missing plaintext to encrypt")
        return transit.ToEncrypt(
            from_base64(item.plaintext),
            from_base64(item.associated_data),
            item.key_version,
            from_base64(item.context),
        )

    batch = Batch(
        parse,
        lambda service, caller, good: transit.encrypt(service, caller, mount, name, good, options),
        _encrypted,
        failed_status=400,
        partial_status=_partial(asked.partial_failure_response_code),
    )
    return batch.answer(at, asked, asked.batch_input, given.warnings)


@writes(router, "/{mount:path}/decrypt/{name}", DecryptBody, responses=batch_responses())
@operation(_RESOURCE, "data.decrypt")
def data_decrypt(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Decrypt one ciphertext or a batch."""
    given = read_body(body, DecryptBody)
    batch = Batch(
        _to_decrypt,
        lambda service, caller, items: transit.decrypt(service, caller, mount, name, items),
        lambda plaintext: {"plaintext": to_base64(plaintext)},
        failed_status=400,
        partial_status=_partial(given.body.partial_failure_response_code),
        failed=(("plaintext", ""),),
    )
    return batch.answer(at, given.body, given.body.batch_input, given.warnings)


@writes(router, "/{mount:path}/rewrap/{name}", DecryptBody)
@operation(_RESOURCE, "data.rewrap")
def data_rewrap(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Move one ciphertext or a batch to the latest key version without showing the plaintext."""
    given = read_body(body, DecryptBody)
    batch = Batch(
        _to_decrypt,
        lambda service, caller, items: transit.rewrap(service, caller, mount, name, items),
        _encrypted,
    )
    return batch.answer(at, given.body, given.body.batch_input, given.warnings)


@writes(router, "/{mount:path}/datakey/{form}/{name}", DataKeyBody)
@operation(_RESOURCE, "data.key")
def data_key(at: Authenticated, mount: Mount, form: Word, name: Name, body: Body) -> Response:
    """A fresh data key: encrypted, and with `plaintext` in the path also in clear."""
    service, caller = at
    given = read_body(body, DataKeyBody)
    if form not in ("plaintext", "wrapped"):
        raise InvalidInput("Invalid path, must be 'plaintext' or 'wrapped'")
    fresh, wrapped = transit.data_key(
        service,
        caller,
        mount,
        name,
        bits=given.body.bits,
        context=context_from(given.body.context),
        associated_data=from_base64(given.body.associated_data),
        key_version=given.body.key_version,
    )
    shown = _encrypted(wrapped)
    if form == "plaintext":
        shown["plaintext"] = to_base64(fresh.expose())
    return vault_answer(caller, shown, warnings=given.warnings)


def _to_decrypt(item: DecryptItem) -> transit.ToDecrypt:
    if not item.ciphertext:
        raise InvalidInput("missing ciphertext to decrypt")
    return transit.ToDecrypt(
        item.ciphertext,
        from_base64(item.associated_data),
        item.key_version,
        from_base64(item.context),
    )


def _encrypted(done: transit.Encrypted) -> dict[str, Any]:
    return {"ciphertext": done.ciphertext, "key_version": done.key_version}


def _partial(code: int | None) -> int | None:
    if code is not None and not 200 <= code <= 599:
        raise InvalidInput.at("partial_failure_response_code", "must be a status from 200 to 599")
    return code
