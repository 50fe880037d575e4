"""The encryption API on the paths and in the shapes of the transit engine of Vault and OpenBao."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from secvault.api.caller import vault_caller
from secvault.api.declared import operation
from secvault.api.vault import batch_responses, body_of, json_body, vault_answer, vault_responses
from secvault.errors import InvalidInput, NotFound
from secvault.keyring.keyring import AES256_GCM96
from secvault.keyring.named_key import NamedKey
from secvault.service import Service, transit
from secvault.service.spine import Caller

MAX_BATCH = 10_000

router = APIRouter(prefix="/v1", tags=["transit"], responses=vault_responses())

Mount = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["transit"])]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["payroll"])]
Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]

Body = Annotated[bytes, Depends(body_of)]

T = TypeVar("T")
Done = TypeVar("Done")


class KeyOptions(msgspec.Struct):
    """Options of a new key."""

    type: str = AES256_GCM96
    exportable: bool = False
    derived: bool = False
    convergent_encryption: bool = False
    allow_plaintext_backup: bool = False
    auto_rotate_period: str | int = 0


class ImportedKey(msgspec.Struct):
    """Key material wrapped for this vault's wrapping key, base64."""

    ciphertext: str
    type: str = AES256_GCM96
    hash_function: str = "SHA256"
    exportable: bool = False


class EncryptItem(msgspec.Struct):
    """One plaintext, base64; also one item of a batch."""

    plaintext: str | None = None
    associated_data: str = ""
    context: str = ""
    key_version: int = 0
    reference: str = ""


class EncryptBody(EncryptItem):
    """One plaintext, or a batch."""

    batch_input: list[EncryptItem] | None = None


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


