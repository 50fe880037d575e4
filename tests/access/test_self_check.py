"""Freshly compiled rules are held against Casbin, within a time, and a difference is found."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from secvault.access import Rules
from secvault.access.compiled import CompiledRules, Group
from secvault.access.conditions import CONDITIONS
from secvault.access.self_check import MOST_REQUESTS, SECONDS, self_check


def _still() -> float:
    return 0.0


def test_the_shipped_policy_passes_with_as_many_requests_as_there_is_time_for(
    shipped: Rules,
) -> None:
    compiled = CompiledRules(shipped, CONDITIONS)
    found = self_check(compiled, b"seed", _still)
    assert found.different is None
    assert found.skipped == ()
    assert MOST_REQUESTS / 2 < found.requests <= MOST_REQUESTS
    ticks = itertools.count()
    hurried = self_check(compiled, b"seed", lambda: next(ticks) * SECONDS / 10)
    assert 0 < hurried.requests <= 10


@pytest.mark.parametrize("fault", ["lost_denies", "lost_allows", "other_roles", "conditions"])
def test_a_compiler_that_errs_is_found_out(
    parse: Callable[[str], Rules], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    rules = parse(
        "p,role:hr.a,hr,*,*,record.read,always,allow,read\n"
        "p,role:hr.b,hr,payroll,*,record.read,always,deny,never\n"
        "p,role:hr.c,hr,payroll,class:bank,record.read,aal2_fresh:300,allow,bank\n"
        "g,role:hr.c,role:hr.a,hr\n"
    )
    original = CompiledRules._look_up

    def spoilt(group: Group) -> Group:
        if fault == "other_roles":
            return group._replace(mask=group.mask << 1, first={n + 1: 0 for n in group.first})
        return group._replace(always=True) if fault == "conditions" else group

    def look_up(self: CompiledRules, key: tuple[str, str, str, str]) -> object:
        denies, allows = original(self, key)
        return original(self, key)._replace(
            denies=() if fault == "lost_denies" else tuple(map(spoilt, denies)),
            allows=() if fault == "lost_allows" else tuple(map(spoilt, allows)),
        )

    monkeypatch.setattr(CompiledRules, "_look_up", look_up)
    seeds = [bytes([number]) for number in range(20)]
    # A hundred requests are a sample: of a fault in one rule of many they see one in a few starts.
    found = [self_check(CompiledRules(rules, CONDITIONS), seed, _still).different for seed in seeds]
    assert sum(one is not None for one in found) >= len(seeds) / 4
