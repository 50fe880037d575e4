"""May they, and why: the one place where a request becomes a decision."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from secvault.access.conditions import AccessContext, Outcome
from secvault.access.explain import ALLOW, Finding, NearMiss, refusal
from secvault.access.narrowing import Narrowing
from secvault.access.reasons import Reasons, agreed, find
from secvault.access.rows import Case
from secvault.access.snapshot import Snapshot
from secvault.access.table import REFUSED
from secvault.access.vocabulary import NO_FIELD
from secvault.access.words import reason

RandomBytes = Callable[[int], bytes]


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


class Decision(msgspec.Struct, frozen=True):
    """The answer to one request, with its reasons.

    decisive: the id of the rule by which it is allowed, or empty. policy_digest and epoch say which
    policy answered. id: 12 hex digits of the time in milliseconds, then 20 random ones. reasons:
    what the properties here come from, worked out when one of them is looked at.
    """

    allowed: bool
    decisive: str
    policy_digest: str
    epoch: int
    id: str
    reasons: Reasons

    @property
    def kind(self) -> str:
        """allow_rule; or why not.

        deny_rule, condition_failed, field_class, no_rule, no_role, wrong_department,
        grant_expired, grant_not_started, broken_grant, narrowed_token, unknown_name, stale_policy,
        engine_error.
        """
        return ALLOW if self.allowed else self.reasons.finding.kind

    @property
    def rule(self) -> str:
        """The decisive rule's id, or empty."""
        return self.decisive if self.allowed else self.reasons.finding.rule

    @property
    def role(self) -> str:
        """The role that the decisive rule is of, or empty."""
        return self.reasons.roles_of_rules.get(self.rule, "")

    @property
    def via(self) -> tuple[str, ...]:
        """From the subject to the role, grants by id."""
        return self.reasons.finding.via

    @property
    def reason_user(self) -> str:
        """For the caller; it names no rule and no other person."""
        return self.reasons.finding.reason_user

    @property
    def reason_admin(self) -> str:
        """For logs and administrators."""
        return self.reasons.finding.reason_admin

    @property
    def near_misses(self) -> tuple[NearMiss, ...]:
        """What was missing."""
        return self.reasons.finding.near_misses

    @property
    def context(self) -> AccessContext:
        """What was known of the request beyond names."""
        return self.reasons.context

    @property
    def outcomes(self) -> tuple[tuple[str, Outcome], ...]:
        """How the conditions came out of the rules about what was asked, by name."""
        return tuple(self.reasons.outcomes.items())

    @property
    def step_up(self) -> int | None:
        """Seconds: a second factor proven not longer ago would turn this into a yes."""
        if self.allowed:
            return None
        ages = [miss.step_up for miss in self.near_misses if miss.step_up is not None]
        return max(ages, default=None) if self.kind == "condition_failed" else None


class Access(StrEnum):
    """How much of a field somebody gets to see."""

    CLEAR = "clear"
    MASKED = "masked"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """How a field is shown.

    decision: the yes behind it; when withheld, the no to `record.read`. refused: the no to the
    clear value; None when it is shown.
    """

    access: Access
    decision: Decision
    refused: Decision | None = None

    @property
    def reason(self) -> str:
        """Why the clear value is not shown, for the caller; empty when it is."""
        return self.refused.reason_user if self.refused else ""


def decide(
    snapshot: Snapshot, request: AccessRequest, *, random: RandomBytes = os.urandom
) -> Decision:
    """Decide one request by the policy in `snapshot`. Never raises for what the request says."""
    context = request.context
    case = Case(request.subject, request.department, request.object, request.field, request.action)
    if snapshot.engine == "table" and snapshot.covers(context.at):
        number = snapshot.table.allowing(case, context, request.narrowing)
        return _answered(snapshot, case, context, request.narrowing, number, random)
    finding = _stale()
    if snapshot.covers(context.at):
        finding = _by_casbin(snapshot, case, context, request.narrowing)
    allowed = finding.allowed
    return Decision(
        allowed,
        finding.rule if allowed else "",
        snapshot.digest,
        snapshot.epoch,
        _new_id(context.at, random),
        Reasons(snapshot, case, context, request.narrowing, allowed=allowed, found=finding),
    )


def _answered(
    snapshot: Snapshot,
    case: Case,
    context: AccessContext,
    narrowing: Narrowing,
    number: int,
    random: RandomBytes,
) -> Decision:
    allowed = number != REFUSED
    rules = snapshot.table.rules
    return Decision(
        allowed,
        rules.ids[number] if allowed else "",
        rules.digest,
        snapshot.epoch,
        _new_id(context.at, random),
        Reasons(snapshot, case, context, narrowing, allowed=allowed),
    )


def _by_casbin(
    snapshot: Snapshot, case: Case, context: AccessContext, narrowing: Narrowing
) -> Finding:
    finding = find(snapshot, case, context, narrowing, snapshot.reference.allows)
    if snapshot.engine == "casbin":
        return agreed(snapshot, case, finding, allowed=finding.allowed)
    allowed = snapshot.table.allowing(case, context, narrowing) != REFUSED
    return agreed(snapshot, case, finding, allowed=allowed)


def _new_id(at: int, random: RandomBytes) -> str:
    return f"{at // 1000:012x}{random(10).hex()}"


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
    names = tuple(dict.fromkeys(fields))
    case = Case(subject, department, collection, NO_FIELD, action)
    return dict(zip(names, _each(snapshot, case, names, context, narrowing, random), strict=True))


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
    names = tuple(dict.fromkeys(fields))
    clear, masked = (
        _each(
            snapshot,
            Case(subject, department, collection, NO_FIELD, action),
            names,
            context,
            narrowing,
            random,
        )
        for action in ("record.read", "record.read_masked")
    )
    return {
        name: _shown(read, read_masked)
        for name, read, read_masked in zip(names, clear, masked, strict=True)
    }


def _shown(clear: Decision, masked: Decision) -> FieldAccess:
    if clear.allowed:
        return FieldAccess(Access.CLEAR, clear)
    if masked.allowed:
        return FieldAccess(Access.MASKED, masked, clear)
    return FieldAccess(Access.WITHHELD, clear, clear)


def _each(
    snapshot: Snapshot,
    case: Case,
    fields: tuple[str, ...],
    context: AccessContext,
    narrowing: Narrowing,
    random: RandomBytes,
) -> Iterator[Decision]:
    """The decisions for many fields of one thing; the roles are looked up once."""
    cases = (case._replace(field=field) for field in fields)
    if snapshot.engine != "table" or not snapshot.covers(context.at):
        for one in cases:
            yield decide(snapshot, AccessRequest(*one, context, narrowing), random=random)
        return
    numbers = snapshot.table.allowing_fields(case, fields, context, narrowing)
    for one, number in zip(cases, numbers, strict=True):
        yield _answered(snapshot, one, context, narrowing, number, random)


def _stale() -> Finding:
    return refusal(
        "stale_policy",
        reason("stale_policy"),
        "the snapshot is not one of the moment that was asked about",
    )
