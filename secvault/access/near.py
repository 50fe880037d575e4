"""Near misses: what would let somebody, if one thing were different, and what makes it so.

One constraint is relaxed at a time: a condition, the time of a grant, the class of the field, the
department, a role, the token's limits, a deny. A role or grant that would let them under a
condition that does not hold now says so by a second remedy: conditions are met at use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from secvault.access.conditions import AccessContext, Outcome, fires
from secvault.access.decide import AccessRequest, Decision
from secvault.access.explain import Basis, covers, elsewhere, rules_about
from secvault.access.remedies import Remedy, can_be_given, corrected, of_condition, request
from secvault.access.rows import Case, Rule
from secvault.access.snapshot import Snapshot
from secvault.access.vocabulary import ALL, DEPARTMENTS, NO_FIELD, is_grantee
from secvault.access.ways import Way, home_of, inherited, unknown, ways_of
from secvault.clock import timestamp

MOST = 5
"""How many of one sort are named."""

READ, READ_MASKED, REVEAL = "record.read", "record.read_masked", "record.reveal"


@dataclass(frozen=True)
class Near:
    """What one change would do. rule: that would let them then.

    missing: condition, time, field, department, role, token, deny, name, or policy where that is
    at fault. remedies: all of them are needed.
    """

    rule: str
    missing: str
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True)
class _Asked:
    basis: Basis
    case: Case
    outcomes: Mapping[str, Outcome]
    ways: Mapping[str, Way]
    context: AccessContext

    def held_in(self, case: Case, ways: Mapping[str, Way]) -> list[Rule]:
        """The rules that let somebody with these roles do it, or keep them, if their conditions
        hold."""
        return [
            rule
            for rule in rules_about(self.basis, case)
            if rule.sub in ways
            and covers(self.basis, rule, case)
            and not elsewhere(self.basis, rule, self.outcomes)
        ]

    def holds(self, rule: Rule) -> bool:
        return fires(self.outcomes.get(rule.cond, Outcome.BROKEN), rule.eft)

    def allows(self, case: Case, ways: Mapping[str, Way]) -> Rule | None:
        """The rule that would let them, when none would keep them."""
        held = [rule for rule in self.held_in(case, ways) if self.holds(rule)]
        if any(rule.eft == "deny" for rule in held):
            return None
        return next(iter(held), None)

    def meeting(self, rule: Rule) -> tuple[Remedy, ...]:
        """What its condition takes beside; nothing when it holds."""
        if self.holds(rule):
            return ()
        return of_condition(rule.cond, self.basis.conditions.get(rule.cond), self.context)

    def is_hard(self, rule: Rule) -> bool:
        """Whether more than a fresher second factor is missing."""
        return self.outcomes.get(rule.cond) is not Outcome.STALE


def near_misses(
    snapshot: Snapshot,
    asked: AccessRequest,
    decision: Decision,
    outcomes: Mapping[str, Outcome],
) -> tuple[Near, ...]:
    """The near misses of a refusal, the most apt first; none of a yes.

    outcomes: how the conditions of the action came out.
    """
    if decision.allowed:
        return ()
    basis = snapshot.basis
    case = Case(asked.subject, asked.department, asked.object, asked.field, asked.action)
    if (fault := _fault(basis, case, decision)) is not None:
        return (fault,)
    ways = ways_of(basis, case.subject, case.department)
    about = _Asked(basis, case, outcomes, ways, decision.context)
    home = home_of(basis, case)
    if home != case.department:
        return tuple(_at_home(about, home))
    if decision.kind == "narrowed_token":
        let = decision.near_misses[0].rule if decision.near_misses else ""
        return (Near(let, "token", (Remedy("use_other_token"),)),)
    denies = [rule for rule in about.held_in(case, ways) if rule.eft == "deny"]
    denying = [rule for rule in denies if about.holds(rule)]
    if denying:
        return tuple(_denied(about, denying))
    found = [
        miss
        for sort in (_conditions, _times, _fields, _departments, _roles)
        for miss in islice(sort(about), MOST)
    ] or list(islice(_revealing(about), MOST))
    # Who lacks a condition only is not helped by a role that lacks one, too.
    only = any(miss.missing == "condition" for miss in found)
    return tuple(
        miss
        for miss in found
        if miss.missing == "condition" or not (only and len(miss.remedies) > 1)
    )


def _fault(basis: Basis, case: Case, decision: Decision) -> Near | None:
    if decision.kind == "unknown_name":
        return Near("", "name", (corrected(basis, case, unknown(basis, case)),))
    if decision.kind == "broken_grant":
        named = re.match(r"grant (\S+)", decision.reason_admin)
        grant = named[1] if named else ""
        return Near("", "policy", (Remedy("revoke_grant", {"grant": grant}),))
    if decision.kind == "stale_policy":
        return Near("", "policy", (Remedy("try_again"),))
    if decision.kind == "engine_error":
        return Near("", "policy", (Remedy("report"),))
    return None


def _at_home(about: _Asked, home: str) -> Iterator[Near]:
    """The object belongs to another department: there, with what it takes there."""
    case = about.case._replace(department=home)
    there = replace(about, case=case, ways=ways_of(about.basis, case.subject, home))
    move = Remedy("use_other_department", {"department": home})
    if let := there.allows(case, there.ways):
        yield Near(let.id, "department", (move,))
        return
    found = (*_conditions(there), *_fields(there), *_roles(there)) or _revealing(there)
    for miss in islice(found, MOST):
        yield Near(miss.rule, "department", (move, *miss.remedies))


def _denied(about: _Asked, denying: list[Rule]) -> Iterator[Near]:
    lifts = tuple(_lift(about, rule) for rule in denying)
    let = [rule for rule in about.held_in(about.case, about.ways) if rule.eft == "allow"]
    if any(about.holds(rule) for rule in let):
        yield Near(denying[0].id, "deny", lifts)
    for rule in islice(let, MOST):
        if not about.holds(rule):
            yield Near(denying[0].id, "deny", (*lifts, *about.meeting(rule)))
    if not let:
        for miss in islice(_roles(about), MOST):
            yield Near(denying[0].id, "deny", (*lifts, *miss.remedies))


def _lift(about: _Asked, rule: Rule) -> Remedy:
    way = about.ways[rule.sub]
    facts: dict[str, str | int] = {
        "rule": rule.id,
        "role": way.roles[0],
        "department": about.case.department,
    }
    if way.grant is not None:
        facts["grant"] = way.grant.id
    return Remedy("lift_deny", facts)


def _conditions(about: _Asked) -> Iterator[Near]:
    held = [rule for rule in about.held_in(about.case, about.ways) if rule.eft == "allow"]
    conditions = about.basis.conditions

    for rule in sorted(held, key=about.is_hard):
        if not about.holds(rule) and conditions.get(rule.cond) is not None:
            yield Near(rule.id, "condition", about.meeting(rule))


def _times(about: _Asked) -> Iterator[Near]:
    basis, case = about.basis, about.case
    for grant in basis.dormant.get(case.subject, ()):
        if grant.department not in (ALL, case.department):
            continue
        for rule in _let_by(about, inherited(basis, grant.role, grant.department)):
            starts = grant.not_before > basis.sorted_at
            first = (
                Remedy("wait_until", {"moment": timestamp(grant.not_before)})
                if starts
                else request(grant.role, grant.department)
            )
            yield Near(rule.id, "time", (first, *about.meeting(rule)))
            break


def _fields(about: _Asked) -> Iterator[Near]:
    case = about.case
    if case.field == NO_FIELD:
        return
    revealed = about.held_in(case._replace(action=REVEAL), about.ways)
    if case.action == READ and all(rule.eft == "allow" for rule in revealed):
        for rule in revealed[:1]:
            yield Near(rule.id, "field", (Remedy("reveal"), *about.meeting(rule)))
    masked = case._replace(action=READ_MASKED)
    if case.action == READ and (let := about.allows(masked, about.ways)) is not None:
        yield Near(let.id, "field", (Remedy("read_masked"),))
    whole = case._replace(field=NO_FIELD)
    if case.action != READ and (let := about.allows(whole, about.ways)) is not None:
        yield Near(let.id, "field", (Remedy("leave_out_field", {"field": case.field}),))


def _departments(about: _Asked) -> Iterator[Near]:
    for department in DEPARTMENTS:
        case = about.case._replace(department=department)
        if department == about.case.department or home_of(about.basis, case) != department:
            continue
        let = about.allows(case, ways_of(about.basis, case.subject, department))
        if let is not None:
            move = Remedy("use_other_department", {"department": department})
            yield Near(let.id, "department", (move,))


def _roles(about: _Asked) -> Iterator[Near]:
    """The roles that would do, those that allow least first."""
    basis, case = about.basis, about.case
    if not is_grantee(case.subject):
        return
    rules = Counter(rule.sub for of_action in basis.rules.values() for rule in of_action)
    wanted = {
        rule.sub
        for rule in rules_about(basis, case)
        if rule.eft == "allow" and rule.sub not in about.ways and covers(basis, rule, case)
    }
    found: list[tuple[int, str, Rule]] = []
    for role in wanted:
        every = inherited(basis, role, case.department)
        let = next(_let_by(about, every), None)
        if let is not None and can_be_given(role, case.department):
            found.append((sum(rules[one] for one in every), role, let))
    for _size, role, rule in sorted(found, key=lambda one: one[:2]):
        yield Near(rule.id, "role", (request(role, case.department), *about.meeting(rule)))


def _revealing(about: _Asked) -> Iterator[Near]:
    """The roles by which a field that nobody reads in clear may be revealed."""
    if about.case.action != READ or about.case.field == NO_FIELD:
        return
    there = replace(about, case=about.case._replace(action=REVEAL))
    for miss in (*_times(there), *_roles(there)):
        first, *rest = miss.remedies
        yield Near(miss.rule, miss.missing, (first, Remedy("reveal"), *rest))


def _let_by(about: _Asked, roles: Mapping[str, object]) -> Iterator[Rule]:
    """Rules of these roles that would let them, unless one would keep them; the best first."""
    conditions = about.basis.conditions
    rules = [
        rule
        for rule in rules_about(about.basis, about.case)
        if rule.sub in roles and covers(about.basis, rule, about.case)
    ]
    if any(rule.eft == "deny" and about.holds(rule) for rule in rules):
        return

    def order(rule: Rule) -> tuple[bool, bool]:
        return (not about.holds(rule), about.is_hard(rule))

    readable = [r for r in rules if r.eft == "allow" and conditions.get(r.cond) is not None]
    yield from sorted(readable, key=order)
