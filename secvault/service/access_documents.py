"""Explanations, holders, holdings and replays as JSON, the same over HTTP and at the command line.

Times are RFC 3339 texts. What somebody reads of themselves has no rules, no grants and nobody
else in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secvault.access import NO_FIELD
from secvault.access.checked import Checked
from secvault.access.entitlements import Entitled, Entitlement
from secvault.access.explanation import Explanation, Matched
from secvault.access.ways import Way
from secvault.access.words import LANGUAGES
from secvault.clock import timestamp
from secvault.service.entitlements import Holders, Holdings
from secvault.service.explanations import Explained
from secvault.service.replays import Replayed

Document = dict[str, Any]


def explanation(made: Explained) -> Document:
    """An explanation; in full for administrators, else what the subject may read of it."""
    whole = made.explanation
    request = whole.request
    common: Document = {
        "verdict": whole.verdict,
        "kind": whole.kind,
        "at": timestamp(request.context.at),
        "decision": made.stored.event.decision.id
        if made.stored and made.stored.event.decision
        else None,
        "request": {
            "subject": request.subject,
            "name": made.names.get(request.subject, request.subject),
            "action": request.action,
            "department": request.department,
            "object": request.object,
            "field": None if request.field == NO_FIELD else request.field,
        },
        "reason": {language: whole.for_user(language) for language in LANGUAGES},
    }
    if not made.in_full:
        return {**common, "remedies": [one.document for one in whole.own_remedies]}
    return {
        **common,
        "remedies": [one.document for one in whole.remedies],
        "full": _in_full(whole, made),
    }


def holders(made: Holders, *, action: str) -> Document:
    """Who can, one entry for each subject and department."""
    return {
        "action": action,
        "at": timestamp(made.at),
        "holders": [
            {
                "subject": one.subject,
                "name": made.names[one.subject],
                "suspended": one.subject in made.suspended,
                "department": department,
                **_terms(one, made.names),
                "rules": [one.rule],
            }
            for department, one in made.found
        ],
    }


def holdings(made: Holdings) -> Document:
    """What somebody can."""
    return {
        "subject": made.subject,
        "name": made.name,
        "suspended": made.suspended,
        "at": timestamp(made.at),
        "entitlements": [
            {
                "department": one.department,
                "action": one.action,
                "objects": list(one.objects),
                "excepting": list(one.excepting),
                "fields": list(one.fields),
                **_terms(one, {}, in_full=made.in_full),
                "rules": list(one.rules) if made.in_full else [],
            }
            for one in made.found
        ],
    }


def replay(made: Replayed) -> Document:
    """What came of a replay."""
    event = made.stored.event
    decision = made.replay.decision
    recorded = made.recorded
    return {
        "verdict": made.replay.verdict,
        "decision": event.decision.id if event.decision else "",
        "why": made.why,
        "event": {
            "seq": made.stored.seq,
            "time": timestamp(made.stored.t),
            "kind": event.kind,
            "outcome": event.outcome,
            "actor": event.actor.subject,
            "resource": event.resource,
            "department": event.department,
        },
        "recorded": None
        if recorded is None
        else {
            "at": timestamp(recorded.at),
            "allowed": recorded.allowed,
            "kind": recorded.kind,
            "rule": recorded.rule,
            "policy": recorded.policy,
            "epoch": recorded.epoch,
            "conditions": {name: str(one) for name, one in recorded.outcomes.items()},
        },
        "again": None
        if decision is None
        else {
            "allowed": decision.allowed,
            "kind": decision.kind,
            "rule": decision.rule,
            "policy": decision.policy_digest,
            "reason": decision.reason_admin,
        },
        "differences": [
            {"what": one.what, "recorded": one.recorded, "again": one.again}
            for one in made.replay.differences
        ],
    }


def _in_full(whole: Explanation, made: Explained) -> Document:
    event = made.stored.event if made.stored else None
    return {
        "reason": whole.reason_admin,
        "policy": whole.decision.policy_digest,
        "epoch": whole.decision.epoch,
        "decisive": {
            "rule": whole.rule or None,
            "condition": None if whole.condition is None else _condition(whole.condition),
        },
        "matched": [_matched(one, made.names) for one in whole.matched],
        "near_misses": [
            {
                "rule": one.rule,
                "missing": one.missing,
                "remedies": [remedy.document for remedy in one.remedies],
            }
            for one in whole.near
        ],
        "event": None
        if event is None or made.stored is None
        else {
            "seq": made.stored.seq,
            "outcome": event.outcome,
            "reason": str(event.detail.get("reason", "")),
        },
    }


def _matched(one: Matched, names: Mapping[str, str]) -> Document:
    return {
        "rule": one.rule,
        "effect": one.effect,
        "fired": one.fired,
        "condition": _condition(one.condition),
        **_path(one.way, names),
    }


def _condition(one: Checked) -> Document:
    return {
        "name": one.name,
        "outcome": str(one.outcome),
        "needed": dict(one.needed),
        "actual": dict(one.actual),
    }


def _terms(
    one: Entitled | Entitlement, names: Mapping[str, str], *, in_full: bool = True
) -> Document:
    return {
        "until": None if one.until is None else timestamp(one.until),
        "when": list(one.when),
        "unless": list(one.unless),
        **_path(one.way, names, in_full=in_full),
    }


def _path(way: Way, names: Mapping[str, str], *, in_full: bool = True) -> Document:
    grant = way.grant
    return {
        "role": way.role,
        "path": list(way.roles),
        "grant": None
        if grant is None or not in_full
        else {
            "id": grant.id,
            "department": grant.department,
            "not_before": timestamp(grant.not_before),
            "expires_at": None if grant.expires_at is None else timestamp(grant.expires_at),
            "granted_by": grant.granted_by,
            "granted_by_name": names.get(grant.granted_by, grant.granted_by),
            "source": grant.source,
        },
    }
