"""Keys that come and go: export, backup and restore, bring your own key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy import Connection

from secvault.crypto import key_kind
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, KeyForbids, NotFound
from secvault.keyring import key_backup, named_key, wrapping
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import KeyVersion, OpenKey
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.place import operation_on

_EXISTS = (
    "the import path cannot be used with an existing key; use import_version to rotate an existing "
    "imported key"
)
EXPORTS = ("encryption-key", "signing-key", "hmac-key", "public-key")


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
        if what != "public-key" and not key.key.exportable:
            raise InvalidInput("private key material is not exportable")
        chosen = _chosen(key, version)
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
    with service.store.read() as connection:
        if named_key.find_key(connection, mount, name) is not None:
            raise InvalidInput(_EXISTS)
    material = _material(service, wrapped, hash_function, public)

    def act(connection: Connection) -> Outcome[None]:
        try:
            service.keyring.create(
                connection, mount, name, options, material=material, public=public
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
) -> None:
    """Add an imported version to an imported key. Raises InvalidInput."""
    operation = operation_on(service, "key.import", mount, name)
    service.spine.decide(caller, operation)
    material = _material(service, wrapped, hash_function, public)

    def act(connection: Connection) -> Outcome[None]:
        key = named_key.find_key(connection, mount, name)
        if key is None:
            raise InvalidInput(
                f"no key found with name {name}; to import a new key, use the import endpoint"
            )
        made = service.keyring.import_version(connection, key, material=material, public=public)
        return Outcome(None, detail={"key_kind": made.kind, "version": made.latest_version})

    service.spine.change(caller, operation, act)


def _material(
    service: Service, wrapped: bytes, hash_function: str, public: str | None
) -> Secret | None:
    if public is not None:
        if wrapped:
            raise InvalidInput("only one of ciphertext and public_key can be given")
        return None
    private = wrapping.wrapping_key(service.keyring)
    return wrapping.unwrap_import(wrapped, private, hash_function)


def _chosen(key: OpenKey, version: str | None) -> list[KeyVersion]:
    usable = [
        each for each in key.versions.values() if each.number >= key.key.min_decryption_version
    ]
    if version is None:
        return usable
    if version == "latest":
        return [key.versions[key.key.latest_version]]
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise InvalidInput("invalid key version")
    if int(version) not in key.versions:
        raise InvalidInput("version does not exist or cannot be found")
    if int(version) < key.key.min_decryption_version:
        raise InvalidInput("version for export is below minimum decryption version")
    return [key.versions[int(version)]]


def _text(version: KeyVersion, what: str) -> str:
    kind = version.kind
    if what == "hmac-key":
        return key_kind.private_text(key_kind.KINDS[key_kind.HMAC], version.hmac_key)
    if what == "public-key":
        if not kind.signs:
            raise InvalidInput(f"unknown key type {kind.name} for export type public-key")
        return key_kind.public_text(version.public).rstrip("\n")
    if what == "encryption-key" and not kind.encrypts:
        raise InvalidInput("encryption not supported for the key")
    if what == "signing-key" and not kind.signs:
        raise InvalidInput("signing not supported for the key")
    return key_kind.private_text(kind, version.secret())
