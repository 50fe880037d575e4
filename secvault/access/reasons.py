"""The reasons of one decision, worked out when somebody looks: who is allowed seldom does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from secvault.access.conditions import AccessContext, Outcome, outcome
from secvault.access.explain import Basis, Finding, disagreement, explain, refusal, rules_about
from secvault.access.names import misplaced, unknown_subject
from secvault.access.narrowing import Narrowing, narrowed
from secvault.access.rows import Case
from secvault.access.words import reason

if TYPE_CHECKING:
    from secvault.access.snapshot import Snapshot

Asked = Callable[[Case, Mapping[str, Outcome]], bool]
"""Whether Casbin allows a case whose names exist, given how the conditions came out."""


class Reasons:
    """Why a snapshot answers a case as it does."""

    __slots__ = ("_allowed", "_found", "_narrowing", "_snapshot", "case", "context")

    def __init__(
        self,
        snapshot: Snapshot,
        case: Case,
        context: AccessContext,
        narrowing: Narrowing,
        *,
        allowed: bool,
        found: Finding | None = None,
    ) -> None:
        """allowed: the answer that was given. found: its reasons, where they are known."""
        self._snapshot = snapshot
        self.case = case
        self.context = context
        self._narrowing = narrowing
        self._allowed = allowed
        self._found = found

    @property
    def finding(self) -> Finding:
        """The answer with its reasons; of kind `engine_error` when they do not bear it out."""
        if self._found is None:
            found = find(self._snapshot, self.case, self.context, self._narrowing)
            self._found = agreed(self._snapshot, self.case, found, allowed=self._allowed)
        return self._found

    @property
    def roles_of_rules(self) -> Mapping[str, str]:
        """The role of each rule, by the rule's id."""
        return self._snapshot.table.rules.rules.role_of

    @property
    def looked_at(self) -> tuple[tuple[str, Outcome], ...]:
        """How each single condition came out that such an answer rests on, by name.

        Those that a rule joins come one by one, and `always` not at all.
        """
        conditions = self._snapshot.table.rules.looked_at(self.case)
        if not conditions:
            return ()
        context = self.context
        return tuple([(name, outcome(condition, context)) for name, condition in conditions])

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """How the conditions came out of the rules about the case, by name."""
        return _outcomes(self._snapshot.basis, self.case, self.context)


def find(
    snapshot: Snapshot,
    case: Case,
    context: AccessContext,
    narrowing: Narrowing,
    casbin: Asked | None = None,
) -> Finding:
    """The answer for a case with its reasons, from the rows themselves.

    casbin: asked too, when it is given; a finding of kind `engine_error` when the rows do not bear
    its answer out.
    """
    if case.subject in snapshot.faults:
        return refusal("broken_grant", reason("broken_grant"), snapshot.faults[case.subject])
    basis = snapshot.basis
    fault = unknown_subject(case) or misplaced(case, basis.fields, basis.collections)
    if fault is not None:
        return fault
    outcomes = _outcomes(basis, case, context)
    allows = casbin(case, outcomes) if casbin else None
    whole = explain(basis, case, outcomes, context, casbin_allows=allows)
    return narrowed(basis, case, outcomes, narrowing, whole) if narrowing else whole


def agreed(snapshot: Snapshot, case: Case, finding: Finding, *, allowed: bool) -> Finding:
    """The finding, when the table's answer is the same; else a refusal, and an alarm."""
    if finding.allowed is not allowed:
        finding = disagreement("The table")
    if finding.kind == "engine_error":
        snapshot.alarm(
            "access.engines_disagree",
            said=finding.reason_admin,
            policy=snapshot.digest,
            epoch=snapshot.epoch,
            **case._asdict(),
        )
    return finding


def _outcomes(basis: Basis, case: Case, context: AccessContext) -> Mapping[str, Outcome]:
    names = sorted({rule.cond for rule in rules_about(basis, case)})
    return {name: outcome(basis.conditions[name], context) for name in names}
