"""One-step changes of a policy, such as a slip of the pen or somebody's intent would make.

Only what the reader of `roles.csv` would accept: the rest can never come into force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from secvault.access import lint
from secvault.access.conditions import read_condition
from secvault.access.lint import Faults
from secvault.access.policytest.table import ALWAYS, Change
from secvault.access.policytest.universe import any_field, new_collection, objects_of
from secvault.access.rows import Link, Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    DEPARTMENTS,
    FIELD_ACTIONS,
    GRANTED_EVERYWHERE,
    LOCAL_SUBJECTS,
)

_CLASS = "class:"
_HARDER = "aal2_fresh:300"
_ORDINARY = f"{_CLASS}normal"


@dataclass(frozen=True)
class Mutant:
    """A changed policy. name: stable. line: of `roles.csv`. sort: what was done to the row."""

    name: str
    sort: str
    line: int
    text: str
    change: Change


def mutants_of(rules: Rules) -> Iterator[Mutant]:
    """Every mutant of the policy, in the order of its rows."""
    rows = {_key(rule) for rule in rules.rules}
    for rule in rules.rules:
        yield Mutant(
            f"{rule.id}/drop", "drop", rule.line, "without the row", Change(frozenset({rule.id}))
        )
        for sort, name, made in _replacements(rule, rules):
            if _accepted(made, rules) and _key(made) not in rows:
                text = f"with {name} for {_was(rule, made)}"
                yield Mutant(
                    f"{rule.id}/{name}",
                    sort,
                    rule.line,
                    text,
                    Change(frozenset({rule.id}), (made,)),
                )
        for name, made in _additions(rule):
            # Two rows of a role often lead to the same addition: it is tried once.
            if _key(made) not in rows and _accepted(made, rules):
                rows.add(_key(made))
                yield Mutant(
                    f"{rule.id}/also {name}",
                    "widen",
                    rule.line,
                    f"and also with {name}",
                    Change(added=(made,)),
                )
    yield from _inheritance(rules)


def _replacements(rule: Rule, rules: Rules) -> Iterator[tuple[str, str, Rule]]:
    other = "deny" if rule.eft == "allow" else "allow"
    yield "flip", f"eft={other}", replace(rule, eft=other)
    for column, values in (
        ("dom", DEPARTMENTS if rule.dom == ALL else (ALL,)),
        ("obj", _narrower_objects(rule, rules) if rule.obj == ALL else (ALL,)),
        ("fld", _other_fields(rule, rules)),
        ("act", (ALL,) if rule.eft == "deny" and rule.act != ALL else ()),
        ("cond", _other_conditions(rule.cond)),
    ):
        before = getattr(rule, column)
        for value in values:
            narrower = before == ALL or (column == "cond" and before == ALWAYS)
            sort = "condition" if column == "cond" else "narrow" if narrower else "widen"
            yield sort, f"{column}={value}", _with(rule, column, value)


def _additions(rule: Rule) -> Iterator[tuple[str, Rule]]:
    if rule.act in FIELD_ACTIONS:
        for fld in (ALL, *(f"{_CLASS}{one}" for one in CLASSES if one != "normal")):
            yield f"fld={fld}", replace(rule, fld=fld)
    family = rule.act.partition(".")[0]
    for act, kind in ACTIONS.items():
        if act.partition(".")[0] == family and kind == ACTIONS[rule.act]:
            yield f"act={act}", replace(rule, act=act)


def _narrower_objects(rule: Rule, rules: Rules) -> Iterable[str]:
    new = {new_collection(department) for department in DEPARTMENTS}
    if rule.act == ALL:
        return [name for name in rules.collections if name not in new]
    homes = DEPARTMENTS if rule.dom == ALL else (rule.dom,)
    found = {obj: None for home in homes for obj in objects_of(rules, rule.act, home)}
    return [obj for obj in found if obj not in {ALL, *new}]


def _other_fields(rule: Rule, rules: Rules) -> Iterable[str]:
    if rule.act not in FIELD_ACTIONS:
        return ()
    if rule.fld == ALL:
        return (_ORDINARY,)
    if rule.fld == _ORDINARY:
        return (ALL,)
    named = rule.fld.removeprefix(_CLASS)
    reached = [
        classes
        for name, classes in rules.fields.items()
        if rule.obj in (ALL, name) and rule.dom in (ALL, rules.collections[name])
    ]
    if rule.fld.startswith(_CLASS):
        # The first field of the class stands for the slip "one field instead of the class".
        fields = (
            field
            for one in reached
            for field, known in one.items()
            if known == named and field != any_field(known)
        )
        return [*fields][:1]
    return {f"{_CLASS}{one[rule.fld]}": None for one in reached if rule.fld in one}


def _other_conditions(condition: str) -> Iterator[str]:
    if condition == ALWAYS:
        yield _HARDER
        return
    yield ALWAYS
    name, _, parameter = condition.partition(":")
    if parameter.isascii() and parameter.isdigit():
        for number in (int(parameter) * 2, int(parameter) // 2):
            changed = f"{name}:{number}"
            if _is_condition(changed):
                yield changed


def _is_condition(text: str) -> bool:
    try:
        read_condition(text)
    except ValueError:
        return False
    return True


def _inheritance(rules: Rules) -> Iterator[Mutant]:
    def mutant(link: Link, sort: str, what: str, text: str, links: Iterable[Link]) -> Mutant:
        name = f"{link.member}>{link.role}@{link.department}/{what}"
        return Mutant(name, sort, link.line, text, Change(links=tuple(links)))

    present = set(rules.links)
    for link in rules.links:
        rest = [one for one in rules.links if one != link]
        yield mutant(link, "drop", "drop", "without the inheritance", rest)
        if link.between_roles:
            turned = [*rest, Link(link.role, link.member, link.department, link.line)]
            if _links_accepted(rules, turned):
                yield mutant(link, "link", "turned", "with the inheritance turned round", turned)
    pairs = [
        Link(member, role, department)
        for member, role in permutations(sorted(rules.roles), 2)
        for department in (role.removeprefix("role:").partition(".")[0],)
    ]
    pairs += [
        Link(subject, role, ALL)
        for subject in sorted(LOCAL_SUBJECTS)
        for role in sorted(GRANTED_EVERYWHERE)
    ]
    for link in pairs:
        more = [*rules.links, link]
        if link not in present and _links_accepted(rules, more, link):
            text = f"if {link.member} also had all of {link.role}"
            yield mutant(link, "link", "also", text, more)


def _links_accepted(rules: Rules, links: Iterable[Link], link: Link | None = None) -> bool:
    faults = Faults("roles.csv")
    if link is not None:
        lint.check_link(link, faults)
        if faults.found:
            return False
    lint.check_whole(rules.rules, tuple(links), faults)
    return not faults.found


def _accepted(rule: Rule, rules: Rules) -> bool:
    faults = Faults("roles.csv")
    lint.check_rule(rule, rules.fields, rules.collections, faults)
    return not faults.found


def _with(rule: Rule, column: str, value: str) -> Rule:
    changed: dict[str, Any] = {column: value}
    return replace(rule, **changed)


def _key(rule: Rule) -> tuple[str, ...]:
    return (rule.sub, rule.dom, rule.obj, rule.fld, rule.act, rule.cond, rule.eft)


def _was(rule: Rule, made: Rule) -> str:
    for column in ("dom", "obj", "fld", "act", "cond", "eft"):
        if getattr(rule, column) != getattr(made, column):
            return str(getattr(rule, column))
    return ""
