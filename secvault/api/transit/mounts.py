"""`sys/mounts`: where the departments' keys live."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Path
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import Authenticated, Body, transit_router
from secvault.api.vault import read_body, vault_answer, writes
from secvault.errors import InvalidInput, NotFound, Refused
from secvault.keyring.mount import Mount
from secvault.service import transit

router = transit_router()

MountPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_./-]{1,512}$", examples=["teams/payroll"])]

_TUNE = "/sys/mounts/{path:path}/tune"
_ONE = "/sys/mounts/{path:path}"
_RESOURCE = "{department}/{path}"
# No lease is given on a key; the figure is the peer's default, which clients show.
_LEASE_SECONDS = 2_764_800


class NewMount(msgspec.Struct):
    """A new mount. options: `department`, whose keys they are; the caller's own without it."""

    type: str = ""
    description: str = ""
    options: dict[str, str | int | float | bool] = {}
    config: dict[str, Any] = {}


class Tuning(msgspec.Struct):
    """What is to be changed of a mount."""

    description: str | None = None


@router.get("/sys/mounts")
@operation("{department}/mounts", "mount.read")
def mount_list(at: Authenticated) -> Response:
    """The mounts that the caller may read."""
    service, caller = at
    found = transit.list_mounts(service, caller)
    return vault_answer(caller, {f"{each.path}/": _shown(each) for each in found})


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
    return vault_answer(caller, {**_LEASES, "description": found.description})


@writes(router, _TUNE, Tuning, status_code=204)
@operation(_RESOURCE, "mount.update")
def mount_tune(at: Authenticated, path: MountPath, body: Body) -> Response:
    """Change a mount's description."""
    service, caller = at
    asked = read_body(body, Tuning).body
    transit.tune_mount(service, caller, path.rstrip("/"), asked.description)
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
    return vault_answer(caller, _shown(found))


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
    transit.enable_mount(service, caller, path.rstrip("/"), department, asked.description)
    return Response(status_code=204)


@router.delete(_ONE, status_code=204)
@operation(_RESOURCE, "mount.delete")
def mount_disable(at: Authenticated, path: MountPath) -> Response:
    """Remove a mount with its keys, which must all be ones that may be deleted by default."""
    service, caller = at
    transit.disable_mount(service, caller, path.rstrip("/"))
    return Response(status_code=204)


_LEASES = {
    "default_lease_ttl": _LEASE_SECONDS,
    "force_no_cache": False,
    "max_lease_ttl": _LEASE_SECONDS,
}


def _shown(mount: Mount) -> dict[str, Any]:
    return {
        "accessor": f"transit_{mount.created_at:x}",
        "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
        "description": mount.description,
        "external_entropy_access": False,
        "local": False,
        "options": {"department": mount.department},
        "seal_wrap": False,
        "type": "transit",
        "uuid": "",
    }
