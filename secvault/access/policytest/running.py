"""The answers that the tests ask for, given by `decide` itself, and the invariants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from secvault.access.decide import AccessRequest, Decision, decide
from secvault.access.obligations import Obligations
from secvault.access.policytest.invariant import MOST_BREACHES, Sight
from secvault.access.policytest.place import Place
from secvault.access.policytest.suite import Answer, Assertion, Suite
from secvault.access.policytest.table import READ, READ_MASKED, Table
from secvault.access.policytest.universe import Universe
from secvault.access.rules import Rules
from secvault.access.snapshot import Snapshot, build_snapshot

_NO_RANDOM = bytes


@dataclass(frozen=True)
class Failure:
    """Something that is not as a test says. why: what an administrator reads about the answer."""

    place: Place
    what: str
    expected: str
    actual: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """How one assertion came out. decisive: the rule that the answer rests on, or empty."""

    assertion: Assertion
    failure: Failure | None
    decisive: str


def ask(suite: Suite, rules: Rules) -> Iterator[Answered]:
    """Ask for everything that the suite asserts, in its order, by `decide`."""
    grants = [grant for subject in suite.subjects for grant in subject.grants]
    snapshots: list[Snapshot] = []
    for one in suite.assertions:
        at = one.context.at
        snapshot = next((made for made in snapshots if made.covers(at)), None)
        if snapshot is None:
            snapshot = build_snapshot(rules, grants, epoch=0, at=at)
            snapshots.append(snapshot)
        yield _answered(one, snapshot)


def check_invariants(
    suites: Iterable[Suite], table: Table, universe: Universe
) -> Iterator[Failure]:
    """A failure for each invariant that does not hold; five breaches of it are told."""
    sight = Sight(table.view(), universe, universe.holders, universe.points)
    for suite in suites:
        for one in suite.invariants:
            if found := tuple(islice(one.breaches(sight), MOST_BREACHES + 1)):
                yield _broken(one.place, found)


def check_duties(
    suites: Iterable[Suite], obligations: Obligations, rules: Rules
) -> Iterator[Failure]:
    """The same for what must hold of `obligations.toml`."""
    for suite in suites:
        for one in suite.duties:
            if found := tuple(islice(one.breaches(obligations, rules), MOST_BREACHES + 1)):
                yield _broken(one.place, found)


def _broken(place: Place, found: tuple[str, ...]) -> Failure:
    shown = found[:MOST_BREACHES]
    more = ("and more",) if len(found) > MOST_BREACHES else ()
    kind = place.entry.partition(" ")[0]
    return Failure(place, f"the invariant `{kind}`", "holds", "is broken", (*shown, *more))


def _answered(one: Assertion, snapshot: Snapshot) -> Answered:
    decision = _decision(one, snapshot, one.case.action)
    actual = Answer.ALLOW if decision.allowed else Answer.DENY
    yes = decision
    if one.case.action == READ and not decision.allowed:
        masked = _decision(one, snapshot, READ_MASKED)
        if masked.allowed:
            actual, yes = Answer.MASKED, masked
    told = actual if actual is not Answer.DENY else f"{actual} ({decision.kind})"
    decisive = yes.rule if yes.allowed or yes.kind == "deny_rule" else ""
    expected: str = one.answer
    wrong = actual is not one.answer
    if one.kind is not None:
        expected = f"{one.answer} ({one.kind})"
        wrong = wrong or decision.kind != one.kind
    if one.rule is not None:
        expected, told = f"{expected} by rule {one.rule}", f"{told} by rule {decisive or 'none'}"
        wrong = wrong or decisive != one.rule
    failure = Failure(one.place, str(one), expected, told, _why(yes)) if wrong else None
    return Answered(one, failure, decisive)


def _decision(one: Assertion, snapshot: Snapshot, action: str) -> Decision:
    subject, department, obj, field, _ = one.case
    request = AccessRequest(subject, department, obj, field, action, one.context)
    return decide(snapshot, request, random=_NO_RANDOM)


def _why(decision: Decision) -> tuple[str, ...]:
    missed = (
        f"rule {miss.rule} would allow it, given {miss.missing}" for miss in decision.near_misses
    )
    return (decision.reason_admin, *missed)


def decisive_rules(answers: Iterable[Answered]) -> Mapping[str, int]:
    """How many right answers rest on each rule."""
    counted: dict[str, int] = {}
    for one in answers:
        if one.failure is None and one.decisive:
            counted[one.decisive] = counted.get(one.decisive, 0) + 1
    return counted
