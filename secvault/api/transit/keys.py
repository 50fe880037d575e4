"""Named keys: create, read, list, rotate, configure, trim, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Query
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import (
    Authenticated,
    Body,
    Mount,
    Name,
    context_from,
    transit_router,
)
from secvault.api.vault import read_body, seconds_of, vault_answer, writes
from secvault.crypto.derivation import HKDF_SHA256
from secvault.crypto.key_kind import AES256_GCM96, kind_of
from secvault.errors import InvalidInput, NotFound
from secvault.keyring.key_backup import rfc3339
from secvault.keyring.named_key import KeyOptions, NamedKey
from secvault.service import key_limits, transit
from secvault.service.transit import KeyChanges

router = transit_router()

_KEY = "/{mount:path}/keys/{name}"
_RESOURCE = "{department}/{mount}/{name}"
_CURVES = {"ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521"}


class NewKey(msgspec.Struct):
    """Options of a new key. key_size: bytes of an HMAC key.

    context: of a derived key, base64, whose public halves are to be shown.
    """

    type: str = AES256_GCM96
    exportable: bool = False
    derived: bool = False
    convergent_encryption: bool = False
    allow_plaintext_backup: bool = False
    auto_rotate_period: str | int = 0
    key_size: int = 0
    context: str = ""


class KeyConfiguration(msgspec.Struct):
    """What is to be changed of a key."""

    min_decryption_version: int | None = None
    min_encryption_version: int | None = None
    deletion_allowed: bool | None = None
    exportable: bool | None = None
    allow_plaintext_backup: bool | None = None
    auto_rotate_period: str | int | None = None


class Trimming(msgspec.Struct):
    """The oldest version that is kept."""

    min_available_version: int | None = None


class Nothing(msgspec.Struct):
    """No parameters."""


@writes(router, _KEY, NewKey)
@operation(_RESOURCE, "key.create", "key.read")
def key_create(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Create a key; an existing one is answered unchanged."""
    service, caller = at
    given = read_body(body, NewKey)
    asked = given.body
    kind_of(asked.type)
    context = context_from(asked.context)
    options = KeyOptions(
        kind=asked.type,
        derived=asked.derived,
        convergent=asked.convergent_encryption,
        exportable=asked.exportable,
        allow_plaintext_backup=asked.allow_plaintext_backup,
        auto_rotate_seconds=seconds_of(asked.auto_rotate_period, "auto_rotate_period"),
        key_size=asked.key_size,
    )
    key = transit.create_key(service, caller, mount, name, options)
    publics: Mapping[int, str] = {}
    if context:
        key, publics = transit.publics_of_context(service, caller, mount, name, context)
    return vault_answer(caller, key_data(key, publics), warnings=given.warnings)


@router.get(_KEY)
@operation(_RESOURCE, "key.read")
def key_read(
    at: Authenticated,
    mount: Mount,
    name: Name,
    context: Annotated[str, Query(description="Of a derived key, base64.")] = "",
) -> Response:
    """A key's versions and limits; with a context, the public halves of its derived keys."""
    service, caller = at
    publics: Mapping[int, str] | None = None
    if context:
        given = context_from(context)
        key, publics = transit.publics_of_context(service, caller, mount, name, given)
    else:
        key = transit.read_key(service, caller, mount, name)
    data = key_data(key, publics)
    near = key_limits.near_limit(service, key)
    if near is None:
        return vault_answer(caller, data)
    data["near_limit"] = {"version": near.version, "messages": near.messages}
    words = key_limits.in_words(service, near.resource, near.version, near.messages)
    return vault_answer(caller, data, warnings=(words,))


@router.get("/{mount:path}/keys")
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


@router.route("/{mount:path}/keys", ["LIST"], include_in_schema=False)
@operation("{department}/{mount}", "key.list")
def key_list_by_method(at: Authenticated, mount: Mount) -> Response:
    """The names of the mount's keys, by the method that Vault clients use."""
    return _list(at, mount)


@writes(router, f"{_KEY}/rotate")
@operation(_RESOURCE, "key.rotate")
def key_rotate(at: Authenticated, mount: Mount, name: Name) -> Response:
    """Add a key version."""
    service, caller = at
    return vault_answer(caller, key_data(transit.rotate_key(service, caller, mount, name)))


