"""The life of a named key: made, read, rotated, limited, trimmed, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from secvault.crypto.key_kind import kind_of
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.keyring import named_key, signing
from secvault.keyring.named_key import KeyOptions, NamedKey
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.place import operation_on
from secvault.service.transit.protection import KeyChanges, lowered

SHORTEST_ROTATION = 3600


def create_key(
    service: Service, caller: Caller, mount: str, name: str, options: KeyOptions
) -> NamedKey:
    """Make a key, or return the one that is there unchanged, as the transit engine does."""
    operation = operation_on(service, "key.create", mount, name)
    check_rotation(options.auto_rotate_seconds)

    def act(connection: Connection) -> Outcome[NamedKey]:
        present = named_key.find_key(connection, mount, name)
        if present is not None:
            return Outcome(present)
        try:
            made = service.keyring.create(connection, mount, name, options)
        except Conflict:
            # Another transaction made it since the look.
            made = named_key.read_key(connection, mount, name)
        return Outcome(made, detail={"key_kind": made.kind})

    return service.spine.change(caller, operation, act)


def read_key(service: Service, caller: Caller, mount: str, name: str) -> NamedKey:
    """The key's versions and limits. Raises NotFound."""
    operation = operation_on(service, "key.read", mount, name)
    return service.spine.read(
        caller, operation, lambda connection: Outcome(named_key.read_key(connection, mount, name))
    )


def publics_of_context(
    service: Service, caller: Caller, mount: str, name: str, context: bytes
) -> tuple[NamedKey, Mapping[int, str]]:
    """The key, and of one that derives signing keys the public halves in this context.

    Raises NotFound.
    """
    operation = operation_on(service, "key.read", mount, name)

    def act(connection: Connection) -> Outcome[tuple[NamedKey, Mapping[int, str]]]:
        key = named_key.read_key(connection, mount, name)
        if not (key.derived and kind_of(key.kind).signs):
            return Outcome((key, {}))
        opened = service.keyring.open(connection, key)
        usable = [each for each in opened.versions.values() if each.number in key.public]
        publics = {each.number: signing.public_of_context(opened, each, context) for each in usable}
        return Outcome((key, publics))

    return service.spine.read(caller, operation, act)


def list_keys(service: Service, caller: Caller, mount: str) -> tuple[str, ...]:
    """The names of the mount's keys."""
    operation = operation_on(service, "key.list", mount)

    def act(connection: Connection) -> Outcome[tuple[str, ...]]:
        names = named_key.key_names(connection, mount)
        return Outcome(names, count=len(names))

    return service.spine.read(caller, operation, act)


def rotate_key(service: Service, caller: Caller, mount: str, name: str) -> NamedKey:
    """Add a version, which new encryptions use. Raises InvalidInput for a missing key."""

    def act(connection: Connection, key: NamedKey) -> NamedKey:
        if key.soft_deleted:
            raise InvalidInput("refusing to use soft-deleted key")
        return service.keyring.rotate(connection, mount, name)

    return _change(service, caller, "key.rotate", mount, name, "key not found", act)


def configure_key(
    service: Service, caller: Caller, mount: str, name: str, changes: KeyChanges
) -> NamedKey:
    """Change the limits on a key's use. Raises InvalidInput; nothing is changed then."""

    def act(connection: Connection, key: NamedKey) -> NamedKey:
        return service.keyring.update(connection, mount, name, **_configured(key, changes))

    missing = f"no existing key named {name} could be found"

    def terms(key: NamedKey) -> Terms | None:
        return lowered(key, changes)

    return _change(service, caller, "key.update", mount, name, missing, act, terms)


def trim_key(
    service: Service, caller: Caller, mount: str, name: str, min_available_version: int
) -> NamedKey:
    """Remove the versions below this one for ever: what they encrypted is lost.

    Raises InvalidInput, also while encryption or decryption may still use them.
    """

    def act(connection: Connection, key: NamedKey) -> NamedKey:
        if min_available_version < key.min_available_version:
            raise InvalidInput("minimum available version cannot be decremented")
        if key.min_encryption_version == 0:
            raise InvalidInput(
                "minimum available version cannot be set when minimum encryption version is not set"
            )
        if min_available_version > key.min_encryption_version:
            raise InvalidInput(
                "minimum available version cannot be greater than minmum encryption version"
            )
        if min_available_version > key.min_decryption_version:
            raise InvalidInput(
                "minimum available version cannot be greater than minimum decryption version"
            )
        if min_available_version == 0:
            raise InvalidInput("minimum available version should be positive")
        named_key.delete_versions(connection, mount, name, min_available_version)
        return service.keyring.update(
            connection, mount, name, min_available_version=min_available_version
        )

    def terms(_key: NamedKey) -> Terms:
        return {"destroys_versions_below": min_available_version}

    return _change(service, caller, "key.update", mount, name, "invalid key name", act, terms)


