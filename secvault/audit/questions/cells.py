"""What an event says under each column of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from secvault.audit.event import Event
from secvault.audit.leaf import StoredEvent
from secvault.audit.questions.saved import Row, Value
from secvault.clock import timestamp

_READ: Mapping[str, Callable[[Event], Value]] = {
    "who": lambda one: one.actor.subject,
    "what": lambda one: one.kind,
    "outcome": lambda one: one.outcome,
    "on": lambda one: one.resource,
    "department": lambda one: one.department,
    "fields": lambda one: ", ".join(one.fields),
    "count": lambda one: one.count,
    "factors": lambda one: ", ".join(one.actor.factors),
    "session": lambda one: one.actor.session,
    "rule": lambda one: one.decision.rule if one.decision else "",
    "decision": lambda one: one.decision.id if one.decision else "",
    "asked_in": lambda one: one.request,
    # What a drill of a scenario was of; `rule` above is that of the decision.
    "scenario": lambda one: one.detail.get("rule"),
}

TITLES: Mapping[str, str] = {
    "seq": "Seq",
    "time": "Time",
    "local_time": "Local time",
    "who": "Who",
    "what": "What",
    "outcome": "Outcome",
    "on": "On",
    "department": "Department",
    "fields": "Fields",
    "count": "Count",
    "factors": "Factors",
    "session": "Session",
    "rule": "Rule",
    "decision": "Decision",
    "asked_in": "Request",
    "scenario": "Scenario",
}
"""The columns of an event itself, with their titles; any fact of its detail can be one, too."""

MOMENTS = frozenset({"expires_at", "not_before"})
"""Facts that are moments, and are told as such."""


def row_of(stored: StoredEvent, columns: Iterable[str]) -> dict[str, Value]:
    """The cells of these columns. One that is none of the event's own is a fact of its detail."""
    event = stored.event
    place: dict[str, Value] = {"seq": stored.seq, "time": timestamp(stored.t)}
    return {name: place[name] if name in place else _cell(event, name) for name in columns}


def rows_of(events: Iterable[StoredEvent], columns: Iterable[str]) -> tuple[Row, ...]:
    """A row for each event."""
    names = tuple(columns)
    return tuple(row_of(stored, names) for stored in events)


def _cell(event: Event, name: str) -> Value:
    own = _READ.get(name)
    if own is not None:
        return own(event)
    found = event.detail.get(name)
    if name in MOMENTS and isinstance(found, int):
        return timestamp(found)
    return found
