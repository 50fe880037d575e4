"""Rotating the keys whose own period is over, or that have sealed much."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.keyring import named_key
from secvault.keyring.named_key import NamedKey
from secvault.service import authentication
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def rotate_due_keys(service: Service) -> tuple[str, ...]:
    """Rotate every key that is due: see `named_key.is_due`.

    Each in a transaction of its own, at most once over all nodes. Returns `<mount>/<name>` of
    those that were rotated here. Raises Refused, Unavailable, AuditUnavailable; keys that were
    rotated before stay so.
    """
    with service.store.read() as connection:
        due = named_key.due_keys(connection, service.clock.micros())
    caller = Caller(authentication.jobs())
    return tuple(key.resource for key in due if _rotated(service, caller, key))


def _rotated(service: Service, caller: Caller, key: NamedKey) -> bool:
    operation = Operation(
        "key.rotate", key.department, key.resource, f"{key.department}/{key.resource}"
    )

    def act(connection: Connection) -> Outcome[bool]:
        made = service.keyring.rotate_if_due(connection, key.mount, key.name)
        if made is None:
            return Outcome(value=False, count=0)
        detail = {"version": made.latest_version, "from_version": key.latest_version}
        return Outcome(value=True, detail=detail)

    return service.spine.change(caller, operation, act)
