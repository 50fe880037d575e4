"""Runs over collections that the worker does: how people look on, whatever the work is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from secvault.errors import InvalidInput
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

LOOK_SECONDS = 0.5


class Run(Protocol):
    """What every run has."""

    @property
    def collection(self) -> str:
        """Over which collection."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing of it is still to come."""
        ...


R = TypeVar("R", bound=Run)


def watch(
    service: Service, seen: R, read: Callable[[Connection], R], tell: Callable[[R], None]
) -> R:
    """Return a run when it has ended, told of its progress until then."""
    tell(seen)
    while not seen.ended:
        service.clock.sleep(LOOK_SECONDS)
        with service.store.read() as connection:
            seen = read(connection)
        tell(seen)
    return seen


def list_allowed(
    service: Service,
    caller: Caller,
    newest: Callable[[Connection, int], Sequence[R]],
    limit: int,
    listing: Callable[[str], Operation],
) -> tuple[R, ...]:
    """The newest runs of those departments in which the caller may do `listing`, newest first.

    Each of them has its entry in the log; who may do it nowhere is refused.
    """
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    with service.store.read() as connection:
        found = newest(connection, limit)
    every = {known.department for known in service.collections.values()} | {"it"}
    allowed = service.spine.allowed(caller, {each: listing(each) for each in sorted(every)})
    shown = tuple(each for each in found if _department(service, each.collection) in allowed)
    counted = Counter(_department(service, each.collection) for each in shown) or Counter(
        {(allowed or ("it",))[0]: 0}
    )
    for department, count in sorted(counted.items()):
        given = Outcome(None, count=count)
        service.spine.read(caller, listing(department), partial(_given, given))
    return shown


def _department(service: Service, collection: str) -> str:
    known = service.collections.get(collection)
    return known.department if known else "it"


def _given(outcome: Outcome[None], _connection: Connection) -> Outcome[None]:
    return outcome
