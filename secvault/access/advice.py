"""What a policy may say, and its author may not have meant: advice, beside the faults of `lint`.

A rule whose every cell other rules of the same role open already adds nothing; one that matches
nothing waits for a field that is not there. Everything here is found over the same finite universe
as `difference` compares, so that it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from secvault.access.bundle import ROLES
from secvault.access.difference import ALWAYS, Cell, Sight, sights
from secvault.access.grants import Grant
from secvault.access.obligations import FILE, GIVE, Obligations
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    RESERVED_ROLES,
)

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something to look at. line: 0 where none can be named. code: stable, for programs."""

    level: Level
    file: str
    line: int
    code: str
    text: str

    @property
    def where(self) -> str:
        """File, and line if there is one."""
        return f"{self.file}:{self.line}" if self.line else self.file


def advise(rules: Rules, obligations: Obligations) -> tuple[Finding, ...]:
    """What can be said of the files alone."""
    sight, _ = sights(rules, rules)
    found = [
        *_idle_rules(sight),
        *_wide_rules(rules),
        *_unreachable(sight),
        *_unguarded(rules, obligations),
    ]
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.code, one.text)))


def advise_on_grants(
    rules: Rules, obligations: Obligations, grants: Iterable[Grant], at: int
) -> tuple[Finding, ...]:
    """What can be said of the files when it is known who holds what. at: microseconds."""
    live = [one for one in grants if one.expires_at is None or one.expires_at > at]
    held = {grant.role for grant in live}
    inherited = {link.role for link in rules.links}
    lines = {rule.sub: rule.line for rule in reversed(rules.rules)}
    found = [
        Finding("note", ROLES, lines.get(role, 0), "role-nobody-holds", f"nobody holds {role}")
        for role in sorted(rules.roles - RESERVED_ROLES - held - inherited)
    ]
    found += [
        Finding(
            "warning",
            ROLES,
            lines.get(grant.role, 0),
            "privileged-without-end",
            f"{grant.subject} holds the privileged {grant.role} in {grant.department} without end "
            f"(grant {grant.id})",
        )
        for grant in live
        if grant.expires_at is None
        and grant.role in rules.roles
        and obligations.is_privileged(rules, grant.role)
    ]
    return tuple(found)


def _idle_rules(sight: Sight) -> Iterator[Finding]:
    every: dict[str, list[Rule]] = {}
    for rule in sight.rules.rules:
        every.setdefault(rule.sub, []).append(rule)
    for rule in sight.rules.rules:
        cells = _cells_of(sight, rule)
        if not any(cells.values()):
            text = f"{rule.id} matches nothing: no object or field is of the kind that it names"
            yield Finding("note", ROLES, rule.line, "matches-nothing", text)
        elif rule.eft == "allow":
            others = _others(sight, rule, every)
            if all(cells[where] <= others.get(where, set()) for where in cells):
                text = f"{rule.id} adds nothing: other rules of {rule.sub} allow all of it already"
                yield Finding("warning", ROLES, rule.line, "shadowed", text)


def _cells_of(sight: Sight, rule: Rule) -> Mapping[str, set[Cell]]:
    wheres = DEPARTMENTS if rule.dom == ALL else (rule.dom,)
    return {where: set(sight.cells(rule, where)) for where in wheres}


def _others(sight: Sight, rule: Rule, every: Mapping[str, list[Rule]]) -> Mapping[str, set[Cell]]:
    """What is allowed to the role without this rule, whenever this rule would allow it."""
    found: dict[str, set[Cell]] = {}
    for where in DEPARTMENTS if rule.dom == ALL else (rule.dom,):
        for role in sight.held([(rule.sub, where)], where):
            for other in every.get(role, ()):
                if (
                    other is not rule
                    and other.eft == "allow"
                    and other.act == rule.act
                    and other.dom in (ALL, where)
                    and other.obj in (ALL, rule.obj)
                    and other.cond in (ALWAYS, rule.cond)
                ):
                    found.setdefault(where, set()).update(sight.cells(other, where))
    return found


def _wide_rules(rules: Rules) -> Iterator[Finding]:
    for rule in rules.rules:
        everywhere = rule.dom == ALL and rule.sub not in RESERVED_ROLES
        if everywhere and rule.obj == ALL and rule.eft == "allow":
            text = f"{rule.id} allows {rule.act} on everything, in every department that it is for"
            yield Finding("note", ROLES, rule.line, "wide", text)
        if rule.act == ALL and rule.obj == ALL:
            text = f"{rule.id} forbids {rule.sub} everything, whatever other roles allow"
            yield Finding("warning", ROLES, rule.line, "forbids-everything", text)


def _unreachable(sight: Sight) -> Iterator[Finding]:
    rules = sight.rules
    grantable = sorted(rules.roles - RESERVED_ROLES)
    homes = set(rules.collections.values())
    for department in DEPARTMENTS:
        if department not in homes:
            continue
        reached = {
            cell[1]
            for role in grantable
            for held in sight.held([(role, department)], department)
            for cell in sight.opened(held, department)
            if ACTIONS[cell[0]] == COLLECTION and cell[1] != ALL
        }
        for name, home in sorted(rules.collections.items()):
            if home == department and name not in reached:
                text = f"no role that can be given opens anything of {name} in {department}"
                yield Finding("warning", ROLES, 0, "unreachable", text)


def _unguarded(rules: Rules, obligations: Obligations) -> Iterator[Finding]:
    allowed = {rule.act for rule in rules.rules if rule.eft == "allow"}
    for action, why in (
        ("policy.apply", "whoever may apply a policy can give themselves every right"),
        ("grant.add", "whoever may give roles can give privileged ones alone"),
    ):
        if action in allowed and not obligations.needed(action):
            yield Finding("warning", FILE, 0, "alone", f"{action} needs nobody else: {why}")
    if GIVE not in allowed:
        text = f"no role allows {GIVE}, so nothing that needs an approval can be done"
        yield Finding("warning", ROLES, 0, "nobody-approves", text)
