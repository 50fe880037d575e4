"""Which rules of separation a set of granted roles breaks, whoever holds it and whenever.

Many people have the same set, so that each is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from secvault.access.reach import Place, Reach
from secvault.access.rules import Rules
from secvault.access.separation import (
    Duties,
    Exclusive,
    Holders,
    Permission,
    Prerequisite,
    Scope,
    Separation,
    SeparationRule,
)
from secvault.access.vocabulary import ALL, DEPARTMENTS, SIGNED_IN


@dataclass(frozen=True)
class Source:
    """A place that gives a side, in a department; deny-free."""

    place: Place
    department: str


@dataclass(frozen=True)
class Side:
    """What a side is made of: a role, or some of the permissions; bits: those that are held."""

    sources: tuple[Source, ...]
    role: str = ""
    permissions: tuple[Permission, ...] = ()
    bits: int = 0


@dataclass(frozen=True)
class Breach:
    """A rule that a set of places breaks."""

    rule: SeparationRule
    department: str
    sides: tuple[Side, ...]
    missing: tuple[str, ...] = ()


class Breaches:
    """What sets of places break, remembered. Not for several threads at once."""

    def __init__(self, rules: Rules, separation: Separation) -> None:
        self._separation = separation
        duties = [rule for rule in separation.rules if isinstance(rule, Duties)]
        permissions = [one for rule in duties for one in (*rule.a, *rule.b)]
        self._reach = Reach(rules, permissions)
        self._masks = {one: self._reach.mask(one) for one in permissions}
        self._known: dict[frozenset[Place], tuple[Breach, ...]] = {}

    def by(self, places: frozenset[Place]) -> tuple[Breach, ...]:
        """The rules that these places together break, in the order of the file."""
        found = self._known.get(places)
        if found is None:
            found = self._known[places] = tuple(self._broken(places))
        return found

    def _broken(self, places: frozenset[Place]) -> Iterator[Breach]:
        ordered = sorted(places)
        held = {
            department: {
                place: self._reach.given(place, department)
                for place in ordered
                if place[1] in (ALL, department)
            }
            for department in DEPARTMENTS
        }
        effective: dict[str, dict[Place, int]] = {}
        for department, given in held.items():
            everybody = self._reach.everybody[department]
            denied = everybody.denies
            for one in given.values():
                denied |= one.denies
            effective[department] = {place: one.allows & ~denied for place, one in given.items()}
            effective[department][SIGNED_IN, ALL] = everybody.allows & ~denied
        reached = {
            department: {
                role: [place for place, one in given.items() if role in one.paths]
                for role in {role for one in given.values() for role in one.paths}
            }
            for department, given in held.items()
        }
        for rule in self._separation.rules:
            groups = (
                [(department,) for department in DEPARTMENTS]
                if rule.scope is Scope.DEPARTMENT
                else [DEPARTMENTS]
            )
            by_sides: dict[object, tuple[Breach, int]] = {}
            for group in groups:
                breach = self._breach(rule, group, effective, reached)
                if breach is not None:
                    same = tuple(
                        tuple(source.place for source in side.sources) for side in breach.sides
                    )
                    first, seen = by_sides.get(same, (breach, 0))
                    by_sides[same] = (first, seen + 1)
            for breach, seen in by_sides.values():
                yield breach if seen == 1 else replace(breach, department=ALL)

    def _breach(
        self,
        rule: SeparationRule,
        group: tuple[str, ...],
        effective: Mapping[str, Mapping[Place, int]],
        reached: Mapping[str, Mapping[str, list[Place]]],
    ) -> Breach | None:
        """How the rule is broken in these departments taken together; None if it is not."""
        where = group[0] if len(group) == 1 else ALL

        def having(role: str) -> tuple[Source, ...]:
            return _once(
                Source(place, department)
                for department in group
                for place in reached[department].get(role, ())
            )

        if isinstance(rule, Duties):
            both = tuple(self._side(side, group, effective) for side in (rule.a, rule.b))
            return Breach(rule, where, both) if all(side.sources for side in both) else None
        if isinstance(rule, Exclusive):
            together = [Side(having(role), role) for role in rule.roles]
            present = tuple(side for side in together if side.sources)
            return Breach(rule, where, present) if len(present) > rule.most else None
        if isinstance(rule, Prerequisite):
            holding = having(rule.role)
            missing = tuple(role for role in rule.needs if not having(role))
            if not holding or not missing:
                return None
            return Breach(rule, where, (Side(holding, rule.role),), missing)
        if isinstance(rule, Holders):
            holding = having(rule.role)
            return Breach(rule, where, (Side(holding, rule.role),)) if holding else None
        raise AssertionError(f"no such kind of rule: {type(rule).__name__}")

    def _side(
        self,
        permissions: tuple[Permission, ...],
        group: tuple[str, ...],
        effective: Mapping[str, Mapping[Place, int]],
    ) -> Side:
        """One side in these departments, with all places that give any of it."""
        mask = 0
        for permission in permissions:
            mask |= self._masks[permission]
        bits = 0
        sources: list[Source] = []
        for department in group:
            for place, has in effective[department].items():
                if has & mask:
                    bits |= has & mask
                    sources.append(Source(place, department))
        return Side(_once(sources), permissions=permissions, bits=bits)

    def way(self, side: Side, source: Source) -> tuple[str, str, tuple[str, ...]]:
        """What the place gives of the side, by which rule, and the roles on the way."""
        if side.role:
            return side.role, "", self._reach.paths(source.place)[side.role]
        allowed = self._reach.given(source.place, source.department).allows & side.bits
        what = next(one for one in side.permissions if self._masks[one] & allowed)
        bits = self._masks[what] & allowed
        rule, path = self._reach.deciding(source.place, source.department, bits)
        return str(what), rule.id, path


def _once(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Each place once, in the first department where it counts."""
    first: dict[Place, Source] = {}
    for source in sources:
        first.setdefault(source.place, source)
    return tuple(first.values())
