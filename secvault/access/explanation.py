"""The whole answer to "may they, and if not, what would help": for administrators, and for them.

A decision carries the one reason that it needs (`explain`). Here everything that bears on a request
is looked up: each rule that is about it, each way to a role, each condition with its values, and
what a single change would make of it. Nothing here decides; what it explains is `decide`'s answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from secvault.access.checked import Checked, checked
from secvault.access.conditions import AccessContext, Outcome, fires, outcome
from secvault.access.decide import AccessRequest, Decision
from secvault.access.explain import ALLOW, Basis, covers, rules_about
from secvault.access.near import READ, REVEAL, Near, near_misses
from secvault.access.obligations import Slot
from secvault.access.remedies import Remedy, may_ask_for
from secvault.access.rows import Case
from secvault.access.said import said
from secvault.access.scope import admits, is_scope
from secvault.access.snapshot import Snapshot
from secvault.access.vocabulary import DEPARTMENTS
from secvault.access.ways import Way, members, ways_of
from secvault.access.words import LANGUAGES
from secvault.clock import timestamp

SEALED, SUSPENDED, APPROVAL = "sealed", "subject_suspended", "approval_needed"
MAY, MAY_NOT, NEEDS_APPROVAL = "may", "may_not", "needs_approval"


@dataclass(frozen=True)
class Circumstances:
    """What a decision does not look at, and yet stands in the way or helps.

    suspended: the person is disabled, or the account ended. sealed: the vault was. home: the
    subject's own department; empty when unknown. slots: the approvals that the action takes, in
    the department of the request where a slot names none.
    """

    suspended: bool = False
    sealed: bool = False
    home: str = ""
    slots: tuple[Slot, ...] = ()


ORDINARY = Circumstances()


@dataclass(frozen=True)
class Matched:
    """A rule about the request, for a role that the subject has. fired: whether it counted."""

    rule: str
    effect: str
    way: Way
    condition: Checked
    fired: bool


@dataclass(frozen=True)
class Explanation:
    """Why, and what would help.

    verdict: may, may_not or needs_approval. kind: of the decision, or subject_suspended, sealed,
    approval_needed. rule, condition: what decided, as far as a rule did. near: what would let them,
    by a single change each. remedies: the same without repetition, the most apt first.
    """

    request: AccessRequest
    decision: Decision
    circumstances: Circumstances
    verdict: str
    kind: str
    rule: str
    condition: Checked | None
    matched: tuple[Matched, ...]
    near: tuple[Near, ...]
    remedies: tuple[Remedy, ...]
    own: frozenset[str]
    reason_admin: str
    reasons: Mapping[str, str]

    @property
    def own_remedies(self) -> tuple[Remedy, ...]:
        """Those that the subject may know of, and use, with all else that it takes beside them."""
        return tuple(
            one for one in self.remedies if _is_theirs(one, self.own) and self._leads_on(one)
        )

    def _leads_on(self, remedy: Remedy) -> bool:
        taking = [miss.remedies for miss in self.near if remedy in miss.remedies]
        return not taking or any(all(_is_theirs(one, self.own) for one in all_) for all_ in taking)

    def for_user(self, language: str = "en") -> str:
        """What the subject reads: the reason, and the first thing that they can do about it."""
        first = next(iter(self.own_remedies), None)
        if first is None or first.type in _SAID or self.kind in (SEALED, SUSPENDED):
            return self.reasons[language]
        return f"{self.reasons[language]} {first.text(language)}"


# Their reasons say the same.
_SAID = frozenset(
    {
        *("wait_until", "ask_for_approval", "ask_for_unsealing", "try_again", "step_up"),
        *("use_network", "name_ticket", "other_person"),
    }
)


def explained(
    snapshot: Snapshot,
    request: AccessRequest,
    decision: Decision,
    circumstances: Circumstances = ORDINARY,
) -> Explanation:
    """Explain `decision`, which is the answer of this snapshot to this request."""
    basis = snapshot.basis
    case = Case(request.subject, request.department, request.object, request.field, request.action)
    ways = ways_of(basis, case.subject, case.department)
    outcomes = _outcomes(basis, case, request.context, decision)
    matched = _matched(basis, case, ways, outcomes, request.context)
    decisive = next((one for one in matched if one.rule == decision.rule), None)
    verdict, kind = _verdict(decision, circumstances)
    near = near_misses(snapshot, request, decision, outcomes)
    scoped = any(is_scope(layer) and not admits(layer, case) for layer in request.narrowing)
    own = frozenset(
        {circumstances.home}
        | {
            department
            for department in DEPARTMENTS
            for subject, _role, _grant, _domain in members(basis, department)
            if subject == case.subject
        }
    )
    return Explanation(
        request,
        decision,
        circumstances,
        verdict,
        kind,
        decision.rule,
        decisive.condition if decisive else None,
        matched,
        near,
        _remedies(case, kind, near, circumstances),
        own,
        _admin_text(case, kind, decision, decisive, circumstances),
        MappingProxyType(
            {
                language: said(basis, case, kind, decision, language, scoped=scoped)
                for language in LANGUAGES
            }
        ),
    )


def _verdict(decision: Decision, circumstances: Circumstances) -> tuple[str, str]:
    if circumstances.sealed:
        return MAY_NOT, SEALED
    if circumstances.suspended:
        return MAY_NOT, SUSPENDED
    if not decision.allowed:
        return MAY_NOT, decision.kind
    if circumstances.slots:
        return NEEDS_APPROVAL, APPROVAL
    return MAY, ALLOW


def _outcomes(
    basis: Basis, case: Case, context: AccessContext, decision: Decision
) -> Mapping[str, Outcome]:
    """How the conditions came out: as the decision saw them, else as they come out now."""
    # What would let them reveal a field is a near miss of reading it.
    actions = {case.action, *((REVEAL,) if case.action == READ else ())}
    names = {rule.cond for action in actions for rule in basis.rules.get(action, ())}
    seen = dict(decision.outcomes)
    return {
        name: seen[name] if name in seen else outcome(basis.conditions.get(name), context)
        for name in names
    }


def _matched(
    basis: Basis,
    case: Case,
    ways: Mapping[str, Way],
    outcomes: Mapping[str, Outcome],
    context: AccessContext,
) -> tuple[Matched, ...]:
    found = []
    for rule in rules_about(basis, case):
        way = ways.get(rule.sub)
        if way is None or not covers(basis, rule, case):
            continue
        came_out = outcomes[rule.cond]
        condition = checked(rule.cond, basis.conditions.get(rule.cond), came_out, context)
        found.append(Matched(rule.id, rule.eft, way, condition, fires(came_out, rule.eft)))
    return tuple(found)


def _remedies(
    case: Case, kind: str, near: tuple[Near, ...], circumstances: Circumstances
) -> tuple[Remedy, ...]:
    if kind == SEALED:
        first = [Remedy("ask_for_unsealing")]
    elif kind == SUSPENDED:
        first = [Remedy("enable_subject", {"subject": case.subject})]
    elif kind == APPROVAL:
        first = [
            Remedy(
                "ask_for_approval",
                {"people": slot.people, "department": slot.where(case.department)},
            )
            for slot in circumstances.slots
        ]
    else:
        first = []
    others = [one for miss in near for one in miss.remedies]
    return tuple({str(one.document): one for one in (*first, *others)}.values())


def _is_theirs(remedy: Remedy, own: frozenset[str]) -> bool:
    if remedy.type == "request":
        return may_ask_for(str(remedy.facts["role"]), str(remedy.facts["department"]), own)
    if remedy.of_others:
        return False
    if remedy.type == "use_other_department":
        return remedy.facts["department"] in own
    # The name that was perhaps meant may be one that they do not know.
    return remedy.type != "correct_name" or "nearest" not in remedy.facts


def _admin_text(
    case: Case,
    kind: str,
    decision: Decision,
    decisive: Matched | None,
    circumstances: Circumstances,
) -> str:
    parts = [decision.reason_admin]
    if decisive is not None and decisive.condition.text:
        parts.append(f"({decisive.condition.name}: {decisive.condition.text})")
    if decisive is not None and decisive.way.until is not None:
        parts.append(f"[until {timestamp(decisive.way.until)}]")
    text = " ".join(parts)
    if kind == SEALED:
        return f"{text}; but the vault was sealed, and nothing could be opened"
    if kind == SUSPENDED:
        return f"{text}; but {case.subject} is shut out: disabled, or its account ended"
    if kind == APPROVAL:
        slots = ", ".join(
            f"{slot.people} of {slot.where(case.department)}" for slot in circumstances.slots
        )
        return f"{text}; others approve it first, where it is weighty: {slots}"
    return text
