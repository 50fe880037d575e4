"""What the audit log keeps of a decision: enough to make it again, and nothing personal."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Protocol

from secvault.access import NO_FIELD, Decision, Narrowing
from secvault.audit.event import OUTCOME_OF_CONDITION, DecisionNote, object_of
from secvault.identity.layers import text_of

_MICROS = 1_000_000
_DIGEST_DIGITS = 16
_REMEMBERED = 1_024


class Decided(Protocol):
    """An operation, as far as a decision is about it; see `spine.Operation`."""

    @property
    def action(self) -> str: ...
    @property
    def department(self) -> str: ...
    @property
    def resource(self) -> str: ...


def note_of(decision: Decision, operation: Decided, narrowing: Narrowing) -> DecisionNote:
    """The note of a decision in this operation, by a credential that is narrowed so.

    A decision about another action, object or field than the operation's says so.
    """
    reasons = decision.reasons
    context, case = reasons.context, reasons.case
    conditions: tuple[tuple[str, int], ...] = ()
    age = None
    # Called for each answer of the lean path, where nothing but `always` is looked at.
    if looked_at := reasons.looked_at:
        conditions = tuple([(name, OUTCOME_OF_CONDITION[came_out]) for name, came_out in looked_at])
        if context.second_factor_at is not None:
            age = max(0, context.at - context.second_factor_at) // _MICROS
    follows = case.object == object_of(operation.resource, operation.department)
    return DecisionNote(
        decision.rule,
        decision.policy_digest,
        decision.id,
        decision.epoch,
        context.at,
        "" if decision.allowed else decision.kind,
        "" if case.action == operation.action else case.action,
        "" if follows else case.object,
        "" if case.field == NO_FIELD else case.field,
        conditions,
        age,
        digest_of(narrowing) if narrowing else "",
    )


@lru_cache(maxsize=_REMEMBERED)
def digest_of(narrowing: Narrowing) -> str:
    """Names what a credential is narrowed to, without saying it: 16 hex digits of SHA-256."""
    text = text_of(narrowing) or ""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]
