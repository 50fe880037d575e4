"""Who may do something, and what somebody may do: over everybody and everything, exactly.

Both say under which conditions, and agree with `decide` for every outcome of those: `when` lists
conditions of which one must hold (none: it always may), `unless` those of which none may. How a
condition comes out is a matter of the single request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secvault.access.explain import Basis, covers, rules_about
from secvault.access.rows import Case, Rule
from secvault.access.snapshot import Snapshot
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
    is_grantee,
    is_object,
)
from secvault.access.ways import Way, home_of, inherited, keep_longer, members, unknown, ways_of

ALWAYS = "always"
_NOBODY = "user:0"


@dataclass(frozen=True)
class Entitled:
    """Somebody who may. rule: the one that lets them, by the role that `way` leads to.

    when: one of these conditions must hold; empty when none need. unless: none of these may.
    """

    subject: str
    rule: str
    way: Way
    when: tuple[str, ...]
    unless: tuple[str, ...]

    @property
    def until(self) -> int | None:
        """When this way ends, in microseconds; None for never."""
        return self.way.until


@dataclass(frozen=True)
class Entitlement:
    """Something that the subject may do in a department.

    objects: `*` for all of the sort but those in `excepting`; a collection is always named, `*`
    there is a request about no single one. fields: `*` for a request about no single field,
    `class:<class>` for all fields of a class, else names. rules: that let them. The rest as in
    `Entitled`.
    """

    department: str
    action: str
    objects: tuple[str, ...]
    fields: tuple[str, ...]
    rules: tuple[str, ...]
    way: Way
    when: tuple[str, ...]
    unless: tuple[str, ...]
    excepting: tuple[str, ...] = ()

    @property
    def until(self) -> int | None:
        """When this way ends, in microseconds; None for never."""
        return self.way.until


def who_can(
    snapshot: Snapshot,
    *,
    action: str,
    department: str,
    object: str,  # noqa: A002 - as in AccessRequest
    field: str = NO_FIELD,
    subjects: Iterable[str] = (),
) -> tuple[Entitled, ...]:
    """Everybody who may do this at the snapshot's moment, by subject.

    subjects: people and systems beside those who have a role; what everybody signed in may do,
    they may. None of whoever has a grant that cannot be.
    """
    basis = snapshot.basis
    case = Case(_NOBODY, department, object, field, action)
    if fault_in(snapshot, action, department, object, field):
        return ()
    about = [rule for rule in rules_about(basis, case) if covers(basis, rule, case)]
    meant = {rule.sub for rule in about}
    ways: dict[str, dict[str, Way]] = {}
    reached: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {}
    for subject, role, grant, domain in members(basis, department):
        if (role, domain) not in reached:
            every = inherited(basis, role, domain)
            reached[role, domain] = tuple(every[one] for one in every if one in meant)
        for roles in reached[role, domain]:
            keep_longer(ways.setdefault(subject, {}), Way(subject, roles, grant))
    if SIGNED_IN in meant:
        holders = {s for steps in basis.steps.values() for s in steps if is_grantee(s)}
        for subject in holders.union(one for one in subjects if is_grantee(one)):
            ways.setdefault(subject, {})[SIGNED_IN] = Way(subject, (SIGNED_IN,))
    found = (
        _entitled(basis, about, ways[subject])
        for subject in sorted(ways)
        if subject not in snapshot.faults
    )
    return tuple(one for one in found if one is not None)


def fault_in(snapshot: Snapshot, action: str, department: str, obj: str, field: str) -> str:
    """Which of these names does not exist, or does not belong there; empty when all do."""
    case = Case(_NOBODY, department, obj, field, action)
    what = unknown(snapshot.basis, case)
    return what or ("" if home_of(snapshot.basis, case) == department else "department")


def what_can(
    snapshot: Snapshot,
    subject: str,
    *,
    departments: Iterable[str] = DEPARTMENTS,
    objects: Iterable[str] = (),
) -> tuple[Entitlement, ...]:
    """Everything that the subject may do at the snapshot's moment, by department and action.

    objects: names of keys (`transit/payroll`) and plans to look at beside those in the rules; the
    others are all alike.
    """
    basis = snapshot.basis
    if subject in snapshot.faults:
        return ()
    named = {rule.obj for rules in basis.rules.values() for rule in rules} | set(objects)
    found: list[Entitlement] = []
    for department in departments:
        ways = ways_of(basis, subject, department)
        for action in ACTIONS:
            about = [rule for rule in basis.rules.get(action, ()) if rule.sub in ways]
            if about:
                found += _of_action(basis, subject, department, action, about, ways, named)
    return tuple(found)


def _entitled(basis: Basis, about: Iterable[Rule], ways: Mapping[str, Way]) -> Entitled | None:
    """What the rules that are about a request make of whoever has these roles."""
    held = [rule for rule in about if rule.sub in ways]
    # A condition that cannot be read opens nothing, and lifts nothing.
    denying = {
        rule.cond if basis.conditions.get(rule.cond) else ALWAYS
        for rule in held
        if rule.eft == "deny"
    }
    allowing = [rule for rule in held if rule.eft == "allow" and basis.conditions.get(rule.cond)]
    if ALWAYS in denying or not allowing:
        return None
    freely = [rule for rule in allowing if rule.cond == ALWAYS]
    best = max(freely or allowing, key=lambda rule: _length(ways[rule.sub]))
    when = () if freely else tuple(sorted({rule.cond for rule in allowing}))
    way = ways[best.sub]
    return Entitled(way.subject, best.id, way, when, tuple(sorted(denying)))


def _of_action(
    basis: Basis,
    subject: str,
    department: str,
    action: str,
    about: list[Rule],
    ways: Mapping[str, Way],
    named: set[str],
) -> Iterator[Entitlement]:
    rows: dict[Entitlement, list[str]] = {}
    of_all: set[Entitlement] = set()
    different: list[str] = []
    for obj in _objects(basis, department, action, named):
        by_field = {
            field: _entitled(
                basis, _about(basis, about, Case(subject, department, obj, field, action)), ways
            )
            for field in _fields(basis, action, obj)
        }
        made = tuple(_grouped(basis, department, action, obj, by_field))
        if ACTIONS[action] in (KEY, PLAN):
            if obj == ALL:
                of_all = set(made)
            elif set(made) == of_all:
                continue
            else:
                different.append(obj)
        for one in made:
            rows.setdefault(one, []).append(obj)
    for one, objects in rows.items():
        yield Entitlement(
            one.department,
            one.action,
            tuple(objects),
            one.fields,
            one.rules,
            one.way,
            one.when,
            one.unless,
            tuple(name for name in different if ALL in objects and name not in objects),
        )


def _about(basis: Basis, rules: Iterable[Rule], case: Case) -> Iterator[Rule]:
    for rule in rules:
        fits = rule.dom in (ALL, case.department) and rule.obj in (ALL, case.object)
        if fits and covers(basis, rule, case):
            yield rule


def _objects(basis: Basis, department: str, action: str, named: set[str]) -> tuple[str, ...]:
    kind = ACTIONS[action]
    if kind == COLLECTION:
        homes = basis.collections.items()
        return (ALL, *sorted(name for name, home in homes if home == department))
    if kind in (KEY, PLAN):
        fitting = (one for one in named if is_object(action, one, basis.collections))
        return (ALL, *sorted(one for one in fitting if one != ALL))
    return (kind,)


def _fields(basis: Basis, action: str, obj: str) -> tuple[str, ...]:
    if action not in FIELD_ACTIONS:
        return (NO_FIELD,)
    return (NO_FIELD, *basis.fields.get(obj, {}))


def _grouped(
    basis: Basis, department: str, action: str, obj: str, by_field: Mapping[str, Entitled | None]
) -> Iterator[Entitlement]:
    """Fields that may be used alike, put together: by whole classes where that is all of one."""
    alike: dict[tuple[Way, tuple[str, ...], tuple[str, ...]], dict[str, str]] = {}
    for field, one in by_field.items():
        if one is not None:
            alike.setdefault((one.way, one.when, one.unless), {})[field] = one.rule
    classes: dict[str, set[str]] = {}
    for field, known in basis.fields.get(obj, {}).items():
        classes.setdefault(known, set()).add(field)
    for (way, when, unless), rules in alike.items():
        whole = [known for known, all_of in classes.items() if all_of <= rules.keys()]
        covered = {field for known in whole for field in classes[known]}
        fields = [
            *(field for field in rules if field == NO_FIELD),
            *(f"class:{known}" for known in sorted(whole)),
            *(field for field in rules if field not in covered and field != NO_FIELD),
        ]
        used = tuple(dict.fromkeys(rules.values()))
        yield Entitlement(department, action, (), tuple(fields), used, way, when, unless)


def _length(way: Way) -> float:
    return float("inf") if way.until is None else way.until
