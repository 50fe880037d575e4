"""What is personal in the log, for those who may see it: whence, by which program, by what name.

Reading the log shows what happened to everybody who may read it. Where people were, what their
programs are and what they wrote is a right of its own, `audit.personal`; whoever has it not sees
the network that somebody came from, and that there is more.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from secvault.audit.leaf import StoredEvent
from secvault.audit.personal import Kept, read_personal
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation

PERSONAL = Operation("audit.personal", "it", "log", "it/audit")

_IPV4_BITS, _IPV6_BITS = 24, 48


@dataclass(frozen=True)
class Seen:
    """What a reader of the log is shown of the personal of an event.

    state: `shown`; `masked` for those without the right, who see the network alone; `erased`, when
    it is gone with the person; `altered`, when it is not what was recorded: `audit verify` names
    it. The texts are empty where nothing was recorded or is shown.
    """

    state: Literal["shown", "masked", "erased", "altered"]
    address: str = ""
    agent: str = ""
    name: str = ""
    reason: str = ""


def personal_for(
    service: Service, caller: Caller, events: Sequence[StoredEvent]
) -> Mapping[str, Seen]:
    """What the caller may see of the personal of these events, by event id; nothing where there
    never was anything.
    """
    keys = service.audit.keys
    if keys is None or not any(stored.commitments for stored in events):
        return {}
    clear = service.spine.ask(caller, PERSONAL).allowed
    found = read_personal(service.store, keys, events)
    return {event: _seen(kept, clear=clear) for event, kept in found.items()}


def _seen(kept: Kept, *, clear: bool) -> Seen:
    if kept.state != "here":
        return Seen(kept.state)
    said = kept.personal
    if clear:
        return Seen("shown", said.address, said.agent, said.name, said.reason)
    return Seen("masked", masked(said.address))


def networks_for(
    service: Service, caller: Caller, events: Sequence[StoredEvent]
) -> Mapping[str, str]:
    """The networks that these events came from, by event id, as far as they are known."""
    return {
        event: one.address if "/" in one.address else masked(one.address)
        for event, one in personal_for(service, caller, events).items()
        if one.address
    }


def masked(address: str) -> str:
    """The network of an address: 24 bits of IPv4, 48 of IPv6; empty for what is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    bits = _IPV4_BITS if isinstance(found, ipaddress.IPv4Address) else _IPV6_BITS
    return str(ipaddress.ip_network((found, bits), strict=False))
