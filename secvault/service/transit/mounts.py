"""Mounts: where a department's keys live."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial

import uuid_utils
from sqlalchemy import Connection

from secvault.access.vocabulary import DEPARTMENTS
from secvault.errors import InvalidInput, NotFound
from secvault.keyring import mount as mounts
from secvault.keyring import moving, named_key
from secvault.keyring.mount import Mount
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class Leases:
    """The leases of a mount in seconds, 0 for the peer's default; None leaves one as it is."""

    default: int | None = None
    longest: int | None = None


def enable_mount(
    service: Service,
    caller: Caller,
    path: str,
    department: str | None,
    description: str,
    leases: Leases | None = None,
) -> Mount:
    """Make a mount that belongs to the department; None: the caller's own. Raises InvalidInput."""
    mounts.check_path(path)
    given = leases or Leases()
    if department is None:
        department = caller.principal.department
    if department not in DEPARTMENTS:
        raise InvalidInput.at(
            "options.department", f"say whose keys these are: one of {', '.join(DEPARTMENTS)}"
        )
    _check_free(service, path)

    def act(connection: Connection) -> Outcome[Mount]:
        at = service.clock.micros()
        made = mounts.create_mount(
            connection,
            path,
            department,
            description,
            at,
            default_lease_seconds=given.default or 0,
            max_lease_seconds=given.longest or 0,
        )
        return Outcome(made, detail={"key_kind": made.kind})

    return service.spine.change(caller, _operation("mount.create", department, path), act)


def _check_free(service: Service, path: str) -> None:
    if path.partition("/")[0] in service.collections:
        # Else a key and a record could have the same resource in the audit log.
        raise InvalidInput.at("path", "a collection of records has this name; choose another")


def list_mounts(service: Service, caller: Caller) -> tuple[Mount, ...]:
    """The mounts that the caller may read."""
    with service.store.read() as connection:
        found = mounts.list_mounts(connection)
    asked = {each: _operation("mount.read", each.department, each.path) for each in found}
    shown = service.spine.allowed(caller, asked)
    # An entry for each department; who may read none of them is refused.
    counted = Counter(each.department for each in shown) or Counter(it=0)
    for department, count in sorted(counted.items()):
        read = Outcome(None, count=count)
        operation = _operation("mount.read", department, "*")
        service.spine.read(caller, operation, partial(_given, read))
    return shown


def note_own_capabilities(service: Service, caller: Caller, count: int) -> None:
    """Record that somebody asked what they may do themselves. count: of the paths."""
    operation = Operation("session.self", "it", "session", "it/session")
    service.spine.read(caller, operation, lambda _: Outcome(None, count=count))


def mount_over(service: Service, caller: Caller, path: str) -> Mount:
    """The mount that a path lies in. Raises NotFound; also when the caller may not read it."""
    with service.store.read() as connection:
        inside = [each for each in mounts.list_mounts(connection) if _covers(each, path)]
    if not inside:
        raise NotFound(f"there is no mount over {path[:128]}")
    return read_mount(service, caller, inside[0].path)


def _covers(mount: Mount, path: str) -> bool:
    return f"{path.strip('/')}/".startswith(f"{mount.path}/")


def read_mount(service: Service, caller: Caller, path: str) -> Mount:
    """One mount. Raises NotFound."""
    operation = operation_on_mount(service, "mount.read", path)
    return service.spine.read(
        caller, operation, lambda connection: Outcome(mounts.read_mount(connection, path))
    )


def tune_mount(
    service: Service,
    caller: Caller,
    path: str,
    description: str | None,
    leases: Leases | None = None,
) -> Mount:
    """Change a mount's description and leases. Raises NotFound, InvalidInput."""
    operation = operation_on_mount(service, "mount.update", path)
    given = leases or Leases()

    def act(connection: Connection) -> Outcome[Mount]:
        found = mounts.read_mount(connection, path)
        changes = mounts.check_leases(found, given.default, given.longest)
        if description is not None:
            changes["description"] = mounts.check_description(description)
        return Outcome(mounts.update_mount(connection, path, **changes))

    return service.spine.change(caller, operation, act)


def move_mount(service: Service, caller: Caller, path: str, to: str) -> Mount:
    """Move a mount with its keys to another path of the same department.

    Whoever uses it must use the new path; what was encrypted opens there. Raises NotFound,
    InvalidInput, Damaged.
    """
    operation = operation_on_mount(service, "mount.move", path)
    mounts.check_path(to)
    _check_free(service, to)
    move_id = str(uuid_utils.uuid7())

    def act(connection: Connection) -> Outcome[Mount]:
        moved, count = moving.move_mount(connection, service.keyring, path, to, move_id)
        # An id has no slash.
        return Outcome(moved, count=count, detail={"target": to.replace("/", ":")[:128]})

    return service.spine.change(caller, operation, act)


def read_move(service: Service, caller: Caller, move_id: str) -> Mount:
    """The mount that was moved under this id. Raises NotFound."""
    with service.store.read() as connection:
        found = mounts.find_moved(connection, move_id)
    if found is None:
        raise NotFound(f"no mount was moved under the id {move_id[:64]}")
    return read_mount(service, caller, found.path)


def disable_mount(service: Service, caller: Caller, path: str) -> None:
    """Remove a mount with its keys.

    Raises NotFound; Conflict while a key may not be deleted, unless `mounts.disable_with_keys`.
    """
    operation = operation_on_mount(service, "mount.delete", path)
    with_keys = service.settings.mounts.disable_with_keys

    def act(connection: Connection) -> Outcome[None]:
        return Outcome(None, count=mounts.delete_mount(connection, path, with_keys=with_keys))

    def terms(connection: Connection) -> Terms | None:
        names = named_key.key_names(connection, path)
        return {"destroys_keys": list(names)} if names else None

    service.spine.change(caller, operation, act, terms)


def _given(outcome: Outcome[None], _connection: Connection) -> Outcome[None]:
    return outcome


def operation_on_mount(service: Service, action: str, path: str) -> Operation:
    """The operation on a mount that is there, in its department. Raises NotFound."""
    with service.store.read() as connection:
        found = mounts.read_mount(connection, path)
    return _operation(action, found.department, path)


def _operation(action: str, department: str, path: str) -> Operation:
    return Operation(action, department, "mounts", f"{department}/{path}")
