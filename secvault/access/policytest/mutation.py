"""Whether the tests would notice if the policy were another one.

Each mutant is either killed (an asserted answer or an invariant turns wrong), or equivalent (no
answer in the universe changes, which is proven by going through it), or it survives.

Two who hold one role each are enough for that proof. A row that allows shows itself to whoever
holds its role and nothing else, since further roles only allow or deny more; a row that denies
shows itself only beside one further role, which allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from secvault.access.obligations import FILE as OBLIGATIONS
from secvault.access.obligations import Obligations
from secvault.access.policytest.checks import Checks
from secvault.access.policytest.duties import fewer_duties
from secvault.access.policytest.invariant import Invariant, Sight
from secvault.access.policytest.mutants import Mutant
from secvault.access.policytest.suggestion import case_lines
from secvault.access.policytest.suite import Suite
from secvault.access.policytest.table import (
    ALWAYS,
    READ,
    READ_MASKED,
    Change,
    Point,
    Table,
    View,
    covers,
    differ,
)
from secvault.access.policytest.universe import Holder, Universe
from secvault.access.rows import Rule
from secvault.access.vocabulary import ALL

Step = Callable[[], None]
_OBLIGATION = "obligation"


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test notices. witness: one of what it would change, and for whom.

    gives: whether that is a right that nobody meant to give. add: lines of a test file that would
    notice it, if the policy as it is is the one that is meant.
    """

    name: str
    file: str
    line: int
    text: str
    witness: str
    gives: bool = True
    add: str = ""


@dataclass(frozen=True)
class Difference:
    """Whoever holds these roles is answered otherwise about the point.

    before, after: whether they may in any circumstances. always: whether before they may in all.
    conditions: those that it depends on.
    """

    holders: tuple[Holder, ...]
    point: Point
    before: bool
    after: bool
    always: bool
    conditions: tuple[str, ...]

    def survivor(self, mutant: Mutant) -> Survivor:
        """The mutant that nothing but this difference tells from the policy."""
        who = ", who is also ".join(str(holder) for holder in self.holders)
        verb = "may"
        loses = self.always or not self.after
        if loses:
            verb = "may no longer always" if self.after else "may no longer"
        elif self.before:
            verb = "may, in other circumstances than now,"
        return Survivor(
            mutant.name,
            "roles.csv",
            mutant.line,
            mutant.text,
            f"{who} {verb} {self.point}",
            gives=not loses,
            add=case_lines(
                self.holders,
                self.point,
                "allow" if loses else "deny",
                self.conditions,
            ),
        )


@dataclass(frozen=True)
class Mutation:
    """How many mutants there were, by what became of them. by_sort: killed and all, each sort."""

    total: int
    killed: int
    equivalent: int
    justified: int
    survivors: tuple[Survivor, ...]
    unneeded: tuple[str, ...]
    by_sort: Mapping[str, tuple[int, int]]

    @property
    def score(self) -> float:
        """Percent of those that are neither equivalent nor justified; 100 when there are none."""
        counted = self.killed + len(self.survivors)
        return 100 * self.killed / counted if counted else 100.0


def mutate(
    suites: Collection[Suite],
    table: Table,
    universe: Universe,
    obligations: Obligations,
    mutants: Collection[Mutant],
    step: Step = lambda: None,
) -> Mutation:
    """Try every mutant against the tests, which must all pass on the policy itself.

    mutants: of `mutants_of`; those of the obligations are added. step: called after each.
    """
    judge = Judge(suites, table, universe)
    tally = _Tally(frozenset(one.mutant for suite in suites for one in suite.justified))
    for mutant in mutants:
        if judge.kills(mutant):
            tally.killed(mutant.sort)
        elif (found := judge.difference(mutant.change)) is None:
            tally.equivalent()
        else:
            tally.survived(mutant.sort, found.survivor(mutant))
        step()
    for less in fewer_duties(obligations):
        if less.noticed(suites, table.rules):
            tally.killed(_OBLIGATION)
        elif less.same(obligations, table.rules):
            tally.equivalent()
        else:
            tally.survived(
                _OBLIGATION,
                Survivor(less.name, OBLIGATIONS, 0, "without it", less.witness, add=less.add),
            )
    return tally.result()


class _Tally:
    """Counts what became of the mutants. excused: the names of those that may survive."""

    def __init__(self, excused: frozenset[str]) -> None:
        self._excused = excused
        self._needed: set[str] = set()
        self._survivors: list[Survivor] = []
        self._equivalent = 0
        self._sorts: Counter[tuple[str, bool]] = Counter()

    def killed(self, sort: str) -> None:
        self._sorts[sort, True] += 1

    def equivalent(self) -> None:
        self._equivalent += 1

    def survived(self, sort: str, survivor: Survivor) -> None:
        if survivor.name in self._excused:
            self._needed.add(survivor.name)
        else:
            self._survivors.append(survivor)
            self._sorts[sort, False] += 1

    def result(self) -> Mutation:
        killed = sum(number for (_, dead), number in self._sorts.items() if dead)
        return Mutation(
            self._sorts.total() + self._equivalent + len(self._needed),
            killed,
            self._equivalent,
            len(self._needed),
            tuple(self._survivors),
            tuple(sorted(self._excused - self._needed)),
            {
                sort: (self._sorts[sort, True], self._sorts[sort, True] + self._sorts[sort, False])
                for sort in sorted({sort for sort, _ in self._sorts})
            },
        )


