"""What makes a policy wrong: names that do not exist, wildcards too wide, rows that contradict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from secvault.access.conditions import read_condition
from secvault.access.rows import Link, Rule
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    GRANTED_EVERYWHERE,
    IN_ANY_DEPARTMENT,
    LOCAL_SUBJECTS,
    FieldClasses,
    department_of,
    is_object,
    is_role,
)
from secvault.errors import ConfigurationError, FieldError

# Casbin follows ten links and silently ignores a deny behind the eleventh.
DEEPEST = 8
_RULE_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")


@dataclass
class Faults:
    """The faults found in one file, raised together so that they can be mended together."""

    file: str
    found: list[FieldError] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Note a fault; `text` continues the words `<file> line <line>: `."""
        self.found.append(FieldError(f"{self.file} line {line}", text))

    def raise_if_any(self) -> None:
        """Raise ConfigurationError with all faults; the first ten are in its text."""
        if not self.found:
            return
        shown = "; ".join(f"{fault.field}: {fault.detail}" for fault in self.found[:10])
        more = f"; and {len(self.found) - 10} more" if len(self.found) > 10 else ""
        raise ConfigurationError(shown + more, fields=tuple(self.found))


def check_rule(
    rule: Rule, fields: FieldClasses, collections: Mapping[str, str], faults: Faults
) -> None:
    """Note everything that is wrong with one rule by itself."""

    def fault(text: str) -> None:
        faults.add(rule.line, text)

    if not is_role(rule.sub):
        fault(
            f"sub {rule.sub!r} is not a role such as role:hr.clerk; people and systems get rights "
            "through grants of roles only"
        )
    _check_domain(rule, fault_to=faults)
    if rule.eft not in ("allow", "deny"):
        fault(f"eft {rule.eft!r} must be allow or deny, in small letters")
    if not _RULE_ID.fullmatch(rule.id):
        fault(f"id {rule.id!r}: use a letter, then letters, digits and '-', 40 at most")
    try:
        read_condition(rule.cond)
    except ValueError as error:
        fault(f"cond {rule.cond!r} {error}")
    if rule.act == ALL and rule.eft == "deny":
        if rule.fld != ALL or rule.obj not in {ALL, *collections}:
            fault("a deny of every action takes '*' or a collection as obj, and '*' as fld")
    elif rule.act not in ACTIONS:
        why = "'*' is for deny only" if rule.act == ALL else "there is no such action"
        fault(f"act {rule.act!r}: {why}; there are {', '.join(sorted(ACTIONS))}")
    elif not is_object(rule.act, rule.obj, collections) and rule.obj != ALL:
        fault(f"obj {rule.obj!r} cannot be the object of {rule.act} ({ACTIONS[rule.act]})")
    else:
        _check_field(rule, fields, collections, faults)


def _check_domain(rule: Rule, *, fault_to: Faults) -> None:
    if rule.dom != ALL and rule.dom not in DEPARTMENTS:
        fault_to.add(rule.line, f"dom {rule.dom!r}: there are {', '.join(DEPARTMENTS)}")
    elif rule.sub in IN_ANY_DEPARTMENT:
        return
    elif rule.dom == ALL:
        listed = ", ".join(sorted(IN_ANY_DEPARTMENT))
        fault_to.add(rule.line, f"dom '*' is for these roles only: {listed}")
    elif is_role(rule.sub) and rule.dom != department_of(rule.sub):
        fault_to.add(
            rule.line,
            f"dom {rule.dom!r} is not the department of {rule.sub}; make a role "
            f"role:{rule.dom}.<name> for it",
        )


