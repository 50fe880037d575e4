"""What is asked of the log: which events, and how a question is told."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, DecisionNote, Outcome
from secvault.audit.facts import Fact
from secvault.audit.leaf import StoredEvent
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput

_NO_DECISION = DecisionNote()

MOST_LISTED = 200
"""Kinds, outcomes or decisions that one question lists."""


@dataclass(frozen=True, slots=True)
class AfterHours:
    """When nobody should be at work.

    is_open: whether a moment, microseconds UTC, lies within the hours of work. said: those hours,
    for whoever reads what was asked. zone: by whose clocks, of the IANA database.
    """

    is_open: Callable[[int], bool] = field(repr=False)
    said: str
    zone: str


@dataclass(frozen=True, slots=True)
class Question:
    """Which events; what is empty does not restrict.

    kind: this one, or all that begin with it when it ends with a point (`record.`). kinds: any of
    these, read the same way. outcome: exactly this one; outcomes: any of these. actor:
    `user:01920c3e`, or all of a sort with what it begins with (`user:`, `svc:`). resource: this one
    and all below it (`hr` or `hr/employees/e-7`); this one alone when `below` is not set; also_at:
    these, too, without what is below them. request:
    the id that the caller was given. decisions: ids of decisions. facts: names and values that the
    event's detail has. since: at or after, until: before; microseconds UTC, by time of recording.
    first, end: from this sequence number on, and before that one. after_hours: only what was
    recorded when nobody should be at work.
    """

    kind: str = ""
    outcome: Outcome | None = None
    actor: str = ""
    resource: str = ""
    department: str = ""
    since: int | None = None
    until: int | None = None
    below: bool = True
    kinds: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    request: str = ""
    decisions: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    first: int | None = None
    end: int | None = None
    after_hours: AfterHours | None = None
    also_at: tuple[str, ...] = ()

    def told(self) -> dict[str, JsonValue]:
        """The question as JSON that a manifest carries: only what restricts, moments as numbers."""
        said: dict[str, JsonValue] = {}
        for name in (
            "kind", "outcome", "actor", "resource", "department", "since", "until", "request",
            "first", "end",
        ):  # fmt: skip
            value = getattr(self, name)
            if value not in ("", None):
                said[name] = value
        for name in ("kinds", "outcomes", "decisions"):
            if listed := getattr(self, name):
                said[name] = list(listed)
        if self.facts:
            said["facts"] = dict(self.facts)
        if self.resource and not self.below:
            said["below"] = False
        if self.resource and self.also_at:
            said["also_at"] = list(self.also_at)
        if self.after_hours is not None:
            said["after_hours"] = self.after_hours.said
        return said

    def wanted_kinds(self) -> tuple[str, ...] | None:
        """The kinds of the catalogue that are asked for, sorted; None for any kind.

        A kind that is asked for by its whole name stays, though the catalogue may not know it.
        """
        found: set[str] | None = None
        for named in ((self.kind,) if self.kind else (), self.kinds):
            if named:
                these = {kind for name in named for kind in kinds_named(name)}
                found = these if found is None else found & these
        return None if found is None else tuple(sorted(found))

    def wanted_outcomes(self) -> tuple[Outcome, ...] | None:
        """The outcomes that are asked for; None for any."""
        if not self.outcome and not self.outcomes:
            return None
        return tuple(
            one
            for one in OUTCOMES
            if self.outcome in (None, one) and (not self.outcomes or one in self.outcomes)
        )

    def checked(self) -> Question:
        """The question itself. Raises InvalidInput for one that cannot be asked."""
        for name in ("kinds", "outcomes", "decisions", "facts", "also_at"):
            if len(getattr(self, name)) > MOST_LISTED:
                raise InvalidInput.at(name, f"lists more than {MOST_LISTED}")
        for name, value in self.facts:
            if not name.isascii() or not name.replace("_", "").isalnum() or not value:
                raise InvalidInput.at("facts", "needs a name of letters and a value for each")
        return self


EVERYTHING = Question()


def kinds_named(name: str) -> tuple[str, ...]:
    """The kinds that a name stands for: itself, or those that begin with it (`record.`)."""
    prefix = name.removesuffix("*")
    if not prefix.endswith("."):
        return (name,)
    return tuple(sorted(kind for kind in KINDS if kind.startswith(prefix)))


def asks_within(question: Question) -> bool:
    """Whether it asks for something that no index leads to, so that `answers` is to be asked."""
    beyond = (question.request, question.decisions, question.facts)
    return any(beyond) or question.after_hours is not None


def answers(question: Question, stored: StoredEvent) -> bool:
    """Whether the event is among those asked for by what no index leads to."""
    event = stored.event
    if question.request and event.request != question.request:
        return False
    if question.decisions and (event.decision or _NO_DECISION).id not in question.decisions:
        return False
    for name, value in question.facts:
        found = event.detail.get(name)
        if found is None or fact_text(found) != value:
            return False
    after_hours = question.after_hours
    return after_hours is None or not after_hours.is_open(stored.t)


def path(resource: str) -> str:
    """The resource as the log keeps it."""
    return unicodedata.normalize("NFC", resource).rstrip("/")


def fact_text(fact: Fact) -> str:
    """A fact as questions name it: a flag as `true` or `false`."""
    return str(fact).lower() if isinstance(fact, bool) else str(fact)
