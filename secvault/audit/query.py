"""Reading the log: pages of events, by what an auditor asks.

Pages are cut by sequence number, never by counting rows off, so that the millionth page costs as
much as the first and nothing moves under the reader.
"""

from __future__ import annotations

import unicodedata
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, union_all

from secvault.audit import entries
from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.windows import windows
from secvault.errors import InvalidInput
from secvault.store.engine import Store
from secvault.store.tables import audit_event

MAX_PAGE = 1_000

FEW = 20_000
"""Up to so many events of one resource are sorted for a page; more are met soon by going along."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which events; what is empty does not restrict.

    kind: exactly this one. actor: `user:01920c3e`. resource: this one and all below it (`hr` or
    `hr/employees/e-7`); this one alone when `below` is not set. since: at or after, until: before;
    microseconds UTC, by time of recording.
    """

    kind: str = ""
    outcome: Outcome | None = None
    actor: str = ""
    resource: str = ""
    department: str = ""
    since: int | None = None
    until: int | None = None
    below: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order asked for. next: the `after` of the next page; None at the end."""

    events: tuple[StoredEvent, ...]
    next: int | None


EVERYTHING = Question()


def page(
    store: Store,
    question: Question = EVERYTHING,
    *,
    after: int | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> Page:
    """One page of the events that answer the question.

    after: sequence number of the last event seen. limit: 1 to 1,000. Raises InvalidInput, and
    Damaged if a stored event cannot be read.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {MAX_PAGE}")
    with store.read() as connection:
        # One more than asked for tells whether a next page exists.
        rows = _rows(connection, question, after, limit + 1, newest_first=newest_first)
    events = tuple(decode(row.body, seq=row.seq) for row in rows[:limit])
    return Page(events, events[-1].seq if len(rows) > limit else None)


def event_at(store: Store, seq: int) -> StoredEvent | None:
    """The event with this sequence number, or None. Raises Damaged if it cannot be read."""
    with store.read() as connection:
        body = entries.body(connection, seq)
    return None if body is None else decode(body, seq=seq)


def _rows(
    connection: Connection,
    question: Question,
    after: int | None,
    limit: int,
    *,
    newest_first: bool,
) -> list[Row[tuple[int, bytes]]]:
    rows: list[Row[tuple[int, bytes]]] = []
    since, until = question.since, question.until
    parts = windows(connection, newest_first=newest_first, after=after, since=since, until=until)
    with closing(parts):
        for part in parts:
            asked = part.connection
            bounds = _bounds(asked, question, after, newest_first=newest_first)
            if part.start:
                bounds.append(audit_event.c.seq >= part.start)
            left = limit - len(rows)
            statement = _statement(asked, question, bounds, left, newest_first=newest_first)
            rows += asked.execute(statement).all()
            if len(rows) == limit:
                break
    return rows


def _bounds(
    connection: Connection, question: Question, after: int | None, *, newest_first: bool
) -> list[ColumnElement[bool]]:
    """The sequence numbers to look at. Time grows with them, so moments become numbers too."""
    seq = audit_event.c.seq
    bounds: list[ColumnElement[bool]] = []
    if after is not None:
        bounds.append(seq < after if newest_first else seq > after)
    for moment, is_start in ((question.since, True), (question.until, False)):
        if moment is None:
            continue
        first = _first_at_or_after(connection, moment)
        if first is not None:
            bounds.append(seq >= first if is_start else seq < first)
        elif is_start:
            bounds.append(seq < 0)
    return bounds


def _first_at_or_after(connection: Connection, moment: int) -> int | None:
    t = audit_event.c.t
    next_t = select(func.min(t)).where(t >= moment).scalar_subquery()
    first: int | None = connection.scalar(select(func.min(audit_event.c.seq)).where(t == next_t))
    return first


def _statement(
    connection: Connection,
    question: Question,
    bounds: list[ColumnElement[bool]],
    limit: int,
    *,
    newest_first: bool,
) -> Select[tuple[int, bytes]]:
    """The page by the index that leads there soonest; the other conditions only filter.

    Left to itself SQLite, which has no statistics, walks all reads of all people to find those
    of one, or sorts half of the log to show a page of it.
    """
    seq = audit_event.c.seq
    order = seq.desc() if newest_first else seq.asc()
    wanted = select(seq, audit_event.c.body).order_by(order).limit(limit)
    if question.actor:
        is_actor = audit_event.c.actor == question.actor
        return wanted.where(is_actor, *bounds, *_filters(question, connection, "actor"))
    if question.resource and not question.below:
        is_resource = audit_event.c.resource == _path(question.resource)
        return wanted.where(is_resource, *bounds, *_filters(question, connection, "resource"))
    if question.resource:
        at_or_below = _at_or_below(audit_event.c.resource, question.resource, connection)
        if _few(connection, at_or_below):
            return wanted.where(at_or_below, *bounds, *_filters(question, connection, "resource"))
    if not question.kind and question.outcome is None:
        return wanted.where(*bounds, *_filters(question, connection))
    # The index on (kind, outcome, seq) is in the order of seq within one kind and outcome only:
    # the first few of each pair, merged, are the first few of all.
    filters = _filters(question, connection, "kind", "outcome")
    each = [
        select(seq)
        .where(audit_event.c.kind == kind, audit_event.c.outcome == outcome, *bounds, *filters)
        .order_by(order)
        .limit(limit)
        .subquery()
        for kind in ([question.kind] if question.kind else sorted(KINDS))
        for outcome in ([question.outcome] if question.outcome else OUTCOMES)
    ]
    return wanted.where(seq.in_(union_all(*(select(one.c.seq) for one in each))))


def _filters(question: Question, connection: Connection, *done: str) -> list[ColumnElement[bool]]:
    """The conditions of the question except those done, out of the reach of any index."""
    row = audit_event.c
    filters = [
        _unindexed(row[name]) == value
        for name, value in (
            ("kind", question.kind),
            ("outcome", question.outcome),
            ("actor", question.actor),
            ("department", question.department),
        )
        if value and name not in done
    ]
    if question.resource and "resource" not in done:
        resource = _unindexed(row.resource)
        filters.append(
            _at_or_below(resource, question.resource, connection)
            if question.below
            else resource == _path(question.resource)
        )
    return filters


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    return column.concat("")


def _at_or_below(
    resource: ColumnElement[str], path: str, connection: Connection
) -> ColumnElement[bool]:
    # Compared byte by byte on either engine; "0" follows "/" in ASCII.
    path = _path(path)
    column = resource.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    return or_(column == path, and_(column > f"{path}/", column < f"{path}0"))


def _path(resource: str) -> str:
    return unicodedata.normalize("NFC", resource).rstrip("/")


def _few(connection: Connection, condition: ColumnElement[bool]) -> bool:
    """Whether so few events fulfil the condition that sorting them is quicker than the log."""
    some = select(audit_event.c.seq).where(condition).limit(FEW + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= FEW
