"""Rules compiled for looking up: which roles have which answer, as the bits of numbers.

Each role has a bit, the same in all departments when a rule for every department names it, else
one of its department. Rules alike but for their role are one group: a number with the bits of its
roles. So an answer takes as many steps for a hundred thousand rules as for ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from secvault.access.conditions import (
    ALWAYS,
    CONDITIONS,
    Condition,
    Registry,
    read_condition,
    single,
)
from secvault.access.explain import Place, rules_at
from secvault.access.holdings import steps_of
from secvault.access.names import misplaced
from secvault.access.rows import Case, Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    NO_FIELD,
    SIGNED_IN,
)

MOST_REMEMBERED = 16_384
"""How many combinations of names are kept at hand; then they are looked up anew."""


class Group(NamedTuple):
    """Rules that differ in their role only.

    mask: the bits of the roles. first: by the number of a role's bit, from 1, the number of its
    first rule. always: whether the condition holds whatever is asked; None as a condition stands
    for one that cannot be read.
    """

    mask: int
    first: Mapping[int, int]
    always: bool
    condition: Condition | None


class Cell(NamedTuple):
    """What rules say about one department, object, field and action."""

    denies: tuple[Group, ...]
    allows: tuple[Group, ...]


class CompiledRules:
    """The rules of one policy, by what they are about. Never changed, but for what it remembers.

    ids: of the rules, by number. conditions: by the text in the rules; None for one that cannot be
    read. by_action, places: see `explain.Basis`. everybody: the bit of whoever is signed in, by
    department. linked: see `_linked`; named: of whom. steps: see `holdings.steps_of`.
    """

    def __init__(self, rules: Rules, registry: Registry) -> None:
        self.rules = rules
        self.registry = registry
        self.digest = rules.digest
        self.ids = tuple(rule.id for rule in rules.rules)
        self.conditions: Mapping[str, Condition | None] = {
            cond: _read(cond, registry) for cond in {rule.cond for rule in rules.rules}
        }
        self.bits = _numbered(rules.rules)
        self._groups = self._grouped(rules.rules)
        self._cells = {key: self._look_up(key) for key in islice(self._finite(), MOST_REMEMBERED)}
        self._above = _above(rules)
        self._closures: dict[tuple[str, str, str], int] = {}
        self._shared: dict[int, int] = {}
        self._looked_at: dict[tuple[str, ...], tuple[tuple[str, Condition | None], ...]] = {}
        self.everybody = {
            one: 1 << numbers[SIGNED_IN] if SIGNED_IN in numbers else 0
            for one, numbers in self.bits.items()
        }
        self.linked = self._linked(rules)
        self.named = frozenset(subject for subject, _ in self.linked)
        self.steps = steps_of(rules.links)
        self.by_action, self.places = _arranged(rules.rules)

    def cell(self, department: str, obj: str, field: str, action: str) -> Cell | None:
        """What is said about these; None when there is no such thing to ask about."""
        key = (department, obj, field, action)
        found = self._cells.get(key)
        if found is None and self._exists(key):
            found = self._look_up(key)
            if len(self._cells) >= MOST_REMEMBERED:
                self._cells = {}
            self._cells[key] = found
        return found

    def closure(self, department: str, domain: str, role: str) -> int:
        """The bits, in a department, of a role and of all that it inherits by links of a domain."""
        key = (department, domain, role)
        found = self._closures.get(key)
        if found is None:
            numbers, found = self.bits[department], 0
            for reached in self.reached(domain, role):
                if (number := numbers.get(reached)) is not None:
                    found |= 1 << number
            if role in self.rules.roles:
                self._closures[key] = found
        return found

    def looked_at(self, case: Case) -> tuple[tuple[str, Condition | None], ...]:
        """The conditions of the rules about a case that do not always hold, each once, by name.

        Those that a rule joins are given one by one; None for one that cannot be read.
        """
        place = case[1:]
        found = self._looked_at.get(place)
        if found is None:
            each: dict[str, Condition | None] = {}
            for text in {rule.cond for rule in rules_at(self.places, case)} - {ALWAYS}:
                parts = single(self.conditions[text])
                each.update({one.name: one for one in parts} if parts else {text: None})
            found = tuple((name, each[name]) for name in sorted(each))
            if len(self._looked_at) >= MOST_REMEMBERED:
                self._looked_at = {}
            self._looked_at[place] = found
        return found

    def shared(self, mask: int) -> int:
        """The same number, one object for all who hold the same."""
        if len(self._shared) >= MOST_REMEMBERED:
            self._shared = {}
        return self._shared.setdefault(mask, mask)

    def reached(self, domain: str, role: str) -> Iterable[str]:
        """The role and all that it inherits by links of one domain, nearest first."""
        seen = {role: None}
        waiting = [role]
        for member in waiting:
            for above in self._above.get((domain, member), ()):
                if above not in seen:
                    seen[above] = None
                    waiting.append(above)
        return seen

    def _linked(self, rules: Rules) -> Mapping[tuple[str, str], int]:
        """The bits of those to whom the policy itself gives roles: the operator and the jobs."""
        found: dict[tuple[str, str], int] = {}
        for link in rules.links:
            for department in () if link.between_roles else DEPARTMENTS:
                if link.department in (department, ALL):
                    key = (link.member, department)
                    mask = self.closure(department, link.department, link.role)
                    found[key] = found.get(key, 0) | mask
        return found

    def _finite(self) -> Iterator[tuple[str, str, str, str]]:
        """All that can be asked about records; of keys and plans there is no end."""
        for name, home in self.rules.collections.items():
            for action, kind in ACTIONS.items():
                fields = self.rules.fields.get(name, {}) if action in FIELD_ACTIONS else {}
                for field in (NO_FIELD, *fields) if kind == COLLECTION else ():
                    yield home, name, field, action

    def _exists(self, key: tuple[str, str, str, str]) -> bool:
        case = Case("", *key)
        return misplaced(case, self.rules.fields, self.rules.collections) is None

    def _look_up(self, key: tuple[str, str, str, str]) -> Cell:
        department, obj, field, action = key
        known = self.rules.fields.get(obj, {}).get(field, "")
        named = () if field == NO_FIELD else (field, f"class:{known}")
        # As `vocabulary.field_matches` has it.
        open_to_all = (ALL,) if field == NO_FIELD or known == "normal" else ()
        return Cell(
            tuple(self._about(department, obj, (ALL, *named), action, "deny")),
            tuple(self._about(department, obj, (*open_to_all, *named), action, "allow")),
        )

    def _about(
        self, department: str, obj: str, patterns: tuple[str, ...], action: str, effect: str
    ) -> Iterator[Group]:
        for domain in (department, ALL):
            for name in dict.fromkeys((obj, ALL)):
                for pattern in patterns:
                    for act in (action, ALL):
                        yield from self._groups.get((effect, domain, name, pattern, act), ())

    def _grouped(
        self, rules: tuple[Rule, ...]
    ) -> Mapping[tuple[str, str, str, str, str], tuple[Group, ...]]:
        masks: dict[tuple[str, str, str, str, str], dict[str, dict[int, int]]] = {}
        anywhere = self.bits[DEPARTMENTS[0]]
        for order, rule in enumerate(rules):
            # Roles of rules for every department have the same bit in each.
            number = self.bits.get(rule.dom, anywhere)[rule.sub]
            place = (rule.eft, rule.dom, rule.obj, rule.fld, rule.act)
            masks.setdefault(place, {}).setdefault(rule.cond, {}).setdefault(number + 1, order)
        always = self.registry.get(ALWAYS) is CONDITIONS[ALWAYS]
        return {
            place: tuple(
                Group(
                    _mask(first),
                    first,
                    always and cond == ALWAYS,
                    self.conditions[cond],
                )
                for cond, first in groups.items()
            )
            for place, groups in masks.items()
        }


def first_of(hit: int, group: Group) -> int:
    """The number of the first rule of a group that is for a role among the bits."""
    first = group.first
    low = hit & -hit
    found = first[low.bit_length()]
    while hit := hit ^ low:
        low = hit & -hit
        found = min(found, first[low.bit_length()])
    return found


def _mask(numbers: Iterable[int]) -> int:
    # By bytes: adding bit after bit to a long number copies it each time.
    highest = max(numbers)
    content = bytearray((highest + 7) // 8)
    for number in numbers:
        content[(number - 1) // 8] |= 1 << ((number - 1) % 8)
    return int.from_bytes(content, "little")


def _numbered(rules: tuple[Rule, ...]) -> Mapping[str, Mapping[str, int]]:
    everywhere: dict[str, int] = {}
    for rule in rules:
        if rule.dom == ALL:
            everywhere.setdefault(rule.sub, len(everywhere))
    numbers = {department: dict(everywhere) for department in DEPARTMENTS}
    for rule in rules:
        # A rule of a department that does not exist is never asked for.
        here = numbers.setdefault(rule.dom, {}) if rule.dom != ALL else everywhere
        here.setdefault(rule.sub, len(here))
    return numbers


def _above(rules: Rules) -> Mapping[tuple[str, str], tuple[str, ...]]:
    above: dict[tuple[str, str], list[str]] = {}
    for link in rules.links:
        above.setdefault((link.department, link.member), []).append(link.role)
    return {member: tuple(roles) for member, roles in above.items()}


def _arranged(
    rules: tuple[Rule, ...],
) -> tuple[Mapping[str, tuple[Rule, ...]], Mapping[Place, tuple[tuple[int, Rule], ...]]]:
    by_action: dict[str, list[Rule]] = {action: [] for action in ACTIONS}
    places: dict[Place, list[tuple[int, Rule]]] = {}
    for order, rule in enumerate(rules):
        for action in ACTIONS if rule.act == ALL else (rule.act,):
            by_action.setdefault(action, []).append(rule)
        places.setdefault((rule.act, rule.dom, rule.obj), []).append((order, rule))
    return (
        {action: tuple(about) for action, about in by_action.items()},
        {place: tuple(about) for place, about in places.items()},
    )


def _read(text: str, registry: Registry) -> Condition | None:
    try:
        return read_condition(text, registry)
    except ValueError:
        # The rules' own check refuses such a name; here it is one that never opens anything.
        return None
