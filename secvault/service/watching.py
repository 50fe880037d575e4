"""Looking at work that goes on, again and again, for as long as one has the right to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection

from secvault.service import standing
from secvault.service.asking import refusal
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

Work = TypeVar("Work")

RIGHTS_SECONDS = 5.0


@dataclass
class Watch(Generic[Work]):
    """Somebody's look at one piece of work. operation: what they need the right to.

    read: how it is read. Made by `watch`, which has the right checked and the look recorded.
    """

    service: Service
    caller: Caller
    operation: Operation
    read: Callable[[Connection], Work]
    _asked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._asked_at = self.service.clock.monotonic()

    def look(self) -> Work:
        """The work now. Raises NotFound; Refused, NotAuthenticated once the right has ended.

        The right is looked at anew every few seconds. The log has the first look and no others.
        """
        now = self.service.clock.monotonic()
        if now - self._asked_at >= RIGHTS_SECONDS:
            self._asked_at = now
            self._require_right()
        with self.service.store.read() as connection:
            return self.read(connection)

    def _require_right(self) -> None:
        with self.service.store.read() as connection:
            standing.require_shown(connection, self.service.clock, self.caller.principal)
        decision = self.service.spine.ask(self.caller, self.operation)
        if not decision.allowed:
            raise refusal(decision)


def watch(
    service: Service,
    caller: Caller,
    operation: Operation,
    read: Callable[[Connection], Work],
) -> tuple[Watch[Work], Work]:
    """Begin to watch, and what is seen at once. Raises Refused, and what `read` raises."""
    seen = service.spine.read(caller, operation, lambda connection: Outcome(read(connection)))
    return Watch(service, caller, operation, read), seen