class Judge:
    """Looks only at what a mutant can have changed."""

    def __init__(self, suites: Collection[Suite], table: Table, universe: Universe) -> None:
        self._table = table
        self._universe = universe
        self._checks = Checks(suites, table)
        self._invariants = [one for suite in suites for one in suite.invariants]
        self._base = table.view()
        self._known: dict[tuple[Holder, str], frozenset[str]] = {}
        whole = self._sight(self._base, universe.holders, universe.points)
        self._holding: dict[str, list[Holder]] = {}
        for holder in universe.holders:
            roles = frozenset[str]().union(
                *(whole.reached(holder, one) for one in _departments(universe))
            )
            for role in roles:
                self._holding.setdefault(role, []).append(holder)

    def kills(self, mutant: Mutant) -> bool:
        """Whether a test notices the mutant."""
        if self._checks.killer(mutant.change) is not None:
            return True
        sight = self._near(mutant.change)
        return any(
            next(one.breaches(sight), None) is not None
            for one in self._invariants
            if _concerns(one, sight)
        )

    def difference(self, change: Change) -> Difference | None:
        """Who, alone or with a second role, is answered otherwise, and where; None for nobody."""
        near = self._near(change)
        before = self._sight(self._base, near.holders, near.points)
        points = [point for found in near.points.values() for point in found]
        for point in points:
            for holder in near.holders:
                if found := self._differs(before, near, (holder,), point):
                    return found
        if not self._denies(change):
            return None
        for point in points:
            for holder in near.holders:
                for other in self._universe.holders:
                    if (holder.signed_in and other.signed_in) and (
                        found := self._differs(before, near, (holder, other), point)
                    ):
                        return found
        return None

    def _differs(
        self, before: Sight, after: Sight, holders: tuple[Holder, ...], point: Point
    ) -> Difference | None:
        was: frozenset[str] = frozenset()
        now: frozenset[str] = frozenset()
        for holder in holders:
            was |= before.reached(holder, point.department)
            now |= after.reached(holder, point.department)
        clear = point._replace(action=READ)
        # Whoever gets the clear value has no use for the masked one.
        shown = (
            (before.view.held(was, clear), after.view.held(now, clear))
            if point.action == READ_MASKED
            else ((), ())
        )
        rows, other_rows = before.view.held(was, point), after.view.held(now, point)
        if not differ(rows, other_rows, shown):
            return None
        return Difference(
            holders,
            point,
            before.view.possible(was, point),
            after.view.possible(now, point),
            before.view.certain(was, point),
            tuple(sorted({rule.cond for rule in (*rows, *other_rows)} - {ALWAYS})),
        )

    def _denies(self, change: Change) -> bool:
        rows = self._rows(change) or self._table.rules.rules
        return any(rule.eft == "deny" for rule in rows)

    def _rows(self, change: Change) -> list[Rule]:
        return [*(self._table.by_id[name] for name in change.removed), *change.added]

    def _near(self, change: Change) -> Sight:
        view = self._table.view(change)
        if change.links is not None:
            changed = set(change.links) ^ set(self._table.rules.links)
            members = {link.member for link in changed}
            holders = {one: None for name in members for one in self._holding.get(name, ())}
            # A link that is new may be the first that its member has.
            holders |= {one: None for one in self._universe.holders if one.role in members}
            return self._sight(view, tuple(holders), self._universe.points)
        rows = self._rows(change)
        acts = {rule.act for rule in rows}
        points = {
            action: tuple(
                point
                for point in self._universe.points[action]
                if any(covers(rule, point, self._table.fields) for rule in rows)
            )
            for action in (self._table.actions if ALL in acts else sorted(acts))
        }
        return self._sight(view, tuple(self._holding.get(rows[0].sub, ())), points)

    def _sight(
        self, view: View, holders: tuple[Holder, ...], points: Mapping[str, tuple[Point, ...]]
    ) -> Sight:
        same = view.climb is self._base.climb
        return Sight(view, self._universe, holders, points, self._known if same else {})


def _departments(universe: Universe) -> Iterable[str]:
    return {point.department for found in universe.points.values() for point in found}


def _concerns(one: Invariant, sight: Sight) -> bool:
    return not one.actions or not sight.points.keys().isdisjoint(one.actions)
