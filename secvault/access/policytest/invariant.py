"""What must hold for everybody and everything, whatever the circumstances.

Each is checked over the whole universe, by the closure of roles; nothing is sampled. A breach is a
sentence that names who may, or may not, do what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from secvault.access.obligations import Obligations
from secvault.access.policytest.place import Place
from secvault.access.policytest.table import Point, View
from secvault.access.policytest.universe import Holder, Universe
from secvault.access.rules import Rules
from secvault.access.vocabulary import RESERVED_ROLES, SIGNED_IN, FieldClasses

MOST_BREACHES = 5
Reached = Callable[[Holder, str], frozenset[str]]


@dataclass
class Sight:
    """A policy as far as it has to be looked at.

    holders, points: those for whom, and where, something can have changed; all of them for a
    first look. points: by action; an action that is not there is as it was.
    """

    view: View
    universe: Universe
    holders: tuple[Holder, ...]
    points: Mapping[str, tuple[Point, ...]]
    known: dict[tuple[Holder, str], frozenset[str]] = field(default_factory=dict)

    def reached(self, holder: Holder, department: str) -> frozenset[str]:
        """All that a holder has in a department."""
        found = self.known.get((holder, department))
        if found is None:
            found = self.view.reach(holder.seeds, department, signed_in=holder.signed_in)
            self.known[holder, department] = found
        return found

    def possible(self, holder: Holder, point: Point, failing: frozenset[str] = frozenset()) -> bool:
        """Whether the holder may do it in some circumstances."""
        return self.view.possible(self.reached(holder, point.department), point, failing)

    def by_role(self, holder: Holder, point: Point) -> bool:
        """The same, by more than what everybody signed in may; of somebody without a role by it."""
        reached = self.reached(holder, point.department)
        if holder.role != SIGNED_IN:
            reached -= {SIGNED_IN}
        return self.view.possible(reached, point)


@dataclass(frozen=True)
class Scope:
    """Some actions, narrowed to departments, objects and fields; what is empty narrows nothing.

    fields: names, `class:<class>`, or `*` for a request about no single field. leaving_out:
    conditions; what may be done under them only does not count.
    """

    actions: tuple[str, ...]
    departments: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    leaving_out: frozenset[str] = frozenset()

    def points(
        self, among: Mapping[str, tuple[Point, ...]], classes: FieldClasses
    ) -> Iterator[Point]:
        """The points of it."""
        for action in self.actions:
            for point in among.get(action, ()):
                if (
                    (not self.departments or point.department in self.departments)
                    and (not self.objects or point.object in self.objects)
                    and (not self.fields or self._names(point, classes))
                ):
                    yield point

    def _names(self, point: Point, classes: FieldClasses) -> bool:
        known = classes.get(point.object, {}).get(point.field, "")
        return point.field in self.fields or f"class:{known}" in self.fields


class Invariant(Protocol):
    """One thing that must hold."""

    @property
    def place(self) -> Place:
        """Where it stands."""

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that it is about; empty for all of them."""

    def breaches(self, sight: Sight) -> Iterator[str]:
        """A sentence for each way in which it does not hold."""