def _check_field(
    rule: Rule, fields: FieldClasses, collections: Mapping[str, str], faults: Faults
) -> None:
    if ACTIONS[rule.act] == COLLECTION and ALL not in (rule.obj, rule.dom):
        home = collections[rule.obj]
        if home != rule.dom:
            faults.add(rule.line, f"obj {rule.obj!r} belongs to {home}, not to {rule.dom}")
    if rule.fld == ALL:
        return
    if rule.act not in FIELD_ACTIONS:
        faults.add(rule.line, f"fld {rule.fld!r}: {rule.act} is about no field, write '*'")
        return
    prefix, colon, known = rule.fld.partition(":")
    if colon:
        if prefix != "class" or known not in CLASSES:
            classes = ", ".join(f"class:{one}" for one in CLASSES)
            faults.add(rule.line, f"fld {rule.fld!r}: there are {classes}")
        return
    reached = [
        name
        for name, home in collections.items()
        if rule.obj in (ALL, name) and rule.dom in (ALL, home)
    ]
    if not any(rule.fld in fields.get(name, {}) for name in reached):
        faults.add(rule.line, f"fld {rule.fld!r} is in no collection that the rule is about")


def check_link(link: Link, faults: Faults) -> None:
    """Note everything that is wrong with one g row by itself."""
    if not is_role(link.role):
        faults.add(link.line, f"{link.role!r} is not a role such as role:hr.clerk")
        return
    if link.member in LOCAL_SUBJECTS:
        if link.department != ALL or link.role not in GRANTED_EVERYWHERE:
            listed = ", ".join(sorted(GRANTED_EVERYWHERE))
            faults.add(link.line, f"{link.member} takes one of {listed}, in the department '*'")
    elif not is_role(link.member):
        faults.add(
            link.line,
            f"{link.member!r} is neither a role nor one of {', '.join(sorted(LOCAL_SUBJECTS))}; "
            "roles of people and service accounts are grants, kept in the store",
        )
    elif {link.member, link.role} & IN_ANY_DEPARTMENT:
        faults.add(
            link.line,
            "a role that may be granted in any department neither inherits nor is inherited "
            "(a deny would be lost in some of them); write its rules out",
        )
    elif not link.department == department_of(link.member) == department_of(link.role):
        faults.add(
            link.line, "both roles and the department of an inheritance must be the same department"
        )


def check_whole(rules: tuple[Rule, ...], links: tuple[Link, ...], faults: Faults) -> None:
    """Note what is wrong between rows: repeats, contradictions, dead ends, cycles, depth."""
    if not rules:
        faults.add(1, "there is no rule at all; a policy without rules is refused")
    _check_repeats(rules, links, faults)
    known = {rule.sub for rule in rules} | {link.member for link in links if link.between_roles}
    for link in links:
        if link.role not in known:
            faults.add(link.line, f"{link.role} has no rules; is the name misspelt?")
    _check_depth(links, faults)


def _check_repeats(rules: Iterable[Rule], links: Iterable[Link], faults: Faults) -> None:
    ids: dict[str, int] = {}
    rows: dict[tuple[str, ...], Rule] = {}
    for rule in rules:
        if rule.id in ids:
            faults.add(rule.line, f"id {rule.id!r} is already that of line {ids[rule.id]}")
        ids.setdefault(rule.id, rule.line)
        key = (rule.sub, rule.dom, rule.obj, rule.fld, rule.act, rule.cond)
        twin = rows.setdefault(key, rule)
        if twin is not rule and twin.eft == rule.eft:
            faults.add(rule.line, f"says the same as line {twin.line}; keep one of them")
        elif twin is not rule:
            faults.add(rule.line, f"contradicts line {twin.line}: the deny would always win")
    seen: dict[Link, int] = {}
    for link in links:
        if link in seen:
            faults.add(link.line, f"says the same as line {seen[link]}; keep one of them")
        seen.setdefault(link, link.line)


def _check_depth(links: tuple[Link, ...], faults: Faults) -> None:
    parents: dict[tuple[str, str], list[Link]] = {}
    for link in links:
        parents.setdefault((link.department, link.member), []).append(link)

    def climb(link: Link, path: tuple[str, ...]) -> str | None:
        if link.role in path:
            return f"{' > '.join((*path, link.role))} is a circle; take one link out"
        if len(path) >= DEEPEST:
            return f"{' > '.join((*path, link.role))} is deeper than {DEEPEST} roles"
        for above in parents.get((link.department, link.role), []):
            if found := climb(above, (*path, link.role)):
                return found
        return None

    for link in links:
        if link.between_roles and (found := climb(link, (link.member,))):
            faults.add(link.line, found)
            return
