"""Conditions that a rule may name: a closed list, never an expression from a policy file.

A condition that is unknown or fails to evaluate must neither open nor lift anything: it keeps an
allow rule from firing and makes a deny rule fire. Several that must hold together are joined by
` and `. What each one means: docs/reference/conditions.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from secvault.access.surroundings import NOWHERE, Hours, Surroundings, read_hours

MICROS = 1_000_000
# Two hosts that serve one store may disagree about the time by this much.
CLOCK_SKEW = 5 * MICROS
LONGEST_FRESHNESS = 86_400
ALWAYS = "always"
STEP_UP, RECOVERY = "step_up", "recovery"
OWN_RECORD, OWN_TEAM, NOT_MAKER = "own_record", "own_team", "not_maker"
BUSINESS_HOURS, NETWORK, TICKET = "business_hours", "network", "ticket"
MOST_PARTS = 4
_AND = " and "
_NETWORK = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class MissingFact(Exception):
    """What a condition looks at is not known; it is neither met nor unmet."""


@dataclass(frozen=True, slots=True)
class Asker:
    """What the store says of whoever asks, in the same form as of records.

    employee: their number in the company, None when the store has none. teams: theirs. is_person:
    a calling system, the operator and the jobs have no records of their own.
    """

    employee: str | None = None
    teams: frozenset[str] = frozenset()
    is_person: bool = True


NOBODY = Asker(is_person=False)


@dataclass(frozen=True, slots=True)
class About:
    """What the store says of the object that is asked about.

    person: the employee whom it is about; team: the one that it belongs to. None when that is not
    known, empty when the object is of a kind that is about nobody, or belongs to no team.
    """

    person: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class AccessContext:
    """What the server knows about a request beyond names.

    at: the moment of the decision. second_factor_at: when the second factor was last proven in
    this session, None when it was not. Both in microseconds since the epoch, UTC. recovering:
    whether a recovery code opened this session. address: of the client, as the server's socket has
    it; empty when there is none. ticket: what the caller named, if it has one of the company's
    forms; the only thing here that a client says. asker, about: see there; about is None when no
    single object is asked about, or its facts were not looked up. surroundings: the company's.
    assumed: outcomes by the names of conditions that are not looked at, alone or joined, to ask who
    could, or again what was asked before. acting:
    who acts, and who answers for them; known where makers are. makers: the subjects who entered or
    changed the object, and who answered for them; None where nobody looked.
    """

    at: int
    second_factor_at: int | None = None
    recovering: bool = False
    address: str = ""
    ticket: str = ""
    asker: Asker = NOBODY
    about: About | None = None
    surroundings: Surroundings = NOWHERE
    assumed: tuple[tuple[str, Outcome], ...] = ()
    acting: frozenset[str] = frozenset()
    makers: frozenset[str] | None = None


class Outcome(StrEnum):
    """How a condition came out for one request. STALE: it fails for want of nothing but a fresher
    second factor.
    """

    HOLDS = "holds"
    FAILS = "fails"
    STALE = "stale"
    BROKEN = "broken"


@dataclass(frozen=True)
class Condition:
    """A condition ready to ask.

    step_up: seconds; a second factor not older would meet it. kind: what sort of thing meets it;
    the words for it are found by this. opens: when it holds again by waiting, in the zone that
    people there live by; None when that is not known. about_object: whether it looks at the object
    that is asked about. passing: whether it changes with where, when and under which ticket
    somebody asks. name: as a rule writes it, parameter: what stands after the colon there. parts:
    of several that are joined, by name; they are looked at one by one.
    """

    holds: Callable[[AccessContext], bool]
    step_up: int | None = None
    kind: str = ""
    opens: Callable[[AccessContext], datetime | None] = lambda _context: None
    about_object: bool = False
    passing: bool = False
    name: str = ""
    parameter: str = ""
    parts: tuple[tuple[str, Condition], ...] = ()


Registry = Mapping[str, Callable[[str], Condition]]
"""Name -> maker, from the text after the colon (empty when there is none); raises ValueError."""


def _none(parameter: str) -> None:
    if parameter:
        raise ValueError("takes no parameter")


def _always(parameter: str) -> Condition:
    _none(parameter)
    return Condition(lambda _context: True, kind=ALWAYS)


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

    return Condition(holds, seconds, STEP_UP)


def _recovering(parameter: str) -> Condition:
    _none(parameter)
    return Condition(lambda context: context.recovering, kind=RECOVERY)


def _own_record(parameter: str) -> Condition:
    _none(parameter)

    def holds(context: AccessContext) -> bool:
        about, asker = context.about, context.asker
        if not asker.is_person:
            return False
        if about is None or about.person is None:
            raise MissingFact("whom the record is about")
        if not about.person:
            return False
        if not asker.employee:
            raise MissingFact("which employee is asking")
        return about.person == asker.employee

    return Condition(holds, kind=OWN_RECORD, about_object=True)


def _own_team(parameter: str) -> Condition:
    _none(parameter)

    def holds(context: AccessContext) -> bool:
        about, asker = context.about, context.asker
        if not asker.is_person:
            return False
        if about is None or about.team is None:
            raise MissingFact("which team the record belongs to")
        return bool(about.team) and about.team in asker.teams

    return Condition(holds, kind=OWN_TEAM, about_object=True)


def _business_hours(parameter: str) -> Condition:
    own = read_hours(parameter) if parameter else None

    def hours(context: AccessContext) -> Hours:
        found = own or context.surroundings.hours
        if found is None:
            raise MissingFact("what the business hours are")
        return found

    def holds(context: AccessContext) -> bool:
        return hours(context).open_at(context.at, context.surroundings.holidays)

    def opens(context: AccessContext) -> datetime | None:
        return hours(context).next_opening(context.at, context.surroundings.holidays)

    return Condition(holds, kind=BUSINESS_HOURS, opens=opens, passing=True)


def _network(parameter: str) -> Condition:
    if not _NETWORK.fullmatch(parameter):
        raise ValueError("names a network of the settings, as in network:office")

    def holds(context: AccessContext) -> bool:
        if not context.address:
            raise MissingFact("where the request comes from")
        return context.surroundings.lies_in(context.address, parameter)

    return Condition(holds, kind=NETWORK, passing=True)


def _ticket(parameter: str) -> Condition:
    _none(parameter)

    def holds(context: AccessContext) -> bool:
        if not context.surroundings.tickets:
            raise MissingFact("what tickets look like")
        return context.surroundings.is_ticket(context.ticket)

    return Condition(holds, kind=TICKET, passing=True)


def _not_maker(parameter: str) -> Condition:
    _none(parameter)

    def holds(context: AccessContext) -> bool:
        if context.makers is None or not context.acting:
            raise LookupError("nobody looked who made the object")
        # Where it is not known who did, it cannot be shown to be somebody else.
        return bool(context.makers) and context.makers.isdisjoint(context.acting)

    return Condition(holds, kind=NOT_MAKER, about_object=True)


CONDITIONS: Registry = MappingProxyType(
    {
        ALWAYS: _always,
        "aal2_fresh": _aal2_fresh,
        "recovering": _recovering,
        OWN_RECORD: _own_record,
        OWN_TEAM: _own_team,
        BUSINESS_HOURS: _business_hours,
        NETWORK: _network,
        TICKET: _ticket,
        NOT_MAKER: _not_maker,
    }
)
"""The conditions that policies may use."""


def read_condition(text: str, registry: Registry = CONDITIONS) -> Condition:
    """The condition that `text` names, as `name` or `name:parameter`; ` and ` joins several.

    Raises ValueError.
    """
    names = text.split(_AND)
    if len(names) == 1:
        return _single(text, registry)
    if len(set(names)) < len(names) or "always" in names or len(names) > MOST_PARTS:
        raise ValueError(f"joins 2 to {MOST_PARTS} different conditions, none of them always")
    named = tuple((name, _single(name, registry)) for name in names)
    parts = tuple(part for _, part in named)

    return Condition(
        lambda context: all(part.holds(context) for part in parts),
        min((part.step_up for part in parts if part.step_up is not None), default=None),
        "several",
        about_object=any(part.about_object for part in parts),
        passing=any(part.passing for part in parts),
        name=text,
        parts=named,
    )


def joined_in(text: str) -> tuple[str, ...]:
    """What a rule writes as `cond`, and each name that it joins."""
    return (text, *text.split(_AND))


def _single(text: str, registry: Registry) -> Condition:
    name, colon, parameter = text.partition(":")
    make = registry.get(name)
    if make is None:
        raise ValueError(f"is not a condition; there are {', '.join(sorted(registry))}")
    if colon and not parameter:
        raise ValueError("ends with ':' and no parameter")
    return replace(make(parameter), name=text, parameter=parameter)


def looks_at_object(text: str, registry: Registry = CONDITIONS) -> bool:
    """Whether what a rule writes as `cond` looks at the object; not so when it is no condition."""
    try:
        return any(one.about_object for one in single(read_condition(text, registry)))
    except ValueError:
        return False


def of_ones_own(text: str, registry: Registry = CONDITIONS) -> bool:
    """Whether what a rule writes as `cond` holds on nothing but a record about whoever asks."""
    try:
        return any(one.kind == "own_record" for one in single(read_condition(text, registry)))
    except ValueError:
        return False


def single(condition: Condition | None) -> tuple[Condition, ...]:
    """The conditions that one joins, or it alone; nothing for one that could not be read."""
    if condition is None:
        return ()
    return tuple(part for _, part in condition.parts) or (condition,)


def outcome(condition: Condition | None, context: AccessContext) -> Outcome:
    """How `condition` comes out; None stands for one that could not be read."""
    if condition is None:
        return Outcome.BROKEN
    for name, assumed in context.assumed:
        if name == condition.name:
            return assumed
    if condition.parts:
        return _joined(outcome(part, context) for _, part in condition.parts)
    try:
        if condition.holds(context):
            return Outcome.HOLDS
    except Exception:  # noqa: BLE001 - whatever goes wrong, the answer must be the careful one
        return Outcome.BROKEN
    return Outcome.FAILS if condition.step_up is None else Outcome.STALE


def _joined(outcomes: Iterable[Outcome]) -> Outcome:
    """One that fails decides, whatever is not known of the others; then one that is broken does."""
    found = set(outcomes)
    for decisive in (Outcome.FAILS, Outcome.BROKEN, Outcome.STALE):
        if decisive in found:
            return decisive
    return Outcome.HOLDS


def fires(result: Outcome, effect: str) -> bool:
    """Whether a rule with this effect fires when its condition came out as `result`."""
    return result is Outcome.HOLDS or (result is Outcome.BROKEN and effect == "deny")
