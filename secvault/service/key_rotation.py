"""Rotating the keys whose period is over, or that have sealed much; and telling of it before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from secvault.errors import NotFound, SecvaultError, Unavailable
from secvault.keyring import due
from secvault.keyring.due import Lifetime, NearLimit, Place
from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import NamedKey, read_key
from secvault.service import authentication
from secvault.service.key_limits import lifetime_of
from secvault.service.rewrap_runs import ask_for_rewrapping
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class FailedRotation:
    """A key that is due and could not be rotated, or warned of. key: `<mount>/<name>`."""

    key: str
    code: str
    detail: str


@dataclass(frozen=True)
class Turn:
    """What one look at the keys did: `<mount>/<name>` of each. failed: only what is news."""

    warned: tuple[str, ...] = ()
    rotated: tuple[str, ...] = ()
    failed: tuple[FailedRotation, ...] = ()


@dataclass
class Told:
    """The keys whose failure one worker has put on record, as `<mount>/<name>`.

    unwarned: those that could not be warned of; they are left alone.
    """

    keys: set[str] = field(default_factory=set)
    unwarned: set[str] = field(default_factory=set)


class _Undone(Exception):
    """A trial went well, and is not to be kept."""


def rotate_due_keys(service: Service, told: Told) -> Turn:
    """Warn of the keys that have sealed much, and rotate every key that is due: see `due.is_due`.

    Each in a transaction of its own, at most once over all nodes. The key of a collection is
    rotated together with a request to re-wrap its data keys. A key that cannot be rotated is put
    on record once, is tried in each turn, and holds up no other. Raises Unavailable,
    AuditUnavailable; what was done before stays so.
    """
    lifetime = lifetime_of(service.settings)
    with service.store.read() as connection:
        near = due.keys_near_limit(connection, lifetime, untold=True)
        found = due.may_be_due(connection, lifetime)
    caller = Caller(authentication.jobs())
    warned, failed = _warn(service, caller, lifetime, near, told)
    told.keys &= {each.resource for each in found}
    rotated = []
    for key in found:
        try:
            if _wants(service, caller, lifetime, key, told) and _rotated(
                service, caller, lifetime, key
            ):
                rotated.append(key.resource)
                told.keys.discard(key.resource)
        except Unavailable:
            # Of the store or the log: the other keys would fare no better.
            raise
        except NotFound:
            # It was deleted since the look.
            continue
        except SecvaultError as error:
            told.keys.add(key.resource)
            failed.append(FailedRotation(key.resource, error.code, error.detail))
    return Turn(tuple(warned), tuple(rotated), tuple(failed))


def _warn(
    service: Service, caller: Caller, lifetime: Lifetime, near: Iterable[NearLimit], told: Told
) -> tuple[list[str], list[FailedRotation]]:
    warned = []
    failed = []
    for each in near:
        if each.resource in told.unwarned:
            continue
        try:
            if _warned(service, caller, lifetime, each):
                warned.append(each.resource)
        except Unavailable:
            raise
        except SecvaultError as error:
            told.unwarned.add(each.resource)
            failed.append(FailedRotation(each.resource, error.code, error.detail))
    return warned, failed


def _operation(action: str, key: Place) -> Operation:
    return Operation(action, key.department, key.resource, f"{key.department}/{key.resource}")


def _warned(service: Service, caller: Caller, lifetime: Lifetime, near: NearLimit) -> bool:
    def act(connection: Connection) -> Outcome[bool]:
        first = due.mark_told(connection, near, service.clock.micros())
        detail = {
            "version": near.version,
            "messages": near.messages,
            "threshold": lifetime.rotate_messages,
        }
        return Outcome(first, count=int(first), detail=detail)

    return service.spine.change(caller, _operation("key.warn", near), act)


def _rotated(service: Service, caller: Caller, lifetime: Lifetime, key: Place) -> bool:
    def act(connection: Connection) -> Outcome[bool]:
        made = _rotate(service, connection, lifetime, key)
        if made is None:
            return Outcome(value=False, count=0)
        if key.mount == RECORDS and key.name in service.collections:
            ask_for_rewrapping(service, connection, key.name, caller.principal.subject)
        detail = {"version": made.latest_version, "from_version": made.latest_version - 1}
        return Outcome(value=True, detail=detail)

    return service.spine.change(caller, _operation("key.rotate", key), act)


def _rotate(
    service: Service, connection: Connection, lifetime: Lifetime, key: Place
) -> NamedKey | None:
    at = service.clock.micros()
    return service.keyring.rotate_if(
        connection, key.mount, key.name, lambda now: due.is_due(now, lifetime, at)
    )


def _wants(service: Service, caller: Caller, lifetime: Lifetime, key: Place, told: Told) -> bool:
    """Whether to rotate the key, on record: it is due, or cannot be read and must be told of.

    One that failed before is tried out, without a trace.
    """
    known = key.resource in told.keys
    try:
        return _would(service, caller, lifetime, key) if known else _is_due(service, lifetime, key)
    except (NotFound, Unavailable):
        raise
    except SecvaultError:
        return not known


def _is_due(service: Service, lifetime: Lifetime, key: Place) -> bool:
    with service.store.read() as connection:
        found = read_key(connection, key.mount, key.name)
    return due.is_due(found, lifetime, service.clock.micros())


def _would(service: Service, caller: Caller, lifetime: Lifetime, key: Place) -> bool:
    if not service.spine.ask(caller, _operation("key.rotate", key)).allowed:
        return False
    try:
        with service.store.write() as connection:
            if _rotate(service, connection, lifetime, key) is not None:
                _undo()
    except _Undone:
        return True
    return False


def _undo() -> None:
    raise _Undone
