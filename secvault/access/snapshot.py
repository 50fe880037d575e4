"""A policy at one moment: rules and grants, compiled together and never changed.

What changes the policy makes a new snapshot; readers keep the one that they took. So no reader can
meet a half-loaded policy. What time does to grants only gives the same policy another window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import structlog

from secvault.access.compiled import CompiledRules
from secvault.access.conditions import CONDITIONS, Registry
from secvault.access.engine import MEMO_SIZE, Reference
from secvault.access.explain import Basis
from secvault.access.grants import Grant
from secvault.access.holdings import DormantAt, LiveAt, StepsAt, hold
from secvault.access.matcher import EngineName, answering
from secvault.access.rows import Link
from secvault.access.rules import Rules
from secvault.access.table import Table, make_table
from secvault.access.vocabulary import ALL, DEPARTMENTS
from secvault.errors import ConfigurationError

LATE = 60_000_000
"""Microseconds: how long after a request's moment its policy may be built."""

Alarm = Callable[..., object]
"""Where what must not happen is told: an event and its facts; the `error` of a logger."""


def log_alarm(event: str, **facts: object) -> None:
    """Tell it in the log of this process."""
    structlog.get_logger("secvault.access").error(event, **facts)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The policy of `epoch`, right for every moment from `valid_from` until before `valid_until`.

    Times in microseconds; `valid_until` is None when no grant starts or ends later. engine: who
    answers, as far as the matcher lets it be chosen.
    """

    epoch: int
    valid_from: int
    valid_until: int | None
    table: Table
    engine: EngineName = "table"
    alarm: Alarm = log_alarm
    memo_size: int = MEMO_SIZE

    def covers(self, at: int) -> bool:
        """Whether this snapshot may answer for the moment `at`."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    def at(self, moment: int) -> Snapshot | None:
        """The same policy for another moment; None for one before all that it knows.

        Nothing is built for it: grants that start and end are in the table.
        """
        if self.covers(moment):
            return self
        if moment < self.table.since:
            return None
        begin, end = _window(self.table.holdings.moments, moment)
        return replace(self, valid_from=begin, valid_until=end)

    @property
    def digest(self) -> str:
        """Of the rules."""
        return self.table.rules.digest

    @property
    def faults(self) -> Mapping[str, str]:
        """Grants of the store that cannot be, by subject.

        Such a subject is refused everything, because a deny might be lost with the grant.
        """
        return self.table.holdings.faults

    @cached_property
    def basis(self) -> Basis:
        """What the answers rest on, for explaining them."""
        compiled, holdings = self.table.rules, self.table.holdings
        rules, at = compiled.rules, self.valid_from
        links = compiled.steps
        return Basis(
            rules=compiled.by_action,
            places=compiled.places,
            steps={
                department: StepsAt(links.get(department, {}), holdings.by_subject, department, at)
                for department in (*DEPARTMENTS, ALL)
            },
            dormant=DormantAt(holdings.by_subject, at),
            fields=rules.fields,
            conditions=compiled.conditions,
            sorted_at=at,
            live=LiveAt(holdings.grants, at),
            collections=rules.collections,
        )

    @cached_property
    def reference(self) -> Reference:
        """Casbin with the same rows, loaded when it is first asked for."""
        grants = (one for held in self.table.holdings.by_subject.values() for one in held)
        valid = (grant for grant in grants if grant.valid(self.valid_from))
        rules = self.table.rules.rules
        links = (*rules.links, *(Link(one.subject, one.role, one.department) for one in valid))
        return Reference(rules, links, memo_size=self.memo_size)


def build_snapshot(
    rules: Rules,
    grants: Iterable[Grant],
    *,
    epoch: int,
    at: int,
    registry: Registry = CONDITIONS,
    engine: EngineName = "table",
    before: Snapshot | None = None,
    alarm: Alarm = log_alarm,
    memo_size: int = MEMO_SIZE,
) -> Snapshot:
    """Build the policy of the moment `at`. Raises ConfigurationError when there are no rules.

    grants: all that are not revoked; those that do not count at `at` only serve explanations.
    engine: see `matcher.answering`. before: another snapshot; what it has of the same rules and
    grants is used again. memo_size: how many of Casbin's answers are kept.
    """
    if not rules.rules:
        raise ConfigurationError("roles.csv: a policy without rules is refused")
    old = before.table if before and _same(before.table.rules, rules, registry) else None
    compiled = old.rules if old else CompiledRules(rules, registry)
    holdings, changed = hold(rules, grants, old.holdings if old else None)
    begin, end = _window(holdings.moments, at)
    # For a moment before its beginning, a table is worked out anew.
    before_table = old if old and at >= old.since else None
    table = make_table(compiled, holdings, min(begin, at - LATE), before_table, changed)
    return Snapshot(
        epoch=epoch,
        valid_from=begin,
        valid_until=end,
        table=table,
        engine=answering(rules.matcher, engine),
        alarm=alarm,
        memo_size=memo_size,
    )


def _same(compiled: CompiledRules, rules: Rules, registry: Registry) -> bool:
    return compiled.registry is registry and (
        compiled.rules is rules or compiled.digest == rules.digest
    )


def _window(moments: tuple[int, ...], at: int) -> tuple[int, int | None]:
    """The moments of change around `at`: the last not after it, and the next."""
    place = bisect_right(moments, at)
    return moments[place - 1] if place else 0, moments[place] if place < len(moments) else None
