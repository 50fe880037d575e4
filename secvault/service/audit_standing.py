"""How the log stands, without verifying it: its size, its last checkpoint, how much comes when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from sqlalchemy import Connection

from secvault.audit import checkpoints, cosignatures, query
from secvault.audit.archive_rows import boundary
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.question import EVERYTHING, Question
from secvault.audit.reaching import first_at_or_after
from secvault.audit.streams.place import log_size
from secvault.errors import InvalidInput
from secvault.service.audit_log import LOG, VERIFY
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

MOST_PARTS = 100
MOST_COUNTED = 5_000
_LOOKED_BACK = 500
_USUAL = 30 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Verified:
    """A verification that is on record. seq: of its entry."""

    seq: int
    t: int
    passed: bool


@dataclass(frozen=True)
class LogStanding:
    """size: events of the log. checkpoint: the newest, None before the first. cosigned: size of the
    newest that a witness co-signed, 0 for none. live_from: events below lie in archives. verified:
    the last time that somebody did, as far as it is among the newest entries of its kind.
    """

    size: int
    checkpoint: StoredCheckpoint | None
    cosigned: int
    live_from: int
    verified: Verified | None


@dataclass(frozen=True)
class Timeline:
    """How many events were recorded when. edges: moments, in microseconds UTC, one more than there
    are counts. archived: older events of the time asked for lie in archives, and are not counted.
    filtered: only those are counted that answer a question. partial: and of those only the newest
    `MOST_COUNTED`.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    archived: bool
    filtered: bool = False
    partial: bool = False


def read_standing(service: Service, caller: Caller) -> LogStanding:
    """How the log stands. Nothing is verified or signed."""

    def act(connection: Connection) -> Outcome[LogStanding]:
        cosigned = cosignatures.newest_cosigned(connection)
        return Outcome(
            LogStanding(
                log_size(connection),
                checkpoints.newest_checkpoint(service.store),
                cosigned.size if cosigned else 0,
                boundary(connection),
                _last_verified(service),
            )
        )

    return service.spine.read(caller, VERIFY, act)


def even_edges(since: int | None, until: int | None, parts: int, now: int) -> tuple[int, ...]:
    """Where even parts of a time begin and end, micros; without bounds the 30 days until `now`.

    Raises InvalidInput for a time that is none, or too short for so many parts.
    """
    end = now + 1 if until is None else until
    start = max(0, end - _USUAL) if since is None else since
    if not 1 <= parts <= MOST_PARTS:
        raise InvalidInput.at("parts", f"must be 1 to {MOST_PARTS}")
    if end - start < parts:
        raise InvalidInput.at("since", "must be before the end, with room for all parts")
    return tuple(start + (end - start) * part // parts for part in range(parts + 1))


def read_timeline(
    service: Service, caller: Caller, edges: Sequence[int], question: Question = EVERYTHING
) -> Timeline:
    """How many events the log has between each two of these moments, that answer the question.

    Of all events it costs a look into an index for each: they are numbered in the order of their
    time. Else those that fit are read, the newest `MOST_COUNTED` of them. Raises InvalidInput
    unless the moments grow, and are 2 to 101.
    """
    parts = len(edges) - 1
    if not 1 <= parts <= MOST_PARTS or any(one >= two for one, two in pairwise(edges)):
        raise InvalidInput.at("edges", f"must be moments that grow, for 1 to {MOST_PARTS} parts")
    filtered = replace(question, since=None, until=None) != EVERYTHING

    def act(connection: Connection) -> Outcome[Timeline]:
        size, live = log_size(connection), boundary(connection)
        firsts = [first_at_or_after(connection, edge) for edge in edges]
        numbers = [size if first is None else first for first in firsts]
        archived = 0 < live == numbers[0]
        if filtered:
            counts, partial = _fitting(service, question, edges, live)
        else:
            counts, partial = [max(0, two - one) for one, two in pairwise(numbers)], False
        found = Timeline(tuple(edges), tuple(counts), archived, filtered, partial)
        return Outcome(found, count=sum(counts))

    return service.spine.read(caller, LOG, act)


def _fitting(
    service: Service, question: Question, edges: Sequence[int], live: int
) -> tuple[list[int], bool]:
    """How many of the events that are not archived fit, and whether that is not all of them."""
    asked = replace(
        question,
        since=max(edges[0], question.since or 0),
        until=min(edges[-1], question.until or edges[-1]),
        first=max(live, question.first or 0),
    )
    counts = [0] * (len(edges) - 1)
    found = query.events(service.store, asked, oldest_first=False)
    for stored in islice(found, MOST_COUNTED):
        counts[min(bisect_right(edges, stored.t) - 1, len(counts) - 1)] += 1
    return counts, next(found, None) is not None


def _last_verified(service: Service) -> Verified | None:
    # Looking at the log's keys and the like is of this kind, too, and says nothing of a verdict.
    question = query.Question(kind="audit.verify", outcome="ok")
    for stored in query.page(service.store, question, limit=_LOOKED_BACK).events:
        passed = stored.event.detail.get("passed")
        if isinstance(passed, bool):
            return Verified(stored.seq, stored.t, passed)
    return None
