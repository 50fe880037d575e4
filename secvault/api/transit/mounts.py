"""`sys/mounts`: where the departments' keys live."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import msgspec
from fastapi import Path
from fastapi.responses import Response

from secvault import __version__
from secvault.api.declared import operation
from secvault.api.transit.paths import Authenticated, Body, Word, transit_router
from secvault.api.vault import read_body, seconds_of, vault_answer, writes
from secvault.errors import InvalidInput, NotFound, Refused
from secvault.keyring.mount import SYSTEM_LEASE_SECONDS, Mount
from secvault.service import transit

router = transit_router()

MountPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_./-]{1,512}$", examples=["teams/payroll"])]

_TUNE = "/sys/mounts/{path:path}/tune"
_ONE = "/sys/mounts/{path:path}"
_RESOURCE = "{department}/{path}"
_MOVED = (
    "Mount move has been queued: it is done already, and its state can be read under the returned "
    "migration_id"
)


class NewMount(msgspec.Struct):
    """A new mount. options: `department`, whose keys they are; the caller's own without it.

    config: its leases.
    """

    type: str = ""
    description: str = ""
    options: dict[str, str | int | float | bool] = {}
    config: dict[str, str | int | float | bool | list[Any] | dict[str, Any] | None] = {}


class Tuning(msgspec.Struct):
    """What is to be changed of a mount: the leases as periods, or `system` for the default."""

    description: str | None = None
    default_lease_ttl: str | int | None = None
    max_lease_ttl: str | int | None = None


class Moving(msgspec.Struct, rename={"origin": "from"}):
    """The mount that is moved, and the path that it is to have."""

    origin: str = ""
    to: str = ""


@router.get("/sys/mounts")
@operation("{department}/mounts", "mount.read")
def mount_list(at: Authenticated) -> Response:
    """The mounts that the caller may read."""
    service, caller = at
    found = transit.list_mounts(service, caller)
    return vault_answer(caller, {f"{each.path}/": _shown(each) for each in found}, doubled=True)


@router.get("/sys/internal/ui/mounts/{path:path}")
@operation(_RESOURCE, "mount.read")
def mount_over(at: Authenticated, path: MountPath) -> Response:
    """The mount that a path lies in, which clients ask before they use the path."""
    service, caller = at
    try:
        found = transit.mount_over(service, caller, path)
    except NotFound:
        # As the peer: whether there is a mount is not told to those who may not read it.
        raise Refused("preflight capability check returned 403") from None
    return vault_answer(caller, {**_shown(found), "path": f"{found.path}/"})


@router.get(_TUNE)
@operation(_RESOURCE, "mount.read")
def mount_tuning(at: Authenticated, path: MountPath) -> Response:
    """What can be tuned of a mount."""
    service, caller = at
    try:
        found = transit.read_mount(service, caller, path.rstrip("/"))
    except NotFound:
        raise InvalidInput(f'cannot fetch sysview for path "{path}/"') from None
    return vault_answer(caller, _tuning(found), doubled=True)


@writes(router, _TUNE, Tuning, status_code=204)
@operation(_RESOURCE, "mount.update")
def mount_tune(at: Authenticated, path: MountPath, body: Body) -> Response:
    """Change a mount's description and leases."""
    service, caller = at
    asked = read_body(body, Tuning).body
    leases = transit.Leases(
        _lease(asked.default_lease_ttl, "default_lease_ttl"),
        _lease(asked.max_lease_ttl, "max_lease_ttl"),
    )
    chosen = path.rstrip("/")
    try:
        transit.tune_mount(service, caller, chosen, asked.description, leases)
    except NotFound:
        raise InvalidInput(f'tune of path "{chosen}/" failed: no mount entry found') from None
    return Response(status_code=204)


@router.get(_ONE)
@operation(_RESOURCE, "mount.read")
def mount_read(at: Authenticated, path: MountPath) -> Response:
    """One mount."""
    service, caller = at
    try:
        found = transit.read_mount(service, caller, path.rstrip("/"))
    except NotFound:
        raise InvalidInput(f"No secret engine mount at {path}/") from None
    return vault_answer(caller, _shown(found), doubled=True)


