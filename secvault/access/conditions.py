"""Conditions that a rule may name: a closed list, never an expression from a policy file.

A condition that is unknown or fails to evaluate must neither open nor lift anything: it keeps an
allow rule from firing and makes a deny rule fire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MICROS = 1_000_000
# Two hosts that serve one store may disagree about the time by this much.
CLOCK_SKEW = 5 * MICROS
LONGEST_FRESHNESS = 86_400
ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class AccessContext:
    """What the server knows about a request beyond names; nothing in it comes from the client.

    at: the moment of the decision. second_factor_at: when the second factor was last proven in
    this session, None when it was not. Both in microseconds since the epoch, UTC. recovering:
    whether a recovery code opened this session.
    """

    at: int
    second_factor_at: int | None = None
    recovering: bool = False


class Outcome(StrEnum):
    """How a condition came out for one request."""

    HOLDS = "holds"
    FAILS = "fails"
    BROKEN = "broken"


@dataclass(frozen=True)
class Condition:
    """A condition ready to ask.

    step_up: seconds; a second factor not older would meet it. about_object: whether it looks at
    the object that is asked about. parts: of several that are joined, by name.
    """

    holds: Callable[[AccessContext], bool]
    step_up: int | None = None
    about_object: bool = False
    parts: tuple[tuple[str, Condition], ...] = ()


Registry = Mapping[str, Callable[[str], Condition]]
"""Name -> maker, from the text after the colon (empty when there is none); raises ValueError."""


def _always(parameter: str) -> Condition:
    if parameter:
        raise ValueError("takes no parameter")
    return Condition(lambda _context: True)


def _aal2_fresh(parameter: str) -> Condition:
    digits = parameter.isascii() and parameter.isdigit()
    if not digits or not 1 <= int(parameter) <= LONGEST_FRESHNESS:
        raise ValueError(f"needs whole seconds, 1 to {LONGEST_FRESHNESS}, as in aal2_fresh:300")
    seconds = int(parameter)

    def holds(context: AccessContext) -> bool:
        if context.second_factor_at is None:
            return False
        age = context.at - context.second_factor_at
        return -CLOCK_SKEW <= age <= seconds * MICROS

    return Condition(holds, step_up=seconds)


def _recovering(parameter: str) -> Condition:
    if parameter:
        raise ValueError("takes no parameter")
    return Condition(lambda context: context.recovering)


CONDITIONS: Registry = MappingProxyType(
    {ALWAYS: _always, "aal2_fresh": _aal2_fresh, "recovering": _recovering}
)
"""The conditions that policies may use."""


def read_condition(text: str, registry: Registry = CONDITIONS) -> Condition:
    """Return the condition that `text` names, as `name` or `name:parameter`. Raises ValueError."""
    name, _, parameter = text.partition(":")
    make = registry.get(name)
    if make is None:
        raise ValueError(f"is not a condition; there are {', '.join(sorted(registry))}")
    return make(parameter)


def outcome(condition: Condition | None, context: AccessContext) -> Outcome:
    """How `condition` comes out; None stands for one that could not be read."""
    if condition is None:
        return Outcome.BROKEN
    try:
        return Outcome.HOLDS if condition.holds(context) else Outcome.FAILS
    except Exception:  # noqa: BLE001 - whatever goes wrong, the answer must be the careful one
        return Outcome.BROKEN


def fires(result: Outcome, effect: str) -> bool:
    """Whether a rule with this effect fires when its condition came out as `result`."""
    return result is Outcome.HOLDS or (result is Outcome.BROKEN and effect == "deny")
