"""OCSF 1.8.0 as JSON Lines, one event a line, for a SIEM or a data lake.

What the schema has no place for is under `unmapped`. The log keeps no address in an event, so a
`src_endpoint`, where the schema asks for one, names the session or the node that wrote the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from secvault.audit.event import DecisionNote, Event
from secvault.audit.formats.cells import leaf_hash
from secvault.audit.formats.format import ExportFacts, opened
from secvault.audit.formats.ocsf_mapping import OTHER, mapping
from secvault.audit.leaf import StoredEvent

Json = dict[str, Any]

_USER_TYPES: Mapping[str, int] = {"user": 1, "svc": 4, "local": 2, "system": 3}
_STATUSES: Mapping[str, tuple[int, str]] = {
    "ok": (1, "Success"),
    "denied": (2, "Failure"),
    "error": (2, "Failure"),
    "unknown": (0, "Unknown"),
    "intent": (OTHER, "Announced"),
}
_SERVER, _REGULAR_FILE = 1, 1
FINDING = 2004
_MOST_ENCODED = 1 << 20
_JSON = msgspec.json.Encoder()
_NO_DECISION = DecisionNote()


def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
    """Write the events; see `format.Write`."""
    written = 0
    waiting = bytearray()
    product = {"name": "secvault", "vendor_name": "secvault", "version": facts.version}
    with opened(file) as out:
        for stored in events:
            waiting += _JSON.encode(document(stored, origin=facts.origin, product=product))
            waiting += b"\n"
            written += 1
            if len(waiting) > _MOST_ENCODED:
                out.write(waiting)
                waiting.clear()
        out.write(waiting)
    return written


def document(stored: StoredEvent, *, origin: str, product: Json) -> Json:
    """The event as OCSF. origin: of the log. product: the program, as the schema has it."""
    event, known = stored.event, mapping()
    told = known.of(event.kind)
    status_id, status = _STATUSES[event.outcome]
    made: Json = {
        "class_uid": told.uid,
        "category_uid": told.category,
        "activity_id": told.activity,
        "type_uid": told.uid * 100 + told.activity,
        "severity_id": known.severity(event.kind, event.outcome),
        "status_id": status_id,
        "status": status,
        # Milliseconds, as the schema has it; microseconds are in `unmapped`.
        "time": stored.t // 1_000,
        "metadata": {
            "version": known.version,
            "product": product,
            "uid": stored.id,
            "sequence": stored.seq,
            "event_code": event.kind,
            "log_name": origin,
            "original_event_uid": stored.id,
        },
        "unmapped": _unmapped(stored),
    }
    if told.activity == OTHER:
        made["activity_name"] = event.kind
    if event.request:
        made["metadata"]["correlation_uid"] = event.request
    if event.count is not None:
        made["count"] = max(1, event.count)
    if reason := event.detail.get("reason"):
        made["status_detail"] = str(reason)
    actor = _actor(event)
    # A finding has whoever acted among what it was found by.
    made.update({"evidences": [{"actor": actor}]} if told.uid == FINDING else {"actor": actor})
    made.update(_PARTS[told.name](stored))
    return made


def _actor(event: Event) -> Json:
    actor, note = event.actor, event.decision or _NO_DECISION
    made: Json = {"user": {"uid": actor.subject, "type_id": _USER_TYPES[actor.kind]}}
    if actor.session:
        made["session"] = {"uid": actor.session, "is_mfa": len(actor.factors) > 1}
    if note.policy:
        made["authorizations"] = [
            {
                "decision": "Deny" if event.outcome == "denied" else "Allow",
                "policy": {"uid": note.policy, "name": note.rule or note.kind or "none"},
            }
        ]
    return made


def _unmapped(stored: StoredEvent) -> Json:
    event, note = stored.event, stored.event.decision or _NO_DECISION
    said: Json = {
        "outcome": event.outcome,
        "time_micros": stored.t,
        "resource": event.resource,
        "department": event.department,
        "fields": event.fields,
        "factors": event.actor.factors,
        "roles": event.actor.roles,
        "decision": note.id,
        "rule": note.rule,
        "correlation": event.correlation,
        "detail": dict(event.detail),
        "node": stored.number.node,
    }
    return {
        **{name: value for name, value in said.items() if value},
        "leaf_hash": leaf_hash(stored.body),
    }


def _whom(event: Event) -> Json:
    """Whom the event is about: the person or the account that it names, else who acted."""
    for fact in ("person", "subject"):
        if found := event.detail.get(fact):
            return {"uid": str(found)}
    return {"uid": event.actor.subject, "type_id": _USER_TYPES[event.actor.kind]}


def _endpoint(stored: StoredEvent) -> Json:
    session = stored.event.actor.session
    return {"uid": session} if session else {"name": stored.number.node}


def _authentication(stored: StoredEvent) -> Json:
    event = stored.event
    made: Json = {
        "user": _whom(event),
        "service": {"name": "secvault"},
        "is_mfa": len(event.actor.factors) > 1,
    }
    if event.actor.session:
        made["session"] = {"uid": event.actor.session}
    return made


def _account_change(stored: StoredEvent) -> Json:
    return {"user": _whom(stored.event)}


def _user_access(stored: StoredEvent) -> Json:
    event = stored.event
    named = event.detail.get("role") or event.detail.get("operation") or event.kind
    return {"user": _whom(event), "privileges": [str(named)], "resources": [_resource(event)]}


def _entity(stored: StoredEvent) -> Json:
    event = stored.event
    return {"entity": {"uid": event.resource or event.kind, "type": event.kind.partition(".")[0]}}


def _datastore(stored: StoredEvent) -> Json:
    event = stored.event
    return {
        "src_endpoint": _endpoint(stored),
        "databucket": {
            "type_id": OTHER,
            "type": "secvault",
            "name": str(event.detail.get("collection") or event.department or "secvault"),
            "uid": event.resource or event.kind,
        },
    }


def _job(stored: StoredEvent) -> Json:
    event = stored.event
    return {
        "job": {"name": str(event.detail.get("plan") or event.resource or event.kind)},
        "device": {"type_id": _SERVER, "name": stored.number.node},
    }


def _file(stored: StoredEvent) -> Json:
    event = stored.event
    named = event.detail.get("snapshot") or event.detail.get("plan") or event.resource
    return {
        "src_endpoint": _endpoint(stored),
        "file": {"name": str(named or event.kind), "type_id": _REGULAR_FILE},
    }


def _log(_stored: StoredEvent) -> Json:
    return {"log_name": "secvault audit log", "log_provider": "secvault"}


def _finding(stored: StoredEvent) -> Json:
    return {"finding_info": {"uid": stored.id, "title": stored.event.kind}}


def _api(stored: StoredEvent) -> Json:
    event = stored.event
    return {
        "src_endpoint": _endpoint(stored),
        "api": {"operation": event.kind, "service": {"name": "secvault"}},
        "resources": [_resource(event)],
    }


def _resource(event: Event) -> Json:
    return {"name": event.resource or event.kind}


_PARTS: Mapping[str, Callable[[StoredEvent], Json]] = {
    "authentication": _authentication,
    "account_change": _account_change,
    "user_access": _user_access,
    "entity_management": _entity,
    "datastore_activity": _datastore,
    "scheduled_job_activity": _job,
    "file_hosting": _file,
    "event_log_actvity": _log,
    "detection_finding": _finding,
    "api_activity": _api,
}
"""What each class has beside what all have."""
