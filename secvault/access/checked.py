"""The conditions of rules as administrators read them: what each asks for, and what there was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from secvault.access.conditions import (
    BUSINESS_HOURS,
    NETWORK,
    NOT_MAKER,
    OWN_RECORD,
    OWN_TEAM,
    RECOVERY,
    STEP_UP,
    TICKET,
    AccessContext,
    Condition,
    Outcome,
    single,
)
from secvault.clock import timestamp

Value = str | int | bool | None
Values = dict[str, Value]


@dataclass(frozen=True)
class Checked:
    """A condition of a rule. needed: what it asks for. actual: what there was; None: not known."""

    name: str
    outcome: Outcome
    needed: Mapping[str, Value]
    actual: Mapping[str, Value]

    @property
    def text(self) -> str:
        """What there was, as administrators read it; empty when there is nothing to say."""
        return ", ".join(f"{name} {_shown(value)}" for name, value in self.actual.items())


def checked(
    name: str, condition: Condition | None, came_out: Outcome, context: AccessContext
) -> Checked:
    """A condition that came out so, with the values of each one that it joins.

    condition: None for one that cannot be read.
    """
    needed: Values = {}
    actual: Values = {}
    for one in single(condition):
        ask = _ASKED.get(one.kind)
        if ask is not None:
            wants, had = ask(one, context)
            needed |= wants
            actual |= had
    return Checked(name, came_out, needed, actual)


def _factor(condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    shown = context.second_factor_at
    age = None if shown is None else max(0, context.at - shown) // 1_000_000
    return {"max_age": condition.step_up}, {"age": age}


def _recovery(_condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    return {"recovering": True}, {"recovering": context.recovering}


def _record(_condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    person = context.about.person if context.about else None
    return {"employee": person}, {"employee": context.asker.employee}


def _team(_condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    team = context.about.team if context.about else None
    return {"team": team}, {"teams": ", ".join(sorted(context.asker.teams)) or None}


def _hours(condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    return {"hours": condition.parameter or "those of the company"}, {"time": timestamp(context.at)}


def _network(condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    return {"network": condition.parameter}, {"address": context.address or None}


def _ticket(_condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    return {"ticket": True}, {"ticket": context.ticket or None}


def _maker(_condition: Condition, context: AccessContext) -> tuple[Values, Values]:
    makers = None if context.makers is None else ", ".join(sorted(context.makers)) or None
    return {"maker": False}, {"makers": makers}


_ASKED: Mapping[str, Callable[[Condition, AccessContext], tuple[Values, Values]]] = (
    MappingProxyType(
        {
            STEP_UP: _factor,
            RECOVERY: _recovery,
            OWN_RECORD: _record,
            OWN_TEAM: _team,
            BUSINESS_HOURS: _hours,
            NETWORK: _network,
            TICKET: _ticket,
            NOT_MAKER: _maker,
        }
    )
)


def _shown(value: Value) -> str:
    if value is None:
        return "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)
