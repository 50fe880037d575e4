"""What is set for all keys of a mount."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.errors import InvalidInput
from secvault.keyring import mount as mounts
from secvault.keyring.mount import Mount
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.transit.mounts import operation_on_mount

SMALLEST_CACHE = 10
LARGEST_CACHE = 2**31


def configure_mount(
    service: Service,
    caller: Caller,
    path: str,
    *,
    disable_upsert: bool | None = None,
    cache_size: int | None = None,
) -> Mount:
    """Change what is given of a mount's settings. Raises NotFound, InvalidInput.

    cache_size: kept and shown for clients that set it; what is remembered of keys has a size of its
    own (`service.transit.warm`).
    """
    operation = operation_on_mount(service, "mount.update", path)
    if cache_size is not None and cache_size != 0:
        if cache_size < SMALLEST_CACHE:
            raise InvalidInput(f"size must be 0 or a value greater or equal to {SMALLEST_CACHE}")
        if cache_size > LARGEST_CACHE:
            raise InvalidInput(f"size must be {LARGEST_CACHE} at most")

    def act(connection: Connection) -> Outcome[Mount]:
        given = {"disable_upsert": disable_upsert, "cache_size": cache_size}
        changes = {name: value for name, value in given.items() if value is not None}
        return Outcome(mounts.update_mount(connection, path, **changes))

    return service.spine.change(caller, operation, act)


def never_makes_keys(service: Service, path: str) -> bool:
    """Whether `encrypt` is not to make a key that is missing. Raises NotFound."""
    with service.store.read() as connection:
        return mounts.read_mount(connection, path).disable_upsert
