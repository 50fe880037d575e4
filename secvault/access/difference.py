"""Who gains and who loses what between two policies: exact, over all that anybody could ask.

What somebody may do is compared for every department, object, field and action that either policy
can tell apart. Conditions are compared by name: each is taken as a statement that may hold or not,
whatever the others do. So `covers` is not a guess but an implication that holds in every case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from secvault.access.grants import Grant, check_grantable
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    IN_ANY_DEPARTMENT,
    KEY,
    NO_FIELD,
    PLAN,
    SIGNED_IN,
    department_of,
    field_matches,
)
from secvault.errors import InvalidInput

ALWAYS = "always"

Cell = tuple[str, str, str]
"""Action, object, field."""
_Names = frozenset[str]
_Opened = Mapping[Cell, tuple[_Names, _Names]]


@dataclass(frozen=True, slots=True)
class Access:
    """When something is allowed: some condition of `allow` holds, and none of `deny`."""

    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()

    def covers(self, other: Access) -> bool:
        """Whether this allows whatever the other one does, however the conditions come out."""
        if not other.allow:
            return True
        opened = other.allow <= self.allow or ALWAYS in self.allow
        return opened and self.deny <= other.deny

    def __str__(self) -> str:
        if not self.allow:
            return "no"
        text = "yes" if ALWAYS in self.allow else f"if {' or '.join(sorted(self.allow))}"
        return text if not self.deny else f"{text}, unless {' or '.join(sorted(self.deny))}"


NOTHING = Access()


def access_of(allow: Iterable[str], deny: Iterable[str]) -> Access:
    """The conditions of the rules that allow and of those that deny, in one form only."""
    denied = frozenset(deny)
    # What opens and forbids under one name never opens.
    opened = frozenset(allow) - denied
    if not opened or ALWAYS in denied:
        return NOTHING
    return Access(frozenset({ALWAYS}) if ALWAYS in opened else opened, denied)


@dataclass(frozen=True)
class Change:
    """What changed alike for somebody in some departments, on some fields of an object.

    fields: empty where the action is about no single field.
    """

    departments: tuple[str, ...]
    object: str
    action: str
    fields: tuple[str, ...]
    before: Access
    after: Access

    @property
    def gained(self) -> bool:
        """Whether something is allowed in some case that was not."""
        return not self.before.covers(self.after)

    @property
    def lost(self) -> bool:
        """Whether something is no longer allowed in some case where it was."""
        return not self.after.covers(self.before)


Difference = Mapping[str, tuple[Change, ...]]
"""Role, person, system or local subject -> what changes. Who is not in it, keeps what they have."""


class Sight:
    """What one policy lets roles and subjects do, cell by cell.

    objects: the keys and plans that rules name, of both policies that are compared: whatever is
    named nowhere is alike, and stands under `*`.
    """

    def __init__(self, rules: Rules, objects: Mapping[str, frozenset[str]]) -> None:
        self.rules = rules
        self._objects = objects
        self._of_role: dict[str, list[Rule]] = {}
        for rule in rules.rules:
            self._of_role.setdefault(rule.sub, []).append(rule)
        self._above: dict[tuple[str, str], frozenset[str]] = {}
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._links: dict[tuple[str, str], list[str]] = {}
        for link in rules.links:
            self._links.setdefault((link.department, link.member), []).append(link.role)

    def held(self, places: Iterable[tuple[str, str]], department: str) -> frozenset[str]:
        """The roles that somebody has there. places: role and department of what they hold."""
        found: set[str] = set()
        for role, where in places:
            if where in (ALL, department):
                found |= self._reached(role, where)
        return frozenset(found)

    def places_of_local(self, subject: str) -> frozenset[tuple[str, str]]:
        """What a local subject holds by the policy itself."""
        return frozenset(
            (link.role, link.department) for link in self.rules.links if link.member == subject
        )

    def may(self, roles: Iterable[str], department: str, cell: Cell) -> Access:
        """Whether, and under which conditions, these roles together may."""
        allow: set[str] = set()
        deny: set[str] = set()
        for role in roles:
            opened = self.opened(role, department).get(cell)
            if opened:
                allow |= opened[0]
                deny |= opened[1]
        return access_of(allow, deny)

    def opened(self, role: str, department: str) -> _Opened:
        """What the rules of one role, without what it inherits, say about each cell there."""
        known = self._opened.get((role, department))
        if known is None:
            known = self._open(role, department)
            self._opened[role, department] = known
        return known

    def _open(self, role: str, department: str) -> _Opened:
        found: dict[Cell, tuple[set[str], set[str]]] = {}
        for rule in self._of_role.get(role, ()):
            if rule.dom not in (ALL, department):
                continue
            for cell in self.cells(rule, department):
                sides = found.setdefault(cell, (set(), set()))
                sides[0 if rule.eft == "allow" else 1].add(rule.cond)
        return {cell: (frozenset(a), frozenset(d)) for cell, (a, d) in found.items()}

    def cells(self, rule: Rule, department: str) -> Iterator[Cell]:
        """The cells that a rule is about there; it must be one for this department."""
        for action in ACTIONS if rule.act == ALL else (rule.act,):
            for name in self._names(action, department):
                if rule.obj not in (ALL, name):
                    continue
                fields = self.rules.fields.get(name, {}) if action in FIELD_ACTIONS else {}
                for field in (NO_FIELD, *fields):
                    if field_matches(self.rules.fields, name, field, rule.fld, rule.eft):
                        yield action, name, field

    def _names(self, action: str, department: str) -> Iterator[str]:
        kind = ACTIONS[action]
        if kind == COLLECTION:
            yield ALL
            for name, home in self.rules.collections.items():
                if home == department:
                    yield name
        elif kind in (KEY, PLAN):
            yield ALL
            yield from self._objects[kind]
        else:
            yield kind

    def _reached(self, role: str, where: str) -> frozenset[str]:
        known = self._above.get((role, where))
        if known is None:
            found, waiting = {role}, [role]
            for member in waiting:
                for above in self._links.get((where, member), ()):
                    if above not in found:
                        found.add(above)
                        waiting.append(above)
            known = frozenset(found)
            self._above[role, where] = known
        return known


def sights(before: Rules, after: Rules) -> tuple[Sight, Sight]:
    """Both policies, made comparable."""
    objects = {kind: frozenset(_named(kind, before, after)) for kind in (KEY, PLAN)}
    return Sight(before, objects), Sight(after, objects)


def difference(before: Rules, after: Rules, grants: Iterable[Grant]) -> Difference:
    """What the change from one policy to the other gives and takes, role by role and holder by
    holder.

    grants: those that count, or will when their time comes; each is taken as in force.
    """
    old, new = sights(before, after)
    differing = _Differing(old, new)
    found: dict[str, tuple[Change, ...]] = {}
    for role in sorted(before.roles | after.roles | {SIGNED_IN}):
        where = DEPARTMENTS if role in IN_ANY_DEPARTMENT else (department_of(role),)
        places = frozenset((role, department) for department in where)
        found[role] = differing.between(
            places if role in before.roles else frozenset(),
            places if role in after.roles else frozenset(),
        )
    holders: dict[str, list[Grant]] = {}
    for grant in grants:
        holders.setdefault(grant.subject, []).append(grant)
    for subject, held in sorted(holders.items()):
        found[subject] = differing.between(places_of(before, held), places_of(after, held))
    for subject in sorted({one.member for side in (before, after) for one in side.links}):
        if not subject.startswith("role:"):
            found[subject] = differing.between(
                old.places_of_local(subject), new.places_of_local(subject)
            )
    return {who: changes for who, changes in found.items() if changes}


def places_of(rules: Rules, grants: Iterable[Grant]) -> frozenset[tuple[str, str]]:
    """What a person or system holds under a policy: nothing at all when one of their grants cannot
    be, as a decision has it.
    """
    held = {(SIGNED_IN, ALL)}
    for grant in grants:
        try:
            check_grantable(rules, grant.subject, grant.role, grant.department)
        except InvalidInput:
            return frozenset()
        held.add((grant.role, grant.department))
    return frozenset(held)


class _Differing:
    """Compares what is held; what many hold alike is compared once."""

    def __init__(self, old: Sight, new: Sight) -> None:
        self._old, self._new = old, new
        self._of_roles: dict[tuple[str, _Names, _Names], Mapping[Cell, tuple[Access, Access]]] = {}
        self._of_places: dict[tuple[frozenset[tuple[str, str]], ...], tuple[Change, ...]] = {}
        self._same: dict[tuple[str, str], bool] = {}

    def between(
        self, before: frozenset[tuple[str, str]], after: frozenset[tuple[str, str]]
    ) -> tuple[Change, ...]:
        known = self._of_places.get((before, after))
        if known is None:
            known = _grouped(
                (department, cell, *sides)
                for department in DEPARTMENTS
                for cell, sides in self._in_department(before, after, department).items()
            )
            self._of_places[before, after] = known
        return known

    def _in_department(
        self,
        before: frozenset[tuple[str, str]],
        after: frozenset[tuple[str, str]],
        department: str,
    ) -> Mapping[Cell, tuple[Access, Access]]:
        had, has = self._old.held(before, department), self._new.held(after, department)
        known = self._of_roles.get((department, had, has))
        if known is None:
            known = self._compared(had, has, department)
            self._of_roles[department, had, has] = known
        return known

    def _compared(
        self, had: _Names, has: _Names, department: str
    ) -> Mapping[Cell, tuple[Access, Access]]:
        if had == has and all(self._alike(role, department) for role in had):
            return {}
        cells = {cell for role in had for cell in self._old.opened(role, department)}
        cells |= {cell for role in has for cell in self._new.opened(role, department)}
        found = {}
        for cell in cells:
            was = self._old.may(had, department, cell)
            will = self._new.may(has, department, cell)
            if was != will:
                found[cell] = (was, will)
        return found

    def _alike(self, role: str, department: str) -> bool:
        known = self._same.get((role, department))
        if known is None:
            known = self._old.opened(role, department) == self._new.opened(role, department)
            self._same[role, department] = known
        return known


def _grouped(found: Iterable[tuple[str, Cell, Access, Access]]) -> tuple[Change, ...]:
    """The same change on several fields, and in several departments, said once."""
    fields: dict[tuple[str, str, str, bool, Access, Access], list[str]] = {}
    for department, (action, name, field), before, after in found:
        one = (department, action, name, field == NO_FIELD, before, after)
        fields.setdefault(one, []).append(field)
    departments: dict[tuple[str, str, tuple[str, ...], Access, Access], list[str]] = {}
    for (department, action, name, whole, before, after), named in fields.items():
        said = () if whole else tuple(sorted(named))
        departments.setdefault((name, action, said, before, after), []).append(department)
    changes = [
        Change(tuple(sorted(where)), name, action, said, before, after)
        for (name, action, said, before, after), where in departments.items()
    ]
    return tuple(sorted(changes, key=_order))


def _order(change: Change) -> tuple[object, ...]:
    return (
        change.departments,
        change.object,
        change.action,
        change.fields,
        str(change.before),
        str(change.after),
    )


def _named(kind: str, *sides: Rules) -> set[str]:
    return {
        rule.obj
        for rules in sides
        for rule in rules.rules
        if rule.obj != ALL and ACTIONS.get(rule.act) == kind
    }


def gains(found: Difference) -> dict[str, tuple[Change, ...]]:
    """Who may more than before, and what."""
    return _only(found, lambda change: change.gained)


def losses(found: Difference) -> dict[str, tuple[Change, ...]]:
    """Who may less than before, and what."""
    return _only(found, lambda change: change.lost)


def _only(found: Difference, keep: Callable[[Change], bool]) -> dict[str, tuple[Change, ...]]:
    left = {who: tuple(one for one in changes if keep(one)) for who, changes in found.items()}
    return {who: changes for who, changes in left.items() if changes}
