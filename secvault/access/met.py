"""When a condition would be met, for people: the end of "This is allowed only ...".

Only what is not met by a request already is said; all of it, where that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from secvault.access.conditions import (
    BUSINESS_HOURS,
    AccessContext,
    Condition,
    Outcome,
    outcome,
    single,
)
from secvault.access.words import between, circumstance
from secvault.clock import moment

_DAYS = ("today", "tomorrow")


def allowed_only(
    conditions: Iterable[Condition | None], context: AccessContext, language: str = "en"
) -> str:
    """When it would be allowed, as any one of these conditions does; empty where no word tells."""
    told = (_all_of(condition, context, language) for condition in conditions)
    return between("any", language).join(dict.fromkeys(text for text in told if text))


def unmet(condition: Condition | None, context: AccessContext) -> tuple[Condition, ...]:
    """Of a condition, or the several that it joins, those that do not hold; all when all do."""
    parts = single(condition)
    return tuple(one for one in parts if outcome(one, context) is not Outcome.HOLDS) or parts


def opening(condition: Condition, context: AccessContext) -> datetime | None:
    """When it holds by waiting; None where waiting does not help, or it is not known."""
    try:
        return condition.opens(context)
    except Exception:  # noqa: BLE001 - as with `holds`: what goes wrong is not known
        return None


def _all_of(condition: Condition | None, context: AccessContext, language: str) -> str:
    told = (_single(one, context, language) for one in unmet(condition, context) if one.kind)
    return between("all", language).join(told)


def _single(condition: Condition, context: AccessContext, language: str) -> str:
    opens = opening(condition, context) if condition.kind == BUSINESS_HOURS else None
    if opens is None:
        return circumstance(condition.kind, language, parameter=condition.parameter)
    ahead = (opens.date() - moment(context.at).astimezone(opens.tzinfo).date()).days
    day = _DAYS[ahead] if ahead < len(_DAYS) else "on"
    return circumstance(
        f"{condition.kind}_{day}",
        language,
        time=f"{opens:%H:%M}",
        zone=str(opens.tzinfo),
        date=f"{opens:%Y-%m-%d}",
    )
