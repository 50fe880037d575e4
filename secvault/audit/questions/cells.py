"""What an event says under each column of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from secvault.audit.leaf import StoredEvent
from secvault.audit.questions.saved import Row, Value
from secvault.clock import timestamp

_READ: Mapping[str, Callable[[StoredEvent], Value]] = {
    "seq": lambda one: one.seq,
    "time": lambda one: timestamp(one.t),
    "who": lambda one: one.event.actor.subject,
    "what": lambda one: one.event.kind,
    "outcome": lambda one: one.event.outcome,
    "on": lambda one: one.event.resource,
    "department": lambda one: one.event.department,
    "fields": lambda one: ", ".join(one.event.fields),
    "count": lambda one: one.event.count,
    "factors": lambda one: ", ".join(one.event.actor.factors),
    "session": lambda one: one.event.actor.session,
    "rule": lambda one: one.event.decision.rule if one.event.decision else "",
    "decision": lambda one: one.event.decision.id if one.event.decision else "",
    "asked_in": lambda one: one.event.request,
    # What a drill of a scenario was of; `rule` above is that of the decision.
    "scenario": lambda one: one.event.detail.get("rule"),
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
    return {name: _cell(stored, name) for name in columns}


def rows_of(events: Iterable[StoredEvent], columns: Iterable[str]) -> tuple[Row, ...]:
    """A row for each event."""
    names = tuple(columns)
    return tuple(row_of(stored, names) for stored in events)


def _cell(stored: StoredEvent, name: str) -> Value:
    own = _READ.get(name)
    if own is not None:
        return own(stored)
    found = stored.event.detail.get(name)
    if name in MOMENTS and isinstance(found, int):
        return timestamp(found)
    return found
