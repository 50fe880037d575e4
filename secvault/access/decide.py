"""May they, and why: the one place where a request becomes a decision."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from secvault.access.conditions import AccessContext, outcome
from secvault.access.explain import NearMiss, refusal
from secvault.access.narrowing import Narrowing
from secvault.access.rows import Case
from secvault.access.snapshot import Outcomes, Snapshot

RandomBytes = Callable[[int], bytes]

_STALE = refusal(
    "stale_policy",
    "This cannot be decided now; try again.",
    "the snapshot is not one of the moment that was asked about",
)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Whether `subject` may do `action` to `field` of `object` in `department`.

    field: `*` (`NO_FIELD`) when the request is about no single field. object: a collection, a key
    as `<mount>/<name>`, a plan, or the fixed name of what the action is about; `*` for no single
    one. context.at is the moment that the answer is for. narrowing: of the token that was shown.
    """

    subject: str
    department: str
    object: str
    field: str
    action: str
    context: AccessContext
    narrowing: Narrowing = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request, with its reasons.

    kind: allow_rule; or why not: deny_rule, condition_failed, field_class, no_rule, no_role,
    wrong_department, grant_expired, grant_not_started, broken_grant, narrowed_token, unknown_name,
    stale_policy, engine_error. rule: the decisive rule's id, or empty. via: from the subject to the
    role, grants by id. reason_user tells the caller; it names no rule and no other person.
    reason_admin is for logs and administrators. policy_digest and epoch say which policy answered.
    id: 12 hex digits of the time in milliseconds, then 20 random ones.
    near_misses: what was missing. context, outcomes: what it rests on beside names: so that it can
    be made again.
    """

    allowed: bool
    kind: str
    rule: str
    via: tuple[str, ...]
    reason_user: str
    reason_admin: str
    policy_digest: str
    epoch: int
    id: str
    near_misses: tuple[NearMiss, ...] = ()
    context: AccessContext | None = None
    outcomes: Outcomes = ()

    @property
    def step_up(self) -> int | None:
        """Seconds: a second factor proven not longer ago would turn this into a yes."""
        ages = [miss.step_up for miss in self.near_misses if miss.step_up is not None]
        return max(ages, default=None) if self.kind == "condition_failed" else None


class Access(StrEnum):
    """How much of a field somebody gets to see."""

    CLEAR = "clear"
    MASKED = "masked"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """How a field is shown. decision: the yes behind it; when withheld, the no to `record.read`.

    reason: why the clear value is not shown, for the caller; empty when it is.
    """

    access: Access
    decision: Decision
    reason: str


def decide(
    snapshot: Snapshot, request: AccessRequest, *, random: RandomBytes = os.urandom
) -> Decision:
    """Decide one request by the policy in `snapshot`. Never raises for what the request says."""
    context = request.context
    outcomes: Outcomes = ()
    if snapshot.covers(context.at):
        conditions = snapshot.basis.conditions
        outcomes = tuple(
            (name, outcome(conditions[name], context))
            for name in snapshot.conditions_of.get(request.action, ())
        )
        case = Case(
            request.subject, request.department, request.object, request.field, request.action
        )
        finding = snapshot.judge(case, outcomes, request.narrowing)
    else:
        finding = _STALE
    return Decision(
        finding.allowed,
        finding.kind,
        finding.rule,
        finding.via,
        finding.reason_user,
        finding.reason_admin,
        snapshot.digest,
        snapshot.epoch,
        f"{context.at // 1000:012x}{random(10).hex()}",
        finding.near_misses,
        context,
        outcomes,
    )


def decide_fields(
    snapshot: Snapshot,
    *,
    subject: str,
    department: str,
    collection: str,
    fields: Iterable[str],
    action: str,
    context: AccessContext,
    narrowing: Narrowing = (),
    random: RandomBytes = os.urandom,
) -> Mapping[str, Decision]:
    """Decide `action` for each field of a record, in the order given."""
    return {
        field: decide(
            snapshot,
            AccessRequest(subject, department, collection, field, action, context, narrowing),
            random=random,
        )
        for field in fields
    }


def field_access(
    snapshot: Snapshot,
    *,
    subject: str,
    department: str,
    collection: str,
    fields: Iterable[str],
    context: AccessContext,
    narrowing: Narrowing = (),
    random: RandomBytes = os.urandom,
) -> Mapping[str, FieldAccess]:
    """How each field is shown: clear by `record.read`, else masked by `record.read_masked`."""
    shown: dict[str, FieldAccess] = {}
    for field in fields:
        clear, masked = (
            decide(
                snapshot,
                AccessRequest(subject, department, collection, field, action, context, narrowing),
                random=random,
            )
            for action in ("record.read", "record.read_masked")
        )
        if clear.allowed:
            shown[field] = FieldAccess(Access.CLEAR, clear, "")
        elif masked.allowed:
            shown[field] = FieldAccess(Access.MASKED, masked, clear.reason_user)
        else:
            shown[field] = FieldAccess(Access.WITHHELD, clear, clear.reason_user)
    return shown
