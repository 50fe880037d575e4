"""Reading the log: pages of events and all of them, by what an auditor asks.

Pages are cut by sequence number, never by counting rows off, so that the millionth page costs as
much as the first and nothing moves under the reader.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Row, func, select

from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.question import EVERYTHING, AfterHours, Question, answers
from secvault.audit.reaching import (
    FEW,
    Bounds,
    Reached,
    Span,
    of_pair,
    pairs_of,
    span_of,
    statement,
)
from secvault.errors import InvalidInput
from secvault.store.engine import Store
from secvault.store.tables import audit_event

__all__ = ("EVERYTHING", "FEW", "AfterHours", "Page", "Question", "event_at", "events", "page")

MAX_PAGE = 1_000

_CHUNK = 2_000
_CHUNKS_TOGETHER = 20_000
"""Rows held at once when events of many kinds are merged."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order asked for. next: the `after` of the next page; None at the end.

    previous: the `before` of the page before; None at the beginning.
    """

    events: tuple[StoredEvent, ...]
    next: int | None
    previous: int | None = None


_Statement = Callable[[Connection, Bounds, int], Reached]
_Found = Row[tuple[int, int, bytes]]


def page(
    store: Store,
    question: Question = EVERYTHING,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> Page:
    """One page of the events that answer the question.

    after: sequence number of the last event seen. before: of the first one seen, for the page that
    precedes it in the same order; not both. limit: 1 to 1,000. Raises InvalidInput, and Damaged if
    a stored event cannot be read.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {MAX_PAGE}")
    if after is not None and before is not None:
        raise InvalidInput.at("before", "give after or before, not both")
    back = before is not None
    along = newest_first is not back
    with store.read() as connection:
        span = span_of(connection, question.checked())

        def reach(at: Connection, bounds: Bounds, rows: int) -> Reached:
            return statement(at, question, bounds, rows, newest_first=along)

        # One more than asked for tells whether a next page exists.
        rows = _rows(connection, reach, span, before if back else after, limit + 1, along=along)
        found = list(islice(_answering(rows, question), limit + 1))
    more, found = len(found) > limit, found[:limit]
    if back:
        found.reverse()
    if not found:
        return Page((), None, None)
    follows = True if back else more
    precedes = more if back else after is not None
    first, last = found[0].seq, found[-1].seq
    return Page(tuple(found), last if follows else None, first if precedes else None)


def events(
    store: Store, question: Question = EVERYTHING, *, oldest_first: bool = True
) -> Iterator[StoredEvent]:
    """All events that answer the question and were in the log when the first is asked for.

    Memory does not grow with their number: they are read some thousand at a time, each time by a
    connection of its own. Raises Damaged if a stored event cannot be read.
    """
    with store.read() as connection:
        span = _closed(connection, span_of(connection, question.checked()))
    along = not oldest_first
    pairs = pairs_of(question)
    if pairs is None:
        return _answering(
            _read(
                store,
                lambda at, bounds, rows: statement(at, question, bounds, rows, newest_first=along),
                span,
                _CHUNK,
                along=along,
            ),
            question,
        )
    # Each pair is in the order of its index; merged, all are.
    each = [
        _read(store, _of(question, pair, along=along), span, chunk, along=along)
        for chunk in [max(50, min(_CHUNK, _CHUNKS_TOGETHER // max(1, len(pairs))))]
        for pair in pairs
    ]
    merged = heapq.merge(*each, key=lambda row: row.seq, reverse=along)
    return _answering(merged, question)


def event_at(store: Store, seq: int) -> StoredEvent | None:
    """The event with this sequence number, or None. Raises Damaged if it cannot be read."""
    with store.read() as connection:
        body = connection.scalar(select(audit_event.c.body).where(audit_event.c.seq == seq))
    return None if body is None else decode(body, seq=seq)


def _of(question: Question, pair: tuple[str, str], *, along: bool) -> _Statement:
    return lambda at, bounds, rows: of_pair(at, question, pair, bounds, rows, newest_first=along)


def _closed(connection: Connection, span: Span) -> Span:
    """The span up to what is there now, so that reading it ends while the log grows."""
    newest = connection.scalar(select(func.max(audit_event.c.seq)))
    size = 0 if newest is None else newest + 1
    return Span(span.first, size if span.end is None else min(size, span.end))


def _read(
    store: Store, reach: _Statement, span: Span, chunk: int, *, along: bool
) -> Iterator[_Found]:
    after: int | None = None
    while True:
        with store.read() as connection:
            bounds = span.bounds(after, newest_first=along)
            rows = connection.execute(reach(connection, bounds, chunk)).all()
        yield from rows
        if len(rows) < chunk:
            return
        after = rows[-1].seq


def _rows(
    connection: Connection,
    reach: _Statement,
    span: Span,
    after: int | None,
    chunk: int,
    *,
    along: bool,
) -> Iterator[_Found]:
    while True:
        bounds = span.bounds(after, newest_first=along)
        rows = connection.execute(reach(connection, bounds, chunk)).all()
        yield from rows
        if len(rows) < chunk:
            return
        after = rows[-1].seq


def _answering(rows: Iterator[_Found], question: Question) -> Iterator[StoredEvent]:
    """The events of the rows that answer what no index leads to."""
    after_hours = question.after_hours
    for row in rows:
        # Cheaper than reading the event first; the time in its bytes is compared again.
        if after_hours is not None and after_hours.is_open(row.t):
            continue
        stored = decode(row.body, seq=row.seq)
        if answers(question, stored):
            yield stored
