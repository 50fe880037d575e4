"""Where a request comes from, and what of that the audit log keeps: of a person, so that it can go.

A system's network is no personal data and stands in the leaf. A person's address, what their
program calls itself, their name at the time and what they wrote lie beside it (`audit.personal`).
"""

from __future__ import annotations

from dataclasses import dataclass

from secvault.audit.event import MAX_PERSONAL, Personal, plain
from secvault.audit.facts import IDENTIFIER
from secvault.service.operation import Caller


@dataclass(frozen=True)
class Origin:
    """Where a request comes from. address: as the server's socket has it. agent: what the program
    there calls itself. Each may be empty.
    """

    address: str = ""
    agent: str = ""

    def personal(self, name: str = "", reason: str = "") -> Personal | None:
        """What an event says of a person who asks from here; None for nothing.

        name: theirs, as it is now. reason: what they wrote.
        """
        said = {"address": self.address, "agent": self.agent, "name": name, "reason": reason}
        kept = {member: plain(text, MAX_PERSONAL[member]) for member, text in said.items() if text}
        return Personal(**kept) if any(kept.values()) else None


NOWHERE = Origin()


def origin_of(caller: Caller) -> Origin:
    """Where the caller comes from."""
    return Origin(caller.address, caller.agent)


def personal_of(caller: Caller) -> Personal | None:
    """What an event of the caller's says of them; None for a system and for the program itself."""
    who = caller.principal
    if who.kind not in ("user", "local"):
        return None
    if caller.here is None:
        return origin_of(caller).personal(who.name, caller.reason)
    name = caller.here.name if who.kind == "local" else who.name
    return Origin(caller.here.address, caller.here.agent).personal(name, caller.reason)


def network_of(caller: Caller) -> str:
    """Where a system's request comes from; empty for a person, and where it is not known."""
    return network(caller.address) if caller.principal.kind == "svc" else ""


def network(address: str) -> str:
    """The address of a system as a leaf can have it; empty for what is none."""
    return address if IDENTIFIER.fullmatch(address) else ""
