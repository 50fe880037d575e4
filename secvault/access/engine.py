"""Casbin, loaded once and never changed: the rows of one department, ready to be asked.

An enforcer that is reloaded answers wrongly while it reloads, so a changed policy gets new
engines. Casbin walks every row for each answer; rows of other departments can never match, so
each department has an engine of its own, made when it is first asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import casbin
from casbin.util.log import disabled_logging

from secvault.access.conditions import Outcome, fires
from secvault.access.matcher import ParsedOnce
from secvault.access.rows import Case, Link
from secvault.access.rules import Rules
from secvault.access.vocabulary import ALL, SIGNED_IN, field_matches

Outcomes = tuple[tuple[str, Outcome], ...]

MEMO_SIZE = 16_384


class Engine:
    """Casbin's answers for one department. Safe to ask from many threads."""

    def __init__(self, rules: Rules, department: str, links: Iterable[Link]) -> None:
        # Casbin writes requests to its log as they come, line breaks included.
        disabled_logging()
        here = (ALL, department)
        policy = [
            [r.sub, r.dom, r.obj, r.fld, r.act, r.cond, r.eft, r.id]
            for r in rules.rules
            if r.dom in here
        ]
        rows = casbin.Enforcer.new_model(text=rules.model)
        rows["p"]["p"].policy = policy
        rows["g"]["g"].policy = [
            [one.member, one.role, one.department] for one in links if one.department in here
        ]
        enforcer = ParsedOnce(rows, rules.matcher)
        enforcer.build_role_links()
        # Names are compared as they are: Casbin's own comparison of every name with every other
        # makes loading quadratic, and a pattern would let one role pass for another.
        enforcer.add_named_matching_func("g", None)

        def field_match(obj: str, field: str, pattern: str, effect: str) -> bool:
            return field_matches(rules.fields, obj, field, pattern, effect)

        enforcer.add_function("fieldMatch", field_match)
        enforcer.add_function("condHolds", _condition_holds)
        self._enforcer: Any = enforcer
        self._empty = not policy

    def allows(self, case: Case, outcomes: Mapping[str, Outcome]) -> bool:
        """Casbin's answer. All names must be known ones: Casbin keeps every name it is asked for.

        outcomes: how each condition of the rows came out for this request.
        """
        # Without rows Casbin compares the request with empty texts, and may say yes.
        if self._empty or not all(case):
            return False
        answer = self._enforcer.enforce(*case, outcomes)
        return answer is True


class Reference:
    """Casbin's answers for all departments, equal questions answered from memory.

    links: all of them, grants included.
    """

    def __init__(self, rules: Rules, links: Iterable[Link], *, memo_size: int = MEMO_SIZE) -> None:
        every = tuple(links)
        self._known = frozenset(link.member for link in every)
        people = sorted(one for one in self._known if one.startswith(("user:", "svc:")))
        self._links = (*every, *(Link(one, SIGNED_IN, ALL) for one in people))
        self._rules = rules
        self._engine = lru_cache(maxsize=None)(self._made)
        self._remembered = lru_cache(maxsize=memo_size)(self._asked)

    def allows(self, case: Case, outcomes: Mapping[str, Outcome]) -> bool:
        """Casbin's answer, for names that exist. outcomes: of the conditions about the action."""
        # Casbin is asked only for names that it has rows of.
        if case.subject not in self._known:
            if not case.subject.startswith(("user:", "svc:")):
                return False
            case = case._replace(subject=SIGNED_IN)
        return self._remembered(case, tuple(outcomes.items()))

    def _asked(self, case: Case, outcomes: Outcomes) -> bool:
        return self._engine(case.department).allows(case, dict(outcomes))

    def _made(self, department: str) -> Engine:
        return Engine(self._rules, department, self._links)


def _condition_holds(condition: str, effect: str, outcomes: Mapping[str, Outcome]) -> bool:
    return fires(outcomes.get(condition, Outcome.BROKEN), effect)
