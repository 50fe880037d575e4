"""Everything that can be asked for, and everybody who can ask: finite, so it is gone through whole.

A policy must hold for the fields and collections that a company adds, too: each collection gets one
more field of each class, named by `any_field`, and each department one more collection, named by
`new_collection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from secvault.access.policytest.table import Point, Seeds
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    GRANTED_EVERYWHERE,
    IN_ANY_DEPARTMENT,
    KEY,
    LOCAL_SUBJECTS,
    NO_FIELD,
    PLAN,
    RESERVED_ROLES,
    SIGNED_IN,
    department_of,
    is_object,
)

# No rule of a policy names these unless it means them: one key and one plan stand for all others.
_SOME = {KEY: "any/key", PLAN: "any-plan"}


@dataclass(frozen=True)
class Holder:
    """One who holds a single role, or none: the smallest who can tell two policies apart.

    role: `SIGNED_IN` for somebody without a grant; the subject's own name for a local one.
    granted_in: the department of the grant, `*` for all; empty without one.
    """

    role: str
    granted_in: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether they are a person or a system, who hold what everybody does."""
        return self.role not in LOCAL_SUBJECTS

    @property
    def seeds(self) -> Seeds:
        """What they hold directly."""
        if self.granted_in:
            return ((self.role, self.granted_in),)
        if self.signed_in:
            return ()
        return tuple((self.role, where) for where in (ALL, *DEPARTMENTS))

    def __str__(self) -> str:
        if self.role in LOCAL_SUBJECTS:
            return self.role
        if not self.granted_in:
            return "everybody signed in"
        where = "every department" if self.granted_in == ALL else self.granted_in
        return f"{self.role} of {where}"


@dataclass(frozen=True)
class Universe:
    """All holders, and all points by action."""

    holders: tuple[Holder, ...]
    points: Mapping[str, tuple[Point, ...]]


def any_field(known: str) -> str:
    """The name of the field that stands for all of a class, in each collection."""
    return f"<{known}>"


def new_collection(department: str) -> str:
    """The name of the collection that stands for those that a department has not got yet."""
    return f"<new in {department}>"


def with_everything(rules: Rules) -> Rules:
    """The same policy over a schema that has a new collection everywhere, and all fields in all."""
    added = {new_collection(department): department for department in DEPARTMENTS}
    collections = {**rules.collections, **added}
    extra = {any_field(known): known for known in CLASSES}
    fields = {name: {**rules.fields.get(name, {}), **extra} for name in collections}
    return replace(rules, fields=fields, collections=collections)


def universe_of(rules: Rules) -> Universe:
    """The universe of a policy that went through `with_everything`."""
    return Universe(
        tuple(_holders(rules)), {action: tuple(_points(rules, action)) for action in ACTIONS}
    )


def granted_in(role: str) -> tuple[str, ...]:
    """The departments that a role can be granted in, `*` for all at once."""
    if role in RESERVED_ROLES:
        return ()
    everywhere = (ALL,) if role in GRANTED_EVERYWHERE else ()
    return (*everywhere, *DEPARTMENTS) if role in IN_ANY_DEPARTMENT else (department_of(role),)


def objects_of(rules: Rules, action: str, department: str) -> tuple[str, ...]:
    """What an action can be done to in a department: each one, and `*` for no single one."""
    kind = ACTIONS[action]
    if kind == COLLECTION:
        return (ALL, *(name for name, home in rules.collections.items() if home == department))
    if kind not in _SOME:
        return (kind,)
    named = {
        rule.obj
        for rule in rules.rules
        if rule.act == action and rule.obj != ALL and is_object(action, rule.obj, rules.collections)
    }
    return (ALL, _SOME[kind], *sorted(named))


def fields_of(rules: Rules, action: str, obj: str) -> Iterable[str]:
    """The fields that the action can name there, and no single one."""
    return (NO_FIELD, *(rules.fields.get(obj, {}) if action in FIELD_ACTIONS else ()))


def _points(rules: Rules, action: str) -> Iterator[Point]:
    for department in DEPARTMENTS:
        for obj in objects_of(rules, action, department):
            for field in fields_of(rules, action, obj):
                yield Point(department, obj, field, action)


def _holders(rules: Rules) -> Iterator[Holder]:
    yield Holder(SIGNED_IN)
    for subject in sorted(LOCAL_SUBJECTS):
        yield Holder(subject)
    for role in sorted(rules.roles):
        for department in granted_in(role):
            yield Holder(role, department)
