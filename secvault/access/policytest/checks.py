"""What the tests assert as yes and no, ready to be asked of thousands of changed policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secvault.access.conditions import AccessContext, fires, outcome, read_condition
from secvault.access.policytest.suite import Answer, Assertion, Suite
from secvault.access.policytest.table import (
    READ,
    READ_MASKED,
    Change,
    Point,
    Seeds,
    Table,
    View,
    covers,
)
from secvault.access.rows import Rule
from secvault.access.vocabulary import ALL


class Circumstances:
    """How conditions come out, each looked at once for each context."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], bool] = {}
        self._kept: list[AccessContext] = []

    def fires(self, rule: Rule, context: AccessContext) -> bool:
        """Whether a rule about the matter fires in this context."""
        key = (id(context), rule.cond, rule.eft)
        known = self._known.get(key)
        if known is None:
            # Kept, so that no other context gets its identity.
            self._kept.append(context)
            known = fires(outcome(read_condition(rule.cond), context), rule.eft)
            self._known[key] = known
        return known


@dataclass(frozen=True)
class Check:
    """One yes or no. firing: the rules, by id and effect, that the present answer rests on."""

    source: Assertion
    seeds: Seeds
    signed_in: bool
    point: Point
    expected: bool
    reached: frozenset[str]
    firing: Mapping[str, str]


class Checks:
    """All checks, by the roles and actions that they depend on."""

    def __init__(self, suites: Iterable[Suite], table: Table) -> None:
        self._table = table
        self._circumstances = Circumstances()
        self.every: list[Check] = []
        self._by_rule: defaultdict[tuple[str, str], list[Check]] = defaultdict(list)
        view = table.view()
        for suite in suites:
            for one in suite.assertions:
                for action, expected in _expected(one):
                    self._add(view, one, action, expected=expected)

    def wrong(self) -> Iterator[Check]:
        """Those whose answer by the table is not the expected one."""
        return (one for one in self.every if _answer(one.firing.values()) is not one.expected)

    def killer(self, change: Change) -> Check | None:
        """A check that the changed policy answers otherwise than expected."""
        if change.links is not None:
            return self._killer_by_links(change)
        ids = change.removed
        role, acts = _touched(self._table, change)
        for act in acts:
            for one in self._by_rule.get((role, act), ()):
                firing = [eft for name, eft in one.firing.items() if name not in ids]
                firing += [rule.eft for rule in change.added if self._fires(rule, one)]
                if _answer(firing) is not one.expected:
                    return one
        return None

    def _killer_by_links(self, change: Change) -> Check | None:
        view = self._table.view(change)
        for one in self.every:
            reached = view.reach(one.seeds, one.point.department, signed_in=one.signed_in)
            if reached != one.reached:
                firing = self._firing(view, one.source.context, reached, one.point)
                if _answer(firing.values()) is not one.expected:
                    return one
        return None

    def _fires(self, rule: Rule, one: Check) -> bool:
        return covers(rule, one.point, self._table.fields) and self._circumstances.fires(
            rule, one.source.context
        )

    def _firing(
        self, view: View, context: AccessContext, reached: frozenset[str], point: Point
    ) -> dict[str, str]:
        return {
            rule.id: rule.eft
            for rule in view.held(reached, point)
            if self._circumstances.fires(rule, context)
        }

    def _add(self, view: View, one: Assertion, action: str, *, expected: bool) -> None:
        subject, point = one.subject, Point(*one.case[1:4], action)
        local = ((subject.id, point.department), (subject.id, ALL))
        held = [grant for grant in subject.grants if grant.valid(one.context.at)]
        seeds = (*local, *((grant.role, grant.department) for grant in held))
        signed_in = subject.id.startswith(("user:", "svc:"))
        reached = view.reach(seeds, point.department, signed_in=signed_in)
        firing = self._firing(view, one.context, reached, point)
        check = Check(one, seeds, signed_in, point, expected, reached, firing)
        self.every.append(check)
        for role in reached:
            self._by_rule[role, action].append(check)


def _touched(table: Table, change: Change) -> tuple[str, Iterable[str]]:
    rows = [*(table.by_id[name] for name in change.removed), *change.added]
    acts = {rule.act for rule in rows}
    return rows[0].sub, table.actions if ALL in acts else sorted(acts)


def _expected(one: Assertion) -> Iterator[tuple[str, bool]]:
    yield one.case.action, one.answer is Answer.ALLOW
    if one.case.action == READ and one.answer is not Answer.ALLOW:
        yield READ_MASKED, one.answer is Answer.MASKED


def _answer(firing: Iterable[str]) -> bool:
    found = set(firing)
    return found == {"allow"}
