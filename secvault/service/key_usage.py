"""Operations on the usage of keys: which are dead, and who still needs an old version."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.errors import InvalidInput
from secvault.keyring import key_usage
from secvault.keyring import mount as mounts
from secvault.keyring.key_usage import KeySummary, KeyUse
from secvault.keyring.named_key import read_key
from secvault.service.approvals.subjects import name_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.transit.place import operation_on

MOST_DAYS = 36_500
DAY_MICROS = 86_400 * 1_000_000


def read_usage(service: Service, caller: Caller, mount: str, name: str) -> KeyUse:
    """The key, and who used which version of it for what. Raises NotFound."""
    operation = operation_on(service, "key.read", mount, name)

    def act(connection: Connection) -> Outcome[KeyUse]:
        key = read_key(connection, mount, name)
        uses = key_usage.uses_of(connection, mount, name)
        users = sorted({use.subject for use in uses})
        return Outcome(KeyUse(key, uses, {one: name_of(connection, one) for one in users}))

    return service.spine.read(caller, operation, act)


def list_usage(
    service: Service, caller: Caller, mount: str | None, unused_days: int | None
) -> tuple[KeySummary, ...]:
    """The keys of a mount, or of all mounts whose keys the caller may list.

    unused_days: only those that are older, and were not used for so many days. Raises NotFound.
    """
    if unused_days is not None and not 0 <= unused_days <= MOST_DAYS:
        raise InvalidInput.at("unused_days", f"use 0 to {MOST_DAYS}")
    since = None if unused_days is None else service.clock.micros() - unused_days * DAY_MICROS
    if mount is not None:
        return _of_mount(service, caller, operation_on(service, "key.list", mount), mount, since)
    allowed = _readable(service, caller)
    if not allowed:
        # Recorded, with the reason why there is nothing to see.
        service.spine.decide(caller, Operation("key.list", "it", "*", "it/*"))
    return tuple(
        found
        for path, operation in allowed.items()
        for found in _of_mount(service, caller, operation, path, since)
    )


def may_list(service: Service, caller: Caller) -> bool:
    """Whether there is a mount whose keys the caller may list; without a record."""
    return bool(_readable(service, caller))


def _readable(service: Service, caller: Caller) -> dict[str, Operation]:
    with service.store.read() as connection:
        paths = [each.path for each in mounts.list_mounts(connection)]
    operations = {path: operation_on(service, "key.list", path) for path in paths}
    return {path: operations[path] for path in service.spine.allowed(caller, operations)}


def _of_mount(
    service: Service, caller: Caller, operation: Operation, mount: str, since: int | None
) -> tuple[KeySummary, ...]:
    def act(connection: Connection) -> Outcome[tuple[KeySummary, ...]]:
        found = tuple(
            each
            for each in key_usage.summaries(connection, mount)
            if since is None or max(each.created_at, each.last_at or 0) < since
        )
        return Outcome(found, count=len(found))

    return service.spine.read(caller, operation, act)
