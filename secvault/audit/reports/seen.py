"""Who saw what, and how much: one pass over all that showed data, counted three ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import AfterHours, Question
from secvault.audit.questions.saved import Row
from secvault.store.engine import Store

_COUNTS = ("accesses", "items", "refused", "unclear", "after_hours")
_KEYS = "transit"


@dataclass
class _Tally:
    accesses: int = 0
    items: int = 0
    refused: int = 0
    unclear: int = 0
    after_hours: int = 0
    people: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Seen:
    """Rows with the most accesses first. looked_at: events. totals: of all of them, by column."""

    departments: Sequence[Row]
    people: Sequence[Row]
    collections: Sequence[Row]
    totals: Mapping[str, int]
    looked_at: int


def count_seen(
    store: Store, question: Question, hours: AfterHours, opening: Collection[str]
) -> Seen:
    """Count what answers the question.

    An event that announces something is not counted, what it announced is; `unclear` are those
    whose end was never learnt or that failed on the way. opening: the kinds that count as after
    hours. Memory grows with people and collections, not with events. Raises Damaged.
    """
    total = _Tally()
    departments: dict[str, _Tally] = {}
    people: dict[str, _Tally] = {}
    collections: dict[str, _Tally] = {}
    looked_at = 0
    for stored in query.events(store, question):
        looked_at += 1
        event = stored.event
        if event.outcome == "intent":
            continue
        late = event.kind in opening and event.outcome == "ok" and not hours.is_open(stored.t)
        for tallies, name in (
            (departments, event.department),
            (people, event.actor.subject),
            (collections, collection_of(event.resource)),
        ):
            _add(tallies.setdefault(name, _Tally()), stored, late=late)
        _add(total, stored, late=late)
    return Seen(
        _rows("department", departments, people=True),
        _rows("who", people, people=False),
        _rows("collection", collections, people=True),
        {**{name: getattr(total, name) for name in _COUNTS}, "people": len(total.people)},
        looked_at,
    )


def collection_of(resource: str) -> str:
    """The collection that a resource lies in, or the key, with its department."""
    parts = resource.split("/")
    return "/".join(parts[: 3 if parts[1:2] == [_KEYS] else 2])


def _add(tally: _Tally, stored: StoredEvent, *, late: bool) -> None:
    event = stored.event
    if event.outcome == "ok":
        tally.accesses += 1
        tally.items += 1 if event.count is None else event.count
        tally.after_hours += late
        tally.people.add(event.actor.subject)
    elif event.outcome == "denied":
        tally.refused += 1
    else:
        tally.unclear += 1


def _rows(key: str, tallies: Mapping[str, _Tally], *, people: bool) -> Sequence[Row]:
    found = sorted(tallies.items(), key=lambda one: (-one[1].accesses, -one[1].refused, one[0]))
    return [
        {
            key: name,
            **({"people": len(tally.people)} if people else {}),
            **{count: getattr(tally, count) for count in _COUNTS},
        }
        for name, tally in found
    ]
