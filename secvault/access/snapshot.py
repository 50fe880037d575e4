"""A policy at one moment: rules, grants and Casbin, built together and never changed.

What changes the policy, and what time does to grants, makes a new snapshot; readers keep the one
that they took. So no reader can meet a half-loaded policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from secvault.access.conditions import (
    CONDITIONS,
    Condition,
    Outcome,
    Registry,
    read_condition,
)
from secvault.access.engine import build_engines
from secvault.access.explain import Basis, Finding, Step, explain, refusal
from secvault.access.grants import Grant, check_grantable
from secvault.access.narrowing import Narrowing, narrowed
from secvault.access.rows import Case, Link, Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    NO_FIELD,
    SIGNED_IN,
    is_object,
    is_subject,
)
from secvault.errors import ConfigurationError, InvalidInput

MEMO_SIZE = 16_384

Outcomes = tuple[tuple[str, Outcome], ...]
Judge = Callable[[Case, Outcomes, Narrowing], Finding]


@dataclass(frozen=True)
class Snapshot:
    """The policy of `epoch`, right for every moment from `valid_from` until before `valid_until`.

    Times in microseconds; `valid_until` is None when no grant starts or ends later. digest: of
    the rules. conditions_of: the conditions that rules about an action name. judge: answers a
    case; equal cases are answered from memory. faults: grants of the store that cannot be, by
    subject; such a subject is refused everything, because a deny might be lost with the grant.
    """

    epoch: int
    digest: str
    valid_from: int
    valid_until: int | None
    basis: Basis
    conditions_of: Mapping[str, tuple[str, ...]]
    judge: Judge
    faults: Mapping[str, str]

    def covers(self, at: int) -> bool:
        """Whether this snapshot may answer for the moment `at`."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


def build_snapshot(
    rules: Rules,
    grants: Iterable[Grant],
    *,
    epoch: int,
    at: int,
    registry: Registry = CONDITIONS,
    memo_size: int = MEMO_SIZE,
) -> Snapshot:
    """Build the policy of the moment `at`. Raises ConfigurationError when there are no rules.

    grants: all that are not revoked; those that do not count at `at` only serve explanations.
    """
    if not rules.rules:
        raise ConfigurationError("roles.csv: a policy without rules is refused")
    live = [grant for grant in grants if grant.revoked_at is None]
    faults = _faults(rules, live)
    sound = [grant for grant in live if grant.subject not in faults]
    links = list(rules.links)
    links += [Link(g.subject, g.role, g.department) for g in sound if g.valid(at)]
    known = {link.member for link in links}
    people = sorted(member for member in known if member.startswith(("user:", "svc:")))
    engines = build_engines(rules, [*links, *(Link(one, SIGNED_IN, ALL) for one in people)])
    basis = _basis(rules, sound, at, registry)

    def judge(case: Case, outcomes: Outcomes, narrowing: Narrowing) -> Finding:
        if narrowing:
            whole = remembered(case, outcomes, ())
            return narrowed(basis, case, dict(outcomes), narrowing, whole)
        if (fault := _name_fault(case, rules)) is not None:
            return fault
        # Casbin is asked only for names that it has rows of.
        name = case.subject if case.subject in known else SIGNED_IN
        if name == SIGNED_IN and not case.subject.startswith(("user:", "svc:")):
            return refusal("no_role", "You have no role.", f"{case.subject} has no role")
        held = dict(outcomes)
        allows = engines[case.department].allows(case._replace(subject=name), held)
        return explain(basis, case, held, casbin_allows=allows)

    remembered = lru_cache(maxsize=memo_size)(judge)
    moments = {g.not_before for g in live} | {
        g.expires_at for g in live if g.expires_at is not None
    }
    return Snapshot(
        epoch=epoch,
        digest=rules.digest,
        valid_from=max((moment for moment in moments if moment <= at), default=0),
        valid_until=min((moment for moment in moments if moment > at), default=None),
        basis=basis,
        conditions_of=MappingProxyType(
            {
                action: tuple(sorted({rule.cond for rule in about}))
                for action, about in basis.rules.items()
            }
        ),
        judge=_refusing_the_faulty(faults, remembered),
        faults=MappingProxyType(faults),
    )


def _faults(rules: Rules, grants: Iterable[Grant]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for grant in grants:
        try:
            check_grantable(rules, grant.subject, grant.role, grant.department)
        except InvalidInput as error:
            faults[grant.subject] = f"grant {grant.id} cannot be: {error.detail}; revoke it"
    return faults


def _refusing_the_faulty(faults: Mapping[str, str], judge: Judge) -> Judge:
    if not faults:
        return judge
    text = "Your roles cannot be read; tell the administrator."

    def careful(case: Case, outcomes: Outcomes, narrowing: Narrowing) -> Finding:
        if case.subject in faults:
            return refusal("broken_grant", text, faults[case.subject])
        return judge(case, outcomes, narrowing)

    return careful


def _basis(rules: Rules, grants: list[Grant], at: int, registry: Registry) -> Basis:
    steps: dict[str, dict[str, tuple[Step, ...]]] = {}
    dormant: dict[str, tuple[Grant, ...]] = {}

    def step(department: str, member: str, to: Step) -> None:
        members = steps.setdefault(department, {})
        members[member] = (*members.get(member, ()), to)

    for link in rules.links:
        step(link.department, link.member, Step(link.role))
    for grant in grants:
        if grant.valid(at):
            step(grant.department, grant.subject, Step(grant.role, grant.id))
        else:
            dormant[grant.subject] = (*dormant.get(grant.subject, ()), grant)
    by_action: dict[str, list[Rule]] = {action: [] for action in ACTIONS}
    for rule in rules.rules:
        for action in ACTIONS if rule.act == ALL else (rule.act,):
            by_action.setdefault(action, []).append(rule)
    return Basis(
        rules={action: tuple(about) for action, about in by_action.items()},
        steps=steps,
        dormant=dormant,
        fields=rules.fields,
        conditions={rule.cond: _condition(rule.cond, registry) for rule in rules.rules},
        sorted_at=at,
        collections=rules.collections,
    )


def _condition(text: str, registry: Registry) -> Condition | None:
    try:
        return read_condition(text, registry)
    except ValueError:
        # The rules' own check refuses such a name; here it is one that never opens anything.
        return None


def _name_fault(case: Case, rules: Rules) -> Finding | None:
    """A refusal when a name in the request does not exist; nothing unknown reaches Casbin."""
    what, name = "", ""
    if not is_subject(case.subject):
        what, name = "subject", case.subject
    elif case.department not in DEPARTMENTS:
        what, name = "department", case.department
    elif case.action not in ACTIONS:
        what, name = "action", case.action
    elif not is_object(case.action, case.object, rules.collections):
        what, name = "object", case.object
    elif case.field != NO_FIELD and not _has_field(case, rules):
        what, name = "field", case.field
    if what:
        # The name is quoted, so that it cannot forge a line of a log.
        return refusal("unknown_name", f"There is no such {what}.", f"unknown {what} {name[:80]!a}")
    home = rules.collections.get(case.object, case.department)
    if ACTIONS[case.action] != COLLECTION or home == case.department:
        return None
    return refusal(
        "wrong_department",
        f"{case.object} does not belong to the department {case.department}.",
        f"{case.object} belongs to {home}, the request says {case.department}",
    )


def _has_field(case: Case, rules: Rules) -> bool:
    return case.action in FIELD_ACTIONS and case.field in rules.fields.get(case.object, {})
