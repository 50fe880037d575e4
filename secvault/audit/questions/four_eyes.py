"""Who asked for what, who approved it, and who did it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import Question
from secvault.audit.questions.cells import row_of
from secvault.audit.questions.saved import Networks, Row, Value
from secvault.clock import timestamp
from secvault.store.engine import Store

GIVEN = ("approval.give", "approval.give_role")
REFUSED = ("approval.refuse", "approval.refuse_role")
KINDS = ("approval.ask", "grant.request", *GIVEN, *REFUSED, "approval.use")

COLUMNS = {
    "request": "Request",
    "asked_at": "Asked",
    "asked_by": "By",
    "operation": "For",
    "subject": "About",
    "department": "Department",
    "approved_by": "Approved by",
    "refused_by": "Refused by",
    "done_at": "Done",
    "done_by": "By whom",
    "digest": "Digest of what was approved",
}

CHANGES = (
    "grant.",
    "eligibility.",
    "exception.",
    "policy.apply",
    "policy.change",
    "approle.write",
    "approle.delete",
    "service_account.create",
    "service_account.disable",
    "token.issue",
    "person.place",
    "break_glass.start",
    "break_glass.recover",
    "scim.provision",
)
"""Kinds that change what somebody may; looking and warning is left out by `changed`."""

CHANGED_COLUMNS = {
    "seq": "Seq",
    "time": "Time",
    "who": "Changed by",
    "what": "What",
    "outcome": "Outcome",
    "subject": "Whose",
    "role": "Role",
    "department": "Department",
    "not_before": "From",
    "expires_at": "Until",
    "approval": "Approval",
    "approved_by": "Approved by",
    "reason": "Reason",
}

_LOOKING = ("grant.read", "grant.own", "grant.warn", "eligibility.read")


@dataclass
class _Request:
    """What is known of one request, as the log tells it."""

    said: dict[str, Value] = field(default_factory=dict)
    approved: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def approvals(store: Store, question: Question, _networks: Networks) -> Sequence[Row]:
    """A row for each request, the oldest first. One that was asked for before the period has what
    the period knows of it.
    """
    found: dict[str, _Request] = {}
    for stored in query.events(store, question):
        event = stored.event
        request = str(event.detail.get("request", ""))
        if event.outcome != "ok" or not request:
            continue
        one = found.setdefault(request, _Request({"request": request}))
        _add(one, stored)
    return [
        {
            **dict.fromkeys(COLUMNS, ""),
            **one.said,
            "approved_by": ", ".join(one.approved),
            "refused_by": ", ".join(one.refused),
        }
        for one in found.values()
    ]


def changed_kinds() -> tuple[str, ...]:
    """The kinds that change what somebody may."""
    kinds = Question(kinds=CHANGES).wanted_kinds() or ()
    return tuple(kind for kind in kinds if kind not in _LOOKING)


def changes(store: Store, question: Question, _networks: Networks) -> Sequence[Row]:
    """A row for each change of a right, with who approved it: by the digest of what was done."""
    approvers = _approvers(store, question)
    return [
        {
            **row_of(stored, CHANGED_COLUMNS),
            "subject": _whose(stored),
            "approved_by": ", ".join(approvers.get(str(stored.event.detail.get("digest", "")), ())),
        }
        for stored in query.events(store, question, oldest_first=False)
    ]


def _add(one: _Request, stored: StoredEvent) -> None:
    event, who = stored.event, stored.event.actor.subject
    for name in ("operation", "subject", "digest"):
        if event.detail.get(name):
            one.said.setdefault(name, event.detail[name])
    one.said.setdefault("department", event.department)
    if event.kind in GIVEN:
        one.approved.append(who)
        one.said.setdefault("asked_by", event.detail.get("requester", ""))
    elif event.kind in REFUSED:
        one.refused.append(who)
    elif event.kind == "approval.use":
        one.said.update(done_at=timestamp(stored.t), done_by=who)
    else:
        one.said.update(asked_at=timestamp(stored.t), asked_by=who)


def _approvers(store: Store, question: Question) -> dict[str, list[str]]:
    # What was approved before the period began may have been done in it.
    given = Question(kinds=GIVEN, outcome="ok", until=question.until)
    found: dict[str, list[str]] = {}
    for stored in query.events(store, given):
        digest = str(stored.event.detail.get("digest", ""))
        who = stored.event.actor.subject
        if who not in found.setdefault(digest, []):
            found[digest].append(who)
    return found


def _whose(stored: StoredEvent) -> Value:
    detail = stored.event.detail
    return detail.get("subject") or detail.get("person") or stored.event.resource
