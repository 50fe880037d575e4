"""What to add to a test file, as its author would write it."""

from __future__ import annotations

from collections.abc import Iterable

from secvault.access.policytest.table import Point
from secvault.access.policytest.universe import Holder, any_field, new_collection
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    COLLECTION,
    LOCAL_SUBJECTS,
    RESERVED_ROLES,
    SIGNED_IN,
    department_of,
)

_SUBJECT = "[subjects.somebody]"
_NOBODY_ELSE = "grants = []"


def case_lines(
    holders: Iterable[Holder], point: Point, answer: str, conditions: Iterable[str] = ()
) -> str:
    """A subject that holds these, and the case that asks for the point.

    conditions: those that the answer depends on, which the author has to see to.
    """
    held = tuple(holders)
    grants = ", ".join(_grant(one.role, one.granted_in) for one in held if one.granted_in)
    who = f"grants = [{grants}]" if grants else _NOBODY_ELSE
    local = [f'id = "{one.role}"' for one in held if not one.signed_in]
    facts = [_facts(one) for one in conditions]
    lines = [_SUBJECT, *(local or [who]), *facts, "", "[[case]]", 'subject = "somebody"']
    lines.append(f'department = "{point.department}"')
    new = new_collection(point.department)
    if ACTIONS[point.action] == COLLECTION and point.object != ALL:
        lines.append(f'object = "{"new" if point.object == new else point.object}"')
    if point.field != ALL:
        named = {any_field(known): f"class:{known}" for known in CLASSES}
        lines.append(f'field = "{named.get(point.field, point.field)}"')
    lines += [f'action = "{point.action}"', f'answer = "{answer}"']
    return "\n".join(lines)


def matrix_lines(rule: Rule, rules: Rules) -> str:
    """A subject that holds the rule's role, and the answer that rests on the rule."""
    where = rule.dom
    if rule.dom == ALL:
        where = "it" if rule.sub == SIGNED_IN else department_of(rule.sub)
    lines = [_SUBJECT, _holding(rule.sub, where, rules)]
    if rule.cond != "always":
        lines.append(_facts(rule.cond))
    lines += ["", "[[matrix]]", 'subjects = ["somebody"]', f'department = "{where}"']
    action = rule.act if rule.act != ALL else "record.list"
    if ACTIONS[action] == COLLECTION:
        homes = [name for name, home in rules.collections.items() if home == where]
        obj = rule.obj if rule.obj != ALL else next(iter(homes), ALL)
        lines.append(f'objects = ["{obj}"]')
    lines.append(f'actions = ["{action}"]')
    answer = f'"{rule.eft}"'
    lines.append(
        f"answer = {answer}" if rule.fld == ALL else f'fields = {{ "{rule.fld}" = {answer} }}'
    )
    return "\n".join(lines)


def _facts(condition: str) -> str:
    return f"# facts = {{ ... }}, as {condition} asks for"


def _holding(role: str, department: str, rules: Rules) -> str:
    if role not in RESERVED_ROLES:
        return f"grants = [{_grant(role, department)}]"
    named = [link.member for link in rules.links if link.role == role]
    local = [name for name in named if name in LOCAL_SUBJECTS]
    return f'id = "{local[0]}"' if local else _NOBODY_ELSE


def _grant(role: str, department: str) -> str:
    return f'{{ role = "{role}", department = "{department}" }}'
