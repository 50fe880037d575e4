"""Keys that come and go: export, backup and restore, bring your own key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from sqlalchemy import Connection

from secvault.crypto import key_kind
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, KeyForbids, NotFound
from secvault.keyring import key_backup, named_key, wrapping
from secvault.keyring.named_key import KeyOptions, NamedKey
from secvault.keyring.open_key import KeyVersion, OpenKey
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.keys import check_rotation
from secvault.service.transit.place import operation_on, require_in_use

_EXISTS = (
    "the import path cannot be used with an existing key; use import_version to rotate an existing "
    "imported key"
)
EXPORTS = ("encryption-key", "signing-key", "hmac-key", "public-key", "certificate-chain")
_PUBLIC = ("public-key", "certificate-chain")
_VERSION = re.compile(r"v?-?[0-9]{1,9}")


def export_key(
    service: Service, caller: Caller, mount: str, name: str, what: str, version: str | None
) -> tuple[str, Mapping[int, Secret]]:
    """The kind of the key, and the texts of the versions that may still be used.

    what: of `EXPORTS`. version: a number, `latest`, or None for all. Private parts leave only
    exportable keys. Raises NotFound, InvalidInput.
    """
    operation = operation_on(service, "key.export", mount, name)

    def act(connection: Connection) -> Outcome[tuple[str, Mapping[int, Secret]]]:
        if what not in EXPORTS:
            raise InvalidInput(f"invalid export type: {what[:40]}")
        key = service.keyring.open(connection, named_key.read_key(connection, mount, name))
        require_in_use(key.key)
        if what not in _PUBLIC and not key.key.exportable:
            raise InvalidInput("private key material is not exportable")
        chosen = chosen_versions(key, version)
        texts = {each.number: Secret(_text(each, what).encode()) for each in chosen}
        detail = {"format": what, "key_kind": key.key.kind}
        return Outcome((key.key.kind, texts), count=len(texts), detail=detail)

    def terms(_connection: Connection) -> Terms | None:
        # A public half is no secret.
        return None if what == "public-key" else {"format": what, "version": version or "all"}

    return service.spine.change(caller, operation, act, terms)


def backup_key(service: Service, caller: Caller, mount: str, name: str) -> Secret:
    """The key in clear, as one text that `restore_key` and the transit engine take."""
    operation = operation_on(service, "key.backup", mount, name)

    def act(connection: Connection) -> Outcome[Secret]:
        try:
            key = service.keyring.open(connection, named_key.read_key(connection, mount, name))
        except NotFound:
            raise InvalidInput(f'key "{name}" not found') from None
        if not key.key.exportable:
            raise InvalidInput("exporting is disallowed on the policy")
        if not key.key.allow_plaintext_backup:
            raise KeyForbids("plaintext backup is disallowed on the policy")
        require_in_use(key.key)
        at = service.clock.micros()
        named_key.update_key(connection, mount, name, backed_up_at=at)
        text = key_backup.write_backup(key, at)
        return Outcome(Secret(text.encode()), count=len(key.versions))

    return service.spine.change(caller, operation, act, lambda _: {"format": "plaintext-backup"})


def restore_key(
    service: Service, caller: Caller, mount: str, name: str, backup: str, *, force: bool
) -> None:
    """Make the key that a backup holds. name: empty for the name in the backup.

    force: take the place of a key with this name, if that one may be deleted. Raises InvalidInput.
    """
    restored = key_backup.read_backup(backup)
    chosen = name or restored.name
    operation = operation_on(service, "key.restore", mount, chosen)

    def act(connection: Connection) -> Outcome[None]:
        present = named_key.find_key(connection, mount, chosen)
        if present is not None and not force:
            raise KeyForbids(f'key "{chosen}" already exists')
        if present is not None:
            if not present.deletion_allowed:
                raise KeyForbids(
                    f'key "{chosen}" already exists and may not be deleted; set its '
                    "deletion_allowed first"
                )
            named_key.delete_key(connection, mount, chosen)
        service.keyring.restore(
            connection,
            mount,
            chosen,
            restored.options,
            restored.versions,
            restored.limits,
            restored.messages,
        )
        detail = {"key_kind": restored.options.kind}
        return Outcome(None, count=len(restored.versions), detail=detail)

    def terms(connection: Connection) -> Terms | None:
        present = named_key.find_key(connection, mount, chosen)
        if present is None or not force:
            return None
        digest = hashlib.sha256(backup.encode()).hexdigest()
        return {"destroys_version": present.latest_version, "backup": digest}

    service.spine.change(caller, operation, act, terms)


def wrapping_public_key(service: Service, caller: Caller, mount: str) -> str:
    """The public key, PEM, that imported keys are wrapped for."""
    operation = operation_on(service, "key.import", mount)
    # Before the wrapping key, which is made at its first use, and takes long to make.
    service.spine.decide(caller, operation)
    key = wrapping.wrapping_key(service.keyring)
    return service.spine.read(caller, operation, lambda _: Outcome(wrapping.public_pem(key)))


def import_key(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    options: KeyOptions,
    *,
    wrapped: bytes,
    hash_function: str,
    public: str | None,
) -> None:
    """Make a key of material that was wrapped for `wrapping_public_key`, or of a public half.

    Raises InvalidInput, also when the key exists.
    """
    operation = operation_on(service, "key.import", mount, name)
    service.spine.decide(caller, operation)
    check_rotation(options.auto_rotate_seconds)
    if options.auto_rotate_seconds and not options.allow_rotation:
        raise InvalidInput("allow_rotation must be set to true if auto-rotation is enabled")
    with service.store.read() as connection:
        if named_key.find_key(connection, mount, name) is not None:
            raise InvalidInput(_EXISTS)
    material = _material(service, wrapped, hash_function, public)

    def act(connection: Connection) -> Outcome[None]:
        try:
            service.keyring.create(
                connection,
                mount,
                name,
                options,
                material=material,
                public=None if material else public,
            )
        except Conflict:
            raise InvalidInput(_EXISTS) from None
        return Outcome(None, detail={"key_kind": options.kind, "version": 1})

    service.spine.change(caller, operation, act)


def import_version(
    service: Service,
    caller: Caller,
    mount: str,
    name: str,
    *,
    wrapped: bytes,
    hash_function: str,
    public: str | None,
    number: int | None = None,
) -> None:
    """Add an imported version to an imported key. Raises InvalidInput.

    The private half of the latest version, where only its public half was imported, is put to it
    instead of making a new one. number: the version to put it to.
    """
    operation = operation_on(service, "key.import", mount, name)
    service.spine.decide(caller, operation)
    material = _material(service, wrapped, hash_function, public)

    def act(connection: Connection) -> Outcome[None]:
        key = named_key.find_key(connection, mount, name)
        if key is None:
            raise InvalidInput(
                f"no key found with name {name}; to import a new key, use the import/ endpoint"
            )
        if not key.imported:
            raise InvalidInput("the import_version endpoint can only be used with an imported key")
        require_in_use(key)
        at = _imported(service, connection, key, material, public, number)
        return Outcome(None, detail={"key_kind": key.kind, "version": at})

    service.spine.change(caller, operation, act)


def _imported(
    service: Service,
    connection: Connection,
    key: NamedKey,
    material: Secret | None,
    public: str | None,
    number: int | None,
) -> int:
    keyring = service.keyring
    if number is not None and material is None:
        if number not in key.created:
            raise InvalidInput("no such key version")
        raise InvalidInput(
            "cannot add a public key to a key version that already has a public key set"
        )
    if number is not None and material is not None:
        keyring.fill_version(connection, key, number, material)
        return number
    latest = keyring.open(connection, key).versions.get(key.latest_version)
    if material is not None and latest is not None and latest.material is None:
        given = key_kind.import_private(latest.kind, material.expose())
        if key_kind.is_pair(latest.kind, given, latest.public):
            keyring.fill_version(connection, key, key.latest_version, material)
            return key.latest_version
    made = keyring.import_version(
        connection, key, material=material, public=None if material else public
    )
    return made.latest_version


def _material(
    service: Service, wrapped: bytes, hash_function: str, public: str | None
) -> Secret | None:
    if public is not None and not wrapped:
        return None
    private = wrapping.wrapping_key(service.keyring)
    return wrapping.unwrap_import(wrapped, private, hash_function)


def chosen_versions(key: OpenKey, version: str | None) -> list[KeyVersion]:
    """All versions that may still be used; the `latest`; or that number. Raises InvalidInput."""
    usable = [
        each for each in key.versions.values() if each.number >= key.key.min_decryption_version
    ]
    if version is None:
        return usable
    if version == "latest":
        return [key.versions[key.key.latest_version]]
    if not _VERSION.fullmatch(version):
        raise InvalidInput("invalid key version")
    number = int(version.removeprefix("v"))
    if number < key.key.min_decryption_version:
        raise InvalidInput("version for export is below minimum decryption version")
    if number not in key.versions:
        raise InvalidInput("version does not exist or cannot be found")
    return [key.versions[number]]


def _text(version: KeyVersion, what: str) -> str:
    kind = version.kind
    if what == "hmac-key":
        return key_kind.private_text(key_kind.KINDS[key_kind.HMAC], version.hmac_key)
    if what == "certificate-chain":
        if not kind.signs:
            raise InvalidInput(
                "certificate chain not supported for keys that do not support signing"
            )
        if version.certificate_chain is None:
            raise InvalidInput("selected key version does not have a certificate chain imported")
        return version.certificate_chain.rstrip("\n")
    if what == "public-key":
        if not kind.signs:
            raise InvalidInput(f"unknown key type {kind.name} for export type public-key")
        return key_kind.public_text(version.public).rstrip("\n")
    if what == "encryption-key" and not kind.encrypts:
        raise InvalidInput("encryption not supported for the key")
    if what == "signing-key" and not kind.signs:
        raise InvalidInput("signing not supported for the key")
    return key_kind.private_text(kind, version.secret())
