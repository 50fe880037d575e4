"""The company's settings as conditions see them, and whether the rules name only what is there."""

from __future__ import annotations

from types import MappingProxyType

from secvault.access import Rules
from secvault.access.conditions import Condition, read_condition, single
from secvault.access.surroundings import (
    Hours,
    Surroundings,
    read_blocks,
    read_days,
    read_form,
    read_spans,
    read_zone,
)
from secvault.audit.question import AfterHours
from secvault.config import Settings
from secvault.errors import ConfigurationError, FieldError


def surroundings(settings: Settings) -> Surroundings:
    """What the settings say. Raises ConfigurationError that names the key."""
    given = settings.conditions
    try:
        at = "conditions.business_hours.hours"
        chosen = given.business_hours
        hours = Hours(read_days(chosen.days), read_spans(chosen.hours), read_zone(chosen.time_zone))
        at = "conditions.tickets"
        tickets = tuple(read_form(text) for text in given.tickets)
        networks = {}
        for name, network in given.networks.items():
            at = f"conditions.networks.{name}.blocks"
            networks[name] = read_blocks(network.blocks)
    except ValueError as error:
        raise ConfigurationError(f"{at}: {error}") from None
    return Surroundings(hours, frozenset(chosen.holidays), MappingProxyType(networks), tickets)


def after_hours(settings: Settings) -> AfterHours:
    """When nobody should be at work. Raises ConfigurationError that names the key."""
    known, said = surroundings(settings), settings.conditions.business_hours
    hours = known.hours
    if hours is None:
        raise ConfigurationError("conditions.business_hours: no hours of work are configured")
    told = f"not {','.join(said.days)} {','.join(said.hours)} {said.time_zone}"
    return AfterHours(
        lambda at: hours.open_at(at, known.holidays),
        f"{told}, {len(known.holidays)} holidays",
        said.time_zone,
    )


def check_conditions(settings: Settings, rules: Rules) -> None:
    """Return when all that conditions of the rules need is configured.

    Else an allow would never hold and a deny always would, and nobody would know why. Raises
    ConfigurationError.
    """
    known = surroundings(settings)
    faults = [
        FieldError(f"roles.csv line {rule.line}", f"cond {rule.cond!r} {fault}")
        for rule in rules.rules
        for one in single(read_condition(rule.cond))
        if (fault := _fault(one, known, settings))
    ]
    if faults:
        listed = "; ".join(f"{one.field}: {one.detail}" for one in faults[:10])
        raise ConfigurationError(listed, fields=tuple(faults))


def _fault(condition: Condition, known: Surroundings, settings: Settings) -> str:
    name, _, parameter = condition.name.partition(":")
    if name == "network" and settings.server.behind_proxy:
        return (
            "cannot be told: with server.behind_proxy every request comes from the proxy, and "
            "headers that name another address are not believed"
        )
    if name == "network" and parameter not in known.networks:
        return f"names a network that is not configured; add [conditions.networks.{parameter}]"
    if name == "ticket" and not known.tickets:
        return "needs the form of tickets; set conditions.tickets"
    return ""
