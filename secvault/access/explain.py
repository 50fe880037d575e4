"""Why: which rule, through which roles and grants, and what is missing when the answer is no.

Works from the same rows as the engines, but on its own. When two do not agree, nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secvault.access.conditions import AccessContext, Condition, Outcome, fires, single
from secvault.access.grants import Grant
from secvault.access.met import allowed_only
from secvault.access.rows import Case, Rule
from secvault.access.vocabulary import ALL, NO_FIELD, SIGNED_IN, FieldClasses, field_matches
from secvault.access.words import class_name, reason
from secvault.clock import timestamp

MOST_NEAR_MISSES = 5
ALLOW = "allow_rule"


@dataclass(frozen=True)
class NearMiss:
    """What would change the answer: with `missing` given, `rule` would allow.

    step_up: seconds; a second factor proven not longer ago is what is missing. condition: the
    name of the one that is, where it is one.
    """

    rule: str
    missing: str
    step_up: int | None = None
    condition: str = ""


@dataclass(frozen=True)
class Finding:
    """An answer with its reasons; the same for every request alike. Allowed by one kind only."""

    kind: str
    rule: str
    via: tuple[str, ...]
    reason_user: str
    reason_admin: str
    near_misses: tuple[NearMiss, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether this is a yes."""
        return self.kind == ALLOW


@dataclass(frozen=True)
class Step:
    """From a subject or role to a role; by a grant, when `grant` is set."""

    role: str
    grant: str = ""


Place = tuple[str, str, str]
"""What a rule names as its action, department and object."""


@dataclass(frozen=True)
class Basis:
    """All that a decision rests on, arranged for looking up.

    rules: by action. places: by what they name, with their number in the file. steps: by
    department, then by subject or role. dormant: the grants that have not started or have ended,
    by subject, with the moment that they are sorted for. live: those in force then, by id.
    collections: the department of each.
    """

    rules: Mapping[str, tuple[Rule, ...]]
    places: Mapping[Place, tuple[tuple[int, Rule], ...]]
    steps: Mapping[str, Mapping[str, tuple[Step, ...]]]
    dormant: Mapping[str, tuple[Grant, ...]]
    fields: FieldClasses
    conditions: Mapping[str, Condition | None]
    sorted_at: int
    live: Mapping[str, Grant]
    collections: Mapping[str, str]


def explain(
    basis: Basis,
    case: Case,
    outcomes: Mapping[str, Outcome],
    context: AccessContext,
    *,
    casbin_allows: bool | None = None,
) -> Finding:
    """The answer for `case` with its reasons.

    outcomes: of the conditions of the rules about it. context: what they were asked of.
    casbin_allows: Casbin's answer, where it was asked; a refusal of kind `engine_error` when the
    reasons do not bear it out.
    """
    reached = roles_of(basis, case.subject, case.department)
    firing = [
        rule
        for rule in rules_about(basis, case)
        if rule.sub in reached
        and covers(basis, rule, case)
        and fires(outcomes.get(rule.cond, Outcome.BROKEN), rule.eft)
    ]
    denying = [rule for rule in firing if rule.eft == "deny"]
    allowing = [rule for rule in firing if rule.eft == "allow"]
    if casbin_allows not in (None, bool(allowing) and not denying):
        return disagreement("Casbin")
    if denying:
        rule = denying[0]
        return Finding(
            "deny_rule",
            rule.id,
            reached[rule.sub],
            reason("deny_rule"),
            f"deny rule {rule.id} of {rule.sub}, {_path(reached[rule.sub])}",
        )
    if allowing:
        rule = allowing[0]
        admin = f"rule {rule.id} of {rule.sub}, {_path(reached[rule.sub])}"
        return Finding(ALLOW, rule.id, reached[rule.sub], reason(ALLOW), admin)
    return _why_not(basis, case, reached, outcomes, context)


def roles_of(basis: Basis, subject: str, department: str) -> Mapping[str, tuple[str, ...]]:
    """Each role that `subject` has in `department`, with the way to it, the subject first."""
    reached: dict[str, tuple[str, ...]] = {SIGNED_IN: (subject, SIGNED_IN)}
    if not subject.startswith(("user:", "svc:")):
        reached.clear()
    for domain in (department, ALL):
        steps = basis.steps.get(domain, {})
        # By its own name only within one domain: Casbin never mixes them along one way.
        seen: dict[str, tuple[str, ...]] = {subject: (subject,)}
        waiting = [subject]
        for member in waiting:
            for step in steps.get(member, ()):
                if step.role not in seen:
                    by = (f"grant {step.grant}",) if step.grant else ()
                    seen[step.role] = (*seen[member], *by, step.role)
                    waiting.append(step.role)
        for role, path in seen.items():
            reached.setdefault(role, path)
    return reached


def _why_not(
    basis: Basis,
    case: Case,
    reached: Mapping[str, tuple[str, ...]],
    outcomes: Mapping[str, Outcome],
    context: AccessContext,
) -> Finding:
    about = [rule for rule in rules_about(basis, case) if rule.eft == "allow"]
    held = [rule for rule in about if rule.sub in reached and not elsewhere(basis, rule, outcomes)]
    conditional = [rule for rule in held if covers(basis, rule, case)]
    if conditional:
        return _condition_failed(basis, conditional, reached, outcomes, context)
    near = tuple(_missing_roles(basis, case))
    if dormant := _dormant(basis, case):
        return dormant
    own = [role for role in reached if role not in (SIGNED_IN, case.subject)]
    if not own and not _has_roles(basis, case.subject):
        return refusal(
            "no_role",
            reason("no_role"),
            f"{case.subject} has no grant in force",
            near,
        )
    if not own:
        return refusal(
            "wrong_department",
            reason("wrong_department", department=case.department),
            f"{case.subject} has roles, but none in {case.department}",
            near,
        )
    if held and case.field != NO_FIELD:
        known = basis.fields[case.object][case.field]
        return refusal(
            "field_class",
            reason("field_class", field=case.field, of_class=class_name(known)),
            f"no rule of {', '.join(own)} covers fields of class {known} for {case.action}",
            near,
        )
    return refusal(
        "no_rule",
        reason("no_rule"),
        f"no rule of {', '.join(own)} allows {case.action} on {case.object}",
        near,
    )