@writes(router, f"{_KEY}/config", KeyConfiguration)
@operation(_RESOURCE, "key.update")
def key_configure(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Change the limits on a key's use."""
    service, caller = at
    given = read_body(body, KeyConfiguration)
    asked, warnings = given.body, given.warnings
    period = asked.auto_rotate_period
    changes = KeyChanges(
        min_decryption_version=asked.min_decryption_version,
        min_encryption_version=asked.min_encryption_version,
        deletion_allowed=asked.deletion_allowed,
        exportable=asked.exportable,
        allow_plaintext_backup=asked.allow_plaintext_backup,
        auto_rotate_seconds=None if period is None else seconds_of(period, "auto_rotate_period"),
    )
    key = transit.configure_key(service, caller, mount, name, changes)
    if asked.min_decryption_version == 0:
        warnings = (*warnings, "key versions start at 1; min_decryption_version is 1")
    return vault_answer(caller, key_data(key), warnings=warnings)


@writes(router, f"{_KEY}/trim", Trimming)
@operation(_RESOURCE, "key.update")
def key_trim(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Remove old versions for ever."""
    service, caller = at
    given = read_body(body, Trimming)
    wanted = given.body.min_available_version
    if wanted is None:
        raise InvalidInput("missing min_available_version")
    key = transit.trim_key(service, caller, mount, name, wanted)
    return vault_answer(caller, key_data(key), warnings=given.warnings)


@router.delete(_KEY, status_code=204)
@operation(_RESOURCE, "key.delete")
def key_delete(at: Authenticated, mount: Mount, name: Name) -> Response:
    """Delete a key whose configuration allows it."""
    service, caller = at
    transit.delete_key(service, caller, mount, name)
    return Response(status_code=204)


@router.delete(f"{_KEY}/soft-delete")
@operation(_RESOURCE, "key.delete")
def key_soft_delete(at: Authenticated, mount: Mount, name: Name) -> Response:
    """Shut a key off, to be brought back or deleted."""
    service, caller = at
    key = transit.set_soft_deleted(service, caller, mount, name, deleted=True)
    return vault_answer(caller, key_data(key))


@writes(router, f"{_KEY}/soft-delete-restore")
@operation(_RESOURCE, "key.delete")
def key_soft_restore(at: Authenticated, mount: Mount, name: Name) -> Response:
    """Bring back a key that was shut off."""
    service, caller = at
    key = transit.set_soft_deleted(service, caller, mount, name, deleted=False)
    return vault_answer(caller, key_data(key))


def key_data(key: NamedKey, publics: Mapping[int, str] | None = None) -> dict[str, Any]:
    """A key in the engine's shape. Times of versions are seconds, or RFC 3339 for signing keys.

    publics: of a derived key, the public halves in one context.
    """
    kind = kind_of(key.kind)
    shown: dict[str, Any] = {
        "allow_plaintext_backup": key.allow_plaintext_backup,
        "auto_rotate_period": key.auto_rotate_seconds,
        "deletion_allowed": key.deletion_allowed,
        "derived": key.derived,
        "exportable": key.exportable,
        "imported_key": key.imported,
        "latest_version": key.latest_version,
        "min_available_version": key.min_available_version,
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": key.min_encryption_version,
        "name": key.name,
        "soft_deleted": key.soft_deleted,
        "supports_decryption": kind.encrypts,
        "supports_derivation": kind.derives,
        "supports_encryption": kind.encrypts,
        "supports_signing": kind.signs,
        "type": key.kind,
    }
    if key.imported:
        shown["imported_key_allow_rotation"] = key.allow_rotation
    if key.derived:
        shown["kdf"] = key.kdf
        if key.kdf != HKDF_SHA256:
            shown["kdf_mode"] = key.kdf
        shown["convergent_encryption"] = key.convergent
    if key.convergent:
        shown["convergent_encryption_version"] = -1
    if key.backed_up_at is not None:
        made = sum(at <= key.backed_up_at for at in key.created.values())
        shown["backup_info"] = {"time": rfc3339(key.backed_up_at), "version": made}
    if kind.family == "hmac":
        shown["key_size"] = key.key_size or 32
    else:
        shown["keys"] = _versions(key, publics or {})
    return shown


def _versions(key: NamedKey, publics: Mapping[int, str]) -> dict[str, Any]:
    usable = {
        number: at for number, at in key.created.items() if number >= key.min_decryption_version
    }
    if not kind_of(key.kind).signs:
        return {str(number): at // 1_000_000 for number, at in usable.items()}
    return {
        str(number): {
            "certificate_chain": key.certificates.get(number, "").rstrip("\n"),
            "creation_time": rfc3339(at),
            "name": _CURVES.get(key.kind, key.kind),
            # Of a derived key only the public halves of contexts mean anything.
            "public_key": (publics if key.derived else key.public).get(number, ""),
        }
        for number, at in usable.items()
    }


def _list(at: Authenticated, mount: str) -> Response:
    service, caller = at
    names = transit.list_keys(service, caller, mount)
    if not names:
        raise NotFound("there are no keys")
    return vault_answer(caller, {"keys": list(names)})