def delete_key(service: Service, caller: Caller, mount: str, name: str) -> None:
    """Remove a key for ever; its `deletion_allowed` must have been set. Raises InvalidInput."""

    def act(connection: Connection, key: NamedKey) -> NamedKey:
        if not key.deletion_allowed:
            raise InvalidInput(
                f"error deleting policy {name}: deletion is not allowed for this key"
            )
        named_key.delete_key(connection, mount, name)
        return key

    missing = f"error deleting policy {name}: could not delete key; not found"

    def terms(key: NamedKey) -> Terms:
        return {"destroys_version": key.latest_version}

    _change(service, caller, "key.delete", mount, name, missing, act, terms)


def set_soft_deleted(
    service: Service, caller: Caller, mount: str, name: str, *, deleted: bool
) -> NamedKey:
    """Shut a key off, or bring it back; its versions stay. Raises InvalidInput."""

    def act(connection: Connection, _key: NamedKey) -> NamedKey:
        return service.keyring.update(connection, mount, name, soft_deleted=deleted)

    return _change(service, caller, "key.delete", mount, name, "key not found", act)


def check_rotation(seconds: int) -> None:
    """Raise InvalidInput unless a key can be rotated so often; 0 stands for never."""
    if seconds and not SHORTEST_ROTATION <= seconds < 2**31:
        raise InvalidInput("auto rotate period must be 0 to disable or at least an hour")


def _change(
    service: Service,
    caller: Caller,
    action: str,
    mount: str,
    name: str,
    missing: str,
    change: Callable[[Connection, NamedKey], NamedKey],
    terms: Callable[[NamedKey], Terms | None] = lambda _key: None,
) -> NamedKey:
    """terms: what a second person may have to approve; None when it takes no protection away."""
    operation = operation_on(service, action, mount, name)

    def act(connection: Connection) -> Outcome[NamedKey]:
        try:
            key = named_key.read_key(connection, mount, name)
        except NotFound:
            raise InvalidInput(missing) from None
        service.keyring.check(key)
        return Outcome(change(connection, key))

    def proposed(connection: Connection) -> Terms | None:
        key = named_key.find_key(connection, mount, name)
        return None if key is None else terms(key)

    return service.spine.change(caller, operation, act, proposed)


def _configured(key: NamedKey, changes: KeyChanges) -> dict[str, object]:
    decryption, encryption = key.min_decryption_version, key.min_encryption_version
    if changes.min_decryption_version is not None:
        decryption = max(_version(key, "decryption", changes.min_decryption_version), 1)
    if changes.min_encryption_version is not None:
        encryption = _version(key, "encryption", changes.min_encryption_version)
    _check_minimums(key, decryption, encryption)
    columns: dict[str, object] = {
        "min_decryption_version": decryption,
        "min_encryption_version": encryption,
    }
    if changes.deletion_allowed is not None:
        columns["deletion_allowed"] = changes.deletion_allowed
    if changes.exportable:
        columns["exportable"] = True
    if changes.allow_plaintext_backup:
        columns["allow_plaintext_backup"] = True
    if changes.auto_rotate_seconds is not None:
        check_rotation(changes.auto_rotate_seconds)
        columns["auto_rotate_seconds"] = changes.auto_rotate_seconds
    return columns


def _version(key: NamedKey, what: str, wanted: int) -> int:
    if wanted < 0:
        raise InvalidInput(f"min {what} version cannot be negative")
    if wanted > key.latest_version:
        raise InvalidInput(
            f"cannot set min {what} version of {wanted}, latest key version is {key.latest_version}"
        )
    return wanted


def _check_minimums(key: NamedKey, decryption: int, encryption: int) -> None:
    if 0 < encryption < decryption:
        raise InvalidInput(
            "cannot set min encryption/decryption values; min encryption version of "
            f"{encryption} must be greater than or equal to min decryption version of {decryption}"
        )
    if decryption < key.min_available_version:
        raise InvalidInput("min decryption version should not be less then min available version")
    if encryption < key.min_available_version:
        raise InvalidInput("min encryption version should not be less then min available version")
