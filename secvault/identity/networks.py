"""The networks that a credential may be used from, as CIDR blocks (RFC 4632, RFC 4291 2.3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from secvault.errors import Damaged, InvalidInput

Networks = tuple[str, ...]
"""Blocks such as `10.1.0.0/16` or `2001:db8::/32`; none for everywhere."""

MOST_BLOCKS = 64
MOST_REMEMBERED = 1024


def read_networks(texts: Iterable[str], field: str) -> Networks:
    """The blocks in their one form; a single address is a block of its own.

    Raises InvalidInput at `field`.
    """
    found: list[str] = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            raise InvalidInput.at(
                field, "failed to validate CIDR blocks: write such as 10.1.0.0/16 or 2001:db8::/32"
            ) from None
    if len(found) > MOST_BLOCKS:
        raise InvalidInput.at(field, f"takes {MOST_BLOCKS} blocks at most")
    return tuple(dict.fromkeys(found))


def admits(networks: Networks, address: str) -> bool:
    """Whether this address lies in one of the blocks; any address when there is none.

    An IPv4 address that came through an IPv6 socket (RFC 4291, 2.5.5.2) counts as IPv4.
    """
    if not networks:
        return True
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = given.ipv4_mapped if isinstance(given, ipaddress.IPv6Address) else None
    return any((mapped or given) in ipaddress.ip_network(block) for block in networks)


class Admission:
    """The same for one credential whose blocks are asked about again and again.

    Each address is looked at once, while there are no more than `MOST_REMEMBERED` of them.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._answers: dict[str, bool] = {}

    def admits(self, address: str) -> bool:
        """As `admits`."""
        known = self._answers.get(address)
        if known is None:
            known = admits(self._networks, address)
            if len(self._answers) < MOST_REMEMBERED:
                self._answers[address] = known
        return known


def within(networks: Networks, outer: Networks) -> bool:
    """Whether every block lies in one of the outer ones; always when there is no outer one."""
    return not outer or all(any(_inside(block, other) for other in outer) for block in networks)


def networks_of(text: str | None) -> Networks:
    """The blocks as they are stored. Raises Damaged: what cannot be read admits nobody."""
    if text is None:
        return ()
    try:
        found = msgspec.json.decode(text, type=list[str])
        for block in found:
            ipaddress.ip_network(block)
    except (msgspec.MsgspecError, ValueError):
        raise Damaged("the stored networks of a credential are damaged; make a new one") from None
    return tuple(found)


def networks_text(networks: Networks) -> str:
    """The text to store."""
    return msgspec.json.encode(list(networks)).decode()


def _inside(block: str, other: str) -> bool:
    inner, outer = ipaddress.ip_network(block), ipaddress.ip_network(other)
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
