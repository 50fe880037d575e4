"""What is set for all keys of a mount: `config/keys` and `cache-config`."""

from __future__ import annotations

import msgspec
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import Authenticated, Body, Mount, transit_router
from secvault.api.vault import read_body, vault_answer, writes
from secvault.service import transit

router = transit_router()

_RESOURCE = "{department}/{mount}"


class KeySettings(msgspec.Struct):
    """disable_upsert: whether `encrypt` is not to make a key that is missing."""

    disable_upsert: bool | None = None


class CacheSettings(msgspec.Struct):
    """size: 0, or at least 10. Kept and shown; it changes nothing here."""

    size: int = 0


@router.get("/{mount:path}/config/keys")
@operation(_RESOURCE, "mount.read")
def key_settings(at: Authenticated, mount: Mount) -> Response:
    """What is set for all keys of the mount."""
    service, caller = at
    found = transit.read_mount(service, caller, mount)
    return vault_answer(caller, {"disable_upsert": found.disable_upsert})


@writes(router, "/{mount:path}/config/keys", KeySettings)
@operation(_RESOURCE, "mount.update")
def key_settings_change(at: Authenticated, mount: Mount, body: Body) -> Response:
    """Set whether `encrypt` makes a key that is missing."""
    service, caller = at
    given = read_body(body, KeySettings)
    made = transit.configure_mount(service, caller, mount, disable_upsert=given.body.disable_upsert)
    shown = {"disable_upsert": made.disable_upsert}
    return vault_answer(caller, shown, warnings=given.warnings)


@router.get("/{mount:path}/cache-config")
@operation(_RESOURCE, "mount.read")
def cache_settings(at: Authenticated, mount: Mount) -> Response:
    """The cache size that was set."""
    service, caller = at
    found = transit.read_mount(service, caller, mount)
    return vault_answer(caller, {"size": found.cache_size})


@writes(router, "/{mount:path}/cache-config", CacheSettings)
@operation(_RESOURCE, "mount.update")
def cache_settings_change(at: Authenticated, mount: Mount, body: Body) -> Response:
    """Keep a cache size for clients that set one."""
    service, caller = at
    given = read_body(body, CacheSettings)
    made = transit.configure_mount(service, caller, mount, cache_size=given.body.size)
    return vault_answer(caller, {"size": made.cache_size}, warnings=given.warnings)
