"""The menu: only what the visitor may look at stands in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secvault.console.visitor import Visitor
from secvault.service.spine import Operation


@dataclass(frozen=True)
class Entry:
    """A place of the console. path: of its first page. name: a message. any_of: whoever may do one
    of these sees it; nothing: everybody who signed in.
    """

    path: str
    name: str
    any_of: tuple[Operation, ...] = ()


ENTRIES = (
    Entry("/", "Today"),
    # Open to everybody: the policy may show people what is about themselves.
    Entry("/records", "Records"),
    Entry("/keys", "Keys", (Operation("key.list", "it", "*", "it/*"),)),
)


def menu(visitor: Visitor) -> tuple[Entry, ...]:
    """The places that are open to the visitor; without a record, as for all that is left out."""
    # Asked on every page, whatever its own route declares.
    asking = replace(visitor, caller=replace(visitor.caller, actions=None))
    return tuple(
        entry
        for entry in ENTRIES
        if not entry.any_of or any(asking.may(operation) for operation in entry.any_of)
    )
