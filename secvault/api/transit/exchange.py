"""Keys that come and go: export, backup, restore, import."""

from __future__ import annotations

import msgspec
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import (
    Authenticated,
    Body,
    Mount,
    Name,
    Word,
    from_base64,
    transit_router,
)
from secvault.api.vault import read_body, seconds_of, vault_answer, writes
from secvault.crypto.key_kind import AES256_GCM96, kind_of
from secvault.errors import InvalidInput
from secvault.keyring.named_key import KeyOptions
from secvault.service import transit

router = transit_router()

_RESOURCE = "{department}/{mount}/{name}"


class ImportedVersion(msgspec.Struct):
    """Material wrapped for this vault's wrapping key, base64; or a public half, PEM."""

    ciphertext: str = ""
    hash_function: str = "SHA256"
    public_key: str | None = None


class NextVersion(ImportedVersion):
    """version: the one, of which only the public half is here, to put the private half to."""

    version: int | None = None


class ImportedKey(ImportedVersion):
    """The same as a new key. allow_rotation: whether later versions may be made here."""

    type: str = AES256_GCM96
    exportable: bool = False
    derived: bool = False
    allow_plaintext_backup: bool = False
    allow_rotation: bool = False
    auto_rotate_period: str | int = 0
    convergent_encryption: bool | None = None


class Restoring(msgspec.Struct):
    """A backup's text. force: take the place of a key that may be deleted."""

    backup: str = ""
    force: bool = False


@router.get("/{mount:path}/export/{what}/{name}")
@operation(_RESOURCE, "key.export")
def key_export(at: Authenticated, mount: Mount, what: Word, name: Name) -> Response:
    """The material of every version of an exportable key, or the public halves of any."""
    return _export(at, mount, what, name, None)


@router.get("/{mount:path}/export/{what}/{name}/{version}")
@operation(_RESOURCE, "key.export")
def key_export_version(
    at: Authenticated, mount: Mount, what: Word, name: Name, version: Word
) -> Response:
    """The material of one version, or of the `latest`."""
    return _export(at, mount, what, name, version)


@router.get("/{mount:path}/backup/{name}")
@operation(_RESOURCE, "key.backup")
def key_backup(at: Authenticated, mount: Mount, name: Name) -> Response:
    """The whole key in clear, for `restore` here or in the transit engine."""
    service, caller = at
    text = transit.backup_key(service, caller, mount, name)
    return vault_answer(caller, {"backup": text.expose().decode()})


@writes(router, "/{mount:path}/restore", Restoring, status_code=204)
@operation("{department}/{mount}", "key.restore")
def key_restore(at: Authenticated, mount: Mount, body: Body) -> Response:
    """Restore a key under the name in its backup."""
    return _restore(at, mount, "", body)


@writes(router, "/{mount:path}/restore/{name}", Restoring, status_code=204)
@operation(_RESOURCE, "key.restore")
def key_restore_as(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Restore a key under another name."""
    return _restore(at, mount, name, body)


@router.get("/{mount:path}/wrapping_key")
@operation("{department}/{mount}", "key.import")
def key_wrapping(at: Authenticated, mount: Mount) -> Response:
    """The public key, PEM, that imported keys are wrapped for."""
    service, caller = at
    pem = transit.wrapping_public_key(service, caller, mount)
    return vault_answer(caller, {"public_key": pem})


@writes(router, "/{mount:path}/keys/{name}/import", ImportedKey, status_code=204)
@operation(_RESOURCE, "key.import")
def key_import(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Bring your own key: create a key of wrapped material, or of a public half."""
    service, caller = at
    asked = read_body(body, ImportedKey).body
    if asked.convergent_encryption is not None:
        raise InvalidInput("import cannot be used on keys with convergent encryption enabled")
    kind = asked.type.lower()
    kind_of(kind)
    options = KeyOptions(
        kind=kind,
        derived=asked.derived,
        exportable=asked.exportable,
        allow_plaintext_backup=asked.allow_plaintext_backup,
        auto_rotate_seconds=seconds_of(asked.auto_rotate_period, "auto_rotate_period"),
        imported=True,
        allow_rotation=asked.allow_rotation,
    )
    transit.import_key(
        service,
        caller,
        mount,
        name,
        options,
        wrapped=from_base64(asked.ciphertext),
        hash_function=asked.hash_function,
        public=asked.public_key,
    )
    return Response(status_code=204)


@writes(router, "/{mount:path}/keys/{name}/import_version", NextVersion, status_code=204)
@operation(_RESOURCE, "key.import")
def key_import_version(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Add an imported version to an imported key."""
    service, caller = at
    asked = read_body(body, NextVersion).body
    transit.import_version(
        service,
        caller,
        mount,
        name,
        wrapped=from_base64(asked.ciphertext),
        hash_function=asked.hash_function,
        public=asked.public_key,
        number=asked.version,
    )
    return Response(status_code=204)


def _export(at: Authenticated, mount: str, what: str, name: str, version: str | None) -> Response:
    service, caller = at
    kind, texts = transit.export_key(service, caller, mount, name, what, version)
    keys = {str(number): text.expose().decode() for number, text in texts.items()}
    return vault_answer(caller, {"keys": keys, "name": name, "type": kind})


def _restore(at: Authenticated, mount: str, name: str, body: bytes) -> Response:
    service, caller = at
    asked = read_body(body, Restoring).body
    if not asked.backup:
        raise InvalidInput("'backup' must be supplied")
    transit.restore_key(service, caller, mount, name, asked.backup, force=asked.force)
    return Response(status_code=204)
