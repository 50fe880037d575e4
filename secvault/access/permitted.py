"""What somebody may do an action to: a finite list, from which a caller makes a query.

A page that is filtered after it was read has holes in it, and its number of hits tells of what it
leaves out. So whoever lists things asks for this first, and reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from secvault.access.conditions import AccessContext, Condition, Outcome, fires, outcome
from secvault.access.explain import Basis, roles_of
from secvault.access.narrowing import Narrowing, within
from secvault.access.rows import Case, Rule
from secvault.access.scope import admits, is_scope, objects_in
from secvault.access.snapshot import Snapshot
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    KEY,
    NO_FIELD,
    PLAN,
    field_matches,
    is_object,
    is_subject,
)

Conjunction = tuple[str, ...]
"""Names of conditions, as rules have them; all must hold. Empty: nothing more is needed."""


@dataclass(frozen=True)
class Permitted:
    """An object of a department that the action may be done to, and when.

    object: a collection, a key, a plan or the fixed name. For keys and plans it may be `*`: every
    one in the department that has no entry of its own. conditions: what is left to be asked about
    each single thing (a record, for instance): one of them must hold, each with all its names; an
    empty one among them means that nothing is left to ask. Where there is none at all, nothing is
    permitted; that only happens beside a `*`. unless: conjunctions of denies; when one of them
    holds, *or cannot be told*, nothing is permitted, whatever `conditions` say.
    Conditions that the context alone decides are decided, and not named.
    """

    department: str
    object: str
    conditions: tuple[Conjunction, ...]
    unless: tuple[Conjunction, ...] = ()


def permitted(
    snapshot: Snapshot,
    subject: str,
    action: str,
    context: AccessContext,
    *,
    narrowing: Narrowing = (),
    departments: Iterable[str] = DEPARTMENTS,
    field: str = NO_FIELD,
) -> tuple[Permitted, ...]:
    """All that `subject` may do `action` to at the moment `context.at`, in the order of names.

    field: the field that is meant; a collection without it is left out. What is said of the
    object in `context` is not looked at. Empty when the subject, the action, or the moment
    is none that this snapshot can speak of: nothing is permitted then.
    """
    known = is_subject(subject) and action in ACTIONS and snapshot.covers(context.at)
    if not known or subject in snapshot.faults:
        return ()
    found: list[Permitted] = []
    for department in dict.fromkeys(departments):
        if department in DEPARTMENTS:
            found += _in(snapshot.basis, subject, action, context, narrowing, department, field)
    return tuple(sorted(found, key=lambda one: (one.department, one.object)))


def _in(
    basis: Basis,
    subject: str,
    action: str,
    context: AccessContext,
    narrowing: Narrowing,
    department: str,
    field: str,
) -> Iterator[Permitted]:
    held = frozenset(roles_of(basis, subject, department))
    left = within(basis, held, narrowing, department)
    firing = [
        (rule, names)
        for rule in basis.rules.get(action, ())
        if rule.dom in (ALL, department) and rule.sub in (left if rule.eft == "allow" else held)
        for names in (_left_open(rule, basis.conditions.get(rule.cond), context),)
        if names is not None
    ]
    if not any(rule.eft == "allow" for rule, _ in firing):
        return
    named = (*(rule.obj for rule, _ in firing), *objects_in(narrowing))
    names = _objects(basis, action, department, named)
    general = False
    for name in names:
        if field != NO_FIELD and field not in basis.fields.get(name, {}):
            continue
        case = Case(subject, department, name, field, action)
        if not all(admits(layer, case) for layer in narrowing if is_scope(layer)):
            one = Permitted(department, name, ())
        else:
            one = _one(basis, case, firing)
        if name == ALL:
            general = bool(one.conditions)
        if one.conditions or (general and name != ALL):
            yield one


def _objects(basis: Basis, action: str, department: str, named: Iterable[str]) -> tuple[str, ...]:
    """What the action can be done to there; `*` first, so that exceptions to it can follow."""
    kind = ACTIONS[action]
    if kind == COLLECTION:
        return tuple(name for name, home in basis.collections.items() if home == department)
    if kind in (KEY, PLAN):
        fitting = (name for name in named if name != ALL and is_object(action, name, {}))
        return (ALL, *dict.fromkeys(fitting))
    return (kind,)


def _one(basis: Basis, case: Case, firing: list[tuple[Rule, Conjunction]]) -> Permitted:
    conditions: dict[Conjunction, None] = {}
    unless: dict[Conjunction, None] = {}
    for rule, names in firing:
        if rule.obj not in (ALL, case.object) or not field_matches(
            basis.fields, case.object, case.field, rule.fld, rule.eft
        ):
            continue
        (conditions if rule.eft == "allow" else unless)[names] = None
    if () in unless:
        return Permitted(case.department, case.object, ())
    if () in conditions:
        conditions = {(): None}
    return Permitted(case.department, case.object, tuple(conditions), tuple(unless))


def _left_open(
    rule: Rule, condition: Condition | None, context: AccessContext
) -> Conjunction | None:
    """What is left to ask before the rule fires; None when it does not, whatever is asked."""
    if condition is None:
        return () if fires(Outcome.BROKEN, rule.eft) else None
    names: list[str] = []
    for name, part in condition.parts or ((rule.cond, condition),):
        if part.about_object:
            names.append(name)
        elif not fires(outcome(part, context), rule.eft):
            return None
    return tuple(names)
