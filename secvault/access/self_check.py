"""A look at freshly compiled rules before anybody is answered by them: does Casbin say the same?

The tests compare the two on thousands of policies. This compares them on the one at hand, for a
twentieth of a second, with made-up people who hold some of its roles.
"""

from __future__ import annotations

import random as pseudo
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secvault.access.compiled import CompiledRules
from secvault.access.conditions import AccessContext, outcome
from secvault.access.engine import Engine
from secvault.access.grants import Grant
from secvault.access.holdings import hold
from secvault.access.rows import Case, Link, Rule
from secvault.access.rules import Rules
from secvault.access.table import REFUSED, Table, make_table
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    GRANTED_EVERYWHERE,
    IN_ANY_DEPARTMENT,
    KEY,
    NO_FIELD,
    PLAN,
    RESERVED_ROLES,
    SIGNED_IN,
    department_of,
)

MOST_ROWS = 2_000
"""Rows of a department beyond which Casbin is not asked: each answer would take 20 ms and more."""

MOST_REQUESTS = 100
SECONDS = 0.05
_PEOPLE = 6
_AT = 1_000_000_000_000


@dataclass(frozen=True)
class Checked:
    """What came out. requests: compared. skipped: departments with too many rows. different: the
    first request that the two answer differently; None when there was none.
    """

    requests: int
    skipped: tuple[str, ...]
    different: Case | None = None


def self_check(compiled: CompiledRules, seed: bytes, monotonic: Callable[[], float]) -> Checked:
    """Compare table and Casbin on requests drawn by `seed`, until `SECONDS` are over."""
    began = monotonic()
    drawn = pseudo.Random(seed)  # noqa: S311 - what is tried is no secret
    rules = compiled.rules
    rows = {one: sum(r.dom in (ALL, one) for r in rules.rules) for one in DEPARTMENTS}
    skipped = tuple(one for one, count in rows.items() if count > MOST_ROWS)
    departments = [one for one, count in rows.items() if 0 < count <= MOST_ROWS]
    grants = tuple(_grants(rules, drawn))
    table = make_table(compiled, hold(rules, grants)[0], _AT)
    engines = {one: _engine(rules, one, grants) for one in departments}
    requests = 0
    for _ in range(MOST_REQUESTS if departments else 0):
        if monotonic() - began >= SECONDS:
            break
        rule = drawn.choice(rules.rules)
        department = drawn.choice(departments) if rule.dom == ALL else rule.dom
        # Every other request comes from somebody who holds the very role.
        holders = [one.subject for one in grants if one.role == rule.sub] * drawn.randrange(2)
        subject = drawn.choice(holders or [f"user:check-{drawn.randrange(_PEOPLE)}"])
        case = _case(rules, rule, drawn, subject, department)
        if department not in engines or compiled.cell(*case[1:]) is None:
            continue
        requests += 1
        context = AccessContext(_AT, drawn.choice((None, _AT)), drawn.choice((True, False)))
        if not _agree(table, engines[department], case, context):
            return Checked(requests, skipped, case)
    return Checked(requests, skipped)


def _agree(table: Table, engine: Engine, case: Case, context: AccessContext) -> bool:
    outcomes = {
        name: outcome(condition, context) for name, condition in table.rules.conditions.items()
    }
    return engine.allows(case, outcomes) is (table.allowing(case, context) != REFUSED)


def _grants(rules: Rules, drawn: pseudo.Random) -> Iterator[Grant]:
    roles = sorted({rule.sub for rule in rules.rules} - RESERVED_ROLES)
    for number in range(_PEOPLE):
        for role in drawn.sample(roles, min(len(roles), 1 + number % 3)):
            where = department_of(role)
            if role in IN_ANY_DEPARTMENT:
                anywhere = (ALL,) if role in GRANTED_EVERYWHERE else ()
                where = drawn.choice((*DEPARTMENTS, *anywhere))
            name = f"check-{number}-{role}"
            yield Grant(name, f"user:check-{number}", role, where, 0, None, "", 0)


def _engine(rules: Rules, department: str, grants: tuple[Grant, ...]) -> Engine:
    people = {f"user:check-{number}" for number in range(_PEOPLE)}
    links = [Link(one.subject, one.role, one.department) for one in grants]
    links += [Link(one, SIGNED_IN, ALL) for one in sorted(people)]
    return Engine(rules, department, (*rules.links, *links))


def _case(rules: Rules, rule: Rule, drawn: pseudo.Random, subject: str, department: str) -> Case:
    """A request near a rule: for it, or beside it in one name or another."""
    action = rule.act if rule.act != ALL else drawn.choice(rules.rules).act
    here = [name for name, home in rules.collections.items() if home == department]
    named = rule.obj
    if named == ALL:
        kind = ACTIONS.get(action, ALL)
        named = drawn.choice(here or [ALL]) if kind == COLLECTION else kind
        named = "transit/check" if kind in (KEY, PLAN) else named
    field = NO_FIELD
    if action in FIELD_ACTIONS:
        field = drawn.choice([NO_FIELD, *rules.fields.get(named, {})])
    return Case(subject, department, named, field, action)
