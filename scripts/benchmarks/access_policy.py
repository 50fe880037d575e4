"""A policy of any size, with people, and requests: what the engines are measured on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from secvault.access import AccessContext, AccessRequest, Grant, Rules
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble
from secvault.access.vocabulary import CLASSES, COLLECTIONS, DEPARTMENTS, FIELD_ACTIONS

ROWS_OF_A_ROLE = 20
LINKS = 100_000
INHERITED = 5_000
PEOPLE = 60_000
AT = 1_700_000_000_000_000
"""The moment that requests are for, in microseconds."""

_DAY = 86_400_000_000
_FIELDS = {f"{known}_{n}": known for known in CLASSES for n in range(2)}
FIELDS = dict.fromkeys(COLLECTIONS, _FIELDS)
_RECORDS = ("record.read", "record.update", "record.list", "record.delete", "record.read_masked")
_MODEL = Path(__file__).parents[2] / "policies" / "model.conf"


@dataclass(frozen=True)
class Subject:
    """What is measured on: rules, and who holds which roles."""

    rules: Rules
    grants: tuple[Grant, ...]


def made(rows: int, seed: int = 1) -> Subject:
    """So many rules, and 100,000 links: of people to roles, some for a time, and between roles."""
    drawn = random.Random(seed)
    roles = {
        department: [
            f"role:{department}.r{n}"
            for n in range(max(2, rows // ROWS_OF_A_ROLE // len(DEPARTMENTS)))
        ]
        for department in DEPARTMENTS
        if any(home == department for home in COLLECTIONS.values())
    }
    places = [(department, role) for department, some in roles.items() for role in some]
    rules = tuple(_rules(rows, places, drawn))
    links = tuple(_links(min(INHERITED, len(places) - len(roles)), roles, drawn))
    model = _MODEL.read_text(encoding="utf-8")
    policy = assemble(model, rules, links, FIELDS)
    return Subject(policy, tuple(_grants(LINKS - len(links), places, drawn)))


def requests(subject: Subject, count: int, seed: int = 2) -> list[AccessRequest]:
    """As they come: two of three by somebody for what their role has a rule about."""
    drawn = random.Random(seed)
    by_role: dict[str, list[Rule]] = {}
    for rule in subject.rules.rules:
        by_role.setdefault(rule.sub, []).append(rule)
    found: list[AccessRequest] = []
    while len(found) < count:
        grant = drawn.choice(subject.grants)
        theirs = by_role[grant.role] if drawn.randrange(3) else subject.rules.rules
        rule = drawn.choice(theirs)
        collection = rule.obj
        field = "*"
        if rule.act in FIELD_ACTIONS:
            field = drawn.choice(["*", *_FIELDS])
        context = AccessContext(AT, AT - drawn.choice((60, 3600)) * 1_000_000)
        found.append(AccessRequest(grant.subject, rule.dom, collection, field, rule.act, context))
    return found


def _rules(count: int, places: list[tuple[str, str]], drawn: random.Random) -> Iterator[Rule]:
    for number in range(count):
        department, role = places[number % len(places)]
        collection = drawn.choice([n for n, home in COLLECTIONS.items() if home == department])
        action = drawn.choice(_RECORDS)
        field = "*"
        if action in FIELD_ACTIONS:
            field = drawn.choice(["*", *(f"class:{one}" for one in CLASSES)])
        condition = "aal2_fresh:300" if drawn.random() < 0.1 else "always"
        effect = "deny" if drawn.random() < 0.02 else "allow"
        yield Rule(role, department, collection, field, action, condition, effect, f"p{number}")


def _links(count: int, roles: dict[str, list[str]], drawn: random.Random) -> Iterator[Link]:
    """Three levels of inheritance, without circles."""
    departments = sorted(roles)
    for number in range(count):
        department = departments[number % len(departments)]
        some = roles[department]
        third = max(1, len(some) // 3)
        level = drawn.randrange(2)
        member = drawn.choice(some[level * third : (level + 1) * third] or some[:1])
        above = drawn.choice(some[(level + 1) * third : (level + 2) * third] or some[-1:])
        yield Link(member, above, department)


def _grants(count: int, places: list[tuple[str, str]], drawn: random.Random) -> Iterator[Grant]:
    seen: set[tuple[int, str]] = set()
    while len(seen) < count:
        person = drawn.randrange(PEOPLE)
        department, role = drawn.choice(places)
        if (person, role) in seen:
            continue
        number = len(seen)
        seen.add((person, role))
        # One of ten for a time: over, running, or to come.
        start, end = AT - 30 * _DAY, None
        if number % 10 == 0:
            start = AT + drawn.randrange(-30, 30) * _DAY
            end = start + drawn.randrange(1, 30) * _DAY
        yield Grant(
            f"g{number}", f"user:{person}", role, department, start, end, "local:operator", 0
        )