@writes(router, _ONE, NewMount, status_code=204)
@operation(_RESOURCE, "mount.create")
def mount_enable(at: Authenticated, path: MountPath, body: Body) -> Response:
    """Make a mount of the type `transit` that belongs to a department."""
    service, caller = at
    asked = read_body(body, NewMount).body
    if not asked.type:
        raise InvalidInput("backend type must be specified as a string")
    if asked.type != "transit":
        raise InvalidInput(f"plugin not found in the catalog: {asked.type[:40]}")
    given = asked.options.get("department")
    department = None if given is None else str(given)
    leases = transit.Leases(
        _lease(asked.config.get("default_lease_ttl"), "config.default_lease_ttl"),
        _lease(asked.config.get("max_lease_ttl"), "config.max_lease_ttl"),
    )
    chosen = path.rstrip("/")
    transit.enable_mount(service, caller, chosen, department, asked.description, leases)
    return Response(status_code=204)


@router.delete(_ONE, status_code=204)
@operation(_RESOURCE, "mount.delete")
def mount_disable(at: Authenticated, path: MountPath) -> Response:
    """Remove a mount with its keys, which must all be ones that may be deleted by default."""
    service, caller = at
    # As the peer: what is not there need not be removed.
    with suppress(NotFound):
        transit.disable_mount(service, caller, path.rstrip("/"))
    return Response(status_code=204)


@writes(router, "/sys/remount", Moving)
@operation(_RESOURCE, "mount.move")
def mount_move(at: Authenticated, body: Body) -> Response:
    """Move a mount with its keys to another path."""
    service, caller = at
    given = read_body(body, Moving)
    origin, to = given.body.origin.strip("/"), given.body.to.strip("/")
    if not origin or not to:
        raise InvalidInput("both 'from' and 'to' path must be specified as a string")
    try:
        moved = transit.move_mount(service, caller, origin, to)
    except NotFound:
        raise InvalidInput(f'no matching mount at "{origin[:128]}/"') from None
    warnings = (_MOVED, *given.warnings)
    return vault_answer(caller, {"migration_id": moved.move_id}, warnings=warnings, doubled=True)


@router.get("/sys/remount/status/{move_id}")
@operation(_RESOURCE, "mount.read")
def mount_move_state(at: Authenticated, move_id: Word) -> Response:
    """How a move went; it is done when its id is given."""
    service, caller = at
    moved = transit.read_move(service, caller, move_id)
    info = {
        "source_mount": f"{moved.moved_from}/",
        "status": "success",
        "target_mount": f"{moved.path}/",
    }
    return vault_answer(caller, {"migration_id": move_id, "migration_info": info})


def _lease(given: Any, field: str) -> int | None:
    """Seconds, 0 for the default; None when nothing was given. Raises InvalidInput."""
    if given is None or given == "":
        return None
    if given == "system":
        return 0
    if not isinstance(given, str | int):
        raise InvalidInput.at(field, "must be seconds, or a period such as 24h, 1h30m or 7d")
    return seconds_of(given, field)


def _tuning(mount: Mount) -> dict[str, Any]:
    return {
        "default_lease_ttl": mount.default_lease_seconds or SYSTEM_LEASE_SECONDS,
        "description": mount.description,
        "force_no_cache": False,
        "max_lease_ttl": mount.max_lease_seconds or SYSTEM_LEASE_SECONDS,
        "options": {"department": mount.department},
    }


def _shown(mount: Mount) -> dict[str, Any]:
    return {
        "accessor": f"transit_{mount.created_at:x}",
        "config": {
            "default_lease_ttl": mount.default_lease_seconds,
            "force_no_cache": False,
            "max_lease_ttl": mount.max_lease_seconds,
        },
        "deprecation_status": "supported",
        "description": mount.description,
        "external_entropy_access": False,
        "local": False,
        "options": {"department": mount.department},
        "plugin_version": "",
        "running_plugin_version": f"v{__version__}+builtin.secvault",
        "running_sha256": "",
        "seal_wrap": False,
        "type": "transit",
        "uuid": "",
    }
