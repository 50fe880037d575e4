"""The menu: only what the visitor may look at stands in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secvault.console.visitor import Visitor
from secvault.service import audit_log, detecting
from secvault.service.spine import Operation


@dataclass(frozen=True)
class Entry:
    """A place of the console. path: of its first page. name: a message. any_of: whoever may do one
    of these sees it; nothing: everybody who signed in. group: what stands together. also: further
    paths that are part of it.
    """

    path: str
    name: str
    any_of: tuple[Operation, ...] = ()
    group: int = 0
    also: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a page is part of this place. path: of the page."""
        return any(
            path == one or (one != "/" and path.startswith(f"{one}/"))
            for one in (self.path, *self.also)
        )


_BACKUPS = "it/backups/*"
_ALERTS = Operation("alert.read", "it", "alerts", detecting.ALERTS)
_PEOPLE = Operation("person.read", "it", "people", "it/people")
_SYSTEMS = Operation("service_account.read", "it", "service-accounts", "it/service-accounts")
_KEYS = Operation("key.list", "it", "*", "it/*")
_DRILLS = Operation("drill.read", "it", "*", _BACKUPS)
_KIT = Operation("kit.read", "it", "recovery", "it/recovery/kit")
ENTRIES = (
    Entry("/", "Today"),
    Entry("/approvals", "Approvals"),
    Entry("/people", "People", (_PEOPLE,), 1, ("/invite",)),
    Entry("/systems", "Systems", (_SYSTEMS,), 1, ("/new-system",)),
    Entry("/access", "Access", group=1),
    Entry("/reviews", "Reviews", group=1, also=("/new-review",)),
    # Open to everybody: the policy may show people what is about themselves.
    Entry("/records", "Records", group=2),
    Entry("/keys", "Keys", (_KEYS,), 2, ("/seal",)),
    Entry("/backups", "Backups", (Operation("backup.read", "it", "*", _BACKUPS),), 3),
    Entry("/drills", "Drills", (_DRILLS,), 3, ("/scenario-drills",)),
    Entry("/recovery", "Recovery kit", (_KIT,), 3),
    Entry("/audit", "Audit", (audit_log.LOG, audit_log.VERIFY, _ALERTS), 3),
    Entry("/account", "Account", group=4),
)


def menu(visitor: Visitor, entries: tuple[Entry, ...] = ENTRIES) -> tuple[Entry, ...]:
    """The places that are open to the visitor; without a record, as for all that is left out.

    entries: those of a part of the console, for its own menu.
    """
    # Asked on every page, whatever its own route declares.
    asking = replace(visitor, caller=replace(visitor.caller, actions=None))
    allowed = asking.may_each(operation for entry in entries for operation in entry.any_of)
    return tuple(
        entry for entry in entries if not entry.any_of or not allowed.isdisjoint(entry.any_of)
    )
