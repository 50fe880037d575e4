"""What a granted role gives: its rules by inheritance, as sets of requests in each department.

The requests that the rules of separation speak of are few, so each gets a bit, and what a role
allows or denies in a department is one number. A person's permissions are then a union of numbers.
Works from the same rows as Casbin, as `explain` does. Conditions are left out on the careful side:
an allow counts as if its condition held, a deny only when it always does. What somebody may do to
the record about themselves is no duty, and does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from secvault.access.conditions import of_ones_own
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.separation import Permission
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    KEY,
    NO_FIELD,
    PLAN,
    SIGNED_IN,
    field_matches,
)

Place = tuple[str, str]
"""A role and the department that it is granted in, or `*`."""
_Request = tuple[str, str, str, str]


@dataclass(frozen=True)
class Given:
    """What one place gives in one department.

    paths: each role reached, with the way to it from the granted one. allows, denies: bits.
    """

    paths: Mapping[str, tuple[str, ...]]
    allows: int
    denies: int


class Reach:
    """The policy's rules, arranged for the given permissions. Not for several threads at once."""

    def __init__(self, rules: Rules, permissions: Iterable[Permission]) -> None:
        self._rules = rules
        self._wanted = tuple(dict.fromkeys(permissions))
        self._given: dict[tuple[Place, str], Given] = {}
        self._paths: dict[Place, Mapping[str, tuple[str, ...]]] = {}
        self._above: dict[tuple[str, str], list[str]] = {}
        for link in rules.links:
            self._above.setdefault((link.member, link.department), []).append(link.role)
        self._rules_of: dict[str, list[Rule]] = {}
        for rule in rules.rules:
            counts = not of_ones_own(rule.cond) if rule.eft == "allow" else rule.cond == "always"
            if counts:
                self._rules_of.setdefault(rule.sub, []).append(rule)
        self._bits = {request: at for at, request in enumerate(self._requests())}
        self._about: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        for (department, action, name, field), at in self._bits.items():
            self._about.setdefault((department, action), []).append((name, field, 1 << at))

    def given(self, place: Place, department: str) -> Given:
        """What the place gives in the department; nothing when it is granted in another."""
        found = self._given.get((place, department))
        if found is None:
            found = self._make(place, department)
            self._given[place, department] = found
        return found

    def mask(self, permission: Permission) -> int:
        """The bits of a permission, in all departments."""
        bits = 0
        for (_, action, name, field), at in self._bits.items():
            if (
                action == permission.action
                and permission.object in (ALL, name)
                and self._of_class(permission, name, field)
            ):
                bits |= 1 << at
        return bits

    def deciding(self, place: Place, department: str, bits: int) -> tuple[Rule, tuple[str, ...]]:
        """A rule by which the place allows one of these requests there, and the way to its role.

        Raises LookupError when there is none.
        """
        paths = self.given(place, department).paths
        for role, path in paths.items():
            for rule in self._rules_of.get(role, ()):
                if rule.eft == "allow" and self._covered(rule, department) & bits:
                    return rule, path
        raise LookupError(f"{place} allows none of these")

    @cached_property
    def everybody(self) -> Mapping[str, Given]:
        """What being signed in gives, by department."""
        return {one: self.given((SIGNED_IN, ALL), one) for one in DEPARTMENTS}

    def paths(self, place: Place) -> Mapping[str, tuple[str, ...]]:
        """Each role that a grant of the place reaches, itself first, with the way to it."""
        found = self._paths.get(place)
        if found is None:
            role, domain = place
            made: dict[str, tuple[str, ...]] = {role: (role,)}
            waiting = [role]
            for member in waiting:
                for above in self._above.get((member, domain), ()):
                    if above not in made:
                        made[above] = (*made[member], above)
                        waiting.append(above)
            found = self._paths[place] = made
        return found

    def _make(self, place: Place, department: str) -> Given:
        if place[1] not in (ALL, department):
            return Given({}, 0, 0)
        paths = self.paths(place)
        allows = denies = 0
        for role in paths:
            for rule in self._rules_of.get(role, ()):
                if rule.eft == "allow":
                    allows |= self._covered(rule, department)
                else:
                    denies |= self._covered(rule, department)
        return Given(paths, allows, denies)

    def _covered(self, rule: Rule, department: str) -> int:
        if rule.dom not in (ALL, department):
            return 0
        bits = 0
        for action in ACTIONS if rule.act == ALL else (rule.act,):
            for name, field, bit in self._about.get((department, action), ()):
                if rule.obj in (ALL, name) and field_matches(
                    self._rules.fields, name, field, rule.fld, rule.eft
                ):
                    bits |= bit
        return bits

    def _requests(self) -> Iterator[_Request]:
        """Every request that a wanted permission covers, once."""
        seen: set[_Request] = set()
        for permission in self._wanted:
            for department in DEPARTMENTS:
                for name in self._names(permission, department):
                    for field in self._fields(permission, name):
                        request = (department, permission.action, name, field)
                        if request not in seen:
                            seen.add(request)
                            yield request

    def _names(self, permission: Permission, department: str) -> Iterator[str]:
        kind = ACTIONS[permission.action]
        if kind == COLLECTION:
            here = [name for name, home in self._rules.collections.items() if home == department]
            yield from (name for name in (ALL, *here) if permission.object in (ALL, name))
        elif kind in (KEY, PLAN):
            # `*` stands for every name that no rule mentions.
            named = {
                rule.obj
                for rule in self._rules.rules
                if rule.act in (ALL, permission.action) and rule.obj not in self._rules.collections
            }
            known = {ALL, permission.object, *named}
            yield from (one for one in sorted(known) if permission.object in (ALL, one))
        else:
            yield kind

    def _fields(self, permission: Permission, name: str) -> Iterator[str]:
        if permission.sensitivity == ALL:
            yield NO_FIELD
        if permission.action in FIELD_ACTIONS:
            for field in self._rules.fields.get(name, {}):
                if self._of_class(permission, name, field):
                    yield field

    def _of_class(self, permission: Permission, name: str, field: str) -> bool:
        if permission.sensitivity == ALL:
            return True
        return self._rules.fields.get(name, {}).get(field) == permission.sensitivity
