"""What every operation on a key begins with: which one, in whose department, open or missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from secvault.errors import InvalidInput, NotFound
from secvault.keyring import named_key
from secvault.keyring.keyring import RESERVED_MOUNTS
from secvault.keyring.named_key import NamedKey
from secvault.keyring.open_key import OpenKey
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.transit.used import note_use, versions_of

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def operation_on(service: Service, action: str, mount: str, name: str = "*") -> Operation:
    """The operation on a key, or with `*` on the mount. Raises NotFound, InvalidInput."""
    if name != "*":
        named_key.check_name(name)
    if mount in RESERVED_MOUNTS:
        raise NotFound(f"there is no mount {mount}/")
    with service.store.read() as connection:
        department = service.keyring.department_of(connection, mount)
    return Operation(
        action=action,
        department=department,
        object=f"{mount}/{name}" if name != "*" else "*",
        resource=f"{department}/{mount}/{name}",
    )


def opened(
    service: Service,
    connection: Connection,
    mount: str,
    name: str,
    missing: str = "encryption key not found",
) -> OpenKey:
    """The open key. Raises InvalidInput when it is missing or soft-deleted, Damaged."""
    key = named_key.find_key(connection, mount, name)
    if key is None:
        raise InvalidInput(missing)
    require_in_use(key)
    return service.keyring.open(connection, key)


def require_in_use(key: NamedKey) -> None:
    """Raise InvalidInput when the key was shut off."""
    if key.soft_deleted:
        raise InvalidInput("refusing to use soft-deleted key")


def each(
    service: Service,
    caller: Caller,
    operation: Operation,
    items: Sequence[_Item],
    one: Callable[[OpenKey, _Item], _Done],
    missing: str = "encryption key not found",
    check: Callable[[OpenKey], None] | None = None,
) -> list[_Done | InvalidInput]:
    """Do `one` with each item; one that cannot be done is answered by its error.

    check: raises InvalidInput when nothing can be done with this key.
    """
    mount, _, name = operation.object.rpartition("/")

    def act(connection: Connection) -> Outcome[list[_Done | InvalidInput]]:
        key = opened(service, connection, mount, name, missing)
        if check is not None:
            check(key)
        done: list[_Done | InvalidInput] = []
        for item in items:
            try:
                done.append(one(key, item))
            except InvalidInput as error:
                done.append(error)
        return Outcome(done, count=len(done))

    results = service.spine.read(caller, operation, act)
    versions = versions_of(zip(items, results, strict=True))
    if versions:
        note_use(service, caller, operation.action, mount, name, versions)
    return results