@dataclass(frozen=True)
class Only:
    """Nobody but the holders of these roles may do it."""

    place: Place
    scope: Scope
    roles: tuple[str, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        return self.scope.actions

    def breaches(self, sight: Sight) -> Iterator[str]:
        others = [holder for holder in sight.holders if holder.role not in self.roles]
        yield from _who_may(sight, others, self.scope)


@dataclass(frozen=True)
class Never:
    """Whoever holds one of these roles may not do it.

    among_others: not even with any one further role: for roles that forbid.
    """

    place: Place
    scope: Scope
    roles: tuple[str, ...]
    among_others: bool = False

    @property
    def actions(self) -> tuple[str, ...]:
        return self.scope.actions

    def breaches(self, sight: Sight) -> Iterator[str]:
        held = [holder for holder in sight.universe.holders if holder.role in self.roles]
        if not self.among_others:
            yield from _who_may(sight, [one for one in sight.holders if one in held], self.scope)
            return
        classes = sight.view.table.fields
        for point in self.scope.points(sight.points, classes):
            for one in held:
                for other in sight.universe.holders:
                    both = sight.reached(one, point.department) | sight.reached(
                        other, point.department
                    )
                    left_out = self.scope.leaving_out
                    if (
                        one.signed_in
                        and other.signed_in
                        and sight.view.possible(both, point, left_out)
                    ):
                        yield f"{one}, who is also {other}, may {point}"


@dataclass(frozen=True)
class Nobody:
    """No role, with all that it inherits, may do both, in one department."""

    place: Place
    first: Scope
    second: Scope

    @property
    def actions(self) -> tuple[str, ...]:
        return (*self.first.actions, *self.second.actions)

    def breaches(self, sight: Sight) -> Iterator[str]:
        classes = sight.view.table.fields
        every = sight.universe.points
        for holder in sight.holders:
            ones = {
                point.department: point
                for point in self.first.points(every, classes)
                if sight.possible(holder, point, self.first.leaving_out)
            }
            for point in self.second.points(every, classes) if ones else ():
                if point.department in ones and sight.possible(
                    holder, point, self.second.leaving_out
                ):
                    yield f"{holder} may both {ones[point.department]} and {point}"
                    break


@dataclass(frozen=True)
class Needs:
    """Nobody may do it unless one of these conditions holds. exempt: roles that may."""

    place: Place
    scope: Scope
    conditions: frozenset[str]
    exempt: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        return self.scope.actions

    def breaches(self, sight: Sight) -> Iterator[str]:
        asked = [holder for holder in sight.holders if holder.role not in self.exempt]
        without = f"without {' or '.join(sorted(self.conditions))}"
        for breach in _who_may(sight, asked, self.scope, self.conditions):
            yield f"{breach} {without}"


@dataclass(frozen=True)
class Everybody:
    """Every person and system may do it, in all circumstances."""

    place: Place
    scope: Scope

    @property
    def actions(self) -> tuple[str, ...]:
        return self.scope.actions

    def breaches(self, sight: Sight) -> Iterator[str]:
        for point in self.scope.points(sight.points, sight.view.table.fields):
            for holder in sight.holders:
                reached = sight.reached(holder, point.department)
                if holder.signed_in and not sight.view.certain(reached, point):
                    yield f"{holder} may not always {point}"


@dataclass(frozen=True)
class Exactly:
    """What a role may do, action by action: all of these somewhere, and nothing else anywhere.

    What everybody signed in may do is not listed again. granted_in: the departments that the
    statement is about; empty for wherever the role can be granted.
    """

    place: Place
    role: str
    listed: tuple[str, ...]
    granted_in: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        return ()

    def breaches(self, sight: Sight) -> Iterator[str]:
        for holder in sight.holders:
            if holder.role != self.role:
                continue
            if self.granted_in and holder.granted_in not in self.granted_in:
                continue
            for action in sight.points:
                every = sight.universe.points[action]
                if action in self.listed:
                    if not any(sight.possible(holder, point) for point in every):
                        yield f"{holder} may nowhere {action}"
                    continue
                found = next((point for point in every if sight.by_role(holder, point)), None)
                if found is not None:
                    yield f"{holder} may {found}"


@dataclass(frozen=True)
class SecondPerson:
    """To do any of these needs so many other people."""

    place: Place
    needed_for: tuple[str, ...]
    people: int = 1

    def breaches(self, obligations: Obligations, _rules: Rules) -> Iterator[str]:
        for action in self.needed_for:
            asked = sum(slot.people for slot in obligations.needed(action))
            if asked < self.people:
                yield f"{action} needs {asked or 'no'} other people, not {self.people}"


@dataclass(frozen=True)
class Privileged:
    """These roles, and no others, are privileged: to give them needs what `grant.add` needs."""

    place: Place
    roles: tuple[str, ...]

    def breaches(self, obligations: Obligations, rules: Rules) -> Iterator[str]:
        for role in sorted(rules.roles - RESERVED_ROLES):
            privileged = obligations.is_privileged(rules, role)
            if privileged and role not in self.roles:
                yield f"{role} is privileged"
            elif not privileged and role in self.roles:
                yield f"{role} is not privileged"


Duty = SecondPerson | Privileged
"""What must hold of `obligations.toml`."""


def _who_may(
    sight: Sight,
    holders: Iterable[Holder],
    scope: Scope,
    failing: frozenset[str] = frozenset(),
) -> Iterator[str]:
    asked = tuple(holders)
    if not asked:
        return
    for point in scope.points(sight.points, sight.view.table.fields):
        for holder in asked:
            if sight.possible(holder, point, failing | scope.leaving_out):
                yield f"{holder} may {point}"
