"""Reading the log: pages of events and all of them, by what an auditor asks.

Pages are cut by sequence number, never by counting rows off, so that the millionth page costs as
much as the first and nothing moves under the reader.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter

from sqlalchemy import Connection, func, select

from secvault.audit import entries
from secvault.audit.archive_rows import boundary
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.question import EVERYTHING, AfterHours, Question, answers, asks_within
from secvault.audit.reaching import (
    Reached,
    Span,
    first_at_or_after,
    moments_of,
    of_pair,
    pairs_of,
    span_of,
    statement,
)
from secvault.audit.windows import windows
from secvault.errors import InvalidInput
from secvault.store.engine import Store
from secvault.store.straight import fetched
from secvault.store.tables import audit_event

__all__ = ("EVERYTHING", "AfterHours", "Page", "Question", "event_at", "events", "page")

MAX_PAGE = 1_000

_CHUNK = 5_000
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


_Statement = Callable[[Connection, Span, int], Reached]
_Found = tuple[int, int, bytes]
"""Sequence number, time and leaf bytes."""


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
    question.checked()
    with store.read() as connection:
        # One more than asked for tells whether a next page exists.
        rows = _rows(connection, question, before if back else after, limit + 1, along=along)
        with closing(rows):
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
    question.checked()
    return _answering(_every(store, question, along=not oldest_first), question)


def event_at(store: Store, seq: int) -> StoredEvent | None:
    """The event with this sequence number, or None. Raises Damaged if it cannot be read."""
    with store.read() as connection:
        body = entries.body(connection, seq)
    return None if body is None else decode(body, seq=seq)


class _Moved(Exception):
    """Entries were archived since the reading began."""


def _every(store: Store, question: Question, *, along: bool) -> Iterator[_Found]:
    """The rows of the log as it is now. When some of them are archived meanwhile, it goes on from
    the last one, in the archives.
    """
    with store.read() as connection:
        live = boundary(connection)
        newest = connection.scalar(select(func.max(audit_event.c.seq)))
    ends = (max(live, 0 if newest is None else newest + 1), question.end)
    left = Span(question.first, min(one for one in ends if one is not None))
    last: int | None = None
    while True:
        try:
            for row in _parts(store, question, live, left, along=along):
                last = row[0]
                yield row
        except _Moved:
            left = left.beyond(last, newest_first=along)
            with store.read() as connection:
                live = boundary(connection)
        else:
            return


def _parts(
    store: Store, question: Question, live: int, left: Span, *, along: bool
) -> Iterator[_Found]:
    end = left.end or 0
    archived = _archived(store, question, Span(left.first, min(live, end)), along=along)
    present = _present(store, question, live, left, along=along)
    return chain(present, archived) if along else chain(archived, present)


def _present(
    store: Store, question: Question, live: int, left: Span, *, along: bool
) -> Iterator[_Found]:
    """The rows of what is in the store itself, from `live` on, within what is left."""
    with store.read() as connection:
        _same(connection, live)
        span = span_of(connection, question).within(max(live, left.first or 0), left.end)

    def reach(at: Connection, left: Span, rows: int) -> Reached:
        return statement(at, question, left, rows, newest_first=along)

    pairs = pairs_of(question)
    if pairs is None:
        yield from _read(store, reach, span, _CHUNK, live, along=along)
        return
    # Each pair is in the order of its index; merged, all are.
    each = [
        _read(store, _of(question, pair, along=along), span, chunk, live, along=along)
        for chunk in [max(50, min(_CHUNK, _CHUNKS_TOGETHER // max(1, len(pairs))))]
        for pair in pairs
    ]
    yield from heapq.merge(*each, key=itemgetter(0), reverse=along)


def _archived(store: Store, question: Question, within: Span, *, along: bool) -> Iterator[_Found]:
    """The rows of what is archived. A part at a time, so that no connection is held meanwhile."""
    first, end = within.first or 0, within.end or 0
    since, until = moments_of(question)
    while first < end:
        after = end if along else first - 1
        with store.read() as connection:
            parts = windows(connection, newest_first=along, after=after, since=since, until=until)
            with closing(parts):
                part = next((one for one in parts if one.connection is not connection), None)
                if part is None:
                    return
                span = span_of(part.connection, question).within(max(first, part.start), end)
                reached = statement(part.connection, question, span, None, newest_first=along)
                rows = fetched(part.connection, reached)
        yield from rows
        first, end = (first, part.start) if along else (part.stop, end)


def _same(connection: Connection, live: int) -> None:
    if boundary(connection) != live:
        raise _Moved


def first_since(connection: Connection, moment: int) -> int | None:
    """The number of the first event recorded at or after the moment, wherever it lies by now; None
    when there is none. Raises Damaged.
    """
    parts = windows(connection, newest_first=False, since=moment)
    with closing(parts):
        found = (first_at_or_after(part.connection, moment) for part in parts)
        return next((one for one in found if one is not None), None)


def _of(question: Question, pair: tuple[str, str], *, along: bool) -> _Statement:
    return lambda at, left, rows: of_pair(at, question, pair, left, rows, newest_first=along)


def _read(
    store: Store, reach: _Statement, span: Span, chunk: int, live: int, *, along: bool
) -> Iterator[_Found]:
    """Some rows at a time. Raises _Moved when the store's own entries begin elsewhere by now."""
    after: int | None = None
    while True:
        with store.read() as connection:
            _same(connection, live)
            left = span.beyond(after, newest_first=along)
            rows = fetched(connection, reach(connection, left, chunk))
        yield from rows
        if len(rows) < chunk:
            return
        after = rows[-1][0]


def _rows(
    connection: Connection, question: Question, after: int | None, chunk: int, *, along: bool
) -> Generator[_Found, None, None]:
    since, until = moments_of(question)
    beyond = _beyond(question, after, along=along)
    parts = windows(connection, newest_first=along, after=beyond, since=since, until=until)
    with closing(parts):
        for part in parts:
            asked, last = part.connection, after
            if not along and question.end is not None and part.start >= question.end:
                return
            span = span_of(asked, question).within(part.start, None)
            while True:
                left = span.beyond(last, newest_first=along)
                reached = statement(asked, question, left, chunk, newest_first=along)
                rows = fetched(asked, reached)
                yield from rows
                if len(rows) < chunk:
                    break
                last = rows[-1][0]
            if along and question.first is not None and part.start <= question.first:
                return


def _beyond(question: Question, after: int | None, *, along: bool) -> int | None:
    """The cursor, moved to where the question begins, so that nothing before that is opened."""
    edge = question.end if along else None if question.first is None else question.first - 1
    known = [one for one in (after, edge) if one is not None]
    return (min(known) if along else max(known)) if known else None


def _answering(rows: Iterator[_Found], question: Question) -> Iterator[StoredEvent]:
    """The events of the rows that answer what no index leads to."""
    if not asks_within(question):
        # Millions of them are exported.
        for seq, _, body in rows:
            yield decode(body, seq=seq)
        return
    after_hours = question.after_hours
    for seq, t, body in rows:
        # Cheaper than reading the event first; the time in its bytes is compared again.
        if after_hours is not None and after_hours.is_open(t):
            continue
        stored = decode(body, seq=seq)
        if answers(question, stored):
            yield stored
