"""Failed sign-ins, by whom they were tried and from where, and whether one succeeded after them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from secvault.audit import query
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import Question
from secvault.audit.questions.saved import Networks, Row
from secvault.clock import timestamp
from secvault.store.engine import Store

SOON = 3_600 * 1_000_000
"""A success within an hour of a failure belongs to it; microseconds."""

KINDS = (
    "auth.sign_in",
    "auth.first_factor",
    "auth.step_up",
    "auth.password_redeemed",
    "auth.locked",
    "token.refused",
)

COLUMNS = {
    "who": "Who",
    "network": "From",
    "failures": "Failures",
    "first": "First",
    "last": "Last",
    "reasons": "Why",
    "locked": "Locked out",
    "success_after": "Success after them",
    "success_seq": "Its number",
}

_TOGETHER = 1_000


@dataclass
class _Tried:
    """What one actor tried from one network."""

    first: int
    last: int
    reasons: Counter[str] = field(default_factory=Counter)
    locked: int = 0
    success: tuple[int, int] | None = None


def failed(store: Store, question: Question, networks: Networks) -> Sequence[Row]:
    """A row for each actor and network with a failure, the most failures first.

    A success counts for all networks of an actor: whoever guesses from one may enter from another.
    Memory grows with the actors and networks, not with the events.
    """
    tried: dict[str, dict[str, _Tried]] = {}
    for stored, network in _from(query.events(store, question), networks):
        event = stored.event
        who = event.actor.subject
        if event.kind == "auth.locked":
            for one in tried.get(_whose(event.resource), {}).values():
                one.locked += 1
        elif event.outcome == "denied":
            one = tried.setdefault(who, {}).setdefault(network, _Tried(stored.t, stored.t))
            one.last = stored.t
            one.reasons[str(event.detail.get("reason", ""))] += 1
        elif event.kind == "auth.sign_in" and event.outcome == "ok":
            for one in tried.get(who, {}).values():
                if one.success is None and stored.t - one.last <= SOON:
                    one.success = (stored.t, stored.seq)
    rows = [
        (-one.reasons.total(), who, network, one)
        for who, places in tried.items()
        for network, one in places.items()
    ]
    return [_row(who, network, one) for _, who, network, one in sorted(rows, key=lambda at: at[:3])]


def _from(events: Iterator[StoredEvent], networks: Networks) -> Iterable[tuple[StoredEvent, str]]:
    while chunk := list(islice(events, _TOGETHER)):
        known = networks(chunk)
        for stored in chunk:
            yield stored, known.get(stored.id, "")


def _whose(resource: str) -> str:
    # it/people/<id>/devices/<device>
    return f"user:{resource.removeprefix('it/people/').partition('/')[0]}"


def _row(who: str, network: str, one: _Tried) -> Row:
    return {
        "who": who,
        "network": network,
        "failures": one.reasons.total(),
        "first": timestamp(one.first),
        "last": timestamp(one.last),
        "reasons": ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common()),
        "locked": one.locked,
        "success_after": timestamp(one.success[0]) if one.success else "",
        "success_seq": one.success[1] if one.success else None,
    }
