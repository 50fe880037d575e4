"""The rows of a policy, arranged to be asked again and again with one of them changed.

A second reading of what `decide` answers, small enough to evaluate thousands of changed policies:
no grants, no names of subjects, conditions by name. A property test holds it to `decide`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from secvault.access.conditions import joined_in
from secvault.access.rows import Link, Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import ACTIONS, ALL, SIGNED_IN, FieldClasses, field_matches

ALWAYS = "always"
READ, READ_MASKED = "record.read", "record.read_masked"
Seeds = tuple[tuple[str, str], ...]
"""What somebody holds directly: roles, and their own name, each with a department or `*`."""
Climb = Mapping[tuple[str, str], tuple[str, ...]]


class Point(NamedTuple):
    """Something that can be asked for, whoever asks."""

    department: str
    object: str
    field: str
    action: str

    def __str__(self) -> str:
        shown = "" if self.field == ALL else f", {self.field}"
        return f"{self.action} {self.object}{shown} in {self.department}"


@dataclass(frozen=True)
class Change:
    """One changed policy. removed: ids of rules. links: all of them, when those changed."""

    removed: frozenset[str] = frozenset()
    added: tuple[Rule, ...] = ()
    links: tuple[Link, ...] | None = None


def covers(rule: Rule, point: Point, fields: FieldClasses) -> bool:
    """Whether the rule is about the point, whoever holds it and whatever its condition."""
    return (
        rule.act in (point.action, ALL)
        and rule.dom in (point.department, ALL)
        and rule.obj in (point.object, ALL)
        and field_matches(fields, point.object, point.field, rule.fld, rule.eft)
    )


def climb_of(links: Iterable[Link]) -> Climb:
    """The roles above each member, by department."""
    above: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for link in links:
        above[link.department, link.member] += (link.role,)
    return dict(above)


def reach(climb: Climb, seeds: Seeds, department: str, *, signed_in: bool) -> frozenset[str]:
    """All that somebody holds in the department, by inheritance too."""
    found = {SIGNED_IN} if signed_in else set()
    # Each domain by itself: Casbin never mixes two along one way.
    for domain in (department, ALL):
        seen = {name for name, where in seeds if where == domain}
        waiting = list(seen)
        for member in waiting:
            for role in climb.get((domain, member), ()):
                if role not in seen:
                    seen.add(role)
                    waiting.append(role)
        found |= seen
    return frozenset(found)


class Table:
    """The rules of one policy by what they are about."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.fields = rules.fields
        self.climb = climb_of(rules.links)
        self.actions = tuple(ACTIONS)
        self.by_id = {rule.id: rule for rule in rules.rules}
        self._covering: dict[Point, tuple[Rule, ...]] = {}
        self._by_action: dict[str, list[Rule]] = {action: [] for action in ACTIONS}
        for rule in rules.rules:
            for action in ACTIONS if rule.act == ALL else (rule.act,):
                self._by_action[action].append(rule)

    def covering(self, point: Point) -> tuple[Rule, ...]:
        """The rules about the point, in the order of the file."""
        known = self._covering.get(point)
        if known is None:
            about = self._by_action.get(point.action, [])
            known = tuple(rule for rule in about if covers(rule, point, self.fields))
            self._covering[point] = known
        return known

    def view(self, change: Change | None = None) -> View:
        """The policy itself, or with one change."""
        if change is None or change.links is None:
            return View(self, change or Change(), self.climb)
        return View(self, change, climb_of(change.links))


@dataclass(frozen=True)
class View:
    """A policy, perhaps a changed one, as it answers."""

    table: Table
    change: Change
    climb: Climb

    def reach(self, seeds: Seeds, department: str, *, signed_in: bool) -> frozenset[str]:
        """See `reach`."""
        return reach(self.climb, seeds, department, signed_in=signed_in)

    def held(self, reached: frozenset[str], point: Point) -> list[Rule]:
        """The rules about the point that somebody with these roles has."""
        removed = self.change.removed
        found = [
            rule
            for rule in self.table.covering(point)
            if rule.sub in reached and rule.id not in removed
        ]
        found += [
            rule
            for rule in self.change.added
            if rule.sub in reached and covers(rule, point, self.table.fields)
        ]
        return found

    def possible(
        self, reached: frozenset[str], point: Point, failing: frozenset[str] = frozenset()
    ) -> bool:
        """Whether in some circumstances it is allowed.

        failing: conditions that do not hold, nor those that join them with others.
        """
        held = self.held(reached, point)
        if failing:
            held = [rule for rule in held if failing.isdisjoint(joined_in(rule.cond))]
        denied = {rule.cond for rule in held if rule.eft == "deny"}
        if ALWAYS in denied:
            return False
        return any(rule.eft == "allow" and rule.cond not in denied for rule in held)

    def certain(self, reached: frozenset[str], point: Point) -> bool:
        """Whether it is allowed in all circumstances."""
        held = self.held(reached, point)
        return any(rule.cond == ALWAYS for rule in held) and all(
            rule.eft == "allow" for rule in held
        )


def differ(
    one: Collection[Rule],
    other: Collection[Rule],
    unless: tuple[Collection[Rule], Collection[Rule]] = ((), ()),
) -> bool:
    """Whether two sets of rules about one point answer differently in any circumstances.

    Conditions are taken as independent of each other, `always` as holding. unless: a difference
    does not matter where both of these allow.
    """
    every = (*one, *other, *unless[0], *unless[1])
    names = sorted({rule.cond for rule in every} - {ALWAYS})
    for outcomes in product((True, False), repeat=len(names)):
        holding = {name for name, holds in zip(names, outcomes, strict=True) if holds} | {ALWAYS}
        if _allows(one, holding) is not _allows(other, holding) and not (
            all(_allows(rules, holding) for rules in unless)
        ):
            return True
    return False


def _allows(rules: Iterable[Rule], holding: set[str]) -> bool:
    firing = {rule.eft for rule in rules if rule.cond in holding}
    return firing == {"allow"}
