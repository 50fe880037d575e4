"""The menu: only what the visitor may look at stands in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secvault.console.visitor import Visitor
from secvault.service import audit_log, detecting
from secvault.service.spine import Operation


@dataclass(frozen=True)
class Entry:
    """A place of the console. path: of its first page. name: a message. any_of: whoever may do one
    of these sees it; nothing: everybody who signed in.
    """

    path: str
    name: str
    any_of: tuple[Operation, ...] = ()


_BACKUPS = "it/backups/*"
_ALERTS = Operation("alert.read", "it", "alerts", detecting.ALERTS)
ENTRIES = (
    Entry("/", "Today"),
    Entry("/approvals", "Approvals"),
    Entry("/people", "People", (Operation("person.read", "it", "people", "it/people"),)),
    Entry(
        "/systems",
        "Systems",
        (Operation("service_account.read", "it", "service-accounts", "it/service-accounts"),),
    ),
    Entry("/access", "Access"),
    Entry("/reviews", "Reviews"),
    # Open to everybody: the policy may show people what is about themselves.
    Entry("/records", "Records"),
    Entry("/keys", "Keys", (Operation("key.list", "it", "*", "it/*"),)),
    Entry("/backups", "Backups", (Operation("backup.read", "it", "*", _BACKUPS),)),
    Entry("/drills", "Drills", (Operation("drill.read", "it", "*", _BACKUPS),)),
    Entry(
        "/recovery", "Recovery kit", (Operation("kit.read", "it", "recovery", "it/recovery/kit"),)
    ),
    Entry("/audit", "Audit", (audit_log.LOG, audit_log.VERIFY, _ALERTS)),
    Entry("/account", "Account"),
)


def menu(visitor: Visitor, entries: tuple[Entry, ...] = ENTRIES) -> tuple[Entry, ...]:
    """The places that are open to the visitor; without a record, as for all that is left out.

    entries: those of a part of the console, for its own menu.
    """
    # Asked on every page, whatever its own route declares.
    asking = replace(visitor, caller=replace(visitor.caller, actions=None))
    return tuple(
        entry
        for entry in entries
        if not entry.any_of or any(asking.may(operation) for operation in entry.any_of)
    )
