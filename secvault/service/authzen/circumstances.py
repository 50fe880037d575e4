"""How somebody asks a caller, as far as the caller is believed: second factor, address, ticket.

A caller is believed in what `policies/authzen.toml` names for it. Nobody else's word counts: then
the second factor was never shown, the address is not known, and there is no ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from secvault.access import AccessContext
from secvault.access.conditions import LONGEST_FRESHNESS, MICROS
from secvault.errors import InvalidInput
from secvault.service.authzen.asked import Thing, text_of


def with_said(
    plain: AccessContext, trusted: frozenset[str], subject: Thing, context: Mapping[str, Any]
) -> AccessContext:
    """`plain` with what is believed of `context.second_factor_age` (whole seconds),
    `subject.properties.ip_address` and `context.ticket`. Raises InvalidInput for what none can be.
    """
    found = plain
    age = context.get("second_factor_age")
    if "second_factor_age" in trusted and age is not None:
        if type(age) is not int or not 0 <= age <= LONGEST_FRESHNESS:
            at = "context.second_factor_age"
            raise InvalidInput.at(at, f"must be whole seconds, 0 to {LONGEST_FRESHNESS}")
        found = replace(found, second_factor_at=plain.at - age * MICROS)
    address = subject.properties.get("ip_address")
    if "ip_address" in trusted and address is not None:
        found = replace(found, address=text_of(address, "subject.properties.ip_address"))
    ticket = context.get("ticket")
    if "ticket" in trusted and ticket is not None:
        found = replace(found, ticket=text_of(ticket, "context.ticket"))
    return found