@router.post("/{mount}/keys/{name}", **json_body(KeyOptions))
@operation("{department}/{mount}/{name}", "key.create")
def key_create(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Create a key; an existing one is answered unchanged."""
    service, caller = at
    options = _decode(body, KeyOptions)
    if options.derived or options.convergent_encryption or options.allow_plaintext_backup:
        raise InvalidInput("derived, convergent and plaintext-backup keys are not supported")
    if options.auto_rotate_period not in (0, "0", "0s"):
        raise InvalidInput("auto_rotate_period is not supported")
    if options.type != AES256_GCM96:
        raise InvalidInput(f"unknown key type {options.type[:40]}")
    key = transit.create_key(
        service, caller, mount, name, kind=options.type, exportable=options.exportable
    )
    return vault_answer(caller, _key_data(key))


@router.get("/{mount}/keys/{name}")
@operation("{department}/{mount}/{name}", "key.read")
def key_read(at: Authenticated, mount: Mount, name: Name) -> Response:
    """A key's versions and limits."""
    service, caller = at
    return vault_answer(caller, _key_data(transit.read_key(service, caller, mount, name)))


@router.get("/{mount}/keys")
@operation("{department}/{mount}", "key.list")
def key_list(
    at: Authenticated,
    mount: Mount,
    *,
    wanted: Annotated[bool, Query(alias="list", description="Must be true on GET.")] = False,
) -> Response:
    """The names of the mount's keys (GET with list=true)."""
    if not wanted:
        raise NotFound("unsupported path")
    return _list(at, mount)


@router.api_route("/{mount}/keys", methods=["LIST"], include_in_schema=False)
@operation("{department}/{mount}", "key.list")
def key_list_by_method(at: Authenticated, mount: Mount) -> Response:
    """The names of the mount's keys, by the method that Vault clients use."""
    return _list(at, mount)


@router.post("/{mount}/keys/{name}/rotate")
@operation("{department}/{mount}/{name}", "key.rotate")
def key_rotate(at: Authenticated, mount: Mount, name: Name) -> Response:
    """Add a key version."""
    service, caller = at
    return vault_answer(caller, _key_data(transit.rotate_key(service, caller, mount, name)))


@router.get("/{mount}/export/{key_type}/{name}")
@operation("{department}/{mount}/{name}", "key.export")
def key_export(at: Authenticated, mount: Mount, key_type: Name, name: Name) -> Response:
    """The material of every version of an exportable key."""
    return _export(at, mount, key_type, name, None)


@router.get("/{mount}/export/{key_type}/{name}/{version}")
@operation("{department}/{mount}/{name}", "key.export")
def key_export_version(
    at: Authenticated,
    mount: Mount,
    key_type: Name,
    name: Name,
    version: Annotated[str, Path(pattern=r"^([0-9]{1,9}|latest)$")],
) -> Response:
    """The material of one version of an exportable key."""
    return _export(at, mount, key_type, name, version)


@router.get("/{mount}/wrapping_key")
@operation("{department}/{mount}", "key.import")
def key_wrapping(at: Authenticated, mount: Mount) -> Response:
    """The public key, PEM, that imported keys are wrapped for."""
    service, caller = at
    pem = transit.wrapping_public_key(service, caller, mount)
    return vault_answer(caller, {"public_key": pem})


@router.post("/{mount}/keys/{name}/import", status_code=204, **json_body(ImportedKey))
@operation("{department}/{mount}/{name}", "key.import")
def key_import(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Bring your own key: create a key of wrapped material."""
    service, caller = at
    given = _decode(body, ImportedKey)
    transit.import_key(
        service,
        caller,
        mount,
        name,
        _base64(given.ciphertext),
        kind=given.type,
        hash_function=given.hash_function,
        exportable=given.exportable,
    )
    return Response(status_code=204)


@router.post("/{mount}/encrypt/{name}", responses=batch_responses(), **json_body(EncryptBody))
@operation("{department}/{mount}/{name}", "data.encrypt", "key.create")
def data_encrypt(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Encrypt one plaintext or a batch under the key's latest version, or a stated one."""
    given = _decode(body, EncryptBody)

    def parse(item: EncryptItem) -> transit.ToEncrypt:
        if item.plaintext is None:
            raise InvalidInput("missing plaintext to encrypt")
        return transit.ToEncrypt(
            _base64(item.plaintext), _base64(item.associated_data), item.key_version
        )

    return _answer(
        at,
        given,
        given.batch_input,
        parse,
        lambda service, caller, items: transit.encrypt(service, caller, mount, name, items),
        _encrypted,
    )


@router.post("/{mount}/decrypt/{name}", responses=batch_responses(), **json_body(DecryptBody))
@operation("{department}/{mount}/{name}", "data.decrypt")
def data_decrypt(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Decrypt one ciphertext or a batch."""
    given = _decode(body, DecryptBody)
    return _answer(
        at,
        given,
        given.batch_input,
        lambda item: _to_decrypt(item, "missing ciphertext to decrypt"),
        lambda service, caller, items: transit.decrypt(service, caller, mount, name, items),
        lambda plaintext: {"plaintext": base64.b64encode(plaintext).decode()},
    )


@router.post("/{mount}/rewrap/{name}", responses=batch_responses(), **json_body(DecryptBody))
@operation("{department}/{mount}/{name}", "data.rewrap")
def data_rewrap(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Move one ciphertext or a batch to the latest key version without showing the plaintext."""
    given = _decode(body, DecryptBody)
    return _answer(
        at,
        given,
        given.batch_input,
        lambda item: _to_decrypt(item, "missing ciphertext to decrypt"),
        lambda service, caller, items: transit.rewrap(service, caller, mount, name, items),
        _encrypted,
    )


def _answer(
    at: tuple[Service, Caller],
    single: Any,
    batch: Sequence[Any] | None,
    parse: Callable[[Any], T],
    run: Callable[[Service, Caller, list[T]], Sequence[Done | InvalidInput]],
    show: Callable[[Done], dict[str, Any]],
) -> Response:
    """Run the items that can be read, and answer each with its result or its own error."""
    service, caller = at
    if batch is None:
        (result,) = run(service, caller, [parse(single)])
        if isinstance(result, InvalidInput):
            raise InvalidInput(result.detail)
        return vault_answer(caller, show(result))
    if not batch:
        raise InvalidInput("missing batch input to process")
    if len(batch) > MAX_BATCH:
        raise InvalidInput(f"a batch holds {MAX_BATCH} items at most; send several")
    parsed = [_parsed(parse, item) for item in batch]
    good = [item for item in parsed if not isinstance(item, InvalidInput)]
    results = iter(run(service, caller, good))
    failed = False
    shown = []
    for item, given in zip(parsed, batch, strict=True):
        result = item if isinstance(item, InvalidInput) else next(results)
        if isinstance(result, InvalidInput):
            failed = True
            shown.append({"error": result.detail, "reference": given.reference})
        else:
            shown.append({**show(result), "reference": given.reference})
    return vault_answer(caller, {"batch_results": shown}, 400 if failed else 200)


def _parsed(parse: Callable[[Any], T], item: Any) -> T | InvalidInput:
    try:
        return parse(item)
    except InvalidInput as error:
        return error


def _to_decrypt(item: DecryptItem, missing: str) -> transit.ToDecrypt:
    if item.ciphertext is None:
        raise InvalidInput(missing)
    return transit.ToDecrypt(item.ciphertext, _base64(item.associated_data), item.key_version)


def _encrypted(done: transit.Encrypted) -> dict[str, Any]:
    return {"ciphertext": done.ciphertext, "key_version": done.key_version}


def _list(at: tuple[Service, Caller], mount: str) -> Response:
    service, caller = at
    names = transit.list_keys(service, caller, mount)
    if not names:
        raise NotFound("there are no keys")
    return vault_answer(caller, {"keys": list(names)})


def _export(
    at: tuple[Service, Caller], mount: str, key_type: str, name: str, version: str | None
) -> Response:
    service, caller = at
    if key_type != "encryption-key":
        raise InvalidInput(f"invalid export type: {key_type}")
    versions = transit.export_key(service, caller, mount, name)
    if version is not None:
        number = max(versions) if version == "latest" else int(version)
        if number not in versions:
            raise InvalidInput("version does not exist or cannot be found")
        versions = {number: versions[number]}
    keys = {
        str(number): base64.b64encode(material.expose()).decode()
        for number, material in versions.items()
    }
    return vault_answer(caller, {"keys": keys, "name": name, "type": AES256_GCM96})


def _key_data(key: NamedKey) -> dict[str, Any]:
    return {
        "allow_plaintext_backup": False,
        "auto_rotate_period": 0,
        "deletion_allowed": False,
        "derived": False,
        "exportable": key.exportable,
        "imported_key": key.imported,
        "keys": {str(version): at // 1_000_000 for version, at in key.created.items()},
        "latest_version": key.latest_version,
        "min_available_version": 0,
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": key.min_encryption_version,
        "name": key.name,
        "soft_deleted": False,
        "supports_decryption": True,
        "supports_derivation": True,
        "supports_encryption": True,
        "supports_signing": False,
        "type": key.kind,
    }


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"failed to parse the body: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput(
            "failed to decode JSON input: the body is not JSON in UTF-8, or nested too deeply"
        ) from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("illegal base64 data") from None