def elsewhere(basis: Basis, rule: Rule, outcomes: Mapping[str, Outcome]) -> bool:
    """Whether the rule is what everybody has about their own objects, which this one is not.

    It would be said to everybody who is refused, in place of what they lack.
    """
    about_object = any(one.about_object for one in single(basis.conditions.get(rule.cond)))
    return rule.sub == SIGNED_IN and about_object and outcomes.get(rule.cond) is not Outcome.STALE


def _condition_failed(
    basis: Basis,
    rules: list[Rule],
    reached: Mapping[str, tuple[str, ...]],
    outcomes: Mapping[str, Outcome],
    context: AccessContext,
) -> Finding:
    near = tuple(
        _unmet(rule, basis.conditions.get(rule.cond), outcomes.get(rule.cond))
        for rule in rules[:MOST_NEAR_MISSES]
    )
    first = rules[0]
    return Finding(
        "condition_failed",
        first.id,
        reached[first.sub],
        unmet_reason(basis, near, context),
        f"condition {first.cond} of rule {first.id} does not hold",
        near,
    )


def unmet_reason(
    basis: Basis, near: Iterable[NearMiss], context: AccessContext, language: str = "en"
) -> str:
    """Why, for the caller, when conditions alone are missing. near: what they are missing for."""
    misses = tuple(near)
    if any(miss.step_up is not None for miss in misses):
        return reason("condition_failed_step_up", language)
    asked = (basis.conditions.get(miss.condition) for miss in misses)
    remedies = allowed_only(asked, context, language)
    if not remedies:
        return reason("condition_failed", language)
    return reason("condition_failed_remedy", language, remedies=remedies)


def _unmet(rule: Rule, condition: Condition | None, result: Outcome | None) -> NearMiss:
    missing = f"condition {rule.cond}"
    if condition is None:
        return NearMiss(rule.id, missing)
    # A fresh factor is no remedy where something else is missing, too.
    step_up = condition.step_up if result is Outcome.STALE else None
    return NearMiss(rule.id, missing, step_up, rule.cond)


def _dormant(basis: Basis, case: Case) -> Finding | None:
    """The answer when a grant that has ended, or is still to start, would have allowed it."""
    for grant in basis.dormant.get(case.subject, ()):
        if grant.department not in (ALL, case.department):
            continue
        inherited = roles_of(basis, grant.role, grant.department)
        for rule in rules_about(basis, case):
            if rule.eft != "allow" or rule.sub not in inherited or not covers(basis, rule, case):
                continue
            if grant.not_before > basis.sorted_at:
                starts = timestamp(grant.not_before)
                kind, user = "grant_not_started", reason("grant_not_started", moment=starts)
                admin = f"grant {grant.id} of {grant.role} starts at {starts}"
            else:
                ended = timestamp(grant.expires_at or 0)
                kind, user = "grant_expired", reason("grant_expired", moment=ended)
                admin = f"grant {grant.id} of {grant.role} expired at {ended}"
            via = (case.subject, f"grant {grant.id}", grant.role)
            near = (NearMiss(rule.id, admin),)
            return Finding(kind, rule.id, via, user, admin, near)
    return None


def _missing_roles(basis: Basis, case: Case) -> Iterator[NearMiss]:
    found: set[str] = set()
    for rule in rules_about(basis, case):
        if len(found) >= MOST_NEAR_MISSES:
            return
        if rule.eft == "allow" and rule.sub not in found and covers(basis, rule, case):
            found.add(rule.sub)
            yield NearMiss(rule.id, f"{rule.sub} in {case.department}")


def _has_roles(basis: Basis, subject: str) -> bool:
    return any(subject in steps for steps in basis.steps.values())


def rules_about(basis: Basis, case: Case) -> Iterator[Rule]:
    """The rules about the action, object and department, whoever they are for, in their order."""
    return rules_at(basis.places, case)


def rules_at(places: Mapping[Place, tuple[tuple[int, Rule], ...]], case: Case) -> Iterator[Rule]:
    """The same, from the rules by what they name."""
    found = [
        one
        for act in (case.action, ALL)
        for dom in (case.department, ALL)
        for obj in dict.fromkeys((case.object, ALL))
        for one in places.get((act, dom, obj), ())
    ]
    found.sort()
    return (rule for _, rule in found)


def covers(basis: Basis, rule: Rule, case: Case) -> bool:
    return field_matches(basis.fields, case.object, case.field, rule.fld, rule.eft)


def _path(via: tuple[str, ...]) -> str:
    return "held through " + " > ".join(via)


def refusal(kind: str, user: str, admin: str, near: tuple[NearMiss, ...] = ()) -> Finding:
    """A no that no rule and no grant is behind."""
    return Finding(kind, "", (), user, admin, near)


def disagreement(engine: str) -> Finding:
    """The refusal when an engine and the reasons do not agree."""
    return refusal(
        "engine_error",
        reason("engine_error"),
        f"{engine} and the explanation disagree: check model.conf and report this",
    )
